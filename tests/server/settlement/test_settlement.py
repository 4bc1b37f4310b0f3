"""Contracts by date, sheets that follow one another to the fen, payouts by a second person, margins from purchases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.ids import StaffId, StallId
from cardcore.journal import OutcomeKind
from cardcore.money import Fen
from server.database import Database
from server.ledger import invariants
from server.reports import books
from server.settlement import contracts, purchases, sheets
from server.settlement.contracts import RegisteredStall
from server.settlement.models import Contract, SettlementRefusal, Sheet, SheetState, Taking, contract_on, fees_of
from server.settlement.purchases import Purchase
from server.settlement.sheet_rows import Problem
from tests.server.close.counting_house import DAY, CountingHouse

MAIN_STALL = StallId("main")
NEXT = DAY + timedelta(days=1)
TERMS = Contract(MAIN_STALL, DAY, "老王餐饮有限公司", commission_basis_points=333, fee_per_charge=Fen(10))


@pytest.fixture
def house(database: Database) -> Iterator[CountingHouse]:
    house = CountingHouse(database)
    house.play()
    house.outcome(house.journal.records[-1], OutcomeKind.SERVED, 1500)
    yield house
    house.taps.close()


@pytest.fixture
def closed(house: CountingHouse) -> CountingHouse:
    house.next_morning()
    house.closed(without_silent=True)
    return house


def contract(
    house: CountingHouse, terms: Contract = TERMS, maker: StaffId | None = None
) -> Contract | SettlementRefusal:
    return house.database.write(
        lambda session: contracts.add_contract(session, house.system, house.site, terms, maker or house.clerk)
    )


def draw(house: CountingHouse, through: date = DAY, stall: StallId = MAIN_STALL) -> Sheet | SettlementRefusal:
    return house.database.write(
        lambda session: sheets.draw_up(session, house.system, house.site, stall, through, house.clerk)
    )


def drawn(house: CountingHouse, through: date = DAY) -> Sheet:
    made = draw(house, through)
    assert isinstance(made, Sheet), made
    return made


def pay(house: CountingHouse, sheet: Sheet, payer: StaffId, reference: str = "BANK-1") -> SettlementRefusal | None:
    return house.database.write(
        lambda session: sheets.mark_paid(session, house.system, house.site, UUID(sheet.id), payer, reference)
    )


def balances(house: CountingHouse) -> dict[tuple[str, str], int]:
    lines = house.database.read(lambda session: books.trial_balance(session, house.site, DAY, date(2026, 12, 31)))
    return {(line.role, line.name): line.closing for line in lines}


class TestContracts:
    def test_c63_a_stall_has_owner_tills_terms_and_dates(self, house: CountingHouse) -> None:
        assert isinstance(contract(house), Contract)
        registered = house.database.read(lambda session: contracts.register(session, house.site))
        first = registered[0]
        assert isinstance(first, RegisteredStall)
        assert (first.id, first.tills, first.contract) == ("main", ("t01", "t02", "t03"), replace(TERMS, version=1))
        assert registered[1].contract is None

    def test_c64_versions_are_dated_and_only_added(self, house: CountingHouse) -> None:
        contract(house)
        later = replace(TERMS, begins=NEXT, commission_basis_points=500, ends=date(2026, 12, 31))
        assert isinstance(contract(house, later), Contract)
        assert contract(house, replace(later, owner="x")) is SettlementRefusal.BEGINS_TOO_EARLY
        held = house.database.read(lambda session: contracts.contracts_of(session, house.site, MAIN_STALL))
        share = {day: found.commission_basis_points for day in (DAY, NEXT) if (found := contract_on(held, day))}
        assert share == {DAY: 333, NEXT: 500}
        assert contract_on(held, date(2027, 1, 1)) is None
        assert contract_on(held, DAY - timedelta(days=1)) is None

    @pytest.mark.parametrize(
        ("changed", "refusal"),
        [
            ({"owner": " "}, SettlementRefusal.OWNER_MISSING),
            ({"stall_id": "nowhere"}, SettlementRefusal.STALL_UNKNOWN),
            ({"commission_basis_points": 10_001}, SettlementRefusal.TERMS_OUT_OF_RANGE),
            ({"fee_per_charge": -1}, SettlementRefusal.TERMS_OUT_OF_RANGE),
            ({"ends": DAY - timedelta(days=1)}, SettlementRefusal.TERMS_OUT_OF_RANGE),
            ({"contact": "x" * 201}, SettlementRefusal.TOO_LONG),
        ],
    )
    def test_bad_terms_are_refused(
        self, house: CountingHouse, changed: dict[str, object], refusal: SettlementRefusal
    ) -> None:
        assert contract(house, replace(TERMS, **changed)) is refusal  # type: ignore[arg-type]
        assert contract(house, TERMS, house.cashier) is SettlementRefusal.NOT_ALLOWED


class TestSheets:
    def test_c65_turnover_less_refunds_less_fees_is_payable(self, closed: CountingHouse) -> None:
        contract(closed)
        sheet = drawn(closed)
        assert (sheet.turnover, sheet.refunds, sheet.charges) == (3900, 1200, 2)
        assert (sheet.commission, sheet.fee) == (90, 20)  # 3.33 % of 27.00 is 89.91 fen
        assert sheet.payable == 3900 - 1200 - 90 - 20
        assert (sheet.state, sheet.from_day, sheet.through_day) == (SheetState.DRAWN, DAY, DAY)
        assert balances(closed)["stall", "main"] == sheet.payable
        assert drawn(closed) == sheet
        assert balances(closed)["commission_income", "main"] == 90

    def test_c65_another_person_pays_once(self, closed: CountingHouse) -> None:
        contract(closed)
        sheet = drawn(closed)
        assert pay(closed, sheet, closed.clerk) is SettlementRefusal.SAME_PERSON
        assert pay(closed, sheet, closed.second, " ") is SettlementRefusal.REFERENCE_MISSING
        assert pay(closed, sheet, closed.cashier) is SettlementRefusal.NOT_ALLOWED
        assert pay(closed, sheet, closed.second) is None
        assert pay(closed, sheet, closed.second) is SettlementRefusal.ALREADY_PAID
        assert balances(closed)["stall", "main"] == 0
        assert balances(closed)["bank", "main"] == sheet.payable
        found = closed.database.read(lambda session: sheets.find(session, closed.site, None, 1))
        assert [(row.state, row.reference) for row in found.rows] == [(SheetState.PAID, "BANK-1")]

    def test_sheets_follow_without_gap_and_take_in_what_came_late(self, closed: CountingHouse) -> None:
        contract(closed)
        drawn(closed)
        closed.outcome(closed.tap(0, "t01"), OutcomeKind.SERVED, 500)
        assert draw(closed, NEXT) is SettlementRefusal.DAYS_NOT_CLOSED
        closed.clock.advance(days=1)
        closed.closed(NEXT, without_silent=True)
        second = drawn(closed, NEXT)
        assert (second.from_day, second.turnover, second.refunds) == (NEXT, 500, 0)

    def test_what_is_below_nothing_is_carried(self, closed: CountingHouse) -> None:
        contract(closed)
        first = drawn(closed)
        closed.outcome(closed.journal.records[6], OutcomeKind.CANCELLED, 1200)
        closed.clock.advance(days=1)
        closed.closed(NEXT, without_silent=True)
        second = drawn(closed, NEXT)
        assert (second.refunds, second.state) == (1200, SheetState.NOTHING_DUE)
        assert second.payable == -1200 - second.commission - second.fee < 0
        assert pay(closed, second, closed.second) is SettlementRefusal.NOTHING_DUE
        closed.clock.advance(days=1)
        closed.closed(NEXT + timedelta(days=1), without_silent=True)
        third = drawn(closed, NEXT + timedelta(days=1))
        assert third.carried == second.payable
        assert balances(closed)["stall", "main"] == first.payable + second.payable

    def test_a_day_without_contract_is_refused(self, closed: CountingHouse) -> None:
        contract(closed, replace(TERMS, begins=NEXT))
        assert draw(closed) is SettlementRefusal.NO_CONTRACT
        assert draw(closed, stall=StallId("nowhere")) is SettlementRefusal.STALL_UNKNOWN

    def test_the_books_stay_whole(self, closed: CountingHouse) -> None:
        contract(closed)
        pay(closed, drawn(closed), closed.second)
        assert sum(balances(closed).values()) == 0
        found = closed.database.read(lambda session: invariants.all_invariants(session, closed.site))
        assert {name: wrong for name, wrong in found.items() if wrong} == {}
        closed.clock.advance(days=1)
        assert closed.closed(NEXT, without_silent=True).figures["stalls"] == [
            {"stall": "main", "turnover": 0, "refunds": 0, "fees": 110, "payable": -110, "paid": 2590}
        ]


days = st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**6), st.integers(0, 5_000)), min_size=1, max_size=40)


@given(days, st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 39))
def test_lines_and_residue_make_the_fees(
    takings: list[tuple[int, int, int]], first: int, second: int, changes_at: int
) -> None:
    taken = [
        Taking(DAY + timedelta(days=n), charges, Fen(turnover), Fen(refunds))
        for n, (turnover, refunds, charges) in enumerate(takings)
    ]
    terms = [
        replace(TERMS, version=1, commission_basis_points=first, fee_per_charge=Fen(3)),
        replace(TERMS, version=2, begins=DAY + timedelta(days=changes_at), commission_basis_points=second),
    ]
    fees = fees_of(taken, terms)
    assert fees is not None
    assert sum(line.commission for line in fees.lines) + fees.residue == fees.commission
    assert sum(line.fee for line in fees.lines) == fees.fee
    assert [line.taking for line in fees.lines] == taken
    exact = sum(line.taking.basis * (first if line.version == 1 else second) for line in fees.lines)
    assert abs(fees.commission * 10_000 - exact) <= 2 * 5_000


HEADER = "金额,日期,档口,单据号,品名,餐次\n"
STALLS, MEALS = frozenset({"main", "noodles"}), frozenset({"lunch", "supper"})


class TestPurchases:
    def test_s14_purchases_give_the_margin_by_stall_and_meal(self, closed: CountingHouse) -> None:
        lines = purchases.read_file(
            (HEADER + "10.01,2026-03-04,main,D-1,大米,\n7.00,2026/03/04,noodles,D-2,面粉,lunch\n").encode("gb18030"),
            STALLS, MEALS,
        )  # fmt: skip
        bought = [line for line in lines if isinstance(line, Purchase)]

        def enter() -> int | SettlementRefusal:
            return closed.database.write(
                lambda session: purchases.enter(session, closed.system, closed.site, bought, closed.clerk)
            )

        assert (enter(), enter()) == (2, 0)
        found = closed.database.read(lambda session: purchases.margins(session, closed.site, DAY, DAY))
        assert [(row.stall_id, row.meal, row.revenue, row.cost, row.margin) for row in found] == [
            ("main", "lunch", 2700, 1001, 1699), ("noodles", "lunch", 1000, 700, 300),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("line", "column"),
        [
            ("10,2026-03-04,nowhere,D,x,", "stall"),
            ("10,2026-03-04,main,D,x,brunch", "meal"),
            ("10.001,2026-03-04,main,D,x,", "cost"),
            ("10,yesterday,main,D,x,", "day"),
            ("10,2026-03-04,main,,x,", "document"),
            ("10,2026-03-04,main,D,,", "item"),
        ],
    )
    def test_a_bad_line_refuses_the_whole_file_by_name(self, line: str, column: str) -> None:
        content = HEADER + "1,2026-03-04,main,D,x,\n" + line + "\n"
        (problem,) = purchases.read_file(content.encode(), STALLS, MEALS)
        assert isinstance(problem, Problem)
        assert (problem.row, problem.column) == (3, column)

    def test_what_is_no_such_file_is_refused(self) -> None:
        (encoding,) = purchases.read_file("金额".encode("utf-16") + b"\xff\xff", STALLS, MEALS)
        (header,) = purchases.read_file(b"a,b\n", STALLS, MEALS)
        (size,) = purchases.read_file(b"x," * 5_000_000, STALLS, MEALS)
        assert all(isinstance(one, Problem) for one in (encoding, header, size))

    @given(st.integers(-10_000, 10_000), st.lists(st.integers(-5, 10_000), max_size=6))
    def test_a_shared_cost_is_laid_out_to_the_fen(self, cost: int, taken: list[int]) -> None:
        parts = purchases._laid_out(cost, {f"meal{n}": fen for n, fen in enumerate(taken)})
        assert sum(parts.values()) == cost
