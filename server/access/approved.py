"""What about rights takes two people: giving somebody a privileged access level."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from cardcore.ids import LevelId, PersonId, SiteId
from server.access import service
from server.approvals.models import Approved, Operation
from server.database import ReadSession, WriteSession
from server.staff.roles import Permission


class LevelsRefusal(StrEnum):
    """Why nobody got any level."""

    UNKNOWN = "unknown"
    """A level or the person does not exist."""


class GiveLevels(msgspec.Struct, frozen=True):
    """Give a person exactly these levels, privileged ones among them."""

    person: PersonId
    levels: tuple[LevelId, ...]


def _give(given: Approved, wanted: GiveLevels) -> LevelsRefusal | None:
    problem = service.set_person_levels(
        given.session, given.system, given.site_id, wanted.person, wanted.levels, given.actor, approved=True
    )
    return None if problem is None else LevelsRefusal.UNKNOWN


def _concerns(_session: ReadSession | WriteSession, _site_id: SiteId, wanted: GiveLevels) -> frozenset[PersonId]:
    return frozenset({wanted.person})


GIVE_LEVELS = Operation(
    name="levels_give",
    content=GiveLevels,
    ask=Permission.CARDS_ISSUE,
    approve=Permission.CARDS_UNBLOCK_APPROVE,
    object_of=lambda wanted: f"person:{wanted.person}",
    carry_out=_give,
    concerns=_concerns,
)
