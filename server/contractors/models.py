"""What a permit for an outside crew is, and every way it can be refused. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import NewType
from uuid import UUID

from cardcore.ids import LevelId, PersonId
from server.visitors.documents import DocumentKind

PermitId = NewType("PermitId", UUID)

TOPIC = "permit"
"""Of the outbox: every change of a permit. No names, only ids."""
MAX_TEXT = 100
MAX_CREW = 200
"""Workers of one permit."""
MAX_DAYS = 366
"""Days of one permit; longer work is approved again."""


class PermitState(StrEnum):
    """draft -> approved -> ended. A permit in force is approved and within its days."""

    DRAFT = "draft"
    """Opens nothing; a request may wait for a second person."""
    APPROVED = "approved"
    ENDED = "ended"
    """Taken back before its last day."""


class PermitRefusal(StrEnum):
    """Why nothing was written or changed."""

    FIRM_MISSING = "firm_missing"
    WORK_MISSING = "work_missing"
    TOO_LONG = "too_long"
    HOST_MISSING = "host_missing"
    """Nobody of the site answers for the crew."""
    HOST_UNKNOWN = "host_unknown"
    ENDS_BEFORE_START = "ends_before_start"
    IN_THE_PAST = "in_the_past"
    TOO_LONG_A_PERMIT = "too_long_a_permit"
    LEVEL_MISSING = "level_missing"
    LEVEL_UNKNOWN = "level_unknown"
    LEVEL_PRIVILEGED = "level_privileged"
    CREW_EMPTY = "crew_empty"
    CREW_TOO_LARGE = "crew_too_large"
    WORKER_NAME_MISSING = "worker_name_missing"
    WORKER_TWICE = "worker_twice"
    DOCUMENT_WRONG = "document_wrong"
    DOCUMENT_OF_ANOTHER = "document_of_another"
    CATEGORY_UNKNOWN = "category_unknown"
    NOT_FOUND = "not_found"
    WRONG_STATE = "wrong_state"
    CHANGED = "changed"
    """The permit is not what was asked for any more."""


FIELDS: Mapping[PermitRefusal, str] = MappingProxyType(
    {
        PermitRefusal.FIRM_MISSING: "firm",
        PermitRefusal.WORK_MISSING: "work",
        PermitRefusal.TOO_LONG: "work",
        PermitRefusal.HOST_MISSING: "host",
        PermitRefusal.HOST_UNKNOWN: "host",
        PermitRefusal.ENDS_BEFORE_START: "ends_on",
        PermitRefusal.IN_THE_PAST: "ends_on",
        PermitRefusal.TOO_LONG_A_PERMIT: "ends_on",
        PermitRefusal.LEVEL_MISSING: "levels",
        PermitRefusal.LEVEL_UNKNOWN: "levels",
        PermitRefusal.LEVEL_PRIVILEGED: "levels",
        PermitRefusal.CREW_EMPTY: "crew",
        PermitRefusal.CREW_TOO_LARGE: "crew",
        PermitRefusal.WORKER_NAME_MISSING: "crew",
        PermitRefusal.WORKER_TWICE: "crew",
        PermitRefusal.DOCUMENT_WRONG: "crew",
        PermitRefusal.DOCUMENT_OF_ANOTHER: "crew",
        PermitRefusal.CATEGORY_UNKNOWN: "category",
    }
)
"""The field that a refusal speaks of; those not named speak of the whole."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Somebody of a crew: a name and the document that was shown."""

    name: str
    document_kind: DocumentKind
    document_number: str


@dataclass(frozen=True, slots=True)
class NewPermit:
    """A permit to draw up; the days are the site's own, both counted."""

    firm: str
    work: str
    host: PersonId | None
    starts_on: date
    ends_on: date
    levels: tuple[LevelId, ...]
    crew: tuple[Worker, ...]
    category: str = "contractor"


@dataclass(frozen=True, slots=True)
class CrewProblem:
    """Which line of a crew list is wrong (from 1), and why."""

    line: int
    refusal: PermitRefusal
