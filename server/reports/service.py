"""Lists and figures over taps and charges. Reads only."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping

from cardcore.ids import ChargeId, PersonId, SiteId, masked
from cardcore.money import Fen
from cardcore.reasons import Reason
from server.access import repository as access_rows
from server.database import ReadSession
from server.reports import repository
from server.reports.paging import Page, page_of
from server.reports.rows import ChargeFilter, ChargeRow, ChargesFound, ChargeState, DayFigures, HourFigures


def day_figures(session: ReadSession, site_id: SiteId, day: date) -> DayFigures:
    """Return the counts of a business day: taps by when they happened, charges by their business day."""
    (site,) = access_rows.site_rows(session, site_id)
    span = business_span(day, site["day_starts_seconds"], site["time_zone"])
    totals = repository.tap_totals(session, site_id, span)
    charged = repository.charge_totals(session, site_id, repository.filtered(day, None, None))
    hours = repository.taps_by_hour(session, site_id, span, site["time_zone"])
    return DayFigures(
        taps=totals["taps"],
        passages=totals["passages"],
        refused=totals["refused"],
        offline=totals["offline"],
        charges=charged["in_force"],
        charged=Fen(charged["sum_fen"]),
        hours=tuple(HourFigures(row["hour"], row["granted"], row["refused"]) for row in hours),
        refusals={
            reason: count for reason, count in taps_by_reason(session, site_id, span).items() if not reason.grants
        },
    )


def taps_by_reason(session: ReadSession, site_id: SiteId, span: repository.Span) -> dict[Reason, int]:
    """Return how many taps ended with each reason; words of newer devices that nobody knows here are left out."""
    known = {reason.value for reason in Reason}
    found = repository.taps_by_reason(session, site_id, span)
    return {Reason(word): count for word, count in found.items() if word in known}


def business_span(day: date, starts_seconds: int, time_zone: str) -> repository.Span:
    """Return the instants of a business day, which begins at a local time of day (C12)."""
    zone = ZoneInfo(time_zone)
    begins = time(starts_seconds // 3600, starts_seconds // 60 % 60, starts_seconds % 60)
    start, end = (datetime.combine(each, begins, zone).astimezone(UTC) for each in (day, day + timedelta(days=1)))
    return repository.Span(start, end)


def find_charges(session: ReadSession, site_id: SiteId, wanted: ChargeFilter, page: int, language: str) -> ChargesFound:
    """Return the charges of a day, newest first, one row a tap; `language` is `en` or `zh`."""
    chosen = repository.filtered(wanted.day, wanted.till_id, wanted.person_id)
    totals = repository.charge_totals(session, site_id, chosen)
    found: Page[RowMapping] = page_of(
        page,
        lambda limit, offset: repository.charges(session, site_id, chosen, limit, offset),
        lambda: totals["total"],
    )
    rows = tuple(_charge(row, language) for row in found.rows)
    return ChargesFound(Page(rows, found.number, found.has_next, found.total), Fen(totals["sum_fen"]))


def _charge(row: RowMapping, language: str) -> ChargeRow:
    if row["revision"] % 2:
        state = ChargeState.REVERSED
    else:
        state = ChargeState.POSTED if row["confirmed"] else ChargeState.AUTHORISED
    return ChargeRow(
        id=ChargeId(row["id"]),
        at=row["at"],
        business_day=row["business_day"],
        till=row[f"till_{language}"],
        stall=row[f"stall_{language}"],
        meal=row[f"meal_{language}"],
        person_id=PersonId(row["person_id"]) if row["person_id"] is not None else None,
        person_name=row["person_name"],
        card_masked=masked(row["credential"]) if row["credential"] else "",
        amount=Fen(row["amount_fen"]),
        state=state,
        is_offline=row["offline"],
    )
