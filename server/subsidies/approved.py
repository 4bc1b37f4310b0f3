"""What about batches takes two people: booking one, taking one back, and a monthly plan."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import msgspec

from cardcore.ids import CategoryId, PersonId, SiteId
from cardcore.money import Fen
from server.approvals.models import Approved, Operation, nobody
from server.database import ReadSession, WriteSession
from server.staff.roles import Permission
from server.subsidies import repository
from server.subsidies.batches import BatchRefusal, book, reverse
from server.subsidies.plans import Plan, PlanMode, PlanRefusal, put_plan

FEW = 3
"""A batch for fewer people concerns each of them; a larger one is everybody's, the office's own people included."""


class BookBatch(msgspec.Struct, frozen=True):
    """Book this draft; number, lines and total are what the checker reads, the hash is what is held to."""

    batch: UUID
    number: str
    kind: str
    lines: int
    total_fen: int
    content_hash: str


class ReverseBatch(msgspec.Struct, frozen=True):
    """Take back what is left of this batch."""

    batch: UUID
    number: str


class PutPlan(msgspec.Struct, frozen=True):
    """Give a category so much a month."""

    id: str
    category: CategoryId
    amount_fen: int
    mode: PlanMode
    from_month: date
    until_month: date | None = None
    purse: str = "subsidy"


def _book(given: Approved, wanted: BookBatch) -> BatchRefusal | None:
    done = book(given.session, given.system, given.site_id, wanted.batch, wanted.content_hash, given.actor)
    return done if isinstance(done, BatchRefusal) else None


def _reverse(given: Approved, wanted: ReverseBatch) -> BatchRefusal | None:
    done = reverse(given.session, given.system, given.site_id, wanted.batch, given.actor, given.reason)
    return done if isinstance(done, BatchRefusal) else None


def _put_plan(given: Approved, wanted: PutPlan) -> PlanRefusal | None:
    plan = Plan(
        wanted.id, wanted.category, Fen(wanted.amount_fen), wanted.mode, wanted.from_month, wanted.until_month,
        wanted.purse,
    )  # fmt: skip
    return put_plan(given.session, given.system, given.site_id, plan, given.actor)


def _holders(
    session: ReadSession | WriteSession, _site_id: SiteId, wanted: BookBatch | ReverseBatch
) -> frozenset[PersonId]:
    lines = repository.lines(session, wanted.batch)
    return frozenset(PersonId(line["person_id"]) for line in lines) if len(lines) < FEW else frozenset()


BATCH_BOOK = Operation(
    name="batch_book",
    content=BookBatch,
    ask=Permission.SUBSIDY_CREDIT,
    approve=Permission.SUBSIDY_APPROVE,
    object_of=lambda wanted: f"batch:{wanted.number}",
    carry_out=_book,
    concerns=_holders,
)
BATCH_REVERSE = Operation(
    name="batch_reverse",
    content=ReverseBatch,
    ask=Permission.SUBSIDY_CREDIT,
    approve=Permission.SUBSIDY_APPROVE,
    object_of=lambda wanted: f"batch:{wanted.number}",
    carry_out=_reverse,
    concerns=_holders,
)
PLAN_PUT = Operation(
    name="subsidy_plan",
    content=PutPlan,
    ask=Permission.SUBSIDY_CREDIT,
    approve=Permission.SUBSIDY_APPROVE,
    object_of=lambda wanted: f"plan:{wanted.id}",
    carry_out=_put_plan,
    concerns=nobody,
)
