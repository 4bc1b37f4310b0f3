"""The registration desk's scanner: a scanned line becomes a credential, shown at the reader the scanner stands beside.

Registration and vehicle lanes are lanes like all others; what differs stands in their `LaneItem`.
"""

from __future__ import annotations

from cardcore.ids import CredentialKey, credential_key
from cardcore.reasons import Reason
from reader_daemon.messages import CardFailed, CardRead, CodeScanned


def read_of_code(scanned: CodeScanned, beside: str) -> CardRead | CardFailed:
    """Return the scan as a card shown at the reader `beside`; a code that no pass of this site can carry has failed."""
    try:
        credential: CredentialKey = credential_key(f"qr:{scanned.text.strip().lower()}")
    except ValueError:
        detail = f"scanned code of {len(scanned.text)} characters"
        return CardFailed(beside, Reason.CARD_UNKNOWN_TYPE, detail, scanned.at, scanned.monotonic_ms)
    return CardRead(beside, credential, scanned.at, scanned.monotonic_ms)
