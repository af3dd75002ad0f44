"""Synthetic histories for the checker's own tests: small ones to break, large ones to measure it by. Every invariant holds in them.

A World is made of orders of two kinds, one completed and one cancelled, each with products and records of its own. All names of
an order end in its mark, twelve hexadecimal digits. Repeated is a World many times over, without being kept in memory.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

from .history import Record
from .run import INGRESSES, SERVICES, protos, topics

PARTITIONS = 2
COMPLETED, CANCELLED = "a" * 12, "b" * 12  # marks of a World's first orders
AT_US = 1_800_000_000_000_000
PRICE, TAX, QUANTITY, RECEIVED = 1000, 130, 5, 100
BOTH = "standard express"
RULES = [  # rule, definitions, kind, states, events, condition, to
    (10, BOTH, "MOVE", "RECEIVED", "ORDER_SUBMITTED", None, "VALIDATING"),
    (104, BOTH, "MOVE", "VALIDATING", "ORDER_VALIDATED", None, "RESERVING"),
    (206, "express", "MOVE", "RESERVING", "STOCK_RESERVED", None, "REGISTERED"),
    (428, "express", "MOVE", "REGISTERED", "GO", "ready", "IN_FULFILMENT"),
    (620, BOTH, "MOVE", "IN_FULFILMENT", "SHIPMENT_HANDED_OVER", "last_to_go", "SHIPPED"),
    (626, BOTH, "MOVE", "SHIPPED", "SHIPMENT_DELIVERED", "last_to_arrive", "DELIVERED"),
    (708, BOTH, "MOVE", "SHIPPED DELIVERED", "INVOICE_ISSUED", "asked", None),
    (718, BOTH, "MOVE", "SHIPPED DELIVERED", "PAYMENT_RECEIVED", None, None),
    (800, BOTH, "MOVE", "REGISTERED IN_FULFILMENT", "CANCEL_REQUESTED", None, "COMPENSATING"),
    (820, BOTH, "MOVE", "COMPENSATING", "GO", None, "CANCELLED"),
    (826, BOTH, "MOVE", "COMPENSATING", "STOCK_RELEASED", "undo_asked", None),
    (1012, BOTH, "MOVE", "DELIVERED", "DEADLINE_PASSED", "settled", "COMPLETED"),
    (1030, BOTH, "IGNORE", None, "GO", None, None),
]
STATES = {"RECEIVED": "PASSING", "COMPLETED": "ENDED", "CANCELLED": "ENDED", "REJECTED": "ENDED", "ARCHIVED": "FINAL",
          **dict.fromkeys(("VALIDATING", "RESERVING", "REGISTERED", "IN_FULFILMENT", "SHIPPED", "DELIVERED", "COMPENSATING"), "WAITING")}
TASKS = {"REGISTERED": "PLAN", "IN_FULFILMENT": "SHIP", "SHIPPED": "DELIVER", "DELIVERED": "PAY", "COMPENSATING": "UNDO"}  # of persons


def named(mark: str, number: int) -> str:
    return f"{number:08x}-0000-4000-8000-{mark}"


def order_id_of(mark: str) -> str:
    return named(mark, 0)


class World:
    """topics: lists of [partition, offset, key, value]; tables: lists of rows as dicts; files: lists of lines. All may be changed."""

    def __init__(self, orders: int = 2):
        pb = protos.load()
        self.catalogue = {topic.name: topic for topic in topics.read()}
        self.types = {name: next(getattr(module, topic.message) for module in vars(pb).values() if topic.message in module.DESCRIPTOR.message_types_by_name)
                      for name, topic in self.catalogue.items()}
        self.pb = pb
        self.topics: dict[str, list[list]] = {name: [] for name in self.catalogue}
        self.tables: dict[tuple[str, str], list[dict]] = defaultdict(list)
        self.files: dict[str, list[dict]] = defaultdict(list)
        self._outboxes: dict[tuple[str, str, int], list] = defaultdict(list)
        self.marks = []
        for number in range(orders):
            mark = (COMPLETED, CANCELLED)[number] if number < 2 else f"{number:012x}"
            self.marks.append(mark)
            _Order(self, mark, number % PARTITIONS).live(completed=number % 2 == 0)
        self._tables_of_all()

    # ---- making
    def put(self, topic: str, key: str, value: bytes, partition: int) -> list:
        offset = sum(record[0] == partition for record in self.topics[topic])
        record = [partition, offset, key.encode(), value]
        self.topics[topic].append(record)
        return record

    def send(self, writer: str, topic: str, message, partition: int) -> list:
        """By way of the writer's outbox; foreign writers have none."""
        value = message.SerializeToString()
        if writer in SERVICES:
            table = "ingress_outbox" if topic in ("orders", "stock-changes", "warehouse-replies") or topic.startswith("reference.") else "outbox"
            self._outboxes[writer, table, partition].append(self.pb.outbox.OutboxRecord(
                topic=self.catalogue[topic].number, key=message.order_id.encode(), value=value, type=topic, sequence=message.sequence,
                causation_id=message.causation_id, event_id=message.event_id))
        return self.put(topic, message.order_id, value, partition)

    def flush(self) -> None:
        """Each order's records are one batch of each writer."""
        for (writer, table, slot), records in self._outboxes.items():
            if records:
                rows = self.tables[writer, table]
                batch_no = 1 + sum(row["slot"] == slot for row in rows)
                rows.append({"slot": slot, "batch_no": batch_no, "created_at": AT_US + batch_no,
                             "records": self.pb.outbox.OutboxBatch(records=records).SerializeToString()})
        self._outboxes.clear()

    def _tables_of_all(self) -> None:
        for rule, definitions, kind, in_states, on_events, when, to_state in RULES:
            self.tables["orchestrator", "saga_rule"].append({
                "version": 1, "rule_id": rule, "definitions": definitions, "kind": kind, "in_states": in_states, "on_events": on_events,
                "when_name": when, "to_state": to_state})
        for state, kind in STATES.items():
            self.tables["orchestrator", "saga_state"].append({"state": state, "kind": kind, "task": TASKS.get(state)})
        for service in SERVICES:
            self._read_by(service)
            self._slots(service, "slot", "p", "outbox")
        for service in INGRESSES:
            self._slots(service, "ingress_slot", "i", "ingress_outbox")

    def _slots(self, service: str, table: str, number: str, outbox: str) -> None:
        for slot in range(PARTITIONS):
            batches = sum(row["slot"] == slot for row in self.tables[service, outbox])
            self.tables[service, table].append({number: slot, "epoch": 3, "batch_no": batches, "published_no": batches})

    def _read_by(self, service: str) -> None:
        """What a reader keeps that has applied everything."""
        read: dict[str, dict[int, int]] = defaultdict(dict)
        for name, topic in self.catalogue.items():
            if service not in topic.readers:
                continue
            for partition in range(PARTITIONS):
                self.tables[service, "position"].append({"p": partition, "topic": topic.number, "next_offset": self._end(name, partition)})
            for record in self.topics[name]:
                message = self.types[name].FromString(record[3])
                if topic.mode == "SEQUENCED":
                    read[message.order_id][topic.number] = message.sequence
                elif topic.mode == "BY_ID":
                    self.tables[service, "seen"].append({"id": message.event_id, "key": message.order_id})
        for key, numbers in read.items():
            self.tables[service, "key_state"].append({"key": key, "read": " ".join(f"{n}:{last}" for n, last in numbers.items()), "held": None,
                                                      "held_detail": None})

    def _end(self, topic: str, partition: int) -> int:
        return max((record[1] + 1 for record in self.topics[topic] if record[0] == partition), default=0)

    # ---- breaking
    def row(self, schema: str, table: str, **where) -> dict:
        return next(row for row in self.tables[schema, table] if all(row[name] == value for name, value in where.items()))

    def change(self, topic: str, number: int, mark: str, edit) -> None:
        """Edits the message that is the order's number-th on the topic, from 0."""
        record = [one for one in self.topics[topic] if mark.encode() in one[2]][number]
        message = self.types[topic].FromString(record[3])
        edit(message)
        record[3] = message.SerializeToString()

    # ---- History
    def records(self, topic: str) -> Iterator[Record]:
        for record in sorted(self.topics[topic], key=lambda one: one[:2]):
            yield tuple(record)

    def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        return {partition: (0, self._end(topic, partition)) for partition in range(PARTITIONS)}

    def rows(self, schema: str, table: str, columns: str, order: str = "") -> Iterator[tuple]:
        found = self.tables[schema, table]
        for row in sorted(found, key=lambda one: tuple(one[name] for name in order.split())) if order else found:
            yield tuple(row[name] for name in columns.split())

    def counts(self, schema: str, table: str, by: str, number: str, most: str) -> Iterator[tuple]:
        groups: dict[tuple, list[tuple[int, int]]] = defaultdict(list)
        for row in self.tables[schema, table]:
            groups[tuple(row[name] for name in by.split())].append((row[number], row[most]))
        for group, values in groups.items():
            yield (*group, sum(number for number, _ in values), max(most for _, most in values))

    def lines(self, name: str) -> Iterator[dict]:
        yield from self.files[name]


