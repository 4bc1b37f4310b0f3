"""Signed QR passes for visitors: one line of text that a scanner reads and anybody can copy, so of low assurance.

The text is `OC1` and base32 (RFC 4648, upper case, no padding), which a QR code packs as alphanumeric. Inside:

    at  bytes
     0    1   signature algorithm, as in the credential file
     1    4   issuer id
     5   16   pass id, random: the credential is `pass:` and these in hex
    21    4   valid from, seconds since 1970
    25    4   valid until (exclusive)
    29   64   signature over a tag and bytes 0..28
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cardcore.clock import to_millis
from cardcore.credential import Sign
from cardcore.ids import CredentialKey, credential_key
from cardcore.issuer import IssuerKey, SignatureAlgorithm, issuer_of
from cardcore.reasons import Reason

TEXT_PREFIX = "OC1"
TEXT_CHARACTERS = 152
PASS_ID_BYTES = 16
_BODY_BYTES = 29
_PASS_BYTES = 93
_TAG = b"onecard-pass-1"


@dataclass(frozen=True, slots=True)
class QrPass:
    """What a pass says; seconds since 1970."""

    issuer_id: bytes
    pass_id: bytes
    valid_from: int
    valid_until: int
    algorithm: SignatureAlgorithm = SignatureAlgorithm.ED25519

    @property
    def credential(self) -> CredentialKey:
        """The credential key of the pass."""
        return credential_key(f"pass:{self.pass_id.hex()}")


def pass_text(made: QrPass, sign: Sign) -> str:
    """Return the text to print as a QR code."""
    body = (
        bytes([made.algorithm])
        + made.issuer_id
        + made.pass_id
        + made.valid_from.to_bytes(4, "big")
        + made.valid_until.to_bytes(4, "big")
    )
    return TEXT_PREFIX + base64.b32encode(body + sign(_TAG + body)).decode().rstrip("=")


def verified_pass(text: str, issuers: Iterable[IssuerKey], at: datetime) -> QrPass | Reason:
    """Check a scanned text: unreadable, of another site, not genuine, not valid yet or expired, else the pass."""
    if not text.startswith(TEXT_PREFIX) or len(text) != TEXT_CHARACTERS:
        return Reason.CARD_UNREADABLE
    encoded = text.removeprefix(TEXT_PREFIX)
    try:
        raw = base64.b32decode(encoded + "=" * (-len(encoded) % 8))
        algorithm = SignatureAlgorithm(raw[0])
    except (binascii.Error, ValueError):
        return Reason.CARD_UNREADABLE
    if len(raw) != _PASS_BYTES or base64.b32encode(raw).decode().rstrip("=") != encoded:
        return Reason.CARD_UNREADABLE
    body, signature = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
    match issuer_of(issuers, body[1:5], algorithm, signature, _TAG + body):
        case None:
            return Reason.CARD_OF_OTHER_SITE
        case False:
            return Reason.CARD_NOT_GENUINE
    found = QrPass(
        body[1:5], body[5:21], int.from_bytes(body[21:25], "big"), int.from_bytes(body[25:29], "big"), algorithm
    )
    now = to_millis(at) // 1000
    if now < found.valid_from:
        return Reason.CARD_NOT_YET_VALID
    return found if now < found.valid_until else Reason.CARD_EXPIRED
