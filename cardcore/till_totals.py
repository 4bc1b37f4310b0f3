"""A till's own count and sum of a business day and meal, as its device states them in its journal (C67).

It is the second witness: made from the journal on the device's own disk, sealed and chained like every record, and held
against what the server charged. A statement replaces the one before of the same device, till, day and meal. A till
that served nothing states a zero under an empty meal, so that silence is told from idleness.
"""

from __future__ import annotations

from datetime import date

import msgspec
from msgspec import Struct

from cardcore.journal import DeviceEvent, Stamp

EVENT = "till_total"
"""`DeviceEvent.event` of a statement; its place is the till."""


class TillTotal(Struct, frozen=True):
    """Meals served (outcome `served`) at one till in one business day and meal, and what they came to."""

    day: date
    meal: str
    served: int
    fen: int


_decoder: msgspec.json.Decoder[TillTotal] = msgspec.json.Decoder(TillTotal)


def statement(till: str, total: TillTotal, stamp: Stamp) -> DeviceEvent:
    """Return the record body that states a total."""
    return DeviceEvent(EVENT, till, msgspec.json.encode(total).decode(), stamp)


def read_statement(detail: str) -> TillTotal | None:
    """Read a statement's detail; None for what is none, or has a negative number."""
    try:
        total = _decoder.decode(detail)
    except msgspec.DecodeError:
        return None
    return total if total.served >= 0 and total.fen >= 0 else None
