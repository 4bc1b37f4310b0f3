"""Every command of the reader's side against the virtual card: files of all kinds, transactions, key sets, sessions."""

from __future__ import annotations

from typing import Any

import pytest

from cardcore.card_keys.asks import CardMethod, CommMode, KeyName, KeyPurpose, SealKeyChange
from cardcore.card_keys.roles import KeyRole
from cardcore.desfire.transaction_mac import transaction_is_genuine
from cardcore.reasons import Reason
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from reader_daemon.protocols.card import desfire_commands as commands
from reader_daemon.protocols.card.desfire_channel import DesfireChannel, Rejected
from reader_daemon.protocols.card.desfire_files import AccessRights, FileKind, FileSettings, read_file_settings
from reader_daemon.protocols.card.outcome import CardFailure, Dialogue, WriteOutcome
from tests.reader_daemon.protocols.card.site_cards import UID, CardField, flipping

AID = bytes.fromhex("A1B2C3")
FACTORY = KeyName(KeyRole.GATE_MASTER, UID, 0)
RIGHTS = AccessRights(0, 0, 0, 0)
KINDS: list[tuple[CardMethod, dict[str, Any]]] = [
    (CardMethod.EV1_AES, {"generation": 1}),
    (CardMethod.EV2_FIRST, {}),
    (CardMethod.LRP_FIRST, {"lrp": True}),
]
MODES = list(CommMode)
OK = WriteOutcome.SUCCEEDED


kinds = pytest.mark.parametrize(("method", "card"), KINDS, ids=["ev1", "ev2", "lrp"])


def opened(method: CardMethod, number: int = 0, key_sets: commands.KeySets | None = None) -> Dialogue[DesfireChannel]:
    """Create an application of five keys and authenticate with one of them, all of the factory's zeros."""
    channel = DesfireChannel()
    assert (yield from commands.create_application(channel, AID, 0x0F, 5, key_sets)) is OK
    assert (yield from commands.select_application(channel, AID)) == b""
    assert (yield from channel.authenticate(method, number, FACTORY, KeyPurpose.ISSUE)) is None
    return channel


def run(field: CardField, story: Dialogue[bool | CardFailure]) -> None:
    assert field.run(story) is True


@kinds
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("backup", [False, True])
@pytest.mark.parametrize("length", [1, 15, 16, 32, 47, 60, 150])
def test_data_files(method: CardMethod, card: dict[str, Any], mode: CommMode, backup: bool, length: int) -> None:
    data = bytes(range(length - 1)) + b"\0"

    def story() -> Dialogue[bool | CardFailure]:
        channel = yield from opened(method)
        assert (yield from commands.create_data_file(channel, 2, mode, RIGHTS, 160, backup=backup)) is OK
        assert (yield from commands.write_data(channel, 2, 3, data, mode)) is OK
        if backup:
            assert (yield from commands.read_data(channel, 2, 3, length, mode)) == bytes(length)
            assert (yield from commands.commit(channel)) is OK
        assert (yield from commands.read_data(channel, 2, 3, length, mode)) == data
        settings = yield from commands.get_file_settings(channel, 2)
        assert isinstance(settings, bytes)
        read = read_file_settings(settings)
        assert isinstance(read, FileSettings)
        kind = FileKind.BACKUP if backup else FileKind.STANDARD
        assert (read.kind, read.mode, read.rights, read.size_bytes) == (kind, mode, RIGHTS, 160)
        return True

    run(CardField(DesfireCard(UID, **card)), story())


@kinds
@pytest.mark.parametrize("mode", MODES)
def test_value_files_move_at_the_commit_only(method: CardMethod, card: dict[str, Any], mode: CommMode) -> None:
    def story() -> Dialogue[bool | CardFailure]:
        channel = yield from opened(method)
        assert (yield from commands.create_value_file(channel, 3, mode, RIGHTS, (0, 5_000, 1_000))) is OK
        assert (yield from commands.debit(channel, 3, 300, mode)) is OK
        assert (yield from commands.credit(channel, 3, 50, mode)) is OK
        assert (yield from commands.get_value(channel, 3, mode)) == 1_000
        assert (yield from commands.commit(channel)) is OK
        assert (yield from commands.get_value(channel, 3, mode)) == 750
        assert (yield from commands.debit(channel, 3, 700, mode)) is OK
        assert (yield from commands.abort(channel)) is OK
        assert (yield from commands.get_value(channel, 3, mode)) == 750
        assert (yield from commands.debit(channel, 3, 751, mode)) is WriteOutcome.REJECTED
        assert channel.dead
        assert (yield from commands.commit(channel)) is WriteOutcome.NOT_SENT
        return True

    run(CardField(DesfireCard(UID, **card)), story())


