"""How Onecard and a payment provider sign what they say: HMAC-SHA256 over direction, time, nonce and body.

The direction is signed too, so that a request can never be played back as an answer or a callback.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from server.payments.models import CALLBACK_AGE, Verdict

MIN_KEY_BYTES = 32
SIGNATURE, TIME, NONCE = "onecard-signature", "onecard-time", "onecard-nonce"
MAX_NONCE = 64


class Direction(StrEnum):
    """Who speaks to whom, and why."""

    REQUEST = "request"
    ANSWER = "answer"
    CALLBACK = "callback"


def signed_headers(key: bytes, direction: Direction, body: bytes, at: datetime, nonce: str) -> dict[str, str]:
    """Return the headers that prove a body; `at` is aware."""
    seconds = str(int(at.timestamp()))
    return {SIGNATURE: _signature(key, direction, seconds, nonce, body), TIME: seconds, NONCE: nonce}


def check(key: bytes, direction: Direction, headers: Mapping[str, str], body: bytes, now: datetime) -> str | Verdict:
    """Return the nonce of what was signed with the key and is fresh, else why it is not believed."""
    seconds, nonce = headers.get(TIME, ""), headers.get(NONCE, "")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= len("9999999999")):
        return Verdict.FORGED
    if not 0 < len(nonce) <= MAX_NONCE:
        return Verdict.FORGED
    expected = _signature(key, direction, seconds, nonce, body)
    if not hmac.compare_digest(expected.encode(), headers.get(SIGNATURE, "").encode("utf-8", "replace")):
        return Verdict.FORGED
    if abs(now - datetime.fromtimestamp(int(seconds), UTC)) > CALLBACK_AGE:
        return Verdict.STALE
    return nonce


def _signature(key: bytes, direction: Direction, seconds: str, nonce: str, body: bytes) -> str:
    text = f"{direction}\n{seconds}\n{nonce}\n".encode()
    return hmac.new(key, text + body, hashlib.sha256).hexdigest()
