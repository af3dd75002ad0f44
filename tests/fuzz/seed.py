"""Writes the corpora's seeds (seed-*): inputs that get far, made from the sample data and the protos. What the fuzzers found
since lies beside them under other names.

    PYTHONPATH=tests/doubles python3 tests/fuzz/seed.py
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from protos import load

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"
ORDER = "0192f0c0-0000-7000-8000-000000000001"
SHIPMENT = "0192f0c0-0000-7000-8000-0000000000aa"
RANDOM = random.Random(1)
pb = load()


def put(target: str, name: str, data: bytes) -> None:
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(data)


def piece(data: bytes | str) -> bytes:
    """As fuzz_piece reads it."""
    data = data.encode() if isinstance(data, str) else data
    if len(data) < 224:
        return bytes([len(data)]) + data
    blocks = min((len(data) + 255) // 256, 32)
    return bytes([223 + blocks]) + data.ljust(blocks * 256)[: blocks * 256]


def rows(name: str, count: int) -> list[bytes]:
    return (DATA / "sample" / f"{name}.ndjson").read_bytes().splitlines()[:count]


def random_bytes(size: int) -> bytes:
    return bytes(RANDOM.randrange(256) for _ in range(size))


# ---- JSON

def documents() -> None:
    first = (DATA / "first" / "order.json").read_bytes()
    orders = rows("orders", 6)
    for i, order in enumerate([first, *orders]):
        put("order_json", f"order-{i}", order)
    put("order_json", "none", b"{}")
    put("order_json", "lines", b'{"currency":"CNY","lines":[{"line_no":2,"product_code":"A","quantity":1},{"product_code":"B"}]}')
    put("json", "order", first)
    for i, text in enumerate([b"[1,-0,1.5,true,null]", b'{"a":{"a":1},"a":2}', "\"\\ud83d\\ude00\u4e0a\"".encode(), b"[[[["]):
        put("json", str(i), text)
    callback = {"order_id": ORDER, "shipment_id": SHIPMENT, "kind": "handed_over", "happened_at": "2026-11-24T08:00:00Z",
                "carrier": "SF", "tracking_no": "SF1234567890123", "eta_date": "2026-11-26",
                "lines": [{"line_no": 1, "sku": "A-100", "quantity": 3}]}
    for kind in ("accepted", "handed_over", "cancel_rejected", "nonsense"):
        put("callback", kind, json.dumps({**callback, "kind": kind}).encode())


# ---- protobuf

TOPICS = [  # as in proto/topics.def
    "OrderRequest orders", "OrderEvent order_events", "OrderState order_state", "ValidatorCommand commands",
    "InventoryCommand commands", "FulfillmentCommand commands", "NotifierCommand commands", "DepartmentCommand commands",
    "ValidationEvent validation_events", "InventoryEvent inventory_events", "ShipmentEvent shipment_events",
    "WarehouseReply warehouse_replies", "DepartmentReply department_replies", "NotificationEvent notification_events",
    "StockLevel stock", "StockChange stock", "InventoryInternal inventory_events", "Product reference", "Customer reference",
    "Price reference", "Calendar reference", "Warehouse reference", "Control control", "DeadLetter dead_letters"]


def message_of(line: str):
    name, module = line.split()
    for candidate in (module, *vars(pb)):
        found = getattr(getattr(pb, candidate), name, None)
        if found is not None:
            message = found()
            break
    message.event_id, message.sequence, message.occurred_at_us = "0192f0c0-0000-7000-8000-00000000000f", 1, 1790000000000000
    message.causation_id, message.saga_revision = ORDER, 3
    message.DESCRIPTOR.fields_by_number[2]
    setattr(message, message.DESCRIPTOR.fields_by_number[2].name, ORDER)
    for oneof in message.DESCRIPTOR.oneofs:
        getattr(message, oneof.fields[0].name).SetInParent()
    return message


def records() -> None:
    batch = pb.outbox.OutboxBatch()
    for i, line in enumerate(TOPICS):
        message = message_of(line)
        put("topic", line.split()[0], bytes([i]) + message.SerializeToString())
        if i < 4:
            batch.records.add(topic=i + 1, key=ORDER.encode(), value=message.SerializeToString(), type="x", sequence=1,
                              event_id=message.event_id)
    put("outbox", "batch", b"\0" + batch.SerializeToString())
    put("outbox", "made", b"\1" + random_bytes(200))
    for i in range(4):
        put("proto_json", f"made-{i}", b"\0" + bytes([i * 7]) + random_bytes(300))
    texts = {12: b'{"department":"finance","payment_received":{"amount_minor":100,"currency":"CNY"}}',
             15: b'{"sku":"A","warehouse":"SH1","received":{"quantity":"5","reference":"r"}}',
             17: rows("products", 1)[0], 18: rows("customers", 1)[0], 19: rows("prices", 1)[0], 20: rows("calendars", 1)[0]}
    for topic, text in texts.items():
        put("proto_json", f"text-{topic}", b"\2" + bytes([topic]) + text)
    put("proto_json", "cells", b"\1" + bytes([17]) + b'{"sku":"A","kind":"STOCK","packs":"BOX:12;PALLET:480","substitutes":"B;C"}')


# ---- texts

def texts() -> None:
    put("money", "amount", b"\3\2\5\3\1\2\0012345.67")
    put("clock", "instant", b"\5\0" + b"2026-11-23T08:15:30.123456+08:00")
    put("clock", "date", b"\5\1" + b"2024-02-29")
    put("clock", "uuid", b"\5\2" + ORDER.encode())
    put("sequences", "two", b"\1\5" + b"1:7 9:12 11:3")
    put("sequences", "foreign", b"\1\5" + b"  1 :: 1 1:99999999999999999999999 1")
    put("target", "order", piece("application/json; charset=utf-8") + piece("/v1/orders/{id}") + b"/v1/orders/%E4%B8%8A?limit=5&state=A+B")
    put("rows", "csv", b"\0" + piece(b"\3\1\7") + b"\xef\xbb\xbfa,\"b\"\"\n\",c\r\n1,2,3\n\n\"x\"y,1,2\n")
    put("rows", "semicolons", b"\0" + piece(b"\1") + "a;b\n上;\"1\n".encode())
    put("rows", "ndjson", b"\1" + piece(b"\3\1\7") + b"\n".join(rows("stock", 3)))
    put("webhook", "signed", b"\0" + piece(b"secret key") + piece("msg_1") + b"\5" + piece(b'{"a":1}') + piece("other") + b"\3")
    put("webhook", "strange", b"\1" + piece("id") + piece("1790000000") + piece("v1,AAAA v1,") + piece("{}") + piece("whsec_AAAA"))
    for i, number in enumerate(["SF1234567890123", "YT1234567890123", "ZTO1234567890", "1Z999AA10123456784", "123456789012",
                                "1234567894", "AU0000000000000", "AB-123456"]):
        put("tracking", str(i), bytes([i]) + number.encode())
    put("config", "all", b"\1name = a b # c\n# comment\n\nsecret = s3cret-value\ncount=-5\non = true\nwait = 90s\nmode = bc\n")
    put("config", "environment", b"\0" + piece("from outside") + b"wait = 1d\nwait = 2d\n")
    put("config", "unknown", b"\1nmae = x\n")
    put("config", "duration", b"\00112345678d")
    template = "{{#if name}}Dear {{name}},\n{{/if}}on {{date|date}} at {{at|instant}}\n{{#each lines}}\n- {{sku}} x {{quantity}}\n{{/each}}\n{{#unless name}}x{{/unless}}"
    for zone in (0, 1):
        put("template", f"all-{zone}", piece(template) + piece("A-1") + piece("Li") + piece("2026-11-24")
            + piece("2026-11-24T08:00:00Z") + b"\2" + bytes([zone]))
    put("template", "wrong", piece("{{#each lines}}{{/if}}"))
    put("mail", "mail", piece("A@1") + piece("b,c") + piece("") + piece("x") + b"\4\3" + piece("desk@a.example") + piece("订单台")
        + piece("li@b.example") + piece("Li, \"x\"\r\nBcc: y@z.example") + piece("Your order 上海\r\nX: y") + "上海\nline =\t \r.\n".encode())
    put("mail", "ascii", piece("") * 4 + b"\0\3" + piece("") * 5 + b"Dear customer,\n" + b"long " * 60 + b"\n")
    put("log", "line", b"\5" + piece("a\"b\\\n") + piece(b"\xff\0x") + piece("x" * 3000) + piece("上" * 60) + b"rest")
    put("orderctl", "problem", b"\x90" + b'\0\0\0{"title":"No","detail":"d","remedy":"r","problems":[{"field":"a","detail":"b"}],"allowed":["cancel",1]}')
    put("orderctl", "orders", b"\1" + '\0\0\0{"orders":[{"order_no":"OC-1","total_minor":5,"reason":"上海\\u001b[2J"}],"state":true}'.encode())
    put("orderctl", "plain", b"\1\0\0\0\x1b[31mbad gateway")


# ---- intake

def request(method: int, kind: int, target: str, body: bytes, how: int = 0, key: str = "k-1") -> bytes:
    return (bytes([method, kind, how]) + piece(target) + piece("clerk") + piece(key) + piece(b"\5\x40\1\x90") + piece(b"\0\0\0\0")
            + body)


def requests() -> None:
    post, get, js, csv, ndjson = 0, 1, 0, 1, 2
    order = (DATA / "first" / "order.json").read_bytes()
    put("intake", "order", request(post, js, "/v1/orders", order))
    put("intake", "order-chunked", request(post, 4, "/v1/orders", order, 1, ""))
    put("intake", "order-length-twice", request(post, js, "/v1/orders", order, 4))
    put("intake", "order-get", request(get, 3, f"/v1/orders/{ORDER}", b""))
    put("intake", "order-wrong", request(post, js, "/v1/orders", b'{"currency":"XXX","lines":[],"more":1}'))
    put("intake", "request-get", request(get, 3, f"/v1/orders/{ORDER}/requests/{SHIPMENT}", b""))
    for name, body in {"cancel": {"type": "cancel", "reason": "r"},
                       "answer": {"answer": {"changes": [{"field": "delivery.phone", "value": "1"}]}},
                       "shortage": {"type": "shortage", "choices": [{"line_no": 1, "kind": "REDUCE", "quantity": 2}]},
                       "resolve": {"type": "resolve", "exit": "RETRY", "reason": "r", "actor": "li"}}.items():
        put("intake", f"request-{name}", request(post, js, f"/v1/orders/{ORDER}/requests", json.dumps(body).encode()))
    put("intake", "reply", request(post, js, "/v1/departments/finance/replies", json.dumps(
        {"order_no": "OC-1", "payment_received": {"amount_minor": "5", "currency": "CNY"}}).encode()))
    for action in ("REDRIVE", "PAUSE", "RESEND"):
        put("intake", f"control-{action.lower()}", request(post, js, "/v1/control", json.dumps(
            {"service": "inventory", "order_id": ORDER, "action": action, "actor": "li", "reason": "r"}).encode()))
    for name in ("products", "customers", "prices", "calendars", "warehouses"):
        put("intake", f"import-{name}", request(post, ndjson, f"/v1/reference/{name}:import", b"\n".join(rows(name, 2))))
    put("intake", "import-stock", request(post, ndjson, "/v1/stock:import", b"\n".join(rows("stock", 3)), 1))
    put("intake", "import-orders", request(post, ndjson, "/v1/orders:import", b"\n".join(rows("orders", 1))))
    put("intake", "import-orders-csv", request(post, csv, "/v1/orders:import",
        b"channel_ref,currency,product_code,quantity,delivery.city,payment.kind\nA,CNY,P-1,1,X,PREPAID\nA,,P-2,2,,\nB,CNY,P-1,0,Y,COD\n\"B\n"))
    put("intake", "import-products-csv", request(post, csv, "/v1/reference/products:import",
        b"sku;kind;base_unit;packs\nA;STOCK;pc;BOX:12\nB;WHAT;pc;\n"))
    put("intake", "import-cut", request(post, ndjson, "/v1/stock:import", b"\n".join(rows("stock", 4)), 255))
    put("intake", "wrong-method", request(2, 3, "/v1/orders", b""))
    put("intake", "wrong-type", request(post, 5, "/v1/orders", order))
    put("intake", "wrong-target", request(get, 3, "/v1/%zz", b""))


# ---- series of choices

def choices() -> None:
    for target in ("saga", "saga_any", "service_desk", "service_fulfillment", "service_intake", "service_inventory",
                   "service_notifier", "service_orchestrator", "service_validator"):
        for i in range(6):
            put(target, f"made-{i}", random_bytes(60 * 2**i))


def zones() -> None:
    for name in ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "UTC"):
        file = Path("/usr/share/zoneinfo") / name
        put("tzif", name.replace("/", "-").lower(), file.read_bytes())


def dictionary() -> None:
    """Words that the readers of documents look for."""
    names: set[str] = set()

    def collect(descriptor) -> None:
        for field in descriptor.fields:
            names.add(field.name)
            for ending in ("_us", "_bp", "_minor"):
                names.add(field.name.removesuffix(ending))
            for value in field.enum_type.values if field.enum_type else ():
                names.add(value.name)

    for module in vars(pb).values():
        for descriptor in module.DESCRIPTOR.message_types_by_name.values():
            collect(descriptor)
    lines = [f'"{name}"\n"\\"{name}\\":"' for name in sorted(names)]
    (HERE / "words.dict").write_text("\n".join(lines) + "\n")


def main() -> None:
    for write in (documents, records, texts, requests, choices, zones, dictionary):
        write()


if __name__ == "__main__":
    main()
