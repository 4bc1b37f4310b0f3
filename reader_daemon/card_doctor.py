"""`onecard-reader card doctor`: shows what the card on a reader is. Opens the reader itself, so the daemon may run on.

A daemon that reads the same card at this moment holds it exclusively: then this says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from cardcore.card_keys.roles import CardLayout
from cardcore.clock import Clock
from cardcore.reasons import Reason
from reader_daemon.protocols.card.diagnosis import DIAGNOSIS_EXCHANGES, Found, diagnose
from reader_daemon.protocols.card.dialogue import run_dialogue
from reader_daemon.protocols.card.outcome import CardFailure, TransmitFailed
from reader_daemon.transports.pcsc_service import UNSEEN, CardChannel, EstablishContext, PcscContext, PcscFault

LOOK_MS = 500
BUDGET_MS = 10_000


def examine_cards(
    establish: EstablishContext, wanted: str, layout: CardLayout, clock: Clock
) -> Iterator[tuple[str, tuple[Found, ...] | CardFailure]]:
    """Yield reader name and diagnosis for each card on a reader whose name has `wanted` in it; raises PcscFault."""
    context = establish()
    try:
        for name in context.readers():
            if wanted in name and _has_card(context, name):
                yield name, _diagnosed(context, name, layout, clock)
    finally:
        context.release()


def _has_card(context: PcscContext, name: str) -> bool:
    look = context.wait(name, UNSEEN, LOOK_MS)
    return look is not None and look.present


def _diagnosed(context: PcscContext, name: str, layout: CardLayout, clock: Clock) -> tuple[Found, ...] | CardFailure:
    try:
        channel = context.connect(name)
    except PcscFault as fault:
        return CardFailure(Reason.CARD_UNREADABLE, f"no connection: {fault} (does the daemon hold this card?)")
    try:
        return run_dialogue(
            diagnose(layout), lambda command: _sent(channel, command), clock, BUDGET_MS, exchanges=DIAGNOSIS_EXCHANGES
        )
    finally:
        channel.close()


def _sent(channel: CardChannel, command: bytes) -> bytes:
    try:
        return channel.transmit(command)
    except PcscFault as fault:
        raise TransmitFailed(Reason.CARD_MOVED, str(fault)) from fault
