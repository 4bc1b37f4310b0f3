"""Online payment over real HTTP: once whatever is repeated, nothing for what is forged, and lost callbacks repaired."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import pytest
import uvicorn
from fastapi import FastAPI

from cardcore.access.items import AccountState
from cardcore.ids import SiteId
from cardcore.money import Fen
from server.database import Database
from server.executor import Executor
from server.ledger.rules import PurseRule, put_rule
from server.ledger.service import set_account_state
from server.payments import service
from server.payments.api import payments_router
from server.payments.http_provider import HttpProvider
from server.payments.models import (
    MAX_CALLBACK_BYTES,
    MAX_PENDING,
    NewOrder,
    Order,
    OrderState,
    Payment,
    PaymentRefusal,
    ProviderUnavailableError,
    Verdict,
)
from server.payments.polling import poll
from server.problem import install_problems
from server.system import System
from tests.server.conftest import StillClock
from tests.server.money import Holder, Money
from tests.server.payments.mock_provider import KEY, MockProvider, post

START_LIMIT_S = 20


@dataclass
class Shop:
    """The site, the provider, and the address of the callbacks."""

    money: Money
    mock: MockProvider
    provider: HttpProvider
    address: str

    def order(self, holder: Holder, amount: int = 5_000, order_id: object = None) -> Order | PaymentRefusal:
        new = NewOrder(order_id or self.money.system.ids.uuid7(), holder.account, Fen(amount), "mock")  # type: ignore[arg-type]
        money = self.money
        return money.database.write(
            lambda session: service.make_order(session, money.system, money.site, new, "holder")
        )

    def opened(self, holder: Holder, amount: int = 5_000) -> Order:
        made = self.order(holder, amount)
        assert isinstance(made, Order), made
        assert self.provider.open(made).endswith(made.number)
        return made

    def poll(self) -> dict[Verdict, int]:
        return dict(poll(self.money.database, self.money.system, self.provider))

    def state(self, order: Order) -> OrderState:
        new = NewOrder(order.id, order.account, order.amount, order.provider)
        found = self.money.database.read(lambda session: service.order(session, self.money.site, new))
        assert found is not None
        return found.state

    def findings(self) -> list[str]:
        query = "select kind from finding order by kind"
        return self.money.database.read(lambda session: [row[0] for row in session.exec_driver_sql(query)])


@pytest.fixture
def shop(database: Database, system: System, site: SiteId, clock: StillClock) -> Iterator[Shop]:
    executor = Executor("test", 4)
    with MockProvider(clock) as mock:
        provider = HttpProvider("mock", mock.url, KEY, system)
        app = FastAPI()
        install_problems(app, system.ids)
        app.include_router(payments_router(database, executor, system, {"mock": provider}))
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        started = threading.Event()

        async def serve() -> None:
            task = asyncio.create_task(server.serve([listening]))
            started.set()
            await task

        thread = threading.Thread(target=lambda: asyncio.run(serve()), name="payments")
        thread.start()
        assert started.wait(START_LIMIT_S)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/api/v1/payments/mock/callback"
        yield Shop(Money(database, system, site), mock, provider, address)
        server.should_exit = True
        thread.join(START_LIMIT_S)
        listening.close()
    executor.close()


def test_c37_an_order_waits_is_confirmed_and_booked(shop: Shop) -> None:
    holder = shop.money.holder()
    order = shop.opened(holder)
    assert (order.state, shop.money.cash(holder)) == (OrderState.PENDING, 0)
    shop.mock.pay(order.number)
    assert post(shop.address, *shop.mock.callback(order.number)) == (200, "booked")
    assert (shop.state(order), shop.money.cash(holder)) == (OrderState.BOOKED, 5_000)
    assert shop.money.books() == {("bank_clearing", "mock"): -5_000, ("purse", "cash"): 5_000}
    shop.money.prove()


def test_c37_a_repeated_or_replayed_callback_books_nothing_more(shop: Shop) -> None:
    holder = shop.money.holder()
    order = shop.opened(holder)
    shop.mock.pay(order.number)
    first = shop.mock.callback(order.number)
    assert [post(shop.address, *first) for _ in range(3)] == [
        (200, "booked"), (200, "known_before"), (200, "known_before"),
    ]  # fmt: skip
    assert post(shop.address, *shop.mock.callback(order.number)) == (200, "known_before")
    assert shop.money.cash(holder) == 5_000


def test_c37_many_callbacks_at_once_book_once(shop: Shop) -> None:
    holder = shop.money.holder()
    order = shop.opened(holder)
    shop.mock.pay(order.number)
    callbacks = [shop.mock.callback(order.number) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda one: post(shop.address, *one), callbacks))
    assert sorted(answers) == [(200, "booked"), *[(200, "known_before")] * 5]
    assert shop.money.cash(holder) == 5_000
    shop.money.prove()


def test_c37_a_forged_callback_is_refused(shop: Shop) -> None:
    holder = shop.money.holder()
    order = shop.opened(holder)
    shop.mock.pay(order.number)
    headers, body = shop.mock.callback(order.number)
    forgeries = [
        shop.mock.callback(order.number, bytes(32)),
        shop.mock.callback(order.number, direction="answer"),
        (headers, body.replace(b"5000", b"9000")),
        (headers | {"onecard-nonce": "other"}, body),
        (headers | {"onecard-time": str(int(headers["onecard-time"]) + 1)}, body),
        (headers | {"onecard-time": "9" * 30}, body),
        ({}, body),
    ]
    assert {post(shop.address, *forged) for forged in forgeries} == {(403, "forged")}
    assert post(shop.address.replace("/mock/", "/other/"), headers, body) == (404, "not_found")
    assert post(shop.address, headers, b" " * (MAX_CALLBACK_BYTES + 1))[0] == 413
    assert shop.money.cash(holder) == 0


def test_c37_an_old_callback_is_stale(shop: Shop, clock: StillClock) -> None:
    order = shop.opened(shop.money.holder())
    shop.mock.pay(order.number)
    callback = shop.mock.callback(order.number)
    clock.forward(minutes=6)
    assert post(shop.address, *callback) == (403, "stale")


def test_c37_a_poll_repairs_a_lost_callback(shop: Shop, clock: StillClock) -> None:
    holder = shop.money.holder()
    order = shop.opened(holder)
    shop.mock.pay(order.number)
    assert shop.poll() == {}  # the callback may still be on its way
    clock.forward(minutes=2)
    assert shop.poll() == {Verdict.BOOKED: 1}
    assert shop.money.cash(holder) == 5_000
    assert post(shop.address, *shop.mock.callback(order.number)) == (200, "known_before")
    assert shop.poll() == {}
    shop.money.prove()


def test_c37_what_nobody_paid_expires_and_is_still_taken_when_it_comes(shop: Shop, clock: StillClock) -> None:
    holder = shop.money.holder()
    order = shop.opened(holder)
    clock.forward(minutes=2)
    assert shop.poll() == {Verdict.NOT_PAID: 1}
    assert shop.state(order) is OrderState.PENDING
    clock.forward(minutes=30)
    shop.poll()
    assert shop.state(order) is OrderState.EXPIRED
    shop.mock.pay(order.number)
    assert shop.poll() == {Verdict.BOOKED: 1}
    assert (shop.state(order), shop.money.cash(holder)) == (OrderState.BOOKED, 5_000)


def test_c37_another_amount_is_found_and_not_booked(shop: Shop) -> None:
    holder = shop.money.holder()
    order = shop.opened(holder)
    shop.mock.pay(order.number, 500)
    assert post(shop.address, *shop.mock.callback(order.number)) == (200, "amount_differs")
    assert (shop.money.cash(holder), shop.findings()) == (0, ["payment_amount_differs"])
    assert shop.state(order) is OrderState.PENDING


def test_c37_money_for_an_account_closed_meanwhile_waits_for_finance(shop: Shop) -> None:
    holder = shop.money.holder()
    order = shop.opened(holder)
    money = shop.money
    closed = (holder.account, AccountState.CLOSED, "test")
    money.database.write(lambda session: set_account_state(session, money.system, money.site, *closed))
    shop.mock.pay(order.number)
    assert post(shop.address, *shop.mock.callback(order.number)) == (200, "confirmed_only")
    assert post(shop.address, *shop.mock.callback(order.number)) == (200, "known_before")
    assert (shop.state(order), shop.findings()) == (OrderState.CONFIRMED, ["payment_not_booked"])


def test_c37_an_answer_that_the_provider_did_not_sign_is_not_believed(shop: Shop, clock: StillClock) -> None:
    holder = shop.money.holder()
    order = shop.opened(holder)
    shop.mock.pay(order.number)
    shop.mock.signs_with = bytes(32)
    clock.forward(minutes=2)
    assert shop.poll() == {}
    with pytest.raises(ProviderUnavailableError, match="not signed"):
        shop.provider.query(order.number)
    assert shop.money.cash(holder) == 0
    shop.mock.signs_with = KEY
    assert shop.poll() == {Verdict.BOOKED: 1}


def test_a_provider_that_is_away_is_asked_again_later(shop: Shop, system: System, clock: StillClock) -> None:
    order = shop.opened(shop.money.holder())
    away = HttpProvider("mock", "http://127.0.0.1:9", KEY, system)
    clock.forward(minutes=2)
    assert poll(shop.money.database, system, away) == {}
    with pytest.raises(ProviderUnavailableError):
        away.open(order)


class TestOrders:
    def test_c37_asking_twice_makes_one_order(self, shop: Shop) -> None:
        holder, key = shop.money.holder(), shop.money.system.ids.uuid7()
        first = shop.order(holder, 100, key)
        assert shop.order(holder, 100, key) == first
        assert shop.order(holder, 101, key) is PaymentRefusal.OTHER_CONTENT

    def test_what_cannot_be_ordered(self, shop: Shop) -> None:
        holder, money = shop.money.holder(), shop.money
        assert shop.order(holder, 0) is PaymentRefusal.AMOUNT_OUT_OF_RANGE
        rule = PurseRule("cash", highest=Fen(1_000))
        money.database.write(lambda session: put_rule(session, money.system, money.site, rule, "test"))
        assert shop.order(holder, 1_001) is PaymentRefusal.ABOVE_HIGHEST
        made = [shop.order(holder, 1) for _ in range(MAX_PENDING)]
        assert all(isinstance(one, Order) for one in made)
        assert shop.order(holder, 1) is PaymentRefusal.TOO_MANY_PENDING

    def test_an_order_of_somebody_else_is_unknown(self, shop: Shop) -> None:
        money = shop.money
        said = Payment("f" * 32, paid=True, amount=Fen(1), reference="")
        verdict = money.database.write(lambda session: service.settle(session, money.system, "mock", said))
        assert verdict is Verdict.UNKNOWN_ORDER


def test_an_order_lives_half_an_hour(shop: Shop, clock: StillClock) -> None:
    order = shop.opened(shop.money.holder())
    assert order.expires_at - clock.now() == timedelta(minutes=30)
