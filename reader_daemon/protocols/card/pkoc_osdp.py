"""The authentication request of PKOC over OSDP, for readers that talk to the card themselves. Framing only.

No panel sends it yet; the manufacturer replies E0 and E2 are not read. Source: PKOC 2.0.1, OSDP part.
"""

from __future__ import annotations

from reader_daemon.protocols.card.pkoc import TAG_READER, TAG_TRANSACTION_ID, TAG_VERSION, VERSION_1
from reader_daemon.protocols.card.tlv import encode_tlv

AUTHENTICATION_REQUEST = bytes.fromhex("E10001")
SEQUENCE = 0xFD


def authentication_request(reader: bytes, transaction_id: bytes, sequence: int) -> bytes:
    """Return the payload: version, reader identifier 32 bytes, transaction id 16..65 bytes, sequence 0..255."""
    return (
        AUTHENTICATION_REQUEST
        + encode_tlv(TAG_VERSION, VERSION_1)
        + encode_tlv(TAG_READER, reader)
        + encode_tlv(TAG_TRANSACTION_ID, transaction_id)
        + bytes([SEQUENCE, sequence])
    )
