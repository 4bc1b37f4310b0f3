"""What published EV1 code gets wrong and ours must not: zeros at the end, the CRC, the key object, lengths."""

from __future__ import annotations

import pytest

from cardcore.card_keys.asks import CardMethod, CommandToSeal, CommMode, SessionKeys
from cardcore.card_keys.software import AesCardKey
from cardcore.desfire import ev1, ev2
from cardcore.desfire.blocks import cbc_encrypt, jamcrc, pad80, pad_zero, unpad80
from cardcore.desfire.sessions import secure_session

KEY = b"S" * 16
READ = CommandToSeal(0xBD, b"\1" + bytes(6), b"", CommMode.FULL, CommMode.FULL)


def ev1_reading(sealed: bytes, answer_bytes: int | None = None) -> bytes | None:
    """Open an answer as the first of a session whose command left the zero IV (a session of our making)."""
    session = ev1.Ev1Session(SessionKeys(CardMethod.EV1_AES, KEY, b""))
    command = CommandToSeal(READ.instruction, READ.header, b"", CommMode.FULL, CommMode.FULL, answer_bytes)
    session.seal(command)
    return session.open(0, cbc_encrypt(KEY, session._iv, sealed))


def test_data_and_checksums_that_end_in_zeros_are_read_whole() -> None:
    ended = 0
    for number in range(2_000):
        data = number.to_bytes(4, "big") + bytes(number % 4)
        checksum = jamcrc(data + b"\0")
        ended += checksum.endswith(b"\0")
        assert ev1_reading(pad_zero(data + checksum), len(data)) == data, number
    assert ended


def test_padding_that_is_not_zero_and_wrong_lengths_are_refused() -> None:
    data = b"credential"
    good = pad_zero(data + jamcrc(data + b"\0"))
    assert ev1_reading(good, len(data)) == data
    assert ev1_reading(good[:-1] + b"\1", len(data)) is None
    assert ev1_reading(good + bytes(16), len(data)) is None
    assert ev1_reading(good, len(data) - 1) is None
    assert ev1_reading(b"", 0) is None
    assert ev1_reading(good, None) is None


def test_a_key_object_is_the_same_after_use() -> None:
    key = AesCardKey(b"K" * 16)
    ev2.begin(key, bytes(16), bytes(16))
    ev1.begin(key, bytes(16), bytes(16))
    assert key.value() == b"K" * 16
    assert "K" * 4 not in repr(key)


@pytest.mark.parametrize("length", range(50))
def test_padding_with_a_marker_is_undone(length: int) -> None:
    data = bytes(length)
    padded = pad80(data)
    assert len(padded) % 16 == 0
    assert len(padded) > length
    assert unpad80(padded) == data


@pytest.mark.parametrize("raw", [b"", bytes(16), b"\x80" + bytes(16), b"\x81" + bytes(15), bytes(15) + b"\1"])
def test_what_is_no_padding(raw: bytes) -> None:
    assert unpad80(raw) is None


def test_a_session_ends_at_its_last_counter() -> None:
    session = ev2.Ev2Session(SessionKeys(CardMethod.EV2_FIRST, KEY, KEY, b"TIxx", ev2.LAST_COUNTER))
    assert session.seal(CommandToSeal(0x51)) is None
    assert not session.alive


@pytest.mark.parametrize("method", [CardMethod.EV2_FIRST, CardMethod.EV1_AES, CardMethod.LRP_FIRST])
def test_any_status_but_done_ends_a_session(method: CardMethod) -> None:
    session = secure_session(SessionKeys(method, KEY, b"\0\0\0\1" if method is CardMethod.LRP_FIRST else KEY, b"TIxx"))
    assert session.seal(CommandToSeal(0x51)) is not None
    assert session.open(0xAE, b"") is None
    assert not session.alive
    assert session.seal(CommandToSeal(0x51)) is None


def test_sm4_has_no_session() -> None:
    with pytest.raises(ValueError, match="no session"):
        secure_session(SessionKeys(CardMethod.SM4, b"", b""))
