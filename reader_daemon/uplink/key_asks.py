"""Questions of card dialogues to the server's key service: live, numbered, and never kept across a session.

A card waits on the reader meanwhile, so a question that gets no answer in time, or whose link falls, is answered
`unavailable` at once.
"""

from __future__ import annotations

import asyncio
import itertools

from cardcore.card_keys.asks import KeyAnswer, KeyRefusal, KeyRefused, KeyRequest
from cardcore.wire.messages import KeyAsk, KeyTold

MAX_WAITING = 64
"""16 readers and one question each; more is a fault."""
ANSWER_SECONDS = 1.5
"""Half of a dialogue's whole budget."""


class KeyAsks:
    """See the module. Owned by the event loop."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[KeyAnswer]] = {}

    def begin(self, reader: str, request: KeyRequest) -> KeyAsk | None:
        """Give a question its number; None when too many wait already."""
        if len(self._waiting) >= MAX_WAITING:
            return None
        question = KeyAsk(next(self._numbers), reader, request)
        self._waiting[question.id] = asyncio.get_running_loop().create_future()
        return question

    async def answer(self, question: KeyAsk) -> KeyAnswer:
        """Wait for the answer to a question that was begun."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._waiting[question.id]
        except TimeoutError:
            return KeyRefused(KeyRefusal.UNAVAILABLE, f"no answer in {ANSWER_SECONDS} s")
        finally:
            self._waiting.pop(question.id, None)

    def settle(self, told: KeyTold) -> None:
        """Hand an answer to who waits for it; a late one is dropped: the card has gone."""
        future = self._waiting.get(told.id)
        if future is not None and not future.done():
            future.set_result(told.answer)

    def link_lost(self) -> None:
        """Answer everybody."""
        for future in self._waiting.values():
            if not future.done():
                future.set_result(KeyRefused(KeyRefusal.UNAVAILABLE, "the link fell"))
