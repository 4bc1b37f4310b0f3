"""What each key on a card is for, where it stands, and the input from which it is derived.

One random master a (tenant, role, epoch); no master is derived from another. A card's own key is derived from the
role's master with AN10922 over `derivation_input`, so no two cards share a key and a role never yields another's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SYSTEM_ID_BYTES = 12
APPLICATION_ID_BYTES = 3
UID_BYTES = 7
DERIVATION_INPUT_BYTES = 24
MAX_EPOCH = 255
"""An epoch is one byte: it is also the key version a card shows. 0 is the factory's, so epochs count from 1."""
FACTORY_EPOCH = 0
"""Names the default key of a blank card (all zero), never a master's."""


class CardApplication(StrEnum):
    """Where on a card a key stands."""

    CARD = "card"
    """The card itself (PICC level)."""
    GATE = "gate"
    CANTEEN = "canteen"


class KeyRole(StrEnum):
    """What a key is for. Door lanes need only GATE_READ, tills only CANTEEN_READ (and CANTEEN_RECEIPT)."""

    CARD_MASTER = "card_master"
    GATE_MASTER = "gate_master"
    GATE_READ = "gate_read"
    GATE_WRITE = "gate_write"
    GATE_FOREIGN = "gate_foreign"
    """Readers of another vendor."""
    GATE_CHECKER = "gate_checker"
    """Handheld checkers."""
    CANTEEN_MASTER = "canteen_master"
    CANTEEN_READ = "canteen_read"
    CANTEEN_RECEIPT = "canteen_receipt"
    CANTEEN_AUDIT = "canteen_audit"
    TRANSACTION_MAC = "transaction_mac"
    """Stays in the back end: a till cannot invent, drop or replay what a card did."""


KEY_PLACES: dict[KeyRole, tuple[CardApplication, int]] = {
    KeyRole.CARD_MASTER: (CardApplication.CARD, 0),
    KeyRole.GATE_MASTER: (CardApplication.GATE, 0),
    KeyRole.GATE_READ: (CardApplication.GATE, 1),
    KeyRole.GATE_WRITE: (CardApplication.GATE, 2),
    KeyRole.GATE_FOREIGN: (CardApplication.GATE, 3),
    KeyRole.GATE_CHECKER: (CardApplication.GATE, 4),
    KeyRole.CANTEEN_MASTER: (CardApplication.CANTEEN, 0),
    KeyRole.CANTEEN_READ: (CardApplication.CANTEEN, 1),
    KeyRole.CANTEEN_RECEIPT: (CardApplication.CANTEEN, 2),
    KeyRole.CANTEEN_AUDIT: (CardApplication.CANTEEN, 3),
    KeyRole.TRANSACTION_MAC: (CardApplication.CANTEEN, 15),
}
"""Application and key number of each role; 15 is no number on the card, it only keeps the derivation apart."""
KEY_COUNTS = {CardApplication.GATE: 6, CardApplication.CANTEEN: 5}
"""Keys an application is created with; the last one has no role and is set to a random value nobody keeps."""


@dataclass(frozen=True, slots=True)
class CardLayout:
    """What the cards of one site look like. Changing any of it makes cards issued before strangers."""

    system_id: bytes = b"ONECARD-SITE"
    gate_aid: bytes = bytes.fromhex("F4E1A0")
    canteen_aid: bytes = bytes.fromhex("F4E1A1")

    def __post_init__(self) -> None:
        """Refuse parts of a wrong length, and one AID for both applications (ValueError)."""
        aids = (self.gate_aid, self.canteen_aid)
        if len(self.system_id) != SYSTEM_ID_BYTES or {len(aid) for aid in aids} != {APPLICATION_ID_BYTES}:
            msg = f"system_id takes {SYSTEM_ID_BYTES} bytes, each AID {APPLICATION_ID_BYTES}"
            raise ValueError(msg)
        if self.gate_aid == self.canteen_aid or bytes(APPLICATION_ID_BYTES) in aids:
            msg = "gate_aid and canteen_aid must differ, and neither may be 000000"
            raise ValueError(msg)

    def aid(self, application: CardApplication) -> bytes:
        """Return the application's AID, most significant byte first; 000000 is the card itself."""
        match application:
            case CardApplication.GATE:
                return self.gate_aid
            case CardApplication.CANTEEN:
                return self.canteen_aid
            case CardApplication.CARD:
                return bytes(APPLICATION_ID_BYTES)


DEFAULT_LAYOUT = CardLayout()
"""For a site that set none of its own; its system id keeps it apart from nobody."""


def derivation_input(layout: CardLayout, role: KeyRole, uid: bytes, epoch: int) -> bytes:
    """Return M of AN10922 for a card's key: system id 12, AID 3, UID 7, key number 1, epoch 1 (24 bytes).

    The order lets an HSM derive with one block: `01 | system id | AID` is constant for an application. A UID of 4
    bytes (CPU cards) is right-padded with zeros. Raises ValueError for another UID length or an epoch outside 1..255.
    """
    if len(uid) not in (4, UID_BYTES) or not 1 <= epoch <= MAX_EPOCH:
        msg = f"no key is derived for a UID of {len(uid)} bytes in epoch {epoch}"
        raise ValueError(msg)
    application, number = KEY_PLACES[role]
    return layout.system_id + layout.aid(application) + uid.ljust(UID_BYTES, b"\0") + bytes([number, epoch])
