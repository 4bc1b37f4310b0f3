"""The five equalities of one business day (offline-payments sheet, 5.1), as figures and differences. Reads only.

They can be asked of any day at any time; the close asks them once more after nothing can enter the day, and keeps what
they say. Cash and bank lines are matched in `server.close.bank`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import RowMapping

from cardcore.ids import SiteId
from server.access import repository as access_rows
from server.close import bank
from server.close import equality_repository as repository
from server.close.equality_repository import Day
from server.close.models import MAX_KEYS, Cause, Checked, Difference, FindingKind
from server.close.tills import compare, stated_totals
from server.database import ReadSession, WriteSession
from server.reports.repository import CLOCK_TOLERANCE
from server.reports.service import business_span

Session = ReadSession | WriteSession

_SUSPENSE_CAUSES: Mapping[tuple[str, str], Cause] = {
    ("receivable", "unknown_card"): Cause.UNKNOWN_CARD,
    ("receivable", "closed_account"): Cause.CLOSED_ACCOUNT,
    ("over_short", ""): Cause.CASH,
    ("bank_clearing", ""): Cause.BANK,
    ("rounding", ""): Cause.ROUNDING,
}


def day_of(session: Session, site_id: SiteId, day: date) -> Day:
    """Return a business day with its instants."""
    (site,) = access_rows.site_rows(session, site_id)
    span = business_span(day, site["day_starts_seconds"], site["time_zone"])
    return Day(site_id, day, span.start, span.end, span.start - CLOCK_TOLERANCE, MAX_KEYS)


def check_day(session: Session, site_id: SiteId, day: date) -> Checked:
    """Return the figures of a day and everything that is not equal; balances only where the day has been closed."""
    whole = day_of(session, site_id, day)
    figures: dict[str, Any] = {"day": str(day)}
    differences: list[Difference] = []
    for part in (_sequence, _tills, _taps, _bookings, _balances, _cash, _bank, _stalls):
        said, found = part(session, whole)
        figures |= said
        differences += found
    counts: dict[str, int] = {}
    for one in differences:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    silent = [one.subject for one in differences if one.kind is FindingKind.SILENT_TILL]
    return Checked({**figures, "findings": counts, "silent": silent}, tuple(differences))


def silent_tills(session: Session, day: Day) -> list[str]:
    """Return the tills that have not stated their totals of a day."""
    stated = stated_totals(repository.statements(session, day), day.day)
    rows = repository.expected_tills(session, day)
    return [row["till_id"] for row in rows if (row["device_id"], row["till_id"]) not in stated]


Part = tuple[dict[str, Any], list[Difference]]


def _sequence(session: Session, day: Day) -> Part:
    """One: every number of every journal is there."""
    rows = repository.gaps(session, day)
    differences = [
        Difference(
            FindingKind.SEQUENCE_GAP,
            f"{row['name']}/{row['epoch']}/{row['first']}-{row['last']}",
            Cause.RECORDS_MISSING,
            {"device": row["name"], "epoch": str(row["epoch"]), "first": row["first"], "last": row["last"]},
            row["since"],
        )
        for row in rows
    ]
    journals = [
        {"device": row["name"], "epoch": str(row["epoch"]), "through": row["acked_through"]}
        for row in repository.journals(session, day)
    ]
    return {"journals": journals}, differences


def _tills(session: Session, day: Day) -> Part:
    """Two: each till's own count and sum."""
    gapped = frozenset(row["device_id"] for row in repository.gaps(session, day))
    stated = stated_totals(repository.statements(session, day), day.day)
    charged = repository.charged_by_till(session, day)
    lines, differences = compare(repository.expected_tills(session, day), stated, charged, gapped)
    return {"tills": lines}, differences


def _taps(session: Session, day: Day) -> Part:
    """Two, by key: what was served at the counter is what is charged."""
    return {}, [_tap(row) for row in repository.unequal_taps(session, day)]


