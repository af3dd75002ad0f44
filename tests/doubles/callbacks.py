"""Callbacks of warehouses and carriers to the tracker's ingress: signed, repeated with the same id until 2xx."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable

import client
import webhook
from program import Program

NAMESPACE = uuid.UUID("6f1d0c6e-2f7b-5f0e-9a53-6a1d2f3b4c5d")
LATE_COPIES = 1


def callback_id(shipment_id: str, kind: str, ordinal: int = 0) -> str:
    return "msg_" + uuid.uuid5(NAMESPACE, f"{shipment_id}|{kind}|{ordinal}").hex


class Callbacks:
    """Where to, with which secret. Thread-safe; a send blocks its caller's thread until 2xx, refusal or the end."""

    def __init__(self, program: Program, url: str, secrets: Callable[[str], str]):
        self._program = program
        self._url = url.rstrip("/")
        self._secret = secrets

    def send(self, warehouse: str, callback: dict, ordinal: int = 0) -> bool:
        """True once the tracker has taken it. A refusal (4xx) is logged and not repeated: it would stay one."""
        body = json.dumps(callback, ensure_ascii=False, separators=(",", ":")).encode()
        message_id = callback_id(callback["shipment_id"], callback["kind"], ordinal)
        url = f"{self._url}/v1/warehouses/{warehouse}/callbacks"
        tries = 0

        def headers() -> dict[str, str]:
            nonlocal tries
            tries += 1
            signed = webhook.headers(self._secret(warehouse), message_id, int(time.time()), body)
            return {**signed, "content-type": "application/json"}

        response = client.call_until("POST", url, body, headers, self._program.stopping.is_set, timeout_s=10)
        self._program.journal.write("callback", webhook_id=message_id, warehouse=warehouse, callback=callback,
                                    status=response.status, tries=tries, error=response.error)
        if not response.ok and response.status:
            self._program.say("callback refused", webhook_id=message_id, status=response.status,
                              answer=response.body.decode(errors="replace")[:500])
        return response.ok
