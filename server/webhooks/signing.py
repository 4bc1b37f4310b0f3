"""Signatures of webhook messages by the public scheme "Standard Webhooks" (version 1, symmetric). Pure.

A secret is `whsec_` and base64 of 32 bytes. What is signed is `ID.TIMESTAMP.BODY` with HMAC-SHA-256; the header
`webhook-signature` holds `v1,` and the base64 of it, one a secret with spaces between, so that an old secret and a new
one are good side by side. Receivers compare in constant time and refuse timestamps off by more than five minutes.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence

from cardcore.ids import IdSource

PREFIX = "whsec_"
SECRET_BYTES = 32
ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"


def new_secret(ids: IdSource) -> str:
    """Return a new secret as the receiver is given it."""
    return PREFIX + b64encode(ids.random_bytes(SECRET_BYTES)).decode()


def signature(secret: str, message: str, timestamp: int, body: bytes) -> str:
    """Return one `v1,...` of a message; `timestamp` in whole seconds since 1970."""
    key = b64decode(secret.removeprefix(PREFIX), validate=True)
    signed = b".".join((message.encode(), str(timestamp).encode(), body))
    return "v1," + b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def signed_headers(secrets: Sequence[str], message: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Return the three headers of a message, signed with every secret that is good now."""
    return {
        ID_HEADER: message,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: " ".join(signature(secret, message, timestamp, body) for secret in secrets),
    }
