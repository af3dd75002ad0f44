"""A small HTTP client: a kept connection per thread and address, and retries that repeat the very same request."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

_local = threading.local()
RETRY_AFTER_MAX_S = 5.0


@dataclass
class Response:
    status: int  # 0: no answer
    headers: dict[str, str]
    body: bytes
    error: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> object:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def _connection(scheme: str, host: str, port: int, timeout_s: float) -> http.client.HTTPConnection:
    kept = _local.__dict__.setdefault("connections", {})
    connection = kept.get((scheme, host, port))
    if connection is None:
        if scheme != "http":
            raise ValueError(f"{scheme}: the doubles speak plain HTTP only")
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        kept[scheme, host, port] = connection
    if connection.sock is None:
        connection.timeout = timeout_s
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    else:
        connection.sock.settimeout(timeout_s)
    return connection


def call(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None, timeout_s: float = 15) -> Response:
    """One try; an unusable kept connection is opened again once. Never raises for network trouble: status 0."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    for fresh in (False, True):
        reused = False
        try:
            kept = getattr(_local, "connections", {}).get((parts.scheme, parts.hostname, parts.port or 80))
            reused = kept is not None and kept.sock is not None
            connection = _connection(parts.scheme, parts.hostname, parts.port or 80, timeout_s)
            connection.request(method, path or "/", body, headers or {})
            answer = connection.getresponse()
            data = answer.read()
            return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, data)
        except (OSError, http.client.HTTPException) as error:
            getattr(_local, "connections", {}).pop((parts.scheme, parts.hostname, parts.port or 80), None)
            if fresh or not reused or isinstance(error, TimeoutError):
                return Response(0, {}, b"", f"{type(error).__name__}: {error}")
    raise AssertionError("both tries return")


def retryable(status: int) -> bool:
    return status in (0, 408, 425, 429) or status >= 500


def call_until(method: str, url: str, body: bytes | None, headers: Callable[[], dict[str, str]] | dict[str, str],
               give_up: Callable[[], bool], timeout_s: float = 15, max_wait_s: float = 2.0,
               on_try: Callable[[Response], None] | None = None) -> Response:
    """Repeats the request until it has an answer that isn't worth a retry, or `give_up()`. Waits with jitter, or as told by
    Retry-After. `headers` may be a function: a signature's timestamp is new on each try."""
    wait_s = 0.05
    while True:
        response = call(method, url, body, headers() if callable(headers) else headers, timeout_s)
        if on_try:
            on_try(response)
        if not retryable(response.status) or give_up():
            return response
        asked = response.headers.get("retry-after", "")
        pause = min(float(asked), RETRY_AFTER_MAX_S) if asked.isdigit() else random.uniform(wait_s / 2, wait_s)
        wait_s = min(wait_s * 2, max_wait_s)
        end = time.monotonic() + pause
        while time.monotonic() < end and not give_up():
            time.sleep(min(0.1, pause))
