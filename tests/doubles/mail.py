#!/usr/bin/python3
"""A mail server that keeps what it gets: SMTP in, files and an index out, an HTTP API for whoever reads the mail.

SMTP: EHLO HELO AUTH MAIL RCPT DATA RSET NOOP VRFY QUIT with SIZE, 8BITMIME, SMTPUTF8, PIPELINING (RFC 5321).
GET /mails?to=&order=&kind=&since=N&wait=MS: {"next": N, "mails": [...]}; since counts mails, wait holds the answer until there is one.
GET /mails/{number}: the message as received.
--keep FOLDER: every message as <number>.eml and index.jsonl. A Message-ID seen before is kept again and marked `repeat`.

Misbehaviour: `fail` answers 451, --refuse (a share) answers 554, `slow` delays the final answer, `silent` never gives one,
`twice` doesn't apply: a mail server doesn't send.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

from program import Answer, Program, Request, address, options_parser, parse

MESSAGE_MAX = 10 * 1024 * 1024
LINE_MAX = 64 * 1024
RECIPIENTS_MAX = 100
WAIT_MAX_MS = 30_000


class Box:
    """The mails received, by number from 0. Thread-safe."""

    def __init__(self, folder: str):
        self._changed = threading.Condition()
        self._mails: list[dict] = []
        self._raw: list[bytes] = []
        self._ids: set[str] = set()
        self._folder = Path(folder) if folder else None
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            for line in self._lines():
                mail = json.loads(line)
                self._mails.append(mail)
                self._ids.add(mail["message_id"])
                self._raw.append((self._folder / f"{mail['number']:06d}.eml").read_bytes())

    def _lines(self) -> list[str]:
        index = self._folder / "index.jsonl"
        return index.read_text(encoding="utf-8").splitlines() if index.exists() else []

    def add(self, sender: str, recipients: list[str], raw: bytes) -> dict:
        message = email.message_from_bytes(raw, policy=email.policy.default)
        body = message.get_body(preferencelist=("plain", "html"))
        headers = {}
        for name, value in message.items():
            headers.setdefault(name.lower(), str(value))
        mail = {"from": sender, "to": recipients, "message_id": headers.get("message-id", ""), "subject": headers.get("subject", ""),
                "order": headers.get("x-orderclerk-order", ""), "kind": headers.get("x-orderclerk-kind", ""), "headers": headers,
                "body": body.get_content() if body is not None else "", "at_us": time.time_ns() // 1000}
        with self._changed:
            mail["number"] = len(self._mails)
            mail["repeat"] = mail["message_id"] in self._ids
            self._ids.add(mail["message_id"])
            if self._folder:
                (self._folder / f"{mail['number']:06d}.eml").write_bytes(raw)
                with open(self._folder / "index.jsonl", "a", encoding="utf-8") as index:
                    index.write(json.dumps(mail, ensure_ascii=False) + "\n")
            self._mails.append(mail)
            self._raw.append(raw)
            self._changed.notify_all()
        return mail

    def find(self, since: int, wait_s: float, filters: dict[str, str]) -> tuple[int, list[dict]]:
        end = time.monotonic() + wait_s
        with self._changed:
            while True:
                found = [mail for mail in self._mails[since:] if self._fits(mail, filters)]
                left = end - time.monotonic()
                if found or left <= 0:
                    return len(self._mails), found
                self._changed.wait(left)

    @staticmethod
    def _fits(mail: dict, filters: dict[str, str]) -> bool:
        return (("to" not in filters or filters["to"] in mail["to"]) and ("order" not in filters or filters["order"] == mail["order"])
                and ("kind" not in filters or filters["kind"] == mail["kind"]))

    def raw(self, number: int) -> bytes | None:
        with self._changed:
            return self._raw[number] if 0 <= number < len(self._raw) else None


class Session:
    """One SMTP connection."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._server = server
        self._reader = reader
        self._writer = writer
        self._sender: str | None = None
        self._recipients: list[str] = []

    async def _say(self, *lines: str) -> None:
        for at, line in enumerate(lines):
            code, text = line[:3], line[4:]
            self._writer.write(f"{code}{' ' if at == len(lines) - 1 else '-'}{text}\r\n".encode())
        await self._writer.drain()

    async def run(self) -> None:
        await self._say("220 mail.example ESMTP")
        while True:
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                return
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            handler = getattr(self, f"_{verb.lower()}", None) if verb.isalpha() else None
            if handler is None or verb.lower() in ("say", "path"):
                await self._say("500 command not recognised")
                continue
            if await handler(rest) is False:
                return

    async def _ehlo(self, rest: str) -> None:
        self._sender, self._recipients = None, []
        await self._say("250 mail.example", f"250 SIZE {MESSAGE_MAX}", "250 8BITMIME", "250 SMTPUTF8", "250 PIPELINING", "250 AUTH PLAIN LOGIN")

    async def _helo(self, rest: str) -> None:
        self._sender, self._recipients = None, []
        await self._say("250 mail.example")

    async def _auth(self, rest: str) -> None:
        """Any user and password will do."""
        mechanism, _, initial = rest.partition(" ")
        prompts = {"PLAIN": [""], "LOGIN": ["VXNlcm5hbWU6", "UGFzc3dvcmQ6"]}.get(mechanism.upper())
        if prompts is None:
            await self._say("504 mechanism not supported")
            return
        for prompt in prompts[1 if initial else 0 :]:
            await self._say(f"334 {prompt}")
            await self._reader.readline()
        await self._say("235 welcome")

    @staticmethod
    def _path(rest: str, word: str) -> str | None:
        if not rest.upper().startswith(word) or "<" not in rest or ">" not in rest:
            return None
        return rest[rest.index("<") + 1 : rest.index(">")]

    async def _mail(self, rest: str) -> None:
        path = self._path(rest, "FROM:")
        if path is None:
            await self._say("501 MAIL FROM:<address>")
            return
        self._sender, self._recipients = path, []
        await self._say("250 ok")

    async def _rcpt(self, rest: str) -> None:
        path = self._path(rest, "TO:")
        if self._sender is None:
            await self._say("503 MAIL first")
        elif not path or "@" not in path:
            await self._say("501 RCPT TO:<address>")
        elif len(self._recipients) == RECIPIENTS_MAX:
            await self._say("452 too many recipients")
        else:
            self._recipients.append(path)
            await self._say("250 ok")

    async def _data(self, rest: str) -> bool | None:
        if not self._recipients:
            await self._say("503 RCPT first")
            return None
        await self._say("354 go ahead")
        lines: list[bytes] = []
        size = 0
        while True:
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                return False
            if line == b".\r\n":
                break
            line = line[1:] if line.startswith(b".") else line
            size += len(line)
            if size <= MESSAGE_MAX:
                lines.append(line)
        if size > MESSAGE_MAX:
            await self._say("552 message too large")
            return None
        answer = await self._server.take(self._sender or "", self._recipients, b"".join(lines))
        self._sender, self._recipients = None, []
        if answer is None:
            await self._server.stopped.wait()
            return False
        await self._say(answer)
        return None

    async def _rset(self, rest: str) -> None:
        self._sender, self._recipients = None, []
        await self._say("250 ok")

    async def _noop(self, rest: str) -> None:
        await self._say("250 ok")

    async def _vrfy(self, rest: str) -> None:
        await self._say("252 try it")

    async def _quit(self, rest: str) -> bool:
        await self._say("221 bye")
        return False


