"""The reference key source: what it refuses, what it forgets, and that reading roles alone get session keys."""

from __future__ import annotations

import pytest

from cardcore.card_keys.answering import Allowed, KeyAnswers, everything, reading_only
from cardcore.card_keys.asks import (
    MAX_OPEN_SESSIONS,
    SESSION_LIFE_MS,
    Authenticated,
    BeginAuthentication,
    Begun,
    CardMethod,
    CommandToSeal,
    Ended,
    EndSession,
    FinishAuthentication,
    KeyAnswer,
    KeyName,
    KeyPurpose,
    KeyRefusal,
    KeyRefused,
    OpenAnswer,
    SealCommand,
)
from cardcore.card_keys.custody import KeyCipher
from cardcore.card_keys.edge_file import EdgeKeysError, open_edge_keys, seal_edge_keys
from cardcore.card_keys.roles import DEFAULT_LAYOUT, CardLayout, KeyRole, derivation_input
from cardcore.card_keys.software import SoftwareCustody
from cardcore.desfire.blocks import cbc_decrypt, cbc_encrypt, rotated_left
from tests.reader_daemon.transports.port_events import SeededIds, StandingClock

UID = bytes.fromhex("04782E21801D80")
MASTERS = {(role, 1): bytes([index]) * 16 for index, role in enumerate(KeyRole)}
READ = KeyName(KeyRole.GATE_READ, UID, 1)
CUSTODY = SoftwareCustody(DEFAULT_LAYOUT, MASTERS)


class Desk:
    """A key source and a card that knows one key."""

    def __init__(self, allowed: Allowed = everything) -> None:
        self.clock = StandingClock()
        self.source = KeyAnswers(CUSTODY, allowed, self.clock, SeededIds())

    def begin(
        self, name: KeyName = READ, purpose: KeyPurpose = KeyPurpose.READ, challenge: bytes = bytes(16)
    ) -> KeyAnswer:
        return self.source.ask(BeginAuthentication(CardMethod.EV2_FIRST, name, purpose, challenge))

    def proof(self, begun: Begun, name: KeyName = READ) -> bytes:
        key = CUSTODY.card_key(name, KeyCipher.AES)
        assert not isinstance(key, KeyRefused)
        rnd_a = cbc_decrypt(key.value(), bytes(16), begun.token)[:16]
        return cbc_encrypt(key.value(), bytes(16), b"TIxx" + rotated_left(rnd_a) + bytes(12))


def begun(answer: KeyAnswer) -> Begun:
    assert isinstance(answer, Begun)
    return answer


def refusal(answer: KeyAnswer) -> KeyRefusal:
    assert isinstance(answer, KeyRefused), answer
    return answer.refusal


def test_a_reading_role_gets_its_session_once() -> None:
    desk = Desk()
    first = begun(desk.begin())
    finish = FinishAuthentication(first.handle, desk.proof(first))
    answer = desk.source.ask(finish)
    assert isinstance(answer, Authenticated)
    assert answer.session is not None
    assert answer.session.transaction == b"TIxx"
    assert refusal(desk.source.ask(finish)) is KeyRefusal.SESSION_OVER


def test_a_session_for_issue_stays_inside() -> None:
    desk = Desk()
    name = KeyName(KeyRole.GATE_MASTER, UID, 1)
    first = begun(desk.begin(name, KeyPurpose.ISSUE))
    assert desk.source.ask(FinishAuthentication(first.handle, desk.proof(first, name))) == Authenticated()
    assert desk.source.ask(EndSession(first.handle)) == Ended()
    assert refusal(desk.source.ask(SealCommand(first.handle, CommandToSeal(0x51)))) is KeyRefusal.SESSION_OVER


@pytest.mark.parametrize(
    "role", [KeyRole.CARD_MASTER, KeyRole.GATE_MASTER, KeyRole.GATE_WRITE, KeyRole.TRANSACTION_MAC]
)
def test_no_session_of_a_role_that_changes_cards_is_handed_out(role: KeyRole) -> None:
    assert refusal(Desk().begin(KeyName(role, UID, 1))) is KeyRefusal.NOT_ALLOWED


def test_an_edge_key_reads_and_issues_nothing() -> None:
    desk = Desk(reading_only(frozenset({KeyRole.GATE_READ})))
    begun(desk.begin())
    assert refusal(desk.begin(KeyName(KeyRole.CANTEEN_READ, UID, 1))) is KeyRefusal.NOT_ALLOWED
    assert refusal(desk.begin(READ, KeyPurpose.ISSUE)) is KeyRefusal.NOT_ALLOWED


