"""Questions to the key service: answered, unanswered, late, too many, and the link that falls."""

from __future__ import annotations

import asyncio

from cardcore.card_keys.asks import Ended, EndSession, KeyRefusal, KeyRefused
from cardcore.wire.messages import KeyAsk, KeyTold
from reader_daemon.uplink.key_asks import MAX_WAITING, KeyAsks
from tests.reader_daemon.virtual_time import VirtualLoop, run_virtual

ASK = EndSession(bytes(16))


def begun(asks: KeyAsks) -> KeyAsk:
    question = asks.begin("g01", ASK)
    assert question is not None
    return question


async def _answers(_loop: VirtualLoop) -> None:
    asks = KeyAsks()
    first, second = begun(asks), begun(asks)
    assert first.id != second.id
    waiting = asyncio.gather(asks.answer(first), asks.answer(second))
    await asyncio.sleep(0)
    asks.settle(KeyTold(99, Ended()))
    asks.settle(KeyTold(second.id, Ended()))
    asks.link_lost()
    lost, told = await waiting
    assert told == Ended()
    assert lost == KeyRefused(KeyRefusal.UNAVAILABLE, "the link fell")


async def _silence(_loop: VirtualLoop) -> None:
    asks = KeyAsks()
    question = begun(asks)
    answer = await asks.answer(question)
    assert isinstance(answer, KeyRefused)
    assert answer.refusal is KeyRefusal.UNAVAILABLE
    asks.settle(KeyTold(question.id, Ended()))


async def _flood(_loop: VirtualLoop) -> None:
    asks = KeyAsks()
    for _ in range(MAX_WAITING):
        begun(asks)
    assert asks.begin("g01", ASK) is None


def test_each_question_gets_its_own_answer() -> None:
    run_virtual(_answers)


def test_silence_is_unavailable_and_a_late_answer_is_dropped() -> None:
    run_virtual(_silence)


def test_questions_have_a_limit() -> None:
    run_virtual(_flood)
