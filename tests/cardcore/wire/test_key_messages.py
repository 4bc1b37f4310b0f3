"""Questions to the key service and its answers cross the link unchanged, and show no key in a log."""

from __future__ import annotations

import pytest

from cardcore.card_keys.asks import (
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
    KeyRequest,
    OpenAnswer,
    Opened,
    SealCommand,
    Sealed,
    SealKeyChange,
    SessionKeys,
)
from cardcore.card_keys.roles import KeyRole
from cardcore.wire import codec
from cardcore.wire.messages import KeyAsk, KeyTold

NAME = KeyName(KeyRole.GATE_READ, bytes(7), 2)
SESSION = SessionKeys(CardMethod.EV2_FIRST, b"e" * 16, b"m" * 16, b"TIxx", 3)

ASKS: list[KeyRequest] = [
    BeginAuthentication(CardMethod.EV2_FIRST, NAME, KeyPurpose.READ, bytes(16)),
    FinishAuthentication(bytes(16), bytes(32)),
    SealCommand(bytes(16), CommandToSeal(0x8D, bytes(7), b"data")),
    SealKeyChange(bytes(16), 1, NAME, None, key_set=1),
    OpenAnswer(bytes(16), 0, b"x"),
    EndSession(bytes(16)),
]
ANSWERS: list[KeyAnswer] = [
    Begun(bytes(16), bytes(32)),
    Authenticated(SESSION),
    Authenticated(),
    Sealed(b"s"),
    Opened(b"o"),
    Ended(),
    KeyRefused(KeyRefusal.BUSY, "later"),
]


@pytest.mark.parametrize("request_", ASKS, ids=lambda ask: type(ask).__name__)
def test_questions_read_back(request_: KeyRequest) -> None:
    message = KeyAsk(7, "g01", request_)
    assert codec.decode_for_server(codec.encode(message)) == message


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_answers_read_back(answer: KeyAnswer) -> None:
    message = KeyTold(7, answer)
    assert codec.decode_for_daemon(codec.encode(message)) == message


def test_session_keys_are_not_shown() -> None:
    shown = repr(KeyTold(1, Authenticated(SESSION)))
    assert "ev2_first" in shown
    assert "eeee" not in shown
    assert "mmmm" not in shown
