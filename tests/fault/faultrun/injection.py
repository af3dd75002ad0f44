"""One fault as it is made: counts only with work in flight, and the time is taken until work goes on."""

from __future__ import annotations

import time
from collections.abc import Callable

from faultrun.load import Load
from faultrun.record import RunFolder
from faultrun.rig import Rig

IN_FLIGHT_S = 60  # wait for work before a fault
RECOVERY_S = 180  # work that hasn't gone on by then is a failure
POLL_S = 0.02


class Vacuous(AssertionError):
    """A fault that proves nothing: nothing was under way, or it never happened."""


class Run:
    """What every fault needs."""

    def __init__(self, rig: Rig, load: Load, folder: RunFolder, draw, long: bool):
        self.rig, self.load, self.folder, self.draw, self.long = rig, load, folder, draw, long
        self.lines: list[dict] = []
        self.failures: list[str] = []
        self.notes: list[str] = []
        self.small_disk = False  # whether the database's can be filled
        self.injector = None  # of messages, once it's needed

    def injection(self, kind: str, target: str, point: str = "") -> "Injection":
        return Injection(self, kind, target, point)


class Injection:
    def __init__(self, run: Run, kind: str, target: str, point: str):
        self.run, self.line = run, {"kind": kind, "target": target, "point": point, "in_flight": 0, "recovered_s": None}
        self._struck = 0.0
        self._proceeds: Callable[[], bool] = lambda: True

    def __enter__(self) -> "Injection":
        run = self.run
        end = time.monotonic() + IN_FLIGHT_S
        while run.load.in_flight() == 0 and time.monotonic() < end and not run.load.errors:
            time.sleep(POLL_S)
        return self

    def __exit__(self, kind, error, trace) -> bool:
        if error is not None:
            self.line["error"] = f"{kind.__name__}: {error}"
            self.run.failures.append(f"{self.what()}: {self.line['error']}")
        elif self.line["in_flight"] == 0:
            self.line["error"] = "no work was in flight"
            self.run.failures.append(f"{self.what()}: {self.line['error']}")
        self.run.lines.append(self.line)
        self.run.folder.faults.write(**self.line)
        seconds = self.line["recovered_s"]
        print(f"  {self.what()}: {self.line['in_flight']} in flight, "
              + (self.line.get("error") or ("" if seconds is None else f"work goes on after {seconds:.1f} s{self._laps()}")), flush=True)
        return error is not None and isinstance(error, Exception)

    def what(self) -> str:
        return " ".join(filter(None, (self.line["kind"], self.line["target"], self.line["point"])))

    # ---- what counts as going on
    def watch_batches(self, service: str, slots: dict[int, tuple[int, int]]) -> None:
        """Some of these slots has a batch more."""
        def proceeds() -> bool:
            rows = self.run.rig.try_sql(f"SELECT p, batch_no FROM {service}.slot")
            return rows is not None and any(p in slots and batch_no > slots[p][0] for p, batch_no in rows)

        self._proceeds = proceeds

    def watch_published(self, service: str, slots: dict[int, tuple[int, int]]) -> None:
        """Some of these slots has published a batch that was not there yet."""
        def proceeds() -> bool:
            rows = self.run.rig.try_sql(f"SELECT p, published_no FROM {service}.slot")
            return rows is not None and any(p in slots and published_no > slots[p][0] for p, published_no in rows)

        self._proceeds = proceeds

    def watch_process(self, service: str, process) -> None:
        """The slots of a process; all of its service's if it has none."""
        rig = self.run.rig
        self.watch_batches(service, rig.owned(service, process) or rig.owned(service))

    # ---- the moment
    def struck(self) -> None:
        """Now: how much was under way, and the clock runs."""
        self._struck = time.monotonic()
        self.line["at"] = time.time()
        self.line["in_flight"] = self.run.load.in_flight()

    def lap(self, name: str) -> None:
        """When the fault had come so far, for whoever asks where the time went."""
        self.line[name] = round(time.monotonic() - self._struck, 3)

    def _laps(self) -> str:
        laps = [f"{name[:-2]} {self.line[name]:.1f}" for name in ("stopped_s", "ready_s") if name in self.line]
        return f" ({', '.join(laps)})" if laps else ""

    def wait(self, condition: Callable[[], object], timeout_s: float, what: str) -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end:
                raise Vacuous(f"waited {timeout_s:.0f} s in vain for {what}")
            time.sleep(POLL_S)

    def recovered(self) -> None:
        """Returns when work goes on. Long waits are failures, times are only told."""
        self.wait(self._proceeds, RECOVERY_S, "work to go on")
        self.line["recovered_s"] = round(time.monotonic() - self._struck, 3)
