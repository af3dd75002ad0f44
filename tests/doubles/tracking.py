"""Tracking numbers in the carriers' own formats, derived from the shipment: the same shipment has the same number."""

from __future__ import annotations

import hashlib

UPS_ALPHABET = "0123456789ABCDEFGHJKLMNPRTUVWXYZ"


def _number(shipment_id: str, purpose: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{purpose}|{shipment_id}".encode()).digest()[:12], "big")


def ups_check_digit(body: str) -> int:
    """Of the 15 characters after `1Z`: letters count (position from A + 2) mod 10, every second character twice."""
    total = 0
    for at, character in enumerate(body):
        value = int(character) if character.isdigit() else (ord(character) - ord("A") + 2) % 10
        total += value * (2 if at % 2 else 1)
    return -total % 10


def ups(shipment_id: str) -> str:
    number = _number(shipment_id, "ups")
    shipper = ""
    for _ in range(6):
        number, at = divmod(number, len(UPS_ALPHABET))
        shipper += UPS_ALPHABET[at]
    body = f"{shipper}03{number % 10_000_000:07d}"
    return f"1Z{body}{ups_check_digit(body)}"


def sf(shipment_id: str) -> str:
    return f"SF{_number(shipment_id, 'sf') % 10**13:013d}"


def carrier_of(country: str) -> str:
    return "SF" if country == "CN" else "UPS"


def tracking_no(carrier: str, shipment_id: str) -> str:
    return ups(shipment_id) if carrier == "UPS" else sf(shipment_id)
