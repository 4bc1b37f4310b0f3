"""APDUs: built as the standard says, answers refused by name, chaining bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.reasons import Reason
from reader_daemon.protocols.card.apdu import ANSWER_BYTES, Answer, command_apdu, exchange, parse_answer
from reader_daemon.protocols.card.outcome import CardFailure

HEAD = bytes.fromhex("00CA7F21")


def talk(command: bytes, answers: list[bytes]) -> tuple[list[bytes], Answer | CardFailure]:
    """Run `exchange` against prepared answers; returns what was sent and the result."""
    sent: list[bytes] = []
    dialogue = exchange(command)
    try:
        request = next(dialogue)
        for answer in answers:
            assert isinstance(request, bytes)
            sent.append(request)
            request = dialogue.send(answer)
    except StopIteration as ended:
        return sent, ended.value
    pytest.fail(f"still asking: {request!r}")


@pytest.mark.parametrize(
    ("data", "expected", "wire"),
    [
        (b"", None, "00ca7f21"),
        (b"", 0, "00ca7f2100"),
        (b"\x01\x02", None, "00ca7f21020102"),
        (b"\x01\x02", 5, "00ca7f2102010205"),
    ],
)
def test_four_cases_of_a_command(data: bytes, expected: int | None, wire: str) -> None:
    assert command_apdu(HEAD, data, expected).hex() == wire


def test_command_without_a_short_form_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="256"):
        command_apdu(HEAD, bytes(256))
    with pytest.raises(ValueError, match="3 and data"):
        command_apdu(HEAD[:3])


@pytest.mark.parametrize(
    "raw", [b"", b"\x90", bytes(ANSWER_BYTES - 1) + b"\x90\x00", b"\x60\x00", b"\x00\x00", b"\x12\x34"]
)
def test_answer_without_form_is_unreadable(raw: bytes) -> None:
    failure = parse_answer(raw)
    assert isinstance(failure, CardFailure)
    assert failure.reason is Reason.CARD_UNREADABLE


def test_longest_answer_and_the_shortest() -> None:
    assert parse_answer(bytes(256) + b"\x90\x00") == Answer(bytes(256), 0x9000)
    assert parse_answer(b"\x6a\x82") == Answer(b"", 0x6A82)


def test_warning_is_not_acceptance() -> None:
    answer = parse_answer(b"\x62\x82")
    assert isinstance(answer, Answer)
    assert not answer.accepted


def test_answer_in_parts_is_joined() -> None:
    sent, result = talk(command_apdu(HEAD), [b"abc\x61\x02", b"de\x90\x00"])
    assert sent == [command_apdu(HEAD), bytes.fromhex("00C0000002")]
    assert result == Answer(b"abcde", 0x9000)


def test_wrong_length_is_asked_again_once() -> None:
    sent, result = talk(command_apdu(HEAD), [b"\x6c\x03", b"abc\x90\x00"])
    assert sent[1] == HEAD + b"\x03"
    assert result == Answer(b"abc", 0x9000)
    assert talk(command_apdu(HEAD), [b"\x6c\x03", b"\x6c\x04"])[1] == Answer(b"", 0x6C04)


def test_parts_without_end_are_cut_off() -> None:
    sent, result = talk(command_apdu(HEAD), [b"x\x61\x00"] * 9)
    assert len(sent) == 9
    assert isinstance(result, CardFailure)


@given(st.binary(max_size=300))
def test_any_answer_is_a_value(raw: bytes) -> None:
    assert isinstance(parse_answer(raw), Answer | CardFailure)
