"""Retiring zones, schedules, levels, lanes, stalls and tills: never deleted, for records and books go on naming them.

What something else still needs is not retired; the refusal names what needs it. Putting it in place again under the
same short name brings it back.
"""

from __future__ import annotations

from enum import StrEnum

from cardcore.ids import DeviceId, SiteId
from server.access.fields import FieldProblem, FieldRefusal
from server.audit.service import Deed, record
from server.database import WriteSession
from server.devices.service import announce
from server.policy import service as policy
from server.setup import retiring_repository as repository
from server.system import System

MOST_NAMED = 5
"""Objects that a refusal names."""


class Part(StrEnum):
    """What a site is made of."""

    ZONE = "zone"
    SCHEDULE = "schedule"
    LEVEL = "level"
    LANE = "lane"
    STALL = "stall"
    TILL = "till"


PLACES = frozenset({Part.LANE, Part.TILL})
"""What a box may have charge of."""


def retire(
    session: WriteSession, system: System, site_id: SiteId, part: Part, identity: str, actor: str
) -> FieldProblem | None:
    """Take something out of use from now on; every connected box hears of it within a second."""
    row = repository.lock(session, part, site_id, identity)
    about = f"{part} {identity}"
    if row is None:
        return FieldProblem(about, "id", FieldRefusal.UNKNOWN, f"there is no {about}", identity)
    users = repository.users(session, part, site_id, identity)
    if users:
        named = ", ".join(users[:MOST_NAMED]) + (" …" if len(users) > MOST_NAMED else "")
        return FieldProblem(about, "id", FieldRefusal.IN_USE, f"still needed by {named}", named)
    repository.retire(session, part, site_id, identity, system.clock.now())
    before = {"name_en": row["name_en"], "name_zh": row["name_zh"]}
    record(session, system, site_id, Deed(actor, "part_retired", f"{part}:{identity}", before=before))
    if part in PLACES and row["device_id"] is not None:
        repository.take_from_box(session, part, site_id, identity)
        announce(session, system, site_id, DeviceId(row["device_id"]), "assigned")
    if part is not Part.STALL:
        policy.refresh(session, system, site_id, {part.value})
    return None
