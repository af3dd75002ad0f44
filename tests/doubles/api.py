"""The public API's request documents, in one place: what clients of intake send."""

from __future__ import annotations

import json

NDJSON = "application/x-ndjson"
JSON = "application/json"


def cancel(reason: str) -> dict:
    return {"type": "cancel", "reason": reason}


def answer(changes: list[dict]) -> dict:
    """changes: [{"field": "delivery.street", "value": "…"}]"""
    return {"type": "answer", "changes": changes}


def shortage(choices: list[dict]) -> dict:
    """choices: [{"line_no": 1, "kind": "WAIT"}, …]"""
    return {"type": "shortage", "choices": choices}


def department_reply(order_id: str, actor: str, kind: str, body: dict) -> dict:
    return {"order": order_id, "actor": actor, "type": kind, kind: body}


def goods_received(sku: str, warehouse: str, quantity: int, reference: str) -> dict:
    return {"type": "received", "sku": sku, "warehouse": warehouse, "quantity": quantity, "reference": reference}


def requests_path(order_id: str) -> str:
    return f"/v1/orders/{order_id}/requests"


def replies_path(department: str) -> str:
    return f"/v1/departments/{department}/replies"


def reference_path(kind: str) -> str:
    return f"/v1/reference/{kind}:import"


ORDERS_PATH = "/v1/orders"
STOCK_PATH = "/v1/stock:import"


def encode(document: dict) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
