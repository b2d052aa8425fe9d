"""What Vector makes of files, by Vector's own language: the program of vector.toml, run by its real interpreter.

    pipeline.py VECTOR_TOML FILE...

Writes a row a line: the table that it is for, and the row. A program of its own, for it asks for the host's name.
"""

import json
import os
import socket
import sys
import tomllib
from pathlib import Path

from vrl_python import VRLRuntime


def main(config: str, *files: str) -> None:
    program = tomllib.loads(Path(config).read_text())["transforms"]["lines"]["source"]
    vrl = VRLRuntime()
    vrl.compile(program)
    os.environ.pop("NODE_NAME", None)
    for file in files:
        for line in Path(file).read_bytes().split(b"\n"):
            if line:
                # The fields that the file source gives.
                event = {
                    "message": line.decode("utf-8", "replace"),
                    "file": file,
                    "host": socket.gethostname(),
                    "source_type": "file",
                }
                row = vrl.execute(program, event).processed_event
                print(json.dumps(["unread" if "why" in row else "lines", row]))


if __name__ == "__main__":
    main(*sys.argv[1:])
