"""An implementation that is neither ours nor the card's: python-desfire 0.1.5 (MIT, its own CMAC over pycryptodome).

It speaks EV1 AES only, so it stands witness for authentication, chained IVs, CRC32, ChangeKey and AN10922; EV2 and LRP
rest on the public vectors.
"""

from __future__ import annotations

from typing import Any

import pytest
from desfire import DESFire, DESFireKey, diversify_key
from desfire.enums import DESFireCommunicationMode, DESFireFileType, DESFireKeySettings, DESFireKeyType
from desfire.schemas import FilePermissions, FileSettings, KeySettings

from cardcore.card_keys.asks import CardMethod, CommMode, KeyName, KeyPurpose
from cardcore.card_keys.roles import DEFAULT_LAYOUT, CardApplication, KeyRole
from cardcore.desfire.diversify import diversify
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from reader_daemon.protocols.card.desfire_channel import DesfireChannel
from reader_daemon.protocols.card.desfire_commands import read_data, select_application
from reader_daemon.protocols.card.outcome import CardFailure, Dialogue
from reader_daemon.protocols.card.personalise import PersonalisationOrder, Personalised, personalise
from tests.reader_daemon.protocols.card.site_cards import UID, CardField, card_key, credential_file

SETTINGS = KeySettings(
    key_type=DESFireKeyType.DF_KEY_AES,
    settings=[
        DESFireKeySettings.KS_ALLOW_CHANGE_MK,
        DESFireKeySettings.KS_LISTING_WITHOUT_MK,
        DESFireKeySettings.KS_CREATE_DELETE_WITHOUT_MK,
        DESFireKeySettings.KS_CONFIGURATION_CHANGEABLE,
    ],
)
FULL = DESFireCommunicationMode.ENCRYPTED
AID = "A1B2C3"
GENERATIONS = [1, 2]


class Bridge:
    """Carry its native frames to the card in ISO wrapping, as PC/SC readers demand."""

    def __init__(self, card: DesfireCard) -> None:
        self._card = card

    def transceive(self, frame: list[int]) -> list[int]:
        body = bytes(frame[1:])
        wrapped = bytes([0x90, frame[0], 0, 0]) + (bytes([len(body)]) + body if body else b"") + b"\0"
        answer = self._card.answer(wrapped)
        return [answer[-1], *answer[:-2]]


def key(value: bytes = bytes(16)) -> Any:  # noqa: ANN401 - the library carries no types
    return DESFireKey(SETTINGS, value)


def settings(size: int) -> Any:  # noqa: ANN401 - the same
    return FileSettings(FULL, DESFireFileType.MDFT_STANDARD_DATA_FILE, FilePermissions(0, 0, 0, 0), size)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_it_works_our_card(generation: int) -> None:
    card = DesfireCard(UID, generation=generation)
    peer = DESFire(Bridge(card))
    peer.authenticate(0, key())
    assert bytes(peer.get_real_uid()) == UID
    peer.create_application(AID, SETTINGS, 3)
    peer.select_application(AID)
    peer.authenticate(0, key())
    peer.create_standard_file(1, settings(48))
    peer.write_file_data(1, 0, FULL, list(range(1, 33)))
    read = peer.read_file_data(1, peer.get_file_settings(1))
    assert bytes(read) == bytes(range(1, 33)) + bytes(16)
    peer.change_key(1, key(), key(b"K" * 16), 5)
    assert peer.get_key_version(1) == 5
    peer.change_key(0, key(), key(b"M" * 16), 6)
    peer.authenticate(0, key(b"M" * 16))
    assert peer.is_authenticated


@pytest.mark.parametrize("generation", GENERATIONS)
def test_our_reader_reads_what_it_wrote(generation: int) -> None:
    card = DesfireCard(UID, generation=generation)
    peer = DESFire(Bridge(card))
    peer.authenticate(0, key())
    peer.create_application(AID, SETTINGS, 3)
    peer.select_application(AID)
    peer.authenticate(0, key())
    peer.create_standard_file(1, settings(48))
    peer.write_file_data(1, 5, FULL, list(b"written by another hand"))

    def story() -> Dialogue[bytes | CardFailure]:
        channel = DesfireChannel()
        yield from select_application(channel, bytes.fromhex(AID)[::-1])
        factory = KeyName(KeyRole.GATE_MASTER, UID, 0)
        assert (yield from channel.authenticate(CardMethod.EV1_AES, 0, factory, KeyPurpose.ISSUE)) is None
        read = yield from read_data(channel, 1, 5, 23, CommMode.FULL)
        assert isinstance(read, bytes)
        return read

    assert CardField(card).run(story()) == b"written by another hand"


@pytest.mark.parametrize("generation", GENERATIONS)
def test_it_reads_the_credential_of_a_card_that_we_made(generation: int) -> None:
    card = DesfireCard(UID, generation=generation)
    file = credential_file(CardApplication.GATE)
    order = PersonalisationOrder(UID, {CardApplication.GATE: file}, dict.fromkeys(KeyRole, 1))
    assert isinstance(CardField(card).run(personalise(order)), Personalised)
    card.power_on()
    peer = DESFire(Bridge(card))
    peer.select_application(list(DEFAULT_LAYOUT.gate_aid[::-1]))
    peer.authenticate(1, key(card_key(KeyRole.GATE_READ)))
    assert bytes(peer.read_file_data(1, settings(len(file)))) == file


@pytest.mark.parametrize("length", range(1, 32))
def test_it_derives_the_same_keys(length: int) -> None:
    master, m = bytes(range(16)), bytes(range(50, 50 + length))
    assert bytes(diversify_key(list(master), [1, *m])) == diversify(master, m)
