"""What tests of batches share: holders, an office of two, and a way to book what was drafted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
import pytest

from cardcore.ids import SiteId
from cardcore.money import Fen
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal, Operation
from server.approvals.operations import OPERATIONS
from server.database import Database, WriteSession
from server.staff.roles import Role
from server.subsidies import batches
from server.subsidies.approved import BATCH_BOOK, BATCH_REVERSE, BookBatch, ReverseBatch
from server.subsidies.batches import BatchKind, BatchView, Preview, Sheet
from server.system import System
from tests.server.conftest import Hire
from tests.server.money import Money

P = ParamSpec("P")
R = TypeVar("R")


class Office:
    """Finance: one makes, another checks."""

    def __init__(self, money: Money, hire: Hire) -> None:
        self.money = money
        (self.maker, _), (self.checker, _) = hire(Role.FINANCE), hire(Role.FINANCE)

    def call(
        self, service: Callable[Concatenate[WriteSession, System, SiteId, P], R], *args: P.args, **named: P.kwargs
    ) -> R:
        money = self.money
        return money.database.write(lambda session: service(session, money.system, money.site, *args, **named))

    def together(self, operation: Operation[Any], content: msgspec.Struct) -> ApprovalRefusal | str | None:
        """Ask and approve; return the refusal of the approval or of the operation, or None."""
        asked = self.call(approvals.ask, self.maker, operation, content, "why")
        if isinstance(asked, ApprovalRefusal):
            return asked
        request = self.money.database.read(lambda session: approvals.get(session, self.money.site, asked))
        assert request is not None
        ended = self.call(approvals.approve, asked, (self.checker, request.seen), OPERATIONS)
        if ended is not ApprovalRefusal.OPERATION_REFUSED:
            return ended
        after = self.money.database.read(lambda session: approvals.get(session, self.money.site, asked))
        assert after is not None
        return after.outcome

    def draft(
        self, number: str, content: bytes, kind: BatchKind = BatchKind.SUBSIDY, control: int | None = None
    ) -> BatchView | Preview:
        total = None if control is None else Fen(control)
        return self.call(batches.draft, Sheet(number, kind, "sheet.xlsx", content, total), "test")

    def drafted(
        self, number: str, content: bytes, kind: BatchKind = BatchKind.SUBSIDY, control: int | None = None
    ) -> BatchView:
        made = self.draft(number, content, kind, control)
        assert isinstance(made, BatchView), made
        return made

    def book(self, batch: BatchView) -> ApprovalRefusal | str | None:
        content = BookBatch(batch.id, batch.number, batch.kind, batch.lines, batch.total, batch.content_hash)
        return self.together(BATCH_BOOK, content)

    def reverse(self, batch: BatchView) -> ApprovalRefusal | str | None:
        return self.together(BATCH_REVERSE, ReverseBatch(batch.id, batch.number))


@pytest.fixture
def money(database: Database, system: System, site: SiteId) -> Money:
    return Money(database, system, site)


@pytest.fixture
def office(money: Money, hire: Hire) -> Office:
    return Office(money, hire)
