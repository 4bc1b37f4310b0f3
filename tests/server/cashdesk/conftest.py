"""What tests of the cash desk share: holders with money, and two cashiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import pytest

from cardcore.ids import SiteId, StaffId
from cardcore.money import Fen
from server.cashdesk import desk, shifts
from server.cashdesk.desk import CashOrder, Till
from server.cashdesk.models import DeskRefusal, Receipt, ShiftView
from server.database import Database, WriteSession
from server.staff.roles import Role
from server.system import System
from tests.server.conftest import Hire
from tests.server.money import Holder, Money

P = ParamSpec("P")
R = TypeVar("R")


@pytest.fixture
def money(database: Database, system: System, site: SiteId) -> Money:
    return Money(database, system, site)


@pytest.fixture
def cashier(hire: Hire) -> StaffId:
    return hire(Role.CASHIER)[0]


class Counter:
    """A cash desk as a page would call it."""

    def __init__(self, money: Money, operator: StaffId, opening: int = 20_000, name: str = "desk") -> None:
        self.money, self.operator = money, operator
        opened = self.call(shifts.open_shift, name, operator, Fen(opening))
        assert isinstance(opened, ShiftView)
        self.shift = opened
        self.till = Till(opened.id, operator)

    def call(
        self, service: Callable[Concatenate[WriteSession, System, SiteId, P], R], *args: P.args, **named: P.kwargs
    ) -> R:
        money = self.money
        return money.database.write(lambda session: service(session, money.system, money.site, *args, **named))

    def order(self, holder: Holder, amount: int, note: str = "") -> CashOrder:
        return CashOrder(self.money.transfer_id(), holder.account, Fen(amount), note)

    def top_up(self, holder: Holder, amount: int) -> Receipt | DeskRefusal:
        return self.call(desk.top_up, self.till, self.order(holder, amount))

    def pay_out(self, holder: Holder, amount: int) -> Receipt | DeskRefusal:
        return self.call(desk.pay_out, self.till, self.order(holder, amount))

    def close(self, counted: int) -> ShiftView | DeskRefusal:
        return self.call(shifts.close_shift, self.shift.id, self.operator, Fen(counted))


def printed(result: Receipt | DeskRefusal) -> Receipt:
    """Return the receipt of an order that must have gone well."""
    assert isinstance(result, Receipt), result
    return result


def closed(result: ShiftView | DeskRefusal) -> ShiftView:
    """Return the shift that must have been closed."""
    assert isinstance(result, ShiftView), result
    return result


@pytest.fixture
def counter(money: Money, cashier: StaffId) -> Counter:
    return Counter(money, cashier)
