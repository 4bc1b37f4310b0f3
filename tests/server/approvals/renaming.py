"""What tests of approvals share: one harmless operation."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from cardcore.ids import PersonId, SiteId
from server.approvals.models import Approved, Operation
from server.database import ReadSession, WriteSession
from server.people import service as people
from server.staff.roles import Permission


class Rename(msgspec.Struct, frozen=True):
    """The content of the operation under test."""

    department: str
    name: str
    about: PersonId | None = None


class RenameRefusal(StrEnum):
    BAD_NAME = "bad_name"


def _rename(given: Approved, wanted: Rename) -> RenameRefusal | None:
    named = people.Named(wanted.name, wanted.name)
    people.put_department(given.session, given.system, given.site_id, wanted.department, named, given.actor)
    return RenameRefusal.BAD_NAME if wanted.name == "bad" else None


def _concerns(_session: ReadSession | WriteSession, _site: SiteId, wanted: Rename) -> frozenset[PersonId]:
    return frozenset() if wanted.about is None else frozenset({wanted.about})


RENAME = Operation(
    name="rename",
    content=Rename,
    ask=Permission.PEOPLE_WRITE,
    approve=Permission.ACCESS_WRITE,
    object_of=lambda wanted: f"department:{wanted.department}",
    carry_out=_rename,
    concerns=_concerns,
)
