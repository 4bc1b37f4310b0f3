"""REST of people: one by id, adding, changing, leaving. Lists and searches go by the pages; movements are not here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from cardcore.ids import CardId, CategoryId, PersonId
from server.api.answers import Body, refused
from server.api.caller import Caller, needs
from server.audit.service import staff_actor
from server.people import leaving, service
from server.people.initials import MAX_INITIALS
from server.people.leaving import AccountThen, LeavingRefusal
from server.people.service import MAX_NAME, MAX_NUMBER, NewPerson, PersonRefusal
from server.problem import Problem, ProblemError
from server.staff.roles import Permission

router = APIRouter(prefix="/people", tags=["people"])
Reader = Annotated[Caller, needs(Permission.PEOPLE_READ)]
Writer = Annotated[Caller, needs(Permission.PEOPLE_WRITE)]
MAX_CARDS = 20
MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class PersonAnswer:
    """A person; neither photo nor movements."""

    id: UUID
    number: str
    name: str
    category: str
    department: str | None
    active: bool


@dataclass(frozen=True, slots=True)
class LeftAnswer:
    """What leaving ended; `balance` is the cash, in fen, that the cash desk still owes."""

    returned: int
    revoked: int
    levels: list[str]
    balance: int


class PersonBody(Body):
    """Somebody's particulars; `initials` are made from the name when left out."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    category: Annotated[str, Field(max_length=32)]
    department: Annotated[str, Field(max_length=32)] | None = None
    initials: Annotated[str, Field(max_length=MAX_INITIALS)] = ""


class NewPersonBody(PersonBody):
    """Somebody new."""

    number: Annotated[str, Field(min_length=1, max_length=MAX_NUMBER)]


class LeavingBody(Body):
    """Somebody leaves; cards not handed in are revoked."""

    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]
    account: AccountThen = AccountThen.FROZEN
    handed_in: Annotated[tuple[UUID, ...], Field(max_length=MAX_CARDS)] = ()


@router.get("/{person_id}")
async def person(caller: Reader, person_id: UUID) -> PersonAnswer:
    """Return one person."""
    return await _answer(caller, PersonId(person_id))


@router.post("", status_code=201)
async def add(caller: Writer, body: NewPersonBody) -> PersonAnswer:
    """Add somebody."""
    new = NewPerson(body.number, body.name, CategoryId(body.category), body.department, body.initials)
    actor = staff_actor(caller.actor)
    made = await caller.write(lambda session: service.create_person(session, caller.system, caller.site_id, new, actor))
    if isinstance(made, PersonRefusal):
        refused(made)
    return await _answer(caller, made)


@router.put("/{person_id}")
async def change(caller: Writer, person_id: UUID, body: PersonBody) -> PersonAnswer:
    """Give somebody other particulars; the number stays."""
    new = NewPerson("-", body.name, CategoryId(body.category), body.department, body.initials)
    actor, who = staff_actor(caller.actor), PersonId(person_id)
    refusal = await caller.write(
        lambda session: service.change_person(session, caller.system, caller.site_id, who, new, actor)
    )
    if refusal is not None:
        refused(refusal)
    return await _answer(caller, who)


@router.post("/{person_id}/leave")
async def leave(caller: Writer, person_id: UUID, body: LeavingBody) -> LeftAnswer:
    """Let somebody leave: cards and rights end at once."""
    cards = frozenset(CardId(card) for card in body.handed_in)
    wanted = leaving.Leaving(PersonId(person_id), body.account, cards, body.reason)
    actor = staff_actor(caller.actor)
    left = await caller.write(lambda session: leaving.leave(session, caller.system, caller.site_id, wanted, actor))
    if isinstance(left, LeavingRefusal):
        refused(left)
    return LeftAnswer(left.returned, left.revoked, list(left.levels), left.balance)


async def _answer(caller: Caller, person_id: PersonId) -> PersonAnswer:
    row = await caller.read(lambda session: service.get(session, caller.site_id, person_id))
    if row is None:
        raise ProblemError(Problem.NOT_FOUND)
    return PersonAnswer(
        row["id"], row["number"], row["name"], row["category_id"], row["department_id"], row["state"] == "active"
    )