def test_what_does_not_fit_is_refused_by_name() -> None:
    desk = Desk()
    assert refusal(desk.begin(KeyName(KeyRole.GATE_READ, UID, 7))) is KeyRefusal.UNKNOWN_EPOCH
    assert refusal(desk.begin(KeyName(KeyRole.GATE_READ, UID, 0))) is KeyRefusal.NOT_ALLOWED
    assert refusal(desk.begin(KeyName(KeyRole.GATE_READ, b"12", 1))) is KeyRefusal.BAD_REQUEST
    assert refusal(desk.begin(challenge=bytes(15))) is KeyRefusal.BAD_REQUEST
    following = BeginAuthentication(CardMethod.EV2_NEXT, READ, KeyPurpose.READ, bytes(16))
    assert refusal(desk.source.ask(following)) is KeyRefusal.SESSION_OVER
    first = begun(desk.begin())
    assert refusal(desk.source.ask(FinishAuthentication(first.handle, bytes(31)))) is KeyRefusal.BAD_REQUEST
    second = begun(desk.begin())
    assert refusal(desk.source.ask(SealCommand(second.handle, CommandToSeal(1)))) is KeyRefusal.BAD_REQUEST


def test_a_wrong_proof_is_not_genuine_and_ends_the_session() -> None:
    desk = Desk()
    first = begun(desk.begin())
    assert refusal(desk.source.ask(FinishAuthentication(first.handle, bytes(32)))) is KeyRefusal.CARD_NOT_GENUINE
    again = FinishAuthentication(first.handle, desk.proof(first))
    assert refusal(desk.source.ask(again)) is KeyRefusal.SESSION_OVER


def test_a_wrong_answer_ends_a_session_for_issue() -> None:
    desk = Desk()
    name = KeyName(KeyRole.GATE_MASTER, UID, 1)
    first = begun(desk.begin(name, KeyPurpose.ISSUE))
    desk.source.ask(FinishAuthentication(first.handle, desk.proof(first, name)))
    desk.source.ask(SealCommand(first.handle, CommandToSeal(0x51)))
    assert refusal(desk.source.ask(OpenAnswer(first.handle, 0, bytes(8)))) is KeyRefusal.CARD_NOT_GENUINE
    assert refusal(desk.source.ask(SealCommand(first.handle, CommandToSeal(0x51)))) is KeyRefusal.SESSION_OVER


def test_sessions_age_and_are_limited() -> None:
    desk = Desk()
    first = begun(desk.begin())
    proof = desk.proof(first)
    desk.clock.milliseconds += SESSION_LIFE_MS + 1
    assert refusal(desk.source.ask(FinishAuthentication(first.handle, proof))) is KeyRefusal.SESSION_OVER
    oldest = begun(desk.begin())
    for _ in range(MAX_OPEN_SESSIONS):
        desk.begin()
    answer = desk.source.ask(FinishAuthentication(oldest.handle, desk.proof(oldest)))
    assert refusal(answer) is KeyRefusal.SESSION_OVER


def test_every_card_role_and_epoch_has_a_key_of_its_own() -> None:
    custody = SoftwareCustody(DEFAULT_LAYOUT, {(role, epoch): b"M" * 16 for role in KeyRole for epoch in (1, 2)})
    seen = set()
    for role in KeyRole:
        for epoch in (1, 2):
            for uid in (UID, bytes(6) + b"\1"):
                for cipher in KeyCipher:
                    key = custody.card_key(KeyName(role, uid, epoch), cipher)
                    assert not isinstance(key, KeyRefused)
                    seen.add(key.value())
    assert len(seen) == len(KeyRole) * 2 * 2 * 2


@pytest.mark.parametrize(
    "parts",
    [
        {"system_id": b"short"},
        {"gate_aid": b"1234"},
        {"gate_aid": DEFAULT_LAYOUT.canteen_aid},
        {"canteen_aid": bytes(3)},
    ],
)
def test_layouts_that_cannot_be(parts: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match=r"AID|aid"):
        CardLayout(**parts)


def test_nothing_is_derived_for_odd_serial_numbers_and_epochs() -> None:
    for uid, epoch in ((b"123", 1), (UID, 0), (UID, 256)):
        with pytest.raises(ValueError, match="no key is derived"):
            derivation_input(DEFAULT_LAYOUT, KeyRole.GATE_READ, uid, epoch)


def test_an_edge_key_file_opens_on_its_own_device_only() -> None:
    masters = {(KeyRole.GATE_READ, 1): b"M" * 16, (KeyRole.GATE_READ, 2): b"N" * 16}
    file = seal_edge_keys(masters, "device-1", b"R" * 32, b"n" * 12)
    assert open_edge_keys(file, "device-1", b"R" * 32) == masters
    assert b"M" * 16 not in file
    for device, key in (("device-2", b"R" * 32), ("device-1", b"S" * 32)):
        with pytest.raises(EdgeKeysError, match="another device"):
            open_edge_keys(file, device, key)
    for at in range(len(file)):
        bad = file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :]
        with pytest.raises(EdgeKeysError):
            open_edge_keys(bad, "device-1", b"R" * 32)
    with pytest.raises(ValueError, match="gate_master"):
        seal_edge_keys({(KeyRole.GATE_MASTER, 1): b"M" * 16}, "d", b"R" * 32, b"n" * 12)
