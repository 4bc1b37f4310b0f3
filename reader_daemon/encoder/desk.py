"""The encoders of one daemon: which job waits at which reader, and the way of a station's words over the link.

    event loop                                   reader's thread
    EncoderOpen, EncoderClose -> jobs     <---   a card was laid down: make it for the job that waits, or, where none
    Encode -> whoever asked for it               does, read whose it is and say so (`CardShown`)

A card that was shown before its job came is looked at once more when the job comes: nobody has to lift it. One that
was just made is not, so that the next card of a list is not made of it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from threading import Lock
from typing import Protocol

import structlog

from cardcore.card_keys.asks import KeySource
from cardcore.card_keys.roles import CardLayout
from cardcore.clock import Clock
from cardcore.ids import masked
from cardcore.wire.messages import (
    CardShown,
    Encode,
    EncoderCard,
    EncoderClose,
    EncoderDone,
    EncoderOpen,
    EncoderStep,
    ToServer,
)
from reader_daemon.encoder.making import LOOK_BUDGET_MS, MAKING_BUDGET_MS, make_card
from reader_daemon.protocols.card.dialogue import CardPolicy, Transmit, card_dialogue, run_dialogue
from reader_daemon.protocols.card.outcome import CardFailure
from reader_daemon.system import System
from reader_daemon.uplink.card_talk import CardTalk, ForEncoders

ANSWER_SECONDS = 5.0
"""The server draws and signs a credential; longer than this it is not there."""
ENCODER_BUDGET_MS = LOOK_BUDGET_MS + MAKING_BUDGET_MS + 15_000
"""All that happens to one card, the server's answers included, before the reader counts as stuck."""

_log = structlog.get_logger(__name__)


class Feedback(Protocol):
    """Tells the person at an encoder how it went."""

    def __call__(self, reader: str, *, well: bool) -> None:
        """Show it; returns at once."""
        ...