class Server:
    def __init__(self, program: Program, box: Box, refuse: float):
        self._program = program
        self._box = box
        self._refuse = refuse
        self._tries: dict[str, int] = {}
        self.stopped = asyncio.Event()

    async def take(self, sender: str, recipients: list[str], raw: bytes) -> str | None:
        """The answer to DATA; None: none is given."""
        message_id = email.message_from_bytes(raw, policy=email.policy.default).get("message-id", "")
        tries = self._tries[message_id] = self._tries.get(message_id, 0) + 1
        chaos = self._program.misbehaviour
        if chaos.choose("slow", message_id, tries):
            await asyncio.sleep(chaos.slow_ms / 1000)
        answer: str | None = "250 kept"
        if chaos.choose("silent", message_id, tries):
            answer = None
        elif chaos.choose("fail", message_id, tries):
            answer = "451 try again later"
        elif chaos.draw("refuse", message_id) < self._refuse:
            answer = "554 not wanted here"
        else:
            self._box.add(sender, recipients, raw)
        self._program.journal.write("mail", message_id=message_id, to=recipients, tries=tries, answer=answer or "")
        return answer

    async def serve(self, where: tuple[str, int], on_listening: Callable[[int], None]) -> None:
        """Until the program stops; tells the port once it is open."""
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await Session(self, reader, writer).run()
            except (ConnectionError, ValueError, asyncio.LimitOverrunError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(connected, *where, limit=LINE_MAX)
        on_listening(server.sockets[0].getsockname()[1])
        while not self._program.stopping.is_set():
            await asyncio.sleep(0.1)
        self.stopped.set()
        server.close()


def main(argv: list[str] | None = None) -> None:
    parser = options_parser(__doc__.splitlines()[0])
    parser.add_argument("--smtp-listen", default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--keep", default="", metavar="FOLDER")
    parser.add_argument("--refuse", type=float, default=0.0, metavar="SHARE")
    options = parse(parser, argv)
    program = Program("mail", options)
    box = Box(options.keep)

    def find(request: Request) -> Answer:
        filters = {name: request.query[name] for name in ("to", "order", "kind") if name in request.query}
        wait_s = min(int(request.query.get("wait", 0)), WAIT_MAX_MS) / 1000
        number, mails = box.find(max(int(request.query.get("since", 0)), 0), wait_s, filters)
        return Answer(200, {"next": number, "mails": mails})

    def show(request: Request) -> Answer:
        raw = box.raw(int(request.params[0]))
        return Answer(404, {"title": "no such mail"}) if raw is None else Answer(200, raw, "message/rfc822")

    program.route("GET", "/mails", find)
    program.route("GET", r"/mails/(\d+)", show)

    smtp_port = 0

    def listening(port: int) -> None:
        nonlocal smtp_port
        smtp_port = port
        program.say("smtp listening", port=port)

    async def smtp() -> None:
        await Server(program, box, options.refuse).serve(address(options.smtp_listen), listening)

    program.ready = lambda: smtp_port > 0
    program.run(lambda: asyncio.run(smtp()))


if __name__ == "__main__":
    main()
