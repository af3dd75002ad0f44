"""The commands up, down, status, logs and demo."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path

from . import demo, services
from .errors import LocalError
from .stack import INFRASTRUCTURE, Stack
from .state import default_home


def _names(text: str) -> list[str]:
    return [name for name in re.split(r"[,\s]+", text) if name]


def _settings(entries: list[str]) -> dict[str, dict[str, str]]:
    """["inventory:hold_max=3s", "*:log_level=debug"] by service."""
    found: dict[str, dict[str, str]] = {}
    for entry in entries:
        match = re.fullmatch(r"([\w*-]+):(\w+)=(.*)", entry, re.DOTALL)
        if not match:
            raise LocalError(f"{entry}: not SERVICE:KEY=VALUE")
        name, key, value = match.groups()
        if name != "*":
            services.program(re.sub(r"-\d+$", "", name))
        found.setdefault(name, {})[key.upper()] = value
    return found


def _up(options: argparse.Namespace) -> None:
    infrastructure = _names(options.only) if options.only is not None else list(INFRASTRUCTURE)
    if options.services is not None:
        names = _names(options.services)
    else:
        names = [] if options.only is not None else list(services.SERVICE_NAMES)
    if options.doubles:
        names += services.DOUBLE_NAMES
    settings = _settings(options.set) if options.set else None
    stack = Stack(default_home(), Path(options.build).absolute() if options.build else None, settings=settings, small=options.small)
    stack.up(names, infrastructure, do_build=not options.no_build)
    _print_table(stack.status())


def _down(options: argparse.Namespace) -> None:
    Stack(default_home()).down(wipe=options.wipe)


def _status(options: argparse.Namespace) -> int:
    stack = _existing()
    status = stack.status()
    if options.json:
        print(json.dumps(status, indent=2))
    elif options.env:
        print(stack.shell_lines(), end="")
    else:
        _print_table(status)
    return 0 if status["state"] == "ready" else 3


def _existing() -> Stack:
    home = default_home()
    if not (home / "state.json").exists():
        raise LocalError(f"nothing has been started in {home}; deploy/local/up starts a stack")
    return Stack(home)


def _print_table(status: dict) -> None:
    rows = [("PROCESS", "STATE", "PID", "ADDRESS")]

    def add(part: dict, address: str) -> None:
        rows.append((part["name"], part["state"], str(part["pid"] or "-"), address))

    if status["postgres"]:
        add(status["postgres"], f"127.0.0.1:{status['postgres']['port']}/{status['postgres']['database']}")
    if status["kafka"]:
        add(status["kafka"], status["kafka"]["bootstrap"])
    for group in ("services", "doubles"):
        for item in status[group].values():
            for instance in item["instances"]:
                add(instance, instance["url"])
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join([*(row[column].ljust(widths[column]) for column in range(3)), row[3]]))


def _logs(options: argparse.Namespace) -> None:
    log = _existing().home.log
    files = sorted(log.glob("*.log"))
    if options.name:
        files = [file for file in files if file.stem == options.name or re.fullmatch(re.escape(options.name) + r"-\d+", file.stem)]
        if not files:
            raise LocalError(f"no log of {options.name}; there are {', '.join(sorted(f.stem for f in log.glob('*.log')))}")
    arguments = ["tail", "-n", str(options.lines), *(["-F"] if options.follow else []), *map(str, files)]
    os.execvp("tail", arguments)


def _demo(options: argparse.Namespace) -> None:
    demo.run(demo.Demo(Stack(default_home(), settings=demo.SETTINGS), Path(options.orders).absolute() if options.orders else None), options.keep)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deploy/local", description="A private orderclerk stack on this machine. Its folder is "
                                     ".local, or ORDERCLERK_HOME.")
    commands = parser.add_subparsers(dest="command", required=True)

    up = commands.add_parser("up", help="start what isn't running: database, broker, topics, services", description=_up_text)
    up.add_argument("--only", metavar="PARTS", help="of kafka,postgres only these, and no service unless --services names it")
    up.add_argument("--services", metavar="NAMES", help="these services or doubles only, comma-separated")
    up.add_argument("--doubles", action="store_true", help="also the doubles: " + ", ".join(services.DOUBLE_NAMES))
    up.add_argument("--set", action="append", default=[], metavar="SERVICE:KEY=VALUE",
                    help="a setting of one service, of one process (intake-2) or of all (*); kept until the next --set")
    up.add_argument("--build", metavar="FOLDER", help="binaries from here (default build)")
    up.add_argument("--no-build", action="store_true", help="take the binaries as they are")
    up.add_argument("--small", action="store_true", help="a smaller, sooner started broker and database, for tests")
    up.set_defaults(run=_up)

    down = commands.add_parser("down", help="stop what `up` has started; data stays")
    down.add_argument("--wipe", action="store_true", help="delete data, logs and secrets too")
    down.set_defaults(run=_down)

    status = commands.add_parser("status", help="processes, addresses, connection strings; exit status 3 unless all are ready")
    form = status.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument("--env", action="store_true", help='for a shell: eval "$(deploy/local/status --env)"')
    status.set_defaults(run=_status)

    logs = commands.add_parser("logs", help="the logs of all processes or of one")
    logs.add_argument("name", nargs="?", help="a service, a process (intake-2), kafka or postgres")
    logs.add_argument("-f", "--follow", action="store_true")
    logs.add_argument("-n", "--lines", type=int, default=50)
    logs.set_defaults(run=_logs)

    demo_command = commands.add_parser("demo", help="the whole desk on a file of orders")
    demo_command.add_argument("--keep", action="store_true", help="leave it running")
    demo_command.add_argument("orders", nargs="?", help="folder of test data, as tests/data/generate.py makes it")
    demo_command.set_defaults(run=_demo)
    return parser


_up_text = ("Starts a private PostgreSQL and Kafka with roles, schemas and topics, builds, migrates and starts the services, and "
            "returns when all are ready. Again: starts what is missing.")


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except LocalError as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{options.command}: interrupted", file=sys.stderr)
        return 130
