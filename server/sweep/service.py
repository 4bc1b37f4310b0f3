"""One sweep of one site: run every SQL invariant, and write what changed since the last sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cardcore.ids import SiteId
from server.database import Database, WriteSession
from server.ledger.invariants import Violation, all_invariants
from server.outbox.repository import append
from server.sweep import repository
from server.system import System

MAX_NAMED = 10
"""Rows that a Finding names; `onecard doctor` names more."""
TOPIC = "invariant"


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep of a site found; `newly_*` are those that this process is to tell of."""

    broken: Mapping[str, list[Violation]]
    newly_broken: tuple[str, ...]
    newly_whole: tuple[str, ...]


def sweep(database: Database, system: System, site: SiteId) -> Swept:
    """Check in one stable read, then write Findings and outbox events for what changed, in one transaction."""
    found = database.read(lambda session: all_invariants(session, site), stable=True)
    broken = {name: violations for name, violations in found.items() if violations}

    def write(session: WriteSession) -> Swept:
        now, open_now = system.clock.now(), repository.broken(session, site)
        newly = [
            name for name in sorted(broken.keys() - open_now) if _opened(session, system, site, name, broken[name])
        ]
        whole = [
            name for name in sorted(open_now - broken.keys()) if repository.close_finding(session, site, name, now)
        ]
        for name, state in [*((name, "broken") for name in newly), *((name, "whole") for name in whole)]:
            append(session, system, site, TOPIC, {"invariant": name, "state": state, "rows": len(broken.get(name, []))})
        return Swept(broken, tuple(newly), tuple(whole))

    return database.write(write)


def _opened(session: WriteSession, system: System, site: SiteId, name: str, violations: list[Violation]) -> bool:
    subjects = [violation.subject for violation in violations[:MAX_NAMED]]
    detail = {"rows": len(violations), "subjects": subjects}
    return repository.open_finding(session, system.ids.uuid7(), site, name, detail, system.clock.now())
