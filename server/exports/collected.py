"""Collects the books of a span of days for export, in one read transaction: entries, opening, and what must stand.

Balances of closed days come from their closes, that of the last day from the ledger's own sums.
"""

from __future__ import annotations

from datetime import date, timedelta

from cardcore.ids import SiteId
from server.close.service import closes_between
from server.database import ReadSession
from server.exports.entries import Books, balances_after, balances_before, entries_of
from server.ledger.roles import Unit
from server.reports.books import Account, movements, trial_balance


def collect(session: ReadSession, site_id: SiteId, from_day: date, through_day: date) -> Books:
    """Return the books of business days, both included; read with `stable=True` so that all is of one moment."""
    lines = [line for line in trial_balance(session, site_id, from_day, through_day) if line.unit is Unit.FEN]
    closing: dict[date, dict[Account, int]] = {}
    for close in closes_between(session, site_id, from_day, through_day - timedelta(days=1)):
        closing[close.business_day] = {
            Account(role, name): -int(after)
            for unit, role, name, _, _, _, after in close.figures["accounts"]
            if unit == Unit.FEN
        }
    closing[through_day] = balances_after(lines)
    entries = entries_of(movements(session, site_id, from_day, through_day))
    return Books(from_day, through_day, balances_before(lines), entries, closing)