@kinds
@pytest.mark.parametrize("mode", MODES)
def test_cyclic_records_keep_the_newest(method: CardMethod, card: dict[str, Any], mode: CommMode) -> None:
    def story() -> Dialogue[bool | CardFailure]:
        channel = yield from opened(method)
        made = yield from commands.create_record_file(channel, 4, mode, RIGHTS, (32, 4), cyclic=True)
        assert made is OK
        for number in range(5):
            assert (yield from commands.write_record(channel, 4, 0, bytes([number]) * 32, mode)) is OK
            assert (yield from commands.commit(channel)) is OK
        kept = yield from commands.read_records(channel, 4, 0, 3, mode, 32)
        assert kept == b"\x02" * 32 + b"\x03" * 32 + b"\x04" * 32
        return True

    run(CardField(DesfireCard(UID, **card)), story())


@pytest.mark.parametrize(("method", "card"), KINDS[1:], ids=["ev2", "lrp"])
def test_a_transaction_mac_proves_the_transaction(method: CardMethod, card: dict[str, Any]) -> None:
    key = b"T" * 16

    def story() -> Dialogue[bool | CardFailure]:
        channel = yield from opened(method)
        assert (yield from commands.create_value_file(channel, 3, CommMode.FULL, RIGHTS, (0, 9_999, 500))) is OK
        rights = AccessRights(0xE, 0xF, 0xF, 0)
        assert (yield from commands.create_transaction_mac_file(channel, 15, rights, key, 1)) is OK
        for counter in (1, 2):
            assert (yield from commands.debit(channel, 3, 120, CommMode.FULL)) is OK
            sealed = yield from commands.commit_with_mac(channel)
            assert isinstance(sealed, bytes)
            assert int.from_bytes(sealed[:4], "little") == counter
            covered = bytes.fromhex("DC03").ljust(16, b"\0") + (120).to_bytes(4, "little").ljust(16, b"\0")
            assert transaction_is_genuine(key, counter, UID, covered, sealed[4:])
            assert not transaction_is_genuine(key, counter + 1, UID, covered, sealed[4:])
            assert not transaction_is_genuine(key, counter, UID, covered[::-1], sealed[4:])
        return True

    run(CardField(DesfireCard(UID, **card)), story())


@pytest.mark.parametrize(
    ("method", "following", "card"),
    [
        (CardMethod.EV2_FIRST, CardMethod.EV2_NEXT, {}),
        (CardMethod.LRP_FIRST, CardMethod.LRP_NEXT, {"lrp": True}),
    ],
    ids=["ev2", "lrp"],
)
def test_a_second_authentication_goes_on_in_the_transaction(
    method: CardMethod, following: CardMethod, card: dict[str, Any]
) -> None:
    def story() -> Dialogue[bool | CardFailure]:
        channel = yield from opened(method)
        for mode in MODES:
            file = 5 + MODES.index(mode)
            assert (yield from commands.create_data_file(channel, file, mode, AccessRights(2, 2, 2, 0), 32)) is OK
        assert (yield from channel.authenticate(following, 2, FACTORY, KeyPurpose.ISSUE)) is None
        for mode in MODES:
            file = 5 + MODES.index(mode)
            assert (yield from commands.write_data(channel, file, 0, b"second key", mode)) is OK
            assert (yield from commands.read_data(channel, file, 0, 10, mode)) == b"second key"
        return True

    run(CardField(DesfireCard(UID, **card)), story())


@kinds
def test_keys_are_changed_own_and_other(method: CardMethod, card: dict[str, Any]) -> None:
    def story() -> Dialogue[bool | CardFailure]:
        channel = yield from opened(method)
        other = SealKeyChange(b"", 1, KeyName(KeyRole.GATE_READ, UID, 2), FACTORY)
        assert (yield from commands.change_key(channel, other)) is OK
        assert (yield from commands.get_key_version(channel, 1)) == b"\x02"
        thrown_away = SealKeyChange(b"", 4, None, FACTORY)
        assert (yield from commands.change_key(channel, thrown_away)) is OK
        own = SealKeyChange(b"", 0, KeyName(KeyRole.GATE_MASTER, UID, 1))
        assert (yield from commands.change_key(channel, own)) is OK
        assert channel.dead
        assert (yield from commands.change_key(channel, own)) is WriteOutcome.NOT_SENT
        for role, number, epoch in ((KeyRole.GATE_READ, 1, 2), (KeyRole.GATE_MASTER, 0, 1)):
            again = DesfireChannel()
            key = KeyName(role, UID, epoch)
            assert (yield from again.authenticate(method, number, key, KeyPurpose.ISSUE)) is None
        wrong = yield from DesfireChannel().authenticate(method, 4, FACTORY, KeyPurpose.ISSUE)
        assert isinstance(wrong, CardFailure)
        assert wrong.reason is Reason.CARD_NOT_GENUINE
        return True

    run(CardField(DesfireCard(UID, **card)), story())


