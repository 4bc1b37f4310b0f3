"""What crosses the link about cards: questions of dialogues to the key service, and the jobs of encoders.

Live, numbered where an answer is waited for, and never kept across a session.
"""

from __future__ import annotations

from collections.abc import Callable

from cardcore.card_keys.asks import KeyAnswer, KeyRefusal, KeyRefused, KeyRequest
from cardcore.wire.messages import Encode, EncoderClose, EncoderOpen, KeyTold, ToServer
from reader_daemon.uplink.key_asks import KeyAsks

ForEncoders = EncoderOpen | EncoderClose | Encode
Offer = Callable[[ToServer], bool]
"""Puts a message on the link; False when there is none, or too much waits already."""


class CardTalk:
    """See the module. Owned by the event loop."""

    def __init__(self, offer: Offer) -> None:
        """Begin with nobody waiting and nobody who makes cards."""
        self.offer = offer
        self._asks = KeyAsks()
        self.on_encoder: Callable[[ForEncoders], None] = lambda _message: None
        """Who makes cards; without one what the server says of jobs is ignored."""
        self.on_link_lost: Callable[[], None] = lambda: None

    async def ask_keys(self, reader: str, request: KeyRequest) -> KeyAnswer:
        """Ask the key service on behalf of a card on `reader`; refused as unavailable when no answer comes."""
        question = self._asks.begin(reader, request)
        if question is None:
            return KeyRefused(KeyRefusal.UNAVAILABLE, "too many questions wait")
        if not self.offer(question):
            self._asks.settle(KeyTold(question.id, KeyRefused(KeyRefusal.UNAVAILABLE, "no link to the server")))
        return await self._asks.answer(question)

    def told(self, message: KeyTold | ForEncoders) -> None:
        """Take what the server says of cards."""
        if isinstance(message, KeyTold):
            self._asks.settle(message)
        else:
            self.on_encoder(message)

    def link_lost(self) -> None:
        """Answer everybody: nobody else will."""
        self._asks.link_lost()
        self.on_link_lost()
