"""proto/ as Python classes: `messages()["OrderEvent"]`. Compiled with protoc into build/python when a file has changed."""

from __future__ import annotations

import functools
import importlib
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
_PROTO = REPOSITORY / "proto"
_OUT = REPOSITORY / "build" / "python"


@functools.cache
def messages() -> dict[str, type]:
    """Every message of package orderclerk.v1 by its name."""
    files = sorted(_PROTO.rglob("*.proto"))
    stamp = _OUT / "stamp"
    newest = max(file.stat().st_mtime_ns for file in files)
    if not stamp.exists() or stamp.stat().st_mtime_ns < newest:
        _OUT.mkdir(parents=True, exist_ok=True)
        subprocess.run(["protoc", f"--proto_path={_PROTO}", f"--python_out={_OUT}", *map(str, files)], check=True)
        stamp.touch()
        os.utime(stamp, ns=(newest, newest))
    sys.path.insert(0, str(_OUT))
    found: dict[str, type] = {}
    for file in files:
        module = importlib.import_module(str(file.relative_to(_PROTO).with_suffix("")).replace("/", ".") + "_pb2")
        for name in module.DESCRIPTOR.message_types_by_name:
            found[name] = getattr(module, name)
    return found
