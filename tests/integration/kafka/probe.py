"""kafka_probe as an object: a bus on a real broker, in a process of its own, told what to do line by line."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable

WAIT_S = 30.0


class Probe:
    """opened: what bus_kafka_open said, {"class": …, "text": …}. Events and answers are kept in the order they came."""

    def __init__(self, stack, group: str = "g.v1", inputs: str = "validation-events,control", outputs: str = "validation-events,control",
                 prefix: str | None = None, brokers: str | None = None):
        self.lines: list[dict] = []
        self._changed = threading.Condition()
        self._sent = 0
        self._stopped = False
        self._log = open(stack.home.log / f"probe-{time.monotonic_ns()}.log", "wb")
        self.process = subprocess.Popen(
            [str(stack.build_folder / "bin" / "kafka_probe"), brokers or stack.kafka.bootstrap, prefix or stack.prefix, group, inputs, outputs],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.opened = self._next_answer("open", 0)

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait(self, condition: Callable[[list[dict]], object], what: str, timeout_s: float = WAIT_S):
        """The condition on all lines so far, once it is true."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not (value := condition(self.lines)):
                if not self._changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"waited {timeout_s} s in vain for {what}; the last lines: {self.lines[-10:]}")
            return value

    def _next_answer(self, did: str, start: int) -> dict:
        return self.wait(lambda lines: next((line for line in lines[start:] if line.get("did") == did), None), f"the answer to {did}")

    def tell(self, *words: object) -> dict:
        start = len(self.lines)
        self.process.stdin.write((" ".join(str(word) for word in words) + "\n").encode())
        self.process.stdin.flush()
        return self._next_answer("send" if words[0] == "tombstone" else str(words[0]), start)

    def do(self, *words: object) -> dict:
        answer = self.tell(*words)
        assert answer["class"] == "none", answer
        return answer

    def do_again(self, *words: object) -> dict:
        """As do, again while it says RETRY, as a lane would: a broker that has just started isn't the leader yet."""
        deadline = time.monotonic() + WAIT_S
        while (answer := self.tell(*words))["class"] == "retry" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert answer["class"] == "none", answer
        return answer

    def assign(self, *words: object) -> None:
        self.do_again("assign", *words)

    def send(self, topic: str, count: int, key: str, *trace: str) -> None:
        """Returns when the broker has every record."""
        self.do("send", topic, count, key, *trace)
        self._sent += count
        self.wait_sent(self._sent)

    def wait_sent(self, count: int, timeout_s: float = WAIT_S) -> None:
        self.wait(lambda lines: len(self.of("report")) >= count, f"{count} reports", timeout_s)

    def of(self, event: str) -> list[dict]:
        return [line for line in self.lines if line.get("event") == event]

    def records(self, topic: str | None = None) -> list[dict]:
        return [r for r in self.of("record") if topic in (None, r["topic"])]

    def wait_records(self, count: int, topic: str | None = None, timeout_s: float = WAIT_S) -> list[dict]:
        return self.wait(lambda lines: self.records(topic) if len(self.records(topic)) >= count else None,
                         f"{count} records", timeout_s)

    def slots(self) -> set[int] | None:
        """What is assigned now; None: nothing yet, or revoked."""
        for line in reversed(self.lines):
            if line.get("event") == "assigned":
                return set(line["slots"])
            if line.get("event") == "revoked":
                return None
        return None

    def wait_slots(self, slots: set[int] | None = None, count: int | None = None, timeout_s: float = WAIT_S) -> set[int]:
        def there(lines):
            now = self.slots()
            if now is None or (slots is not None and now != slots) or (count is not None and len(now) != count):
                return None
            return (now,)
        return self.wait(there, f"the slots {slots if slots is not None else count}", timeout_s)[0]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self._stopped = number == signal.SIGSTOP

    def close(self) -> int:
        """Leaves the group. Again: nothing."""
        if self._stopped:
            self.signal(signal.SIGCONT)
        if self.process.poll() is None and not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            return self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._reader.join(WAIT_S)
            self._log.close()
