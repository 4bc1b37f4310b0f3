"""One card on the encoder: say which lies there, get told what to write, make it, read it back, say how it ended.

Knows neither port nor socket: `transmit` reaches the card, `keys` the key service, `station` the server's job. The
order of the writes, and with it what becomes of a torn card, is `protocols.card.personalise`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cardcore.card_keys.asks import KeySource
from cardcore.card_keys.roles import DEFAULT_LAYOUT, CardApplication, CardLayout, KeyRole
from cardcore.clock import Clock
from cardcore.reasons import Reason
from cardcore.wire.messages import Encode, EncoderCard, EncoderDone, EncoderStep
from reader_daemon.protocols.card.desfire import SELECT_APPLICATION, card_uid
from reader_daemon.protocols.card.dialogue import Transmit, run_dialogue
from reader_daemon.protocols.card.native import DesfireStatus, NativeAnswer, native_frame
from reader_daemon.protocols.card.outcome import CardFailure, Dialogue
from reader_daemon.protocols.card.personalise import (
    PERSONALISE_EXCHANGES,
    PersonalisationOrder,
    Personalised,
    personalise,
)

MADE = "made"
MAKING_BUDGET_MS = 15_000
"""Time in the card alone; about 75 exchanges of 20 to 100 ms over the air."""
LOOK_BUDGET_MS = 2_000
LOOK_EXCHANGES = 8


class Station(Protocol):
    """The server's side of a job. Blocking calls; an answer that does not come is a refusal."""

    def placed(self, card: EncoderCard) -> Encode:
        """Say that a card lies there; returns what to write, or a refusal."""
        ...

    def reached(self, step: EncoderStep) -> None:
        """Say how far it is; may be lost."""
        ...

    def ended(self, done: EncoderDone) -> None:
        """Say how it ended; repeated by the next placement if it is lost."""
        ...


def make_card(
    job: str, transmit: Transmit, keys: KeySource, station: Station, clock: Clock, layout: CardLayout = DEFAULT_LAYOUT
) -> Personalised | CardFailure:
    """Serve one placement of a card; what comes back is for the station's own lamp and log."""
    uid = run_dialogue(_look(), transmit, clock, LOOK_BUDGET_MS, exchanges=LOOK_EXCHANGES)
    if isinstance(uid, CardFailure):
        station.ended(EncoderDone(job, b"", str(uid.reason), uid.detail))
        return uid
    told = station.placed(EncoderCard(job, uid))
    order = _order(told, uid, layout, lambda step: station.reached(EncoderStep(job, step)))
    if isinstance(order, CardFailure):
        if not told.refusal:
            station.ended(_report(job, uid, order))
        return order
    made = run_dialogue(personalise(order), transmit, clock, MAKING_BUDGET_MS, keys, PERSONALISE_EXCHANGES)
    station.ended(_report(job, uid, made))
    return made


def _look() -> Dialogue[bytes | CardFailure]:
    """Find a DESFire card and read its serial number."""
    selected = yield from native_frame(SELECT_APPLICATION, bytes(3))
    if not isinstance(selected, NativeAnswer) or selected.status != DesfireStatus.DONE:
        return CardFailure(Reason.CARD_UNKNOWN_TYPE, "not a DESFire card: it cannot be made a card of the site")
    return (yield from card_uid())


def _order(
    told: Encode, uid: bytes, layout: CardLayout, progress: Callable[[str], None]
) -> PersonalisationOrder | CardFailure:
    if told.refusal:
        return CardFailure(Reason.CARD_IN_USE, f"the server does not make this card: {told.refusal}")
    try:
        return PersonalisationOrder(
            uid=uid,
            credentials={CardApplication(application): file for application, file in told.credentials},
            epochs={KeyRole(role): epoch for role, epoch in told.epochs},
            layout=layout,
            overwrite=told.overwrite,
            progress=progress,
        )
    except ValueError as error:
        return CardFailure(Reason.CARD_UNREADABLE, f"the server's order cannot be used: {error}")


def _report(job: str, uid: bytes, made: Personalised | CardFailure) -> EncoderDone:
    if isinstance(made, CardFailure):
        return EncoderDone(job, uid, str(made.reason), made.detail)
    verified = tuple(str(role) for role in made.verified)
    return EncoderDone(job, uid, MADE, "", verified, made.finished_a_torn_card)
