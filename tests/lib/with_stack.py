"""Runs a command beside a private stack: empty topics, an empty database with roles and schemas.

    python3 tests/lib/with_stack.py [--services intake,desk] [--only kafka,postgres] -- ctest -L sql

Its addresses are in the command's environment as `status --env` names them, but with ORDERCLERK_TEST_ for both its prefixes:
ORDERCLERK_TEST_KAFKA, _TOPIC_PREFIX, _PARTITIONS, _PG_ADMIN, _PG_MIGRATE, _PG_INTAKE …, _INTAKE_URL ….
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from stack import LocalError, Stack  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="kafka,postgres")
    parser.add_argument("--services", default="")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    try:
        with Stack([n for n in options.services.split(",") if n], infrastructure=[n for n in options.only.split(",") if n]) as stack:
            variables = {"ORDERCLERK_TEST_" + key.split("_", 1)[1]: value for key, value in stack.shell_variables().items()}
            return subprocess.run(options.command, env={**os.environ, **variables}).returncode
    except LocalError as error:
        print(f"with_stack: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