class _Order:
    """One order's life, record by record."""

    def __init__(self, world: World, mark: str, partition: int):
        self._world, self._mark, self._partition = world, mark, partition
        self.id, self._sku, self._email = order_id_of(mark), f"P-{mark}", f"{mark}@kehu.example"
        self._numbers = 0
        self._sequences: dict[str, int] = defaultdict(int)
        self._doc = world.types["order-state"](order_id=self.id, definition="standard", definition_version=1, state="RECEIVED")
        self._movements = 0
        self._on_hand = self._reserved = 0

    def _name(self) -> str:
        self._numbers += 1
        return named(self._mark, self._numbers)

    def _send(self, writer: str, topic: str, cause: str = "", key: str = "", **fields):
        """Returns the message and where it stands."""
        world = self._world
        message = world.types[topic](event_id=self._name(), order_id=key or self.id, source=writer, causation_id=cause, **fields)
        if world.catalogue[topic].mode == "SEQUENCED":
            self._sequences[topic] += 1
            message.sequence = self._sequences[topic]
        record = world.send(writer, topic, message, self._partition)
        if topic in ("order-events", "commands.departments", "notification-events"):
            world.tables["desk", "timeline_part"].append(
                {"order_id": self.id, "topic": world.catalogue[topic].number, "records": 1, "last": message.sequence})
        if topic in ("order-events", "commands.departments"):
            world.files["receivers/departments.jsonl"].append({
                "what": "event" if topic == "order-events" else "command", "topic": f"t.{topic}.v1", "partition": record[0], "offset": record[1]})
        return message, (topic, record)

    def _move(self, rule: int, to_state: str, event: str, cause: tuple | None, waiting_on: str = "finance", deadline: bool = True, **bodies) -> None:
        """A transition: its events, its row of history, the snapshot. cause: what _send returned."""
        doc = self._doc
        former = doc.state
        doc.saga_revision += 1
        doc.state, doc.waiting_on, doc.deadline_us = to_state, waiting_on, AT_US if deadline else 0
        message, (topic, record) = cause or (None, ("", [0, 0]))
        move = self._world.pb.order_events.Transition(
            definition=doc.definition, definition_version=1, rule_id=rule, from_state=former, to_state=to_state, event=event, cause_topic=topic,
            cause_partition=record[0], cause_offset=record[1], deadline_us=doc.deadline_us, waiting_on=waiting_on)
        cause_id = message.event_id if message else self._name()
        for name, body in (bodies or {"step_changed": {}}).items():
            self._send("orchestrator", "order-events", cause_id, saga_revision=doc.saga_revision, order_no=doc.order_no, transition=move,
                       departments=[] if name == "step_changed" else ["sales", "finance"], **{name: body})
        self._world.tables["orchestrator", "saga_history"].append({
            "order_id": self.id, "revision": doc.saga_revision, "rule_id": rule, "from_state": former, "to_state": to_state, "event": event,
            "topic": topic or None, "record_partition": record[0], "record_offset": record[1], "causation_id": cause_id if message else None})
        snapshot = self._world.types["order-state"].FromString(doc.SerializeToString())
        snapshot.event_id, snapshot.source = self._name(), "orchestrator"
        self._world.send("orchestrator", "order-state", snapshot, self._partition)

    def _ledger(self, kind: str, quantity: int, on_hand: int, reserved: int, cause: str, order: bool = True) -> None:
        self._movements += 1
        self._on_hand += on_hand
        self._reserved += reserved
        self._world.tables["inventory", "stock_ledger"].append({
            "sku": self._sku, "warehouse": "SH1", "movement": self._movements, "order_id": self.id if order else None, "line_no": 1 if order else 0,
            "kind": kind, "quantity": quantity, "on_hand_change": on_hand, "reserved_change": reserved, "on_hand_after": self._on_hand,
            "reserved_after": self._reserved, "causation": cause})

    # ---- the life
    def live(self, completed: bool) -> None:
        self._goods_come()
        self._is_registered()
        if completed:
            self._is_completed()
        else:
            self._is_cancelled()
        self._end()
        self._world.flush()

    def _goods_come(self) -> None:
        place = f"{self._sku}@SH1"
        self._send("intake", "reference.products", key=self._sku, saga_revision=1, sku=self._sku)
        change, _ = self._send("intake", "stock-changes", key=place, sku=self._sku, warehouse="SH1", received={"quantity": RECEIVED})
        self._ledger("RECEIPT", RECEIVED, RECEIVED, 0, change.event_id, order=False)
        self._send("inventory", "stock-levels", change.event_id, key=place, saga_revision=1, sku=self._sku)

    def _is_registered(self) -> None:
        key, doc = f"key-{self._mark}", self._doc
        document = {"channel": "WEB", "channel_account": "shop", "channel_ref": f"W-{self._mark}"}
        for tries in (1, 2):
            self._world.files["clients.jsonl"].append({"op": "submit", "key": key, "order_id": self.id, "status": 202, "definite": True, "tries": tries})
        self._world.tables["intake", "submission"].append({"id": self.id, "kind": "order", "client_key": f"orders\x1fanonymous\x1f{key}", "subject": self.id})
        submit = self._send("intake", "orders", request_id=self.id, submit={"order": document})
        validate, _ = self._send("orchestrator", "commands.validator", submit[0].event_id, validate={})
        notify, _ = self._send("orchestrator", "commands.notifier", submit[0].event_id,
                               notify={"kind": "received", "channel": "email", "recipient": self._email})
        self._move(10, "VALIDATING", "ORDER_SUBMITTED", submit, "validator", received={"order": document})
        self._is_told(notify)
        validated = self._send("validator", "validation-events", validate.event_id, validated={})
        doc.definition = "express"
        gross = PRICE + TAX
        doc.resolved.add(line_no=1, sku=self._sku, quantity=QUANTITY, net_minor=PRICE, tax_minor=TAX, gross_minor=gross)
        doc.total_minor = gross
        reserve, _ = self._send("orchestrator", "commands.inventory", validated[0].event_id, reserve={})
        self._move(104, "RESERVING", "ORDER_VALIDATED", validated, "inventory", priced={"total_minor": gross})
        self._ledger("RESERVE", QUANTITY, 0, QUANTITY, reserve.event_id)
        reserved = self._send("inventory", "inventory-events", reserve.event_id, reserved={})
        doc.order_no = f"SO{self._mark}"
        doc.quantities.add(line_no=1, ordered=QUANTITY, reserved=QUANTITY)
        self._move(206, "REGISTERED", "STOCK_RESERVED", reserved, registered={"order_no": doc.order_no})

    def _is_told(self, notify) -> None:
        number = self._name()
        self._world.tables["notifier", "notification"].append({
            "causing_event": notify.causation_id, "kind": "received", "channel": "email", "recipient": self._email, "id": number, "order_id": self.id})
        self._send("notifier", "notification-events", self._name(), kind="received", channel="email", recipient=self._email,
                   sent={"message_id": f"<{number}@orderclerk.example>"})
        self._world.files["receivers/mail.jsonl"].append({"what": "mail", "message_id": f"<{number}@orderclerk.example>", "answer": "250 kept"})

    def _is_completed(self) -> None:
        doc, gross, shipment = self._doc, PRICE + TAX, named(self._mark, 0xFFFF)
        self._send("orchestrator", "commands.fulfillment", doc.order_id, release={"shipment_id": shipment})
        self._move(428, "IN_FULFILMENT", "GO", None, "warehouse:SH1", shipment_released={})
        self._world.files["receivers/warehouse.jsonl"].append({"what": "release", "shipment_id": shipment, "idempotency_key": f"call-{self._mark}",
                                                               "release": {"order_id": self.id}})
        reply, _ = self._send("fulfillment", "warehouse-replies", shipment_id=shipment, kind="handed_over")
        lines = [{"line_no": 1, "sku": self._sku, "quantity": QUANTITY}]
        handed = self._send("fulfillment", "shipment-events", reply.event_id, shipment_id=shipment, handed_over={"lines": lines})
        consume, _ = self._send("orchestrator", "commands.inventory", handed[0].event_id,
                                consume={"shipment_id": shipment, "warehouse": "SH1", "lines": lines})
        money = {"shipment_id": shipment, "net_minor": PRICE, "tax_minor": TAX, "gross_minor": gross}
        self._send("orchestrator", "commands.departments", handed[0].event_id, department="finance", request_invoice=money)
        doc.invoiced_minor = gross
        doc.quantities[0].shipped, doc.quantities[0].reserved = QUANTITY, 0
        self._move(620, "SHIPPED", "SHIPMENT_HANDED_OVER", handed, "logistics", shipped={}, invoice_requested=money)
        self._ledger("CONSUME", QUANTITY, -QUANTITY, -QUANTITY, consume.event_id)
        self._send("inventory", "inventory-events", consume.event_id, consumed={"shipment_id": shipment})
        delivered = self._send("fulfillment", "shipment-events", reply.event_id, shipment_id=shipment, delivered={})
        self._move(626, "DELIVERED", "SHIPMENT_DELIVERED", delivered, "customer", delivered={})
        issued = self._send("departments", "department-replies", invoice_issued={"shipment_id": shipment, "gross_minor": gross})
        self._move(708, "DELIVERED", "INVOICE_ISSUED", issued, invoice_recorded={"shipment_id": shipment, "gross_minor": gross})
        paid = self._send("departments", "department-replies", payment_received={"amount_minor": gross})
        doc.paid_minor = gross
        self._move(718, "DELIVERED", "PAYMENT_RECEIVED", paid, payment_recorded={"amount_minor": gross, "paid_minor": gross})
        self._move(1012, "COMPLETED", "DEADLINE_PASSED", None, "", completed={})

    def _is_cancelled(self) -> None:
        number = self._name()
        self._world.files["clients.jsonl"].append({"op": "cancel", "key": f"cancel-{self._mark}", "order_id": self.id, "status": 202, "definite": True})
        self._world.tables["intake", "submission"].append({"id": number, "kind": "request", "client_key": f"requests\x1fanonymous\x1fcancel-{self._mark}",
                                                           "subject": self.id})
        cancel = self._send("intake", "orders", request_id=number, cancel={})
        release, _ = self._send("orchestrator", "commands.inventory", cancel[0].event_id, release={})
        self._move(800, "COMPENSATING", "CANCEL_REQUESTED", cancel, cancel_requested={})
        self._ledger("RELEASE", QUANTITY, 0, -QUANTITY, release.event_id)
        released = self._send("inventory", "inventory-events", release.event_id, released={})
        self._doc.quantities[0].reserved, self._doc.quantities[0].cancelled = 0, QUANTITY
        self._move(826, "COMPENSATING", "STOCK_RELEASED", released)
        self._move(820, "CANCELLED", "GO", released, "", cancelled={})

    def _end(self) -> None:
        doc, tables, place = self._doc, self._world.tables, f"{self._sku}@SH1"
        tables["orchestrator", "saga"].append({
            "order_id": self.id, "definition": doc.definition, "definition_version": 1, "state": doc.state, "revision": doc.saga_revision,
            "order_no": doc.order_no, "waiting_on": doc.waiting_on or None, "deadline": doc.deadline_us, "doc": doc.SerializeToString()})
        tables["intake", "order_view"].append({"order_id": self.id, "state": doc.state, "waiting_on": None})
        tables["desk", "order_row"].append({"order_id": self.id, "revision": doc.saga_revision})
        tables["desk", "stock_level"].append({"key": place, "version": 1})
        for schema, table in (("validator", "product"), ("inventory", "product_ref")):
            tables[schema, table].append({"sku": self._sku, "version": 1})
        tables["inventory", "stock"].append({"sku": self._sku, "warehouse": "SH1", "on_hand": self._on_hand, "reserved": self._reserved, "backordered": 0,
                                             "movements": self._movements, "damaged": 0, "qc_hold": 0})
        tables["inventory", "allocation"].append({"order_id": self.id, "line_no": 1, "sku": self._sku, "warehouse": "SH1", "reserved": self._reserved,
                                                  "backordered": 0})


