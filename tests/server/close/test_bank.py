"""A bank's statement against our transfers: matched, ours only, theirs only, with ages; bad files refused whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.ids import StaffId
from cardcore.money import Fen
from server.close import bank
from server.close.bank import BankLine, Candidate, Matching, pair
from server.close.models import CloseRefusal
from server.database import Database, WriteSession
from server.ledger.booking import About, Booking
from server.ledger.roles import TransferKind
from server.settlement.sheet_rows import Problem
from tests.server.close.counting_house import DAY, CountingHouse

HEADER = "交易日期,交易金额,交易流水号,摘要\n"


@pytest.fixture
def house(database: Database) -> Iterator[CountingHouse]:
    house = CountingHouse(database)
    yield house
    house.taps.close()


def paid_in(house: CountingHouse, amount: int, note: str) -> None:
    """Book a payment that came in over the bank's clearing account."""

    def write(session: WriteSession) -> None:
        booking = Booking(session, house.system, house.site, "test")
        accounts = (booking.books("bank_clearing", "icbc"), booking.books("prepayment", "x"))
        booking.move(TransferKind.RECEIPT, accounts, amount, About(note=note))
        booking.write()

    house.database.write(write)


def take_in(house: CountingHouse, text: str, actor: StaffId | None = None) -> Matching | CloseRefusal:
    read = bank.read_statement((HEADER + text).encode("gb18030"))
    lines = [line for line in read if isinstance(line, BankLine)]
    assert len(lines) == len(read), read
    return house.database.write(
        lambda session: bank.take_in(session, house.system, house.site, "icbc", lines, actor or house.clerk)
    )


def test_c71_lines_are_matched_ours_only_or_theirs_only(house: CountingHouse) -> None:
    paid_in(house, 5000, "order A-17 li.wei")
    paid_in(house, 5000, "order A-18 wang")
    paid_in(house, 700, "no reference")
    paid_in(house, 900, "never arrived")
    found = take_in(
        house,
        "2026-03-04,50.00,A-18,\n2026-03-05,7.00,B-1,\n2026-03-04,-3.00,FEE-9,手续费\n2026-03-04,50.00,A-17,\n",
    )
    assert isinstance(found, Matching)
    assert found.matched == 3
    assert [(line.note, line.amount) for line in found.ours_only] == [("never arrived", 900)]
    assert [(line.subject, line.amount, line.note) for line in found.theirs_only] == [("FEE-9", -300, "手续费")]
    assert found.theirs_only[0].age_days(DAY + timedelta(days=9)) == 9
    rows = house.rows("select b.reference, t.note from bank_line b join transfer t on t.id = b.transfer_id order by 1")
    assert rows == [("A-17", "order A-17 li.wei"), ("A-18", "order A-18 wang"), ("B-1", "no reference")]


def test_c71_the_close_names_what_only_one_side_has(house: CountingHouse) -> None:
    paid_in(house, 900, "never arrived")
    take_in(house, "2026-03-04,-3.00,FEE-9,\n2026-03-09,5.00,LATER,\n")
    house.next_morning()
    closed = house.closed(without_silent=True)
    assert closed.figures["bank"] == [{"account": "icbc", "matched": 0, "bank_theirs_only": 2, "bank_ours_only": 1}]
    found = {
        (row[0], row[1].split("/")[1] if row[0] == "bank_theirs_only" else "")
        for row in house.rows("select kind, subject from finding where kind like 'bank%%'")
    }
    assert found == {("bank_theirs_only", "FEE-9"), ("bank_ours_only", "")}


def test_taken_in_twice_it_counts_once(house: CountingHouse) -> None:
    paid_in(house, 5000, "order A-17")
    text = "2026-03-04,50.00,A-17,\n2026-03-04,1.00,X,\n"
    assert take_in(house, text) == take_in(house, text)
    assert house.rows("select count(*) from bank_line") == [(2,)]
    assert take_in(house, text, house.cashier) is CloseRefusal.NOT_ALLOWED


@pytest.mark.parametrize(
    ("text", "row", "column"),
    [
        ("2026-03-04,50.001,A,\n", 2, "amount"),
        ("2026-03-04,0,A,\n", 2, "amount"),
        ("2026-03-04,5,A,\nyesterday,5,B,\n", 3, "day"),
        ("2026-03-04,5,,\n", 2, "reference"),
        ("2026-03-04,5,A,\n2026-03-05,6,A,\n", 3, "reference"),
    ],
)
def test_a_bad_line_refuses_the_whole_statement_by_name(text: str, row: int, column: str) -> None:
    (problem,) = bank.read_statement((HEADER + text).encode())
    assert isinstance(problem, Problem)
    assert (problem.row, problem.column) == (row, column)


def test_an_unknown_encoding_is_said() -> None:
    (problem,) = bank.read_statement((HEADER + "2026-03-04,5,A,\n").encode("utf-16"))
    assert isinstance(problem, Problem)
    assert "neither UTF-8 nor GBK" in problem.message


def test_two_that_could_be_meant_are_left_to_a_person() -> None:
    ours = [candidate(1, 0, 100, ""), candidate(2, 1, 100, "")]
    assert pair([candidate(9, 0, 100, "X")], ours) == []
    assert pair([candidate(8, 0, 100, "X"), candidate(9, 0, 100, "Y")], ours[:1]) == []
    assert pair([candidate(9, 0, 100, "X")], ours[:1]) == [(UUID(int=9), UUID(int=1))]


def candidate(number: int, day: int, amount: int, text: str) -> Candidate:
    return Candidate(UUID(int=number), date(2026, 3, 1) + timedelta(days=day), Fen(amount), text)


sides = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3), st.sampled_from(["", "A", "B"])), max_size=8)


@given(sides, sides)
def test_nothing_is_matched_twice_and_only_equal_amounts(
    theirs: list[tuple[int, int, str]], ours: list[tuple[int, int, str]]
) -> None:
    lines = [candidate(100 + n, day, amount, text or "Z") for n, (day, amount, text) in enumerate(theirs)]
    transfers = [candidate(n, *one) for n, one in enumerate(ours)]
    pairs = pair(lines, transfers)
    amounts = {one.id: one.amount for one in (*lines, *transfers)}
    assert all(amounts[line] == amounts[transfer] for line, transfer in pairs)
    for side in zip(*pairs, strict=True):
        assert len(set(side)) == len(side)
