"""Card holders at the readers: they queue, show the card again, walk away, pass back, eat twice."""

from __future__ import annotations

import asyncio
import random

from cardcore.ids import CredentialKey
from reader_daemon.messages import LedColour
from tests.simulation import site_plan as plan
from tests.simulation.box import Box
from tests.simulation.story import Event, Manner

PATIENCE_SECONDS = 2.5
KEYED_YUAN = (0, 4, 9, 12, 15, 60)
UNDO_KEYS = "*0#"
TRIES = 2
DOUBLE_SECONDS = 0.2
WAY_SECONDS = (0.3, 2.5)
"""From the green lamp to the turnstile's arm."""
LEAVE_SECONDS = 1.0
ANSWER_SECONDS = 1.0
"""A lane answers within this whatever is broken behind it (I23)."""
STEADY_SECONDS = 3.0
"""A box that was started, or whose disk was in trouble, less than this ago may take longer."""


class Crowd:
    """Everybody who holds a card."""

    def __init__(self, boxes: dict[str, Box], credentials: dict[str, CredentialKey], variant: plan.Variant) -> None:
        """`boxes` by reader, `credentials` by holder."""
        self._keyed = variant.keyed
        self._boxes = boxes
        self._credentials = credentials
        self._queues = {reader: asyncio.Lock() for reader in boxes}

    async def visit(self, event: Event) -> None:
        """Play one visit to the end."""
        stream = random.Random(event.draw)
        manner = event.what
        if manner is Manner.BOTH:
            beside = plan.LANES if event.where in plan.LANES else plan.TILLS
            await asyncio.gather(*(self._at(reader, event.who, Manner.PLAIN, stream) for reader in beside))
            return
        assert isinstance(manner, Manner)
        await self._at(event.where, event.who, manner, stream)
        if manner is Manner.UNDO:
            await asyncio.sleep(stream.uniform(0.5, 2.0))
            await self._take_back(event.where, event.who)
        elif manner is Manner.AGAIN:
            await asyncio.sleep(stream.uniform(1.0, 6.0))
            await self._at(event.where, event.who, Manner.PLAIN, stream)
        elif manner is Manner.PASS_BACK:
            await self._at(event.where, event.who, Manner.PLAIN, stream)

    async def _at(self, reader: str, who: str, manner: Manner, stream: random.Random) -> None:
        async with self._queues[reader]:
            credential = self._credentials[who]
            self._key_in(reader, stream)
            for _ in range(TRIES):
                colour = await self._show(reader, credential, manner)
                if colour is not None:
                    break
                if manner is Manner.WALK_AWAY:
                    return
            else:
                return
            if colour is LedColour.GREEN and reader in plan.LANES and manner is not Manner.WALK_AWAY:
                await asyncio.sleep(stream.uniform(*WAY_SECONDS))
                await self._pass(reader)
            await asyncio.sleep(stream.uniform(0.1, LEAVE_SECONDS))

    def _key_in(self, reader: str, stream: random.Random) -> None:
        """Let the cashier key what the meal costs, or forget to."""
        if not self._keyed or reader != plan.KEYED_TILL:
            return
        yuan = random.Random(stream.random()).choice(KEYED_YUAN)
        if yuan:
            self._boxes[reader].keys(reader, f"{yuan}#")

    async def _take_back(self, reader: str, who: str) -> None:
        async with self._queues[reader]:
            self._boxes[reader].keys(reader, UNDO_KEYS)
            await self._show(reader, self._credentials[who], Manner.UNDO)

    async def _show(self, reader: str, credential: CredentialKey, manner: Manner) -> LedColour | None:
        box = self._boxes[reader]
        loop = box.host.loop
        shown_seconds, life = loop.time(), box.host.life
        answer = box.tap(reader, credential)
        if manner is Manner.DOUBLE:
            await asyncio.sleep(DOUBLE_SECONDS)
            if not answer.done():
                box.tap(reader, credential)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                colour = await asyncio.shield(answer)
        except TimeoutError:
            colour = None
        steady = life is box.host.life and life.alive and shown_seconds - box.disturbed_seconds > STEADY_SECONDS
        if reader in plan.LANES and steady and box.disturbed_seconds < shown_seconds and manner is Manner.PLAIN:
            took = loop.time() - shown_seconds
            if colour is None or took > ANSWER_SECONDS:
                box.history.violate("I23", f"{reader} took {took:.2f} s to answer")
        return colour

    async def _pass(self, reader: str) -> None:
        box = self._boxes[reader]
        if box.port is not None and box.host.up:
            await box.port.pass_through(reader)
