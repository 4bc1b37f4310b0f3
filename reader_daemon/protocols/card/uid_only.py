"""The card's serial number, as the reader reports it: names a card, proves nothing.

Only for readers whose settings admit low assurance. The credential's scheme is `uid`, so it can never match a card that
was issued with a secret, whatever number an emulator shows.
"""

from __future__ import annotations

from cardcore.ids import credential_key
from cardcore.reasons import Reason
from reader_daemon.protocols.card.apdu import command_apdu, exchange
from reader_daemon.protocols.card.outcome import (
    Assertion,
    Assurance,
    CardFailure,
    Dialogue,
    NotThisScheme,
    SchemeOutcome,
)

SCHEME = "uid"
UID_BYTES = (4, 7, 8, 10)
"""ISO/IEC 14443-3 single, double and triple size; 8 is ISO/IEC 15693 and FeliCa."""
_RANDOM_PREFIX = 0x08
_RANDOM_BYTES = 4


def uid_dialogue() -> Dialogue[SchemeOutcome]:
    """Ask the reader for the serial number with the pseudo-APDU FF CA 00 00 00 (PC/SC part 3, 3.2.2.1.3, GET DATA).

    A random number (4 bytes beginning with 08, ISO/IEC 14443-3) changes with every tap and is refused as
    `card_unknown_type`.
    """
    answer = yield from exchange(command_apdu(bytes.fromhex("FFCA0000")))
    if isinstance(answer, CardFailure):
        return answer
    if not answer.accepted:
        return NotThisScheme(f"GET UID answered {answer.status:04X}")
    uid = answer.data
    if len(uid) not in UID_BYTES or not any(uid) or set(uid) == {0xFF}:
        return CardFailure(Reason.CARD_UNREADABLE, f"serial number of {len(uid)} bytes is none")
    if len(uid) == _RANDOM_BYTES and uid[0] == _RANDOM_PREFIX:
        return CardFailure(Reason.CARD_UNKNOWN_TYPE, "the card shows a random serial number")
    return Assertion(SCHEME, credential_key(f"{SCHEME}:{uid.hex()}"), Assurance.LOW, "serial number, not authenticated")
