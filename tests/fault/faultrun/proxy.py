"""A TCP proxy between the services and their database and broker, which can lose, delay, stall, throttle and freeze what passes.

Run as a program of its own (its work must not wait for the harness's threads): `proxy.py '{"pg-intake-1": ["pg", "/socket/path"], …}'`;
it prints {"ports": {name: port}} and then takes commands as JSON lines on standard input, answering each by one line, until that ends:
    {"set": {"delay_ms": 500}, "names": [...]}   faults of connections, as in Faults; what isn't named is off
    {"freeze": true, "names": [...]}             half-open: what is connected now passes nothing more, and is not closed
    {"cut": true, "names": [...]}                connections end with a reset
    {"lose_commit": 1, "names": [...]}           the answer of so many COMMITs: sent to the server, dropped once it has come, connection cut
    {"stats": true}
{"lost": name, "at": time} is printed whenever an answer was lost. Kinds: "pg" knows the wire protocol's frames, "raw" nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import sys
import time
from dataclasses import dataclass, field

CHUNK_BYTES = 64 * 1024
PIECE_BYTES = 2048  # of a throttled line
HEAD_BYTES = 256  # of a frame's body: names and the beginning of a statement
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"  # CommandComplete


@dataclass
class Faults:
    delay_ms: float = 0.0  # each chunk, each way
    stall: float = 0.0  # share of chunks that wait …
    stall_ms: float = 200.0  # … so long: a retransmission's time
    rate: float = 0.0  # bytes per second and way; 0: no limit


class Frames:
    """Watches a client's side of a PostgreSQL connection; says of each chunk whether a COMMIT is executed in it."""

    def __init__(self) -> None:
        self._typed = False  # the startup message has no type
        self._head = b""
        self._need = 0  # bytes of the current frame still to come
        self._body = b""
        self._kind = b""
        self._commits: set[bytes] = set()  # prepared statements

    def feed(self, data: bytes) -> bool:
        commit = False
        at = 0
        while at < len(data):
            if self._need == 0:
                size = 5 if self._typed else 4
                take = min(size - len(self._head), len(data) - at)
                self._head += data[at:at + take]
                at += take
                if len(self._head) < size:
                    break
                self._kind = self._head[:1] if self._typed else b""
                self._need = struct.unpack("!I", self._head[-4:])[0] - 4
                self._head, self._body = b"", b""
            else:
                take = min(self._need, len(data) - at)
                if len(self._body) < HEAD_BYTES:
                    self._body += data[at:at + min(take, HEAD_BYTES)]
                self._need -= take
                at += take
            if self._need == 0 and not self._head:
                commit = self._frame() or commit
        return commit

    def _frame(self) -> bool:
        kind, self._kind, self._typed = self._kind, b"", True
        if kind == b"P":
            name, statement = self._body.split(b"\0", 2)[:2]
            if statement.strip().upper() == b"COMMIT":
                self._commits.add(name)
            else:
                self._commits.discard(name)
        elif kind == b"B":
            return self._body.split(b"\0", 2)[1] in self._commits
        elif kind == b"Q":
            return self._body.split(b"\0", 1)[0].strip().upper() == b"COMMIT"
        return False


@dataclass
class Route:
    name: str
    kind: str
    target: str  # path of a socket, or host:port
    faults: Faults = field(default_factory=Faults)
    lose_commit: int = 0
    links: set["Link"] = field(default_factory=set)
    connections: int = 0
    bytes: int = 0


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy: "Proxy", route: Route):
        self.proxy, self.route = proxy, route
        self.frozen = self.losing = False
        self.writers: list[asyncio.StreamWriter] = []
        self.frames = Frames() if route.kind == "pg" else None

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        route = self.route
        route.connections += 1
        self.writers.append(writer)
        try:
            if route.target.startswith("/"):
                server_reader, server_writer = await asyncio.open_unix_connection(route.target, limit=CHUNK_BYTES)
            else:
                host, port = route.target.rsplit(":", 1)
                server_reader, server_writer = await asyncio.open_connection(host, int(port), limit=CHUNK_BYTES)
                nodelay(server_writer)
        except OSError:
            self.cut()
            return
        nodelay(writer)
        self.writers.append(server_writer)
        route.links.add(self)
        pumps = [asyncio.create_task(self._pump(reader, server_writer, True)), asyncio.create_task(self._pump(server_reader, writer, False))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        while self.frozen and not all(pump.done() for pump in pumps):  # half-open: one side's end doesn't reach the other
            await asyncio.wait([pump for pump in pumps if not pump.done()])
        for pump in pumps:
            pump.cancel()
        self.cut()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, from_client: bool) -> None:
        tail = b""
        while True:
            try:
                data = await reader.read(CHUNK_BYTES)
            except OSError:
                return
            if not data:
                return
            if self.frozen:
                continue
            self.route.bytes += len(data)
            if from_client and self.frames is not None and self.frames.feed(data) and self.route.lose_commit > 0:
                self.route.lose_commit -= 1
                self.losing = True
            if self.losing and not from_client:
                tail = (tail + data)[-CHUNK_BYTES:]
                if COMMITTED in tail:
                    self.proxy.say({"lost": self.route.name, "at": time.time()})
                    return
                continue
            step = PIECE_BYTES if self.route.faults.rate else len(data)  # a slow line trickles, it doesn't fall silent
            for start in range(0, len(data), step):
                piece = data[start:start + step]
                await self._hold_up(len(piece), start == 0)
                try:
                    writer.write(piece)
                    await writer.drain()
                except OSError:
                    return

    async def _hold_up(self, size: int, first: bool) -> None:
        faults = self.route.faults
        wait = faults.delay_ms if first else 0.0
        if first and faults.stall and self.proxy.random.random() < faults.stall:
            wait += faults.stall_ms
        if faults.rate:
            wait += size / faults.rate * 1000
        if wait:
            await asyncio.sleep(wait / 1000)

    def cut(self) -> None:
        self.route.links.discard(self)
        for writer in self.writers:
            writer.transport.abort()


def nodelay(writer: asyncio.StreamWriter) -> None:
    made = writer.get_extra_info("socket")
    if made.family != socket.AF_UNIX:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Proxy:
    def __init__(self, routes: dict[str, Route], seed: int):
        self.routes = routes
        self.random = random.Random(seed)

    @staticmethod
    def say(document: dict) -> None:
        print(json.dumps(document), flush=True)

    async def serve(self) -> None:
        ports = {}
        for route in self.routes.values():
            def connected(reader, writer, route=route):
                return Link(self, route).run(reader, writer)
            server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=CHUNK_BYTES)
            ports[route.name] = server.sockets[0].getsockname()[1]
        self.say({"ports": ports})
        commands = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        while line := await commands.readline():
            self.say(self.command(json.loads(line)))

    def command(self, command: dict) -> dict:
        if "stats" in command:
            return {"stats": {route.name: {"connections": route.connections, "open": len(route.links), "bytes": route.bytes} for route in self.routes.values()}}
        touched = 0
        for name in command["names"]:
            route = self.routes[name]
            if "set" in command:
                route.faults = Faults(**command["set"])
            if "lose_commit" in command:
                route.lose_commit = command["lose_commit"]
            for link in list(route.links):
                touched += 1
                if "freeze" in command:
                    link.frozen = True
                if "cut" in command:
                    link.cut()
        return {"done": touched}


def main() -> None:
    routes = {name: Route(name, kind, target) for name, (kind, target) in json.loads(sys.argv[1]).items()}
    try:
        asyncio.run(Proxy(routes, int(sys.argv[2]) if len(sys.argv) > 2 else 1).serve())
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
