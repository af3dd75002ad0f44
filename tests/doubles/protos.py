"""The messages of proto/ as Python modules: made by protoc into a cache folder, named by the files' content.

    from protos import load
    pb = load()
    pb.department_replies.DepartmentReply(...)
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

PROTO = Path(__file__).resolve().parents[2] / "proto"
PACKAGE = "orderclerk/v1"

_loaded: SimpleNamespace | None = None


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orderclerk"


def generate() -> Path:
    """The folder with the generated modules. Safe to run in parallel: the folder appears whole, by a rename."""
    files = sorted(PROTO.glob(f"{PACKAGE}/*.proto"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    folder = _cache() / f"python-{digest.hexdigest()[:16]}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=folder.name + ".", dir=folder.parent))
    try:
        names = [str(file.relative_to(PROTO)) for file in files]
        subprocess.run(["protoc", f"--proto_path={PROTO}", f"--python_out={new}", *names], check=True)
        try:
            new.rename(folder)
        except OSError:  # another process was first
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


def load() -> SimpleNamespace:
    """Every file's module under its own name: load().orders.OrderRequest."""
    global _loaded
    if _loaded is None:
        folder = str(generate())
        if folder not in sys.path:
            sys.path.insert(0, folder)
        names = sorted(file.stem for file in PROTO.glob(f"{PACKAGE}/*.proto"))
        _loaded = SimpleNamespace(**{name: importlib.import_module(f"orderclerk.v1.{name}_pb2") for name in names})
    return _loaded
