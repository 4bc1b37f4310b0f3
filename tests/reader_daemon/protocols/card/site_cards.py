"""A site's keys and cards for tests: masters, an in-process key source, issued virtual cards, and a field to hold them.

Issued cards are written straight into the virtual card's memory, so that the tap is tested without the personalisation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cardcore.access.items import Product
from cardcore.card_keys.answering import Allowed, KeyAnswers, everything
from cardcore.card_keys.asks import KeyAnswer, KeyName, KeyRefused, KeyRequest, KeySource
from cardcore.card_keys.custody import KeyCipher
from cardcore.card_keys.roles import DEFAULT_LAYOUT, KEY_COUNTS, KEY_PLACES, CardApplication, KeyRole
from cardcore.card_keys.software import SoftwareCustody
from cardcore.credential import Credential, sign_credential
from cardcore.reasons import Reason
from firmware_mocks.virtual_card.card import CardGone, VirtualCard
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from firmware_mocks.virtual_card.desfire.memory import Application, File, Key
from reader_daemon.protocols.card.desfire import DesfireReader
from reader_daemon.protocols.card.dialogue import run_dialogue
from reader_daemon.protocols.card.outcome import CardFailure, Dialogue, TransmitFailed
from tests.cardcore.issuers import ISSUER_ID, ISSUERS, sign_ed25519
from tests.reader_daemon.transports.port_events import SeededIds, StandingClock

Result = TypeVar("Result")
UID = bytes.fromhex("04782E21801D80")
EPOCHS = (1, 2)
FULL_MODE = 3
CREDENTIAL_RIGHTS = {CardApplication.GATE: 0x1F20, CardApplication.CANTEEN: 0x1F00}
CREDENTIAL_IDS = {CardApplication.GATE: b"G" * 16, CardApplication.CANTEEN: b"C" * 16}
READ_ROLES = {CardApplication.GATE: KeyRole.GATE_READ, CardApplication.CANTEEN: KeyRole.CANTEEN_READ}


def masters(site: int = 0) -> dict[tuple[KeyRole, int], bytes]:
    """Return unlike masters for every role and epoch of a site."""
    return {
        (role, epoch): bytes([site, place, epoch]) + bytes(range(13))
        for place, role in enumerate(KeyRole)
        for epoch in EPOCHS
    }


def custody(site: int = 0) -> SoftwareCustody:
    return SoftwareCustody(DEFAULT_LAYOUT, masters(site))


class CountingKeys:
    """The key source in process; remembers what it was asked."""

    def __init__(self, allowed: Allowed = everything, site: int = 0) -> None:
        self.answers = KeyAnswers(custody(site), allowed, StandingClock(), SeededIds())
        self.asked: list[KeyRequest] = []

    def ask(self, request: KeyRequest) -> KeyAnswer:
        self.asked.append(request)
        return self.answers.ask(request)


def card_key(
    role: KeyRole, uid: bytes = UID, epoch: int = 1, site: int = 0, cipher: KeyCipher = KeyCipher.AES
) -> bytes:
    """Return the bytes of a card's key."""
    key = custody(site).card_key(KeyName(role, uid, epoch), cipher)
    assert not isinstance(key, KeyRefused)
    return key.value()


def credential_file(application: CardApplication, uid: bytes = UID, aid: bytes | None = None, epoch: int = 1) -> bytes:
    credential = Credential(ISSUER_ID, application, Product.COMBINED, CREDENTIAL_IDS[application], uid, 1, epoch)
    return sign_credential(credential, aid or DEFAULT_LAYOUT.aid(application), sign_ed25519)


def issue(card: DesfireCard, *, uid: bytes | None = None, epoch: int = 1, site: int = 0) -> DesfireCard:
    """Put both applications of the site on a card; `uid` is whose keys and file it gets, normally its own."""
    whose = uid or card.uid
    for application, count in KEY_COUNTS.items():
        made = Application(0x09, [[Key(b"\xff" * 16, 0xFF) for _ in range(count)]])
        for role, (place, number) in KEY_PLACES.items():
            if place is application and number < count:
                made.keys[number].value, made.keys[number].version = card_key(role, whose, epoch, site), epoch
        file = credential_file(application, whose, epoch=epoch)
        rights = CREDENTIAL_RIGHTS[application]
        made.files[1] = File(0, FULL_MODE, rights, len(file), bytearray(file))
        card.applications[DEFAULT_LAYOUT.aid(application)[::-1]] = made
    return card


def issued(uid: bytes = UID, *, generation: int = 2, lrp: bool = False, epoch: int = 1) -> DesfireCard:
    return issue(DesfireCard(uid, generation=generation, lrp=lrp), epoch=epoch)


def reader(application: CardApplication = CardApplication.GATE) -> DesfireReader:
    return DesfireReader(READ_ROLES[application], ISSUERS)


Alter = Callable[[int, bytes], bytes]
"""Number of the answer and the answer -> what the reader gets to see."""


class CardField:
    """A card in a field: keeps what was said, can alter answers, change the card and take time."""

    def __init__(self, card: VirtualCard, alter: Alter = lambda _number, answer: answer, each_ms: int = 0) -> None:
        card.power_on()
        self.card = card
        self.clock = StandingClock()
        self.commands: list[bytes] = []
        self.answers: list[bytes] = []
        self.keys: KeySource = CountingKeys()
        self._alter = alter
        self._each_ms = each_ms

    def transmit(self, command: bytes) -> bytes:
        self.commands.append(command)
        self.clock.milliseconds += self._each_ms
        try:
            answer = self.card.answer(command)
        except CardGone:
            raise TransmitFailed(Reason.CARD_MOVED, "torn") from None
        if answer is None:
            raise TransmitFailed(Reason.CARD_TIMEOUT, "silent")
        answer = self._alter(len(self.answers), answer)
        self.answers.append(answer)
        return answer

    def run(self, dialogue: Dialogue[Result | CardFailure], exchanges: int = 400) -> Result | CardFailure:
        return run_dialogue(dialogue, self.transmit, self.clock, 3_000, self.keys, exchanges)


def flipping(number: int, at: int, mask: int) -> Alter:
    """Alter one byte of one answer."""

    def alter(answer_number: int, answer: bytes) -> bytes:
        if answer_number != number:
            return answer
        place = at % len(answer)
        return answer[:place] + bytes([answer[place] ^ mask]) + answer[place + 1 :]

    return alter