class Encoders:
    """See the module."""

    def __init__(self) -> None:
        """Begin without readers and without a link."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._talk: CardTalk | None = None
        self._feedback: Feedback | None = None
        self._jobs: dict[str, str] = {}
        self._shown: set[str] = set()
        """Readers whose card was read for no job."""
        self._turn = Lock()
        """Over jobs and shown cards: a card is either looked at for a job or once more when the job comes."""
        self._asked: dict[tuple[str, bytes], asyncio.Future[Encode]] = {}
        self._names: list[str] = []
        self.look_again: Callable[[str], None] = lambda _reader: None
        """Reads a reader's card once more; set by whoever makes the port."""

    @property
    def names(self) -> tuple[str, ...]:
        """The readers that make cards."""
        return tuple(self._names)

    def serving(
        self, reader: str, policy: CardPolicy, keys: KeySource, layout: CardLayout, system: System
    ) -> Callable[[Transmit], CardFailure | None]:
        """Return what a reader does with each card: it makes them, and between two jobs reads them by its policy."""
        self._names.append(reader)

        def serve(transmit: Transmit) -> CardFailure | None:
            job = self._job_of(reader)
            if job is None:
                self._show(reader, policy, keys, transmit, system)
            else:
                self._make(reader, job, keys, layout, transmit, system.clock)
            return None  # it is no tap, whatever became of it

        return serve

    # --- in the event loop ---------------------------------------------------------------------------------------

    def bind(self, loop: asyncio.AbstractEventLoop, talk: CardTalk, feedback: Feedback) -> None:
        """Say where words go; called in the loop before the first port starts."""
        self._loop, self._talk, self._feedback = loop, talk, feedback
        talk.on_encoder, talk.on_link_lost = self._told, self._link_lost

    def _told(self, message: ForEncoders) -> None:
        match message:
            case EncoderOpen(job, reader) if reader in self._names:
                with self._turn:
                    self._jobs[reader] = job
                    was_shown = reader in self._shown
                    self._shown.discard(reader)
                if was_shown:
                    self.look_again(reader)
            case EncoderOpen(job, reader):
                _log.warning("no_such_encoder", reader=reader, job=job)
            case EncoderClose(reader):
                self._jobs.pop(reader, None)
            case Encode(job, uid):
                future = self._asked.pop((job, uid), None)
                if future is not None and not future.done():
                    future.set_result(message)

    def _link_lost(self) -> None:
        """Forget the jobs: the server says them again. Who waits for an order is refused."""
        self._jobs.clear()
        for (job, uid), future in self._asked.items():
            if not future.done():
                future.set_result(Encode(job, uid, refusal="link_lost"))
        self._asked.clear()

    async def _order(self, card: EncoderCard) -> Encode:
        assert self._talk is not None
        key = (card.job, card.uid)
        future: asyncio.Future[Encode] = asyncio.get_running_loop().create_future()
        self._asked[key] = future
        try:
            if not self._talk.offer(card):
                return Encode(card.job, card.uid, refusal="link_lost")
            async with asyncio.timeout(ANSWER_SECONDS):
                return await future
        except TimeoutError:
            return Encode(card.job, card.uid, refusal="no_answer")
        finally:
            self._asked.pop(key, None)

    def _say(self, message: ToServer) -> None:
        if self._talk is not None:
            self._talk.offer(message)

    # --- in a reader's thread ------------------------------------------------------------------------------------

    def _job_of(self, reader: str) -> str | None:
        with self._turn:
            job = self._jobs.get(reader)
            if job is None:
                self._shown.add(reader)
            else:
                self._shown.discard(reader)
            return job

    def _make(
        self, reader: str, job: str, keys: KeySource, layout: CardLayout, transmit: Transmit, clock: Clock
    ) -> None:
        made = make_card(job, transmit, keys, _Link(self), clock, layout)
        if isinstance(made, CardFailure):
            _log.warning("card_not_made", reader=reader, job=job, reason=made.reason, detail=made.detail)
        else:
            _log.info("card_made", reader=reader, job=job, finished_a_torn_card=made.finished_a_torn_card)
        self._tell(reader, well=not isinstance(made, CardFailure))

    def _show(self, reader: str, policy: CardPolicy, keys: KeySource, transmit: Transmit, system: System) -> None:
        dialogue = card_dialogue(policy, system.ids.random_bytes)
        outcome = run_dialogue(dialogue, transmit, system.clock, policy.budget_ms, keys)
        if isinstance(outcome, CardFailure):
            shown = CardShown(reader, "", str(outcome.reason))
        else:
            shown = CardShown(reader, outcome.credential)
        card = masked(shown.credential) if shown.credential else ""
        _log.info("card_shown", reader=reader, card=card, problem=shown.problem)
        self.post(shown)
        self._tell(reader, well=not shown.problem)

    def _tell(self, reader: str, *, well: bool) -> None:
        if self._loop is not None and self._feedback is not None and not self._loop.is_closed():
            feedback = self._feedback
            self._loop.call_soon_threadsafe(lambda: feedback(reader, well=well))

    def post(self, message: ToServer) -> None:
        """Send a message; it is lost where there is no link."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._say, message)

    def order(self, card: EncoderCard) -> Encode:
        """Ask what to write, and wait."""
        if self._loop is None or self._loop.is_closed():
            return Encode(card.job, card.uid, refusal="link_lost")
        crossing = asyncio.run_coroutine_threadsafe(self._order(card), self._loop)
        try:
            return crossing.result(ANSWER_SECONDS + 1)
        except (TimeoutError, concurrent.futures.CancelledError):
            crossing.cancel()
            return Encode(card.job, card.uid, refusal="no_answer")


class _Link:
    """The server's side of a job, over the link; a `Station`."""

    def __init__(self, encoders: Encoders) -> None:
        self._encoders = encoders

    def placed(self, card: EncoderCard) -> Encode:
        return self._encoders.order(card)

    def reached(self, step: EncoderStep) -> None:
        self._encoders.post(step)

    def ended(self, done: EncoderDone) -> None:
        self._encoders.post(done)
