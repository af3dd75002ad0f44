"""What a stack consists of: one table for the services, one for the doubles of the outside world."""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import LocalError
from .state import REPOSITORY

# Values in `settings` may name addresses of the stack: {intake} is the URL of its first process, {mail:smtp} a second
# port of a double as host:port. Keys are setting names without ORDERCLERK_.


@dataclass(frozen=True)
class Service:
    name: str  # also its schema; its role is orderclerk_<name>
    binary: str  # in build/bin
    processes: int
    settings: dict[str, str] = field(default_factory=dict)
    database = True
    grace_s = 15.0  # SIGTERM: finish the batch, publish, leave the group

    def command(self, build) -> list[str]:
        return [str(build / "bin" / self.binary)]

    def ports(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class Double:
    """A Python program of tests/doubles that plays a part of the outside world. It serves GET /ready on HTTP_LISTEN and
    knows Kafka, HTTP, SMTP and proto/ only; `extra_ports` become settings like SMTP_LISTEN. Its options are in its --help."""

    name: str
    extra_ports: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    processes = 1
    database = False
    grace_s = 5.0

    def command(self, build) -> list[str]:
        return ["/usr/bin/python3", str(REPOSITORY / "tests" / "doubles" / f"{self.name}.py")]

    def ports(self) -> tuple[str, ...]:
        return self.extra_ports


SERVICES = (
    Service("intake", "intake", 2),
    Service("validator", "validator", 1),
    Service("inventory", "inventory", 2),
    Service("fulfillment", "fulfillment-tracker", 1),
    Service("notifier", "notifier", 1, settings={"SMTP_URL": "smtp://{mail:smtp}"}),
    Service("orchestrator", "orchestrator", 2),
    Service("desk", "desk", 1),
)

DOUBLES = (
    Double("warehouse", settings={"FULFILLMENT": "{fulfillment}", "CARRIER": "{carrier}"}),
    Double("carrier", settings={"FULFILLMENT": "{fulfillment}"}),
    Double("mail", extra_ports=("smtp",)),
    Double("departments", settings={"INTAKE": "{intake}"}),
    Double("customer", settings={"INTAKE": "{intake}", "DESK": "{desk}", "MAIL": "{mail}"}),
)

TOOLS = ("orderctl",)  # built with the services: what a person uses beside them

PROGRAMS: dict[str, Service | Double] = {program.name: program for program in (*SERVICES, *DOUBLES)}
SERVICE_NAMES = tuple(service.name for service in SERVICES)
DOUBLE_NAMES = tuple(double.name for double in DOUBLES)


def program(name: str) -> Service | Double:
    if name not in PROGRAMS:
        raise LocalError(f"no service or double is called {name}; there are {', '.join(PROGRAMS)}")
    return PROGRAMS[name]


def instance(name: str, index: int) -> str:
    """Doubles run once and keep their plain name."""
    return f"{name}-{index}" if name in SERVICE_NAMES else name
