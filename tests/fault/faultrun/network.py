"""The network between services and their database and broker: answers lost, connections half-open, slow and lossy."""

from __future__ import annotations

from collections.abc import Callable

from oclocal import services

from faultrun.injection import Run
from faultrun.rig import BROKER_ROUTE, INSTANCES, instances

FIRE_S = 120
BATCHES = 5  # made while the network is bad
DELAY_MS = 500
LOSS, LOSS_MS = 0.05, 250  # share of segments that have to be sent again, and the time that takes
HALF_OPEN_BROKER = "half-open broker"


def database_routes() -> list[str]:
    return [f"pg-{instance}" for instance in instances()]


def lose_commit(run: Run, service: str) -> None:
    """COMMIT is sent and carried out, its answer lost, the connection cut: the service can't know."""
    rig, instance = run.rig, services.instance(service, 1)
    route = f"pg-{instance}"
    with run.injection("COMMIT answer lost", instance) as it:
        before = len([lost for lost in rig.proxy.lost if lost["lost"] == route])
        rig.proxy.tell([route], lose_commit=1)
        try:
            it.wait(lambda: len([lost for lost in rig.proxy.lost if lost["lost"] == route]) > before, FIRE_S, "a COMMIT of this process")
        finally:
            rig.proxy.tell([route], lose_commit=0)
        it.struck()
        it.watch_process(service, rig.process(service, 1))
        it.recovered()


def half_open(run: Run, service: str) -> None:
    """The connections to the database pass nothing more, and nobody says so."""
    rig, instance = run.rig, services.instance(service, 1)
    with run.injection("half-open database", instance) as it:
        it.watch_process(service, rig.process(service, 1))
        it.struck()
        it.line["connections"] = rig.proxy.tell([f"pg-{instance}"], freeze=True)["done"]
        it.recovered()
        rig.wait_ready(service, 1)


def half_open_broker(run: Run) -> None:
    """Likewise all connections of all services to the broker."""
    rig = run.rig
    with run.injection(HALF_OPEN_BROKER, "all services") as it:
        it.watch_published("orchestrator", rig.owned("orchestrator"))
        it.struck()
        it.line["connections"] = rig.proxy.tell([BROKER_ROUTE], freeze=True)["done"]
        try:
            it.recovered()
        finally:
            rig.proxy.tell([BROKER_ROUTE], cut=True)  # what is left of them: a peer's kernel would have given up


def bad_line(run: Run, kind: str, faults: dict, routes: list[str]) -> None:
    """Lasts until the orchestrator has made some batches over it."""
    rig = run.rig
    with run.injection(kind, "all services") as it:
        begun = sum(batch_no for batch_no, _ in rig.owned("orchestrator").values())
        it.watch_batches("orchestrator", rig.owned("orchestrator"))
        it.struck()
        rig.proxy.tell(routes, set=faults)
        try:
            it.recovered()
            it.wait(lambda: sum(batch_no for batch_no, _ in rig.owned("orchestrator").values()) >= begun + BATCHES, FIRE_S, "batches over a bad line")
        finally:
            rig.proxy.tell(routes, set={})


def delayed(run: Run) -> None:
    bad_line(run, "500 ms delay", {"delay_ms": DELAY_MS}, database_routes())


def lossy(run: Run) -> None:
    bad_line(run, "5 % loss", {"stall": LOSS, "stall_ms": LOSS_MS}, [*database_routes(), BROKER_ROUTE])


def jobs(run: Run, times: int) -> list[tuple[str, Callable[[], None]]]:
    """Those that hurt one service; each kind in turn, the ways in among the first."""
    made = []
    names = list(INSTANCES)
    for number in range(times):
        service = "intake" if number == 0 else run.draw.choice(names)
        fault = (lose_commit, lose_commit, half_open)[number % 3]
        made.append((service, lambda service=service, fault=fault: fault(run, service)))
    return made


def line_jobs(run: Run, times: int) -> list[tuple[str, Callable[[], None]]]:
    """Those that hurt all of them."""
    faults = (delayed, lossy, half_open_broker)
    return [("all", lambda fault=faults[number % len(faults)]: fault(run)) for number in range(times)]
