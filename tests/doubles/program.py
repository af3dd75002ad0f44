"""What every double has: options from argv or ORDERCLERK_*, an HTTP server with /ready and /control, a clean end on SIGTERM."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from journal import Journal
from misbehave import Misbehaviour

SETTING = "ORDERCLERK_"
BODY_MAX = 16 * 1024 * 1024  # a feed registers whole files here


def tool_parser(purpose: str) -> argparse.ArgumentParser:
    """For programs that do one thing and end."""
    return argparse.ArgumentParser(description=purpose, formatter_class=argparse.ArgumentDefaultsHelpFormatter)


def options_parser(purpose: str, listen: str = "127.0.0.1:0") -> argparse.ArgumentParser:
    """For programs that serve until a signal: `listen` is the default address."""
    parser = tool_parser(purpose)
    parser.add_argument("--http-listen", default=listen, metavar="HOST:PORT")
    parser.add_argument("--instance", default="", metavar="NAME", help="name in log lines")
    parser.add_argument("--journal", default="", metavar="FILE", help="JSON lines of everything received and sent")
    Misbehaviour.add_options(parser)
    return parser


def parse(parser: argparse.ArgumentParser, argv: list[str] | None = None) -> argparse.Namespace:
    """argv wins over the environment (ORDERCLERK_HTTP_LISTEN for --http-listen), which wins over the default."""
    for action in parser._actions:
        text = os.environ.get(SETTING + action.dest.upper())
        if text is None or action.dest == "help":
            continue
        if isinstance(action, argparse._StoreTrueAction):
            action.default = text.lower() in ("1", "true", "yes")
        else:
            action.default = action.type(text) if action.type else text
            action.required = False
    return parser.parse_args(argv)


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


@dataclass
class Request:
    method: str
    path: str
    params: tuple[str, ...]  # groups of the route's pattern
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> dict:
        value = json.loads(self.body or b"null")
        if not isinstance(value, dict):
            raise ValueError("the body must be a JSON object")
        return value


@dataclass
class Answer:
    status: int
    body: object = None  # made JSON unless bytes
    content_type: str = "application/json"

    def data(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body, ensure_ascii=False).encode()


class HangUp(Exception):
    """Raised by a handler: the connection ends without an answer."""


Handler = Callable[[Request], Answer]


class Program:
    """One double: `route` its requests, then `run` until SIGTERM or SIGINT."""

    def __init__(self, name: str, options: argparse.Namespace):
        self.name = name
        self.instance = options.instance or name
        self.journal = Journal(options.journal)
        self.misbehaviour = Misbehaviour.of(options)
        self.stopping = threading.Event()
        self.ready: Callable[[], bool] = lambda: True
        self._routes: list[tuple[str, re.Pattern, Handler]] = []
        self._server = self._make_server(address(options.http_listen))
        self.route("GET", "/live", lambda request: Answer(200, {}))
        self.route("GET", "/ready", lambda request: Answer(200 if self.ready() and not self.stopping.is_set() else 503, {}))
        self.route("GET", "/control", lambda request: Answer(200, self.misbehaviour.as_dict()))
        self.route("PUT", "/control", self._control)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def say(self, text: str, **fields) -> None:
        print(json.dumps({"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "instance": self.instance, "text": text,
                          **fields}, ensure_ascii=False), flush=True)

    def route(self, method: str, pattern: str, handler: Handler) -> None:
        """`pattern` is a regular expression for the whole path; its groups become the request's params."""
        self._routes.append((method, re.compile(pattern), handler))

    def _control(self, request: Request) -> Answer:
        self.misbehaviour.change(request.json())
        self.journal.write("control", settings=self.misbehaviour.as_dict())
        return Answer(200, self.misbehaviour.as_dict())

    def answer(self, request: Request) -> Answer:
        other_method = False
        for method, pattern, handler in self._routes:
            found = pattern.fullmatch(request.path)
            if found is None:
                continue
            if method != request.method:
                other_method = True
                continue
            request.params = tuple(unquote(group) if group is not None else "" for group in found.groups())
            try:
                return handler(request)
            except (ValueError, KeyError, TypeError) as error:
                return Answer(400, {"title": "bad request", "detail": f"{type(error).__name__}: {error}"}, "application/problem+json")
        return Answer(405 if other_method else 404, {"title": "no such resource", "detail": request.path}, "application/problem+json")

    def _make_server(self, where: tuple[str, int]) -> ThreadingHTTPServer:
        program = self

        class RequestHandler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60
            disable_nagle_algorithm = True
            wbufsize = -1  # head and body in one segment

            def serve(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                if length > BODY_MAX:
                    self.send_error(413)
                    return
                url = urlsplit(self.path)
                query = {name: values[-1] for name, values in parse_qs(url.query).items()}
                request = Request(self.command, url.path, (), query, {k.lower(): v for k, v in self.headers.items()},
                                  self.rfile.read(length))
                try:
                    answer = program.answer(request)
                except HangUp:
                    self.close_connection = True
                    return
                data = answer.data()
                self.send_response(answer.status)
                self.send_header("content-type", answer.content_type)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                self.wfile.flush()

            do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = serve

            def log_message(self, format, *args) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request, client_address) -> None:
                error = sys.exc_info()[1]
                if not isinstance(error, (ConnectionError, TimeoutError)):
                    super().handle_error(request, client_address)

        return Server(where, RequestHandler)

    def run(self, background: Callable[[], None] | None = None) -> None:
        """Serves until a signal; `background` (if any) runs on the main thread and must end when `stopping` is set."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        thread.start()
        self.say("listening", port=self.port)
        try:
            if background:
                background()
            while not self.stopping.is_set():
                self.stopping.wait(1)
        finally:
            self.stopping.set()
            self._server.shutdown()
            self._server.server_close()
            self.say("stopped")
            self.journal.close()