@pytest.mark.parametrize(("method", "card"), KINDS[1:], ids=["ev2", "lrp"])
def test_a_key_set_is_prepared_and_rolled_at_once(method: CardMethod, card: dict[str, Any]) -> None:
    read_2 = KeyName(KeyRole.GATE_READ, UID, 2)
    master_2 = KeyName(KeyRole.GATE_MASTER, UID, 2)

    def story() -> Dialogue[bool | CardFailure]:
        channel = yield from opened(method, key_sets=commands.KeySets(1, 2, 0))
        assert (yield from commands.initialize_key_set(channel, 1)) is OK
        for number, name in ((0, master_2), (1, read_2)):
            change = SealKeyChange(b"", number, name, FACTORY, key_set=1)
            assert (yield from commands.change_key(channel, change)) is OK
        assert (yield from commands.finalize_key_set(channel, 1, 2)) is OK
        assert (yield from commands.get_key_version(channel, 1)) == b"\0"
        assert (yield from commands.roll_key_set(channel, 1)) is OK
        again = DesfireChannel()
        assert (yield from commands.get_key_version(again, 1)) == b"\x02"
        assert (yield from again.authenticate(method, 1, read_2, KeyPurpose.READ)) is None
        assert (yield from DesfireChannel().authenticate(method, 0, master_2, KeyPurpose.ISSUE)) is None
        return True

    run(CardField(DesfireCard(UID, **card)), story())


@kinds
def test_what_the_card_tells_of_itself(method: CardMethod, card: dict[str, Any]) -> None:
    def story() -> Dialogue[bool | CardFailure]:
        channel = yield from opened(method)
        assert (yield from commands.get_card_uid(channel)) == UID
        assert (yield from commands.get_key_settings(channel)) == bytes([0x0F, 0x85])
        version = yield from commands.get_version(channel)
        assert isinstance(version, bytes)
        assert version[14:21] == UID
        assert (yield from commands.create_data_file(channel, 7, CommMode.FULL, RIGHTS, 16)) is OK
        assert (yield from commands.change_file_settings(channel, 7, CommMode.MAC, AccessRights(1, 2, 3, 0))) is OK
        assert (yield from commands.get_file_ids(channel)) == b"\x07"
        assert (yield from commands.delete_file(channel, 7)) is OK
        assert (yield from commands.change_key_settings(channel, 0x09)) is OK
        assert (yield from commands.get_key_settings(channel)) == bytes([0x09, 0x85])
        assert isinstance((yield from commands.get_free_memory(channel)), bytes)
        assert (yield from commands.select_application(DesfireChannel(), bytes(3))) == b""
        assert (yield from commands.get_application_ids(DesfireChannel())) == AID[::-1]
        return True

    run(CardField(DesfireCard(UID, **card)), story())


@kinds
def test_a_write_whose_answer_is_wrong_or_missing_is_unknown(method: CardMethod, card: dict[str, Any]) -> None:
    def story(after: int) -> Dialogue[bool | CardFailure]:
        channel = yield from opened(method)
        assert (yield from commands.create_data_file(channel, 2, CommMode.MAC, RIGHTS, 16)) is OK
        field.spoil_from = after
        outcome = yield from commands.write_data(channel, 2, 0, b"x", CommMode.MAC)
        assert outcome is WriteOutcome.UNKNOWN
        assert channel.dead
        assert isinstance((yield from commands.read_data(channel, 2, 0, 1, CommMode.MAC)), CardFailure)
        return True

    class Spoiled(CardField):
        spoil_from = 1_000

        def transmit(self, command: bytes) -> bytes:
            answer = super().transmit(command)
            if len(self.answers) > self.spoil_from:
                return flipping(0, 2, 1)(0, answer)
            return answer

    field = Spoiled(DesfireCard(UID, **card))
    assert field.run(story(0)) is True


def test_an_unknown_file_is_rejected_and_ends_the_session() -> None:
    def story() -> Dialogue[bool | CardFailure]:
        channel = yield from opened(CardMethod.EV2_FIRST)
        assert (yield from commands.read_data(channel, 9, 0, 1, CommMode.FULL)) == Rejected(0xF0)
        assert channel.dead
        return True

    run(CardField(DesfireCard(UID)), story())
