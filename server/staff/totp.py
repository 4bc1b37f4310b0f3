"""One-time codes of an authenticator app: RFC 6238 with SHA-1, 6 digits, 30 s. Stores nothing."""

from __future__ import annotations

import hmac
from base64 import b32encode
from datetime import datetime
from urllib.parse import quote

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

SECRET_BYTES = 20
"""RFC 4226 section 4 asks for at least 16 and recommends 20."""
DIGITS = 6
STEP_S = 30
DRIFT_STEPS = 1
"""Steps that a phone's clock may be off, either way (RFC 6238 section 5.2)."""


def step_at(at: datetime) -> int:
    """Return the number of the step that an instant lies in."""
    return int(at.timestamp()) // STEP_S


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a step."""
    made = TOTP(secret, DIGITS, SHA1(), STEP_S)  # noqa: S303 - HMAC-SHA-1 is what authenticator apps do
    return made.generate(step * STEP_S).decode()


def matching_step(secret: bytes, code: str, at: datetime, used_through: int) -> int | None:
    """Return the step whose code this is, or None; steps up to `used_through` were used already (ASVS 6.5.1)."""
    now, found = step_at(at), None
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()) and step > used_through:
            found = step
    return found


def typed_secret(secret: bytes) -> str:
    """Return a secret as one types it: base 32 in groups of four."""
    text = b32encode(secret).decode().rstrip("=")
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def address_of(secret: bytes, issuer: str, login: str) -> str:
    """Return the `otpauth` address that an app reads from a QR image."""
    key = b32encode(secret).decode().rstrip("=")
    name = f"{quote(issuer, safe='')}:{quote(login, safe='')}"
    return f"otpauth://totp/{name}?secret={key}&issuer={quote(issuer, safe='')}"