def _tap(row: RowMapping) -> Difference:
    subject = f"{row['device_id']}/{row['epoch']}/{row['seq']}"
    detail = {
        "device": row["name"], "till": row["place"], "served_fen": row["served_fen"], "charged_fen": row["charged_fen"],
    }  # fmt: skip
    if row["outcome"] is None:
        return Difference(FindingKind.UNCONFIRMED, subject, Cause.NO_OUTCOME_YET, detail)
    return Difference(FindingKind.TILL_KEY, subject, Cause.UNKNOWN, detail)


def _bookings(session: Session, day: Day) -> Part:
    """Three: every charge has its transfers."""
    totals, late = repository.totals(session, day), repository.late(session, day)
    figures = {
        "charges": dict(totals),
        "late": [{"event_day": str(row["event_day"]), "meals": row["meals"], "fen": row["fen"]} for row in late],
    }
    found = _each(
        repository.booked_wrongly(session, day), FindingKind.CHARGE_BOOKING,
        lambda row: {"charge_fen": row["amount_fen"], "booked_fen": row["booked_fen"]},
    )  # fmt: skip
    return figures, found


def _balances(session: Session, day: Day) -> Part:
    """Three: opening and postings make the closing balance of every account, and the noted balances chain."""
    closing = repository.wrong_balances(session, day) if repository.has_closing_balances(session, day) else ()
    wrong = _each(
        closing, FindingKind.BALANCE,
        lambda row: {"stored_fen": row["stored_fen"], "proved_fen": row["proved_fen"]},
    )  # fmt: skip
    chains = _each(
        repository.broken_balance_chains(session, day), FindingKind.BALANCE_CHAIN,
        lambda row: {"loose_ends": row["loose"]},
    )  # fmt: skip
    return {}, wrong + chains


def _cash(session: Session, day: Day) -> Part:
    """Four: every shift of a cash desk was counted against what it should have."""
    lines: list[dict[str, Any]] = []
    found: list[Difference] = []
    for row in repository.shifts(session, day):
        name = f"{row['desk']}/{row['number']}"
        lines.append({"shift": name, "expected": row["expected_fen"], "counted": row["counted_fen"]})
        if row["state"] == "open":
            found.append(Difference(FindingKind.SHIFT_OPEN, name, Cause.CASH, {}, row["opened_at"]))
    return {"shifts": lines}, found


def _bank(session: Session, day: Day) -> Part:
    """Four: what the bank's statements have and what we have, up to this day."""
    lines: list[dict[str, Any]] = []
    found: list[Difference] = []
    for account in bank.accounts(session, SiteId(day.site_id)):
        held = bank.matching(session, SiteId(day.site_id), account)
        sides = ((FindingKind.BANK_THEIRS_ONLY, held.theirs_only), (FindingKind.BANK_OURS_ONLY, held.ours_only))
        for kind, side in sides:
            found += [
                Difference(kind, f"{account}/{one.subject}", Cause.BANK, {"day": str(one.day), "fen": one.amount})
                for one in side
                if one.day <= day.day
            ][:MAX_KEYS]
        lines.append({"account": account, "matched": held.matched} | {str(kind): len(side) for kind, side in sides})
    return {"bank": lines}, found


def _stalls(session: Session, day: Day) -> Part:
    """Five: turnover - refunds - fees = payable, by stall; and what should be empty is."""
    lines = [
        {
            "stall": row["name"], "turnover": row["turnover"], "refunds": row["refunds"], "fees": row["fees"],
            "payable": row["moved"] + row["paid"], "paid": row["paid"],
        }
        for row in repository.stalls(session, day)
    ]  # fmt: skip
    found = [
        Difference(
            FindingKind.SUSPENSE,
            f"{row['role']}:{row['name']}",
            _SUSPENSE_CAUSES.get((row["role"], row["name"])) or _SUSPENSE_CAUSES.get((row["role"], ""), Cause.UNKNOWN),
            {"balance_fen": row["balance_fen"], "since": str(row["since"])},
        )
        for row in repository.suspense(session, day)
    ]
    return {"stalls": lines}, found


def _each(
    rows: Sequence[RowMapping], kind: FindingKind, detail: Callable[[RowMapping], dict[str, Any]]
) -> list[Difference]:
    """Return differences that no way of this software leads to."""
    return [Difference(kind, str(row["id"]), Cause.TAMPERED, detail(row)) for row in rows]
