"""Standard Webhooks signatures: HMAC-SHA256 over `id.timestamp.body`, base64, `v1,` in front (standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac

PREFIX = "whsec_"
TOLERANCE_S = 300  # how old or how far in the future a timestamp may be


def secret_bytes(secret: str) -> bytes:
    """The key behind `whsec_<base64>`; the prefix may be missing."""
    text = secret[len(PREFIX) :] if secret.startswith(PREFIX) else secret
    return base64.b64decode(text, validate=True)


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    content = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret_bytes(secret), content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, message_id, timestamp, body),
    }


def verify(secret: str, message_id: str, timestamp: str, signatures: str, body: bytes, now: int) -> bool:
    """True if one of the blank-separated signatures is right and the timestamp is near."""
    try:
        at = int(timestamp)
    except ValueError:
        return False
    if abs(now - at) > TOLERANCE_S:
        return False
    right = sign(secret, message_id, at, body)
    return any(hmac.compare_digest(right, given) for given in signatures.split())
