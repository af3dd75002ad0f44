"""The parts of records that are read most: the common fields alone, and where the rest of a message begins."""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_COMMON = (("event_id", 1, _FIELD.TYPE_STRING), ("order_id", 2, _FIELD.TYPE_STRING), ("source", 3, _FIELD.TYPE_STRING),
           ("sequence", 4, _FIELD.TYPE_UINT64), ("causation_id", 6, _FIELD.TYPE_STRING), ("saga_revision", 7, _FIELD.TYPE_UINT64),
           ("again", 8, _FIELD.TYPE_BOOL))
FIRST_OWN_TAG = 9 << 3  # fields 1 to 8 are common to all messages and come first


def _head_type():
    file = descriptor_pb2.FileDescriptorProto(name="head.proto", package="orderclerk.checker", syntax="proto3")
    message = file.message_type.add(name="Head")
    for name, number, kind in _COMMON:
        message.field.add(name=name, number=number, type=kind, label=_FIELD.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("orderclerk.checker.Head"))


Head = _head_type()  # what every message has; the rest is skipped


def body_at(value: bytes) -> int:
    """Where the fields after the common ones begin: the same bytes in a topic's record and in a document kept elsewhere."""
    at, end = 0, len(value)
    while at < end and value[at] < FIRST_OWN_TAG:
        kind = value[at] & 7
        at += 1
        number = shift = 0
        while True:
            byte = value[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if kind == 2:
            at += number
    return at
