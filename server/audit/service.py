"""Writing the audit trail. Called inside the transaction of the deed, never after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cardcore.ids import SiteId, StaffId
from server.audit import origin, repository
from server.database import WriteSession
from server.system import System

SYSTEM_ACTOR = "system"
"""The actor of what no person did."""
MAX_REASON = 200
"""Characters of a reason that somebody types."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing done: by whom, what, to which object (`card:<id>`), and the values before and after."""

    actor: str
    action: str
    object: str
    before: Any = None
    after: Any = None
    reason: str = ""


def is_reason(text: str, limit: int = MAX_REASON) -> bool:
    """Tell whether somebody said why: something, in at most `limit` characters."""
    return 0 < len(text.strip()) <= limit


def staff_actor(staff_id: StaffId) -> str:
    """Return the actor text of a member of staff."""
    return f"staff:{staff_id}"


def record(session: WriteSession, system: System, site_id: SiteId | None, deed: Deed) -> None:
    """Add one row to the trail; no site means the installation as a whole."""
    repository.insert(
        session,
        {
            "id": system.ids.uuid7(),
            "site_id": site_id,
            "actor": deed.actor,
            "action": deed.action,
            "object": deed.object,
            "before": deed.before,
            "after": deed.after,
            "reason": deed.reason,
            "at": system.clock.now(),
            "origin": origin.current(),
        },
    )
