"""Jobs to be done later: one timer thread over a heap, a few workers. Jobs that are not due yet are dropped at the end."""

from __future__ import annotations

import heapq
import itertools
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable


class Schedule:
    def __init__(self, workers: int):
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._queue: queue.SimpleQueue = queue.SimpleQueue()
        self._stopped = False
        self._threads = [threading.Thread(target=self._timer, daemon=True)]
        self._threads += [threading.Thread(target=self._worker, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    def after(self, seconds: float, job: Callable[[], None]) -> None:
        with self._changed:
            if self._stopped:
                return
            heapq.heappush(self._heap, (time.monotonic() + max(seconds, 0), next(self._numbers), job))
            self._changed.notify()

    def stop(self) -> None:
        """Waits for jobs that have begun (they must notice the end by themselves)."""
        with self._changed:
            self._stopped = True
            self._heap.clear()
            self._changed.notify()
        for _ in self._threads[1:]:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(timeout=5)

    def _timer(self) -> None:
        with self._changed:
            while not self._stopped:
                if not self._heap:
                    self._changed.wait()
                    continue
                wait = self._heap[0][0] - time.monotonic()
                if wait > 0:
                    self._changed.wait(wait)
                    continue
                self._queue.put(heapq.heappop(self._heap)[2])

    def _worker(self) -> None:
        while True:
            job = self._queue.get()
            if job is None:
                return
            try:
                job()
            except Exception:  # one job's trouble must not end the worker
                traceback.print_exc(file=sys.stderr)