class Repeated:
    """A World's two orders many times, with other marks: generated while it is read."""

    ONCE = {"saga_rule", "saga_state"}
    COUNTERS = {"next_offset", "batch_no", "published_no"}  # per slot: as many times

    def __init__(self, orders: int):
        self.world, self._times = World(2), orders // 2

    def _marks(self) -> Iterator[tuple[int, str, str]]:
        for number in range(self._times):
            yield number, f"a{number:011x}", f"b{number:011x}"

    def records(self, topic: str) -> Iterator[Record]:
        counts = {partition: high for partition, (_, high) in self.world.ends(topic).items()}
        records = list(self.world.records(topic))
        old_a, old_b = COMPLETED.encode(), CANCELLED.encode()
        for number, a, b in self._marks():
            a, b = a.encode(), b.encode()
            for partition, offset, key, value in records:
                yield (partition, number * counts[partition] + offset, key.replace(old_a, a).replace(old_b, b),
                       value.replace(old_a, a).replace(old_b, b))

    def ends(self, topic: str) -> dict[int, tuple[int, int]]:
        return {partition: (0, high * self._times) for partition, (_, high) in self.world.ends(topic).items()}

    @staticmethod
    def _other(value, a: str, b: str):
        if isinstance(value, str):
            return value.replace(COMPLETED, a).replace(CANCELLED, b)
        if isinstance(value, bytes):
            return value.replace(COMPLETED.encode(), a.encode()).replace(CANCELLED.encode(), b.encode())
        return value

    def rows(self, schema: str, table: str, columns: str, order: str = "") -> Iterator[tuple]:
        names, found = columns.split(), list(self.world.rows(schema, table, columns, order))
        if table in ("slot", "ingress_slot", "position"):
            for row in found:
                yield tuple(value * self._times if name in self.COUNTERS else value for name, value in zip(names, row))
        elif table in ("outbox", "ingress_outbox"):
            for slot in range(PARTITIONS):
                mine = [dict(zip(names, row)) for row in found if row[names.index("slot")] == slot]
                for number, a, b in self._marks():
                    for row in mine:
                        yield tuple(value + number * len(mine) if name in ("batch_no", "created_at") else self._other(value, a, b)
                                    for name, value in row.items())
        elif table in self.ONCE:
            yield from found
        else:
            for _, a, b in self._marks():
                for row in found:
                    yield tuple(self._other(value, a, b) for value in row)

    def counts(self, schema: str, table: str, by: str, number: str, most: str) -> Iterator[tuple]:
        found = list(self.world.counts(schema, table, by, number, most))
        for _, a, b in self._marks():
            for row in found:
                yield tuple(self._other(value, a, b) for value in row)

    def lines(self, name: str) -> Iterator[dict]:
        texts = [json.dumps(line) for line in self.world.lines(name)]
        counts: dict[str, dict[int, int]] = {}
        for number, a, b in self._marks():
            for text in texts:
                line = json.loads(self._other(text, a, b))
                if "offset" in line:
                    topic = line["topic"].split(".", 1)[1].removesuffix(".v1")
                    if topic not in counts:
                        counts[topic] = {partition: high for partition, (_, high) in self.world.ends(topic).items()}
                    line["offset"] += number * counts[topic][line["partition"]]
                yield line
