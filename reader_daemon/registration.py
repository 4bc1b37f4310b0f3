"""The registration desk's scanner: a scanned line becomes a credential, shown at the reader the scanner stands beside.

Registration and vehicle lanes are lanes like all others; what differs stands in their `LaneItem`.
"""

from __future__ import annotations

from cardcore.ids import CredentialKey, credential_key
from cardcore.issuer import IssuerKey
from cardcore.qr_pass import TEXT_PREFIX, verified_pass
from cardcore.reasons import Reason
from reader_daemon.messages import CardFailed, CardRead, CodeScanned


def read_of_code(scanned: CodeScanned, beside: str, issuers: tuple[IssuerKey, ...] = ()) -> CardRead | CardFailed:
    """Return the scan as a card shown at the reader `beside`; a code that no pass of this site can carry has failed.

    A signed pass (`OC1..`) is verified here, its hours included; any other code is only a number.
    """
    text = scanned.text.strip()
    if text.startswith(TEXT_PREFIX):
        found = verified_pass(text, issuers, scanned.at)
        if isinstance(found, Reason):
            return CardFailed(beside, found, "signed pass", scanned.at, scanned.monotonic_ms)
        return CardRead(beside, found.credential, scanned.at, scanned.monotonic_ms)
    try:
        credential: CredentialKey = credential_key(f"qr:{text.lower()}")
    except ValueError:
        detail = f"scanned code of {len(scanned.text)} characters"
        return CardFailed(beside, Reason.CARD_UNKNOWN_TYPE, detail, scanned.at, scanned.monotonic_ms)
    return CardRead(beside, credential, scanned.at, scanned.monotonic_ms)
