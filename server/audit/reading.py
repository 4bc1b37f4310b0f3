"""Reading the trail: a page of deeds with names and differences, and the proof of the sealed log. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from cardcore.ids import SiteId
from server.audit import repository, subjects
from server.audit.export import export_lines
from server.audit.verification import AuditReport, verify_export
from server.database import ReadSession

ROWS = 50
"""Deeds of one page."""
END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
LAST_ID = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which deeds; empty texts mean any. `before` is where the page before this one ended."""

    action: str
    subject: str
    actor: str
    since: datetime
    until: datetime
    before: tuple[datetime, UUID] | None = None
    origin: str = ""
    """An address, or an origin as it is kept (`device:...`)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field, before and after."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One deed, with names in the place of ids."""

    id: UUID
    at: datetime
    actor: str
    action: str
    subject: str
    subject_name: str
    changes: tuple[Change, ...]
    reason: str
    origin: str
    """From where: `address:...`, `device:NAME`, `command:...`, `server`; empty in rows older than this column."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of deeds; `next` begins the following one, empty at the end."""

    rows: Sequence[AuditRow]
    next: str


def search(session: ReadSession, site_id: SiteId, wanted: AuditFilter) -> AuditPage:
    """Return a page of deeds, newest first."""
    before_at, before_id = wanted.before or (END_OF_TIME, LAST_ID)
    values = {
        "actor": wanted.actor,
        "action": wanted.action,
        "object": wanted.subject,
        "since": wanted.since,
        "until": wanted.until,
        "before_at": before_at,
        "before_id": before_id,
        "origin": wanted.origin,
    }
    found = repository.found(session, site_id, values, ROWS + 1)
    shown = found[:ROWS]
    sides = [(dict(subjects.flattened(row["before"])), dict(subjects.flattened(row["after"]))) for row in shown]
    asked = [subject for row in shown for subject in (row["object"], row["actor"], row["origin"] or "")]
    asked += [value for pair in sides for side in pair for value in subjects.candidates(side.values())]
    names = subjects.names_of(session, site_id, asked)
    rows = tuple(
        AuditRow(
            row["id"],
            row["at"],
            row["staff_name"] or names.get(row["actor"], row["actor"]),
            row["action"],
            row["object"],
            names.get(row["object"], row["object"]),
            tuple(_changes(old, new, names)),
            row["reason"],
            _origin(row["origin"] or "", names),
        )
        for row, (old, new) in zip(shown, sides, strict=True)
    )
    more = len(found) > ROWS
    return AuditPage(rows, f"{rows[-1].at.isoformat()}|{rows[-1].id}" if more else "")


def kinds(session: ReadSession, site_id: SiteId) -> Sequence[str]:
    """Return every kind of deed in the trail."""
    return tuple(repository.actions(session, site_id))


def verified(session: ReadSession, server_key: bytes) -> AuditReport:
    """Prove the whole sealed log as it stands."""
    return verify_export(export_lines(session, server_key), server_key)


def _origin(origin: str, names: Mapping[str, str]) -> str:
    kind, separator, _ = origin.partition(":")
    return f"{kind}{separator}{names[origin]}" if origin in names else origin


def _changes(old: dict[str, str], new: dict[str, str], names: Mapping[str, str]) -> list[Change]:
    return [
        Change(name, subjects.named(old.get(name, ""), names), subjects.named(new.get(name, ""), names))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]
