"""The visitor register: who came, to whom, why, when in and out. Searched by page, exported as a table (S7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping

from cardcore.ids import SiteId
from server.access import repository as access_rows
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.exports.table import Column, Kind, Table, Value
from server.reports.paging import Page, page_of
from server.system import System
from server.visitors import repository
from server.visitors.models import Search

MAX_EXPORT = 100_000
"""Visits of one file: 90 days of a busy site."""
_TIMES = ("starts_at", "ends_at", "entered_at", "left_at", "ended_at")
COLUMNS = tuple(
    Column(key, Kind.TEXT, english, chinese)
    for key, english, chinese in (
        ("name", "Visitor", "访客"),
        ("company", "Company", "单位"),
        ("document_kind", "Document", "证件类型"),
        ("document_mask", "Document number", "证件号码"),
        ("host_name", "Host", "被访人"),
        ("host_department", "Department", "部门"),
        ("purpose", "Purpose", "事由"),
        ("plate", "Plate", "车牌"),
        ("state", "State", "状态"),
        ("card_number", "Pass", "访客证"),
        ("starts_at", "From", "开始"),
        ("ends_at", "Until", "结束"),
        ("entered_at", "In", "进入"),
        ("left_at", "Out", "离开"),
        ("ended_at", "Ended", "办结"),
        ("registered_by", "Registered by", "登记人"),
    )
)


def search(session: ReadSession, site_id: SiteId, wanted: Search, page: int) -> Page[RowMapping]:
    """Return a page of visits, newest start first."""
    values = _values(site_id, wanted)
    return page_of(
        page,
        lambda limit, offset: repository.search(session, values, limit, offset),
        lambda: repository.count(session, values),
    )


def note_export(session: WriteSession, system: System, site_id: SiteId, wanted: Search, deed: tuple[str, str]) -> None:
    """Write down that somebody takes the register out of the house, and why, before they do."""
    actor, reason = deed
    span = {"term": wanted.term, "since": str(wanted.since or ""), "until": str(wanted.until or "")}
    record(session, system, site_id, Deed(actor, "visits_exported", f"site:{site_id}", after=span, reason=reason))


def table(session: ReadSession, site_id: SiteId, wanted: Search, language: str) -> Table:
    """Return the register as a table, at most `MAX_EXPORT` visits; times in the site's own."""
    (site,) = access_rows.site_rows(session, site_id)
    zone = ZoneInfo(site["time_zone"])
    rows = repository.stream(session, _values(site_id, wanted), MAX_EXPORT)
    return Table("visitors", COLUMNS, _cells(rows, zone, language))


def _cells(rows: Iterable[RowMapping], zone: ZoneInfo, language: str) -> Iterator[tuple[Value, ...]]:
    for row in rows:
        values: dict[str, Any] = dict(row)
        values["host_department"] = row["host_department_zh" if language == "zh" else "host_department_en"]
        for name in _TIMES:
            values[name] = f"{row[name].astimezone(zone):%Y-%m-%d %H:%M}" if row[name] else None
        yield tuple(values[column.key] for column in COLUMNS)


def _values(site_id: SiteId, wanted: Search) -> dict[str, Any]:
    term = wanted.term.strip()
    prefix = term.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
    return {
        "site_id": site_id, "term": term, "prefix": prefix, "since": wanted.since, "until": wanted.until,
        "states": list(wanted.states),
    }  # fmt: skip
