"""Batches: dry run, control total, a second person, once for ever, and back within what is left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cardcore.access.items import AccountState
from cardcore.money import Fen
from server.approvals.models import ApprovalRefusal
from server.ledger.booking import Booking
from server.ledger.roles import LedgerRole, TransferKind
from server.ledger.rules import PurseRule, put_rule
from server.ledger.service import set_account_state
from server.people.service import set_left
from server.staff.roles import Role
from server.subsidies import batches
from server.subsidies.approved import BATCH_BOOK, BookBatch
from server.subsidies.batches import BatchKind, BatchRefusal, Preview, Sheet
from server.subsidies.columns import Mistake
from tests.server.conftest import Hire
from tests.server.money import Holder, Money
from tests.server.subsidies.conftest import Office
from tests.server.subsidies.sheets import Row, csv, xlsx

HEAD = ("工号", "姓名", "金额")


def sheet(*rows: Row) -> bytes:
    return xlsx([HEAD, *rows])


def spend(office: Office, holder: Holder, amount: int, purse: str = "subsidy") -> None:
    def write(session: object, system: object, site: object) -> None:
        booking = Booking(session, system, site, "test")  # type: ignore[arg-type]
        (found,) = booking.lock([(holder.account, purse)]).values()
        booking.move(TransferKind.ADJUSTMENT, (found.id, booking.books(LedgerRole.ADJUSTMENT, "main")), amount)
        booking.write()

    office.call(write)


def mistakes(result: object) -> list[tuple[int, Mistake]]:
    assert isinstance(result, Preview)
    return [(one.row, one.mistake) for one in result.mistakes]


def test_c27_a_sheet_is_drafted_approved_by_another_and_booked_once(money: Money, office: Office) -> None:
    first, second = money.holder(), money.holder()
    content = sheet((first.number, first.name, 300), (second.number, "", "12.34"), ("合计", "", 312.34))
    batch = office.drafted("2026-09-A", content)
    assert (batch.lines, batch.total, batch.state) == (2, 31_234, "draft")
    assert money.balances(first)["subsidy"] == 0
    assert office.book(batch) is None
    assert (money.balances(first)["subsidy"], money.balances(second)["subsidy"]) == (30_000, 1_234)
    assert money.books()["subsidy", "main"] == -31_234
    assert office.book(batch) == BatchRefusal.NOT_A_DRAFT
    again = office.drafted("2026-09-A", content)
    assert (again.repeated, again.state) == (True, "booked")
    assert money.balances(first)["subsidy"] == 30_000
    money.prove()


def test_c27_the_number_never_stands_for_other_lines(money: Money, office: Office) -> None:
    holder = money.holder()
    office.drafted("A", sheet((holder.number, "", 1), ("合计", "", 1)))
    other = office.draft("A", sheet((holder.number, "", 2), ("合计", "", 2)))
    assert isinstance(other, Preview)
    assert other.refused is BatchRefusal.NUMBER_USED


def test_c27_a_dry_run_writes_nothing_and_names_every_row(money: Money, office: Office) -> None:
    good, closed, left = money.holder(), money.holder(), money.holder()
    office.call(set_account_state, closed.account, AccountState.CLOSED, "test")
    office.call(set_left, left.person, "test", left=True)
    office.call(put_rule, PurseRule("subsidy", highest=Fen(10_000)), "test")
    rows = [
        (good.number, "李四", 1), (closed.number, "", 1), (left.number, "", 1), ("99999", "", 1),
        (good.number, "", 101), (good.number, "", 0),
    ]  # fmt: skip
    content = Sheet("B", BatchKind.SUBSIDY, "sheet.xlsx", sheet(*rows))
    seen = money.database.read(lambda session: batches.preview(session, money.site, content))
    assert sorted(mistakes(seen)) == sorted(
        [
            (2, Mistake.NAME_DIFFERS), (3, Mistake.ACCOUNT_CLOSED), (4, Mistake.PERSON_LEFT),
            (5, Mistake.PERSON_UNKNOWN), (6, Mistake.ABOVE_HIGHEST), (6, Mistake.NUMBER_TWICE),
            (7, Mistake.AMOUNT_OUT_OF_RANGE),
        ]
    )  # fmt: skip
    drafted = office.draft("B", sheet(*rows))
    assert isinstance(drafted, Preview)
    kept = money.database.read(lambda s: s.exec_driver_sql("select count(*) from credit_batch").scalar_one())
    assert kept == 0


@pytest.mark.parametrize(
    ("control", "total_line", "refused"),
    [
        (None, None, BatchRefusal.CONTROL_MISSING),
        (501, None, BatchRefusal.CONTROL_DIFFERS),
        (501, 5, BatchRefusal.CONTROL_DIFFERS),
        (500, None, None),
        (None, 5, None),
    ],
)
def test_c27_the_total_must_be_told_and_be_right(
    money: Money, office: Office, control: int | None, total_line: int | None, refused: BatchRefusal | None
) -> None:
    rows: list[Row] = [(money.holder().number, "", 5)]
    if total_line is not None:
        rows.append(("合计", "", total_line))
    made = office.draft("C", sheet(*rows), control=control)
    assert (made.refused if isinstance(made, Preview) else None) is refused


def test_c82_the_maker_cannot_approve_and_the_content_cannot_change(money: Money, office: Office) -> None:
    batch = office.drafted("D", sheet(*[(money.holder().number, "", 5) for _ in range(3)]), control=1500)
    wrong = BookBatch(batch.id, batch.number, batch.kind, batch.lines, batch.total, "00" * 32)
    assert office.together(BATCH_BOOK, wrong) == BatchRefusal.CHANGED
    office.checker = office.maker
    assert office.book(batch) is ApprovalRefusal.SAME_PERSON


def test_c82_who_gets_the_money_neither_asks_nor_approves_a_small_batch(
    money: Money, office: Office, hire: Hire
) -> None:
    holder = money.holder()
    own, _ = hire(Role.FINANCE, holder.person)
    batch = office.drafted("E", sheet((holder.number, "", 5)), control=500)
    office.checker = own
    assert office.book(batch) is ApprovalRefusal.OWN_MATTER


def test_an_account_closed_meanwhile_stops_the_whole_batch(money: Money, office: Office) -> None:
    first, second = money.holder(), money.holder()
    batch = office.drafted("F", sheet((first.number, "", 5), (second.number, "", 5)), control=1000)
    office.call(set_account_state, second.account, AccountState.CLOSED, "test")
    assert office.book(batch) == BatchRefusal.ACCOUNT_CLOSED
    assert money.balances(first)["subsidy"] == 0
    money.prove()


class TestReversal:
    def test_c28_it_takes_back_what_is_left_and_no_other_money(self, money: Money, office: Office) -> None:
        untouched, half, gone = money.holder(), money.holder(), money.holder()
        money.give(gone, 5_000)
        rows = [(holder.number, "", 10) for holder in (untouched, half, gone)]
        batch = office.drafted("G", sheet(*rows), control=3_000)
        assert office.book(batch) is None
        spend(office, half, 400)
        spend(office, gone, 1_000)
        assert office.reverse(batch) is None
        assert [money.balances(holder)["subsidy"] for holder in (untouched, half, gone)] == [0, 0, 0]
        assert money.cash(gone) == 5_000
        again = office.drafted("G", sheet(*rows), control=3_000)
        assert (again.state, again.reversed) == ("reversed", 1_600)
        assert office.reverse(batch) == BatchRefusal.NOT_BOOKED
        money.prove()

    def test_c28_a_draft_has_nothing_to_take_back(self, money: Money, office: Office) -> None:
        batch = office.drafted("H", sheet((money.holder().number, "", 1)), control=100)
        assert office.reverse(batch) == BatchRefusal.NOT_BOOKED
        assert office.call(batches.drop, batch.id, "test") is None
        assert office.book(batch) == BatchRefusal.NOT_A_DRAFT


def test_c40_a_payroll_batch_goes_to_the_cash_purse(money: Money, office: Office) -> None:
    holder = money.holder()
    content = csv([("员工编号", "应发金额"), (holder.number, "200.50"), ("合计", "200.50")], "gb18030")
    assert office.book(office.drafted("P1", content, BatchKind.PAYROLL)) is None
    assert money.cash(holder) == 20_050
    assert money.books()["receivable", "payroll"] == -20_050
    money.prove()


def test_c40_a_bank_line_is_booked_once_whatever_file_it_comes_in(money: Money, office: Office) -> None:
    holder = money.holder()
    head = ("交易流水号", "工号", "交易金额")
    lines = [("B100", holder.number, "50"), ("B101", holder.number, "60")]
    assert office.book(office.drafted("BANK-1", csv([head, *lines]), BatchKind.BANK, 11_000)) is None
    later = office.draft("BANK-2", csv([head, lines[1], ("B102", holder.number, "70")]), BatchKind.BANK, 13_000)
    assert mistakes(later) == [(2, Mistake.REFERENCE_USED)]
    assert money.cash(holder) == 11_000
    assert money.books()["bank_clearing", "bank_file"] == -11_000


def test_meal_rights_are_booked_in_meals(money: Money, office: Office) -> None:
    holder = money.holder()
    batch = office.drafted("M", xlsx([("工号", "次数"), (holder.number, 22)]), BatchKind.MEALS, 22)
    assert office.book(batch) is None
    assert money.balances(holder)["count"] == 22
    assert money.books() == {("purse", "count"): 22, ("meal_rights", "main"): -22}
    money.prove()


def test_two_batches_and_charges_at_once_lose_nothing(money: Money, office: Office) -> None:
    holders = [money.holder() for _ in range(4)]
    rows = [(holder.number, "", 10) for holder in holders]
    made = [office.drafted(f"N{n}", sheet(*(rows if n % 2 else reversed(rows))), control=4_000) for n in range(4)]

    def book(n: int) -> object:
        return office.call(batches.book, made[n].id, made[n].content_hash, "test")

    with ThreadPoolExecutor(4) as pool:
        booked = list(pool.map(book, [0, 1, 2, 3, 0, 1, 2, 3]))
        list(pool.map(lambda holder: spend(office, holder, 700), holders))
    assert sum(1 for one in booked if one is BatchRefusal.NOT_A_DRAFT) == 4
    assert [money.balances(holder)["subsidy"] for holder in holders] == [3_300] * 4
    assert not [key for key in money.books() if key[0] == "suspense"]
