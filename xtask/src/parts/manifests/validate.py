"""Checks Kubernetes objects (YAML on standard input) and writes them as JSON: validate.py OWN_SCHEMAS VERSION...

OWN_SCHEMAS is a folder with KIND.schema.json for kinds that Kubernetes itself does not have. Every other object is held
against the strict schema of each version.
"""

import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml


def check(thing, folder, versions):
    schema = folder / f"{thing['kind'].lower()}.schema.json"
    if schema.exists():
        jsonschema.validate(thing, json.loads(schema.read_text()))
        return
    for version in versions:
        used = kubernetes_validate.validate(thing, version, strict=True)
        if used != version:
            raise LookupError(f"no schemas of Kubernetes {version}, only of {used}")


folder, versions = pathlib.Path(sys.argv[1]), sys.argv[2:]
things = [thing for thing in yaml.safe_load_all(sys.stdin) if thing]
for thing in things:
    name = f"{thing['kind']} {thing['metadata']['name']}"
    try:
        check(thing, folder, versions)
    except jsonschema.ValidationError as error:
        sys.exit(f"{name}: {error.json_path}: {error.message}")
    except kubernetes_validate.SchemaNotFoundError as error:
        sys.exit(f"{name}: {error.message}")
json.dump(things, sys.stdout)
