"""The books as other programs read them: beancount and hledger themselves add them up again; vouchers balance."""

from __future__ import annotations

import csv
import io
import subprocess
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from beancount import loader
from hypothesis import given
from hypothesis import strategies as st

from cardcore.journal import OutcomeKind
from cardcore.money import Fen, parse_yuan
from server.database import Database
from server.exports.collected import collect
from server.exports.entries import Books, entries_of
from server.exports.mapping import BUILT_IN, MappingError, load_mapping, read_mapping
from server.exports.plain_text import ROOTS, account_name, beancount_text, hledger_text
from server.exports.vouchers import voucher_bytes, vouchers_of
from server.ledger.roles import MEAL_ROLES, LedgerRole
from server.reports.books import Account, Movement
from tests.server.close.counting_house import DAY, CountingHouse


@pytest.fixture
def house(database: Database) -> Iterator[CountingHouse]:
    house = CountingHouse(database)
    house.play()
    house.outcome(house.journal.records[-1], OutcomeKind.SERVED, 1500)
    house.next_morning()
    house.closed(without_silent=True)
    house.outcome(house.tap(0, "t01"), OutcomeKind.SERVED, 500)
    yield house
    house.taps.close()


def books(house: CountingHouse, from_day: date = DAY) -> Books:
    return house.database.read(
        lambda session: collect(session, house.site, from_day, DAY + timedelta(days=1)), stable=True
    )


def beancount_errors(text: str) -> list[object]:
    _, errors, _ = loader.load_string(text)
    return list(errors)


def hledger(text: str, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = folder / "books.journal"
    path.write_text(text)
    return subprocess.run(
        ["hledger", "-f", str(path), *command], capture_output=True, text=True, check=False, env={"LC_ALL": "C.UTF-8"}
    )


def test_n6_beancount_accepts_the_books_and_notices_a_missing_fen(house: CountingHouse) -> None:
    text = beancount_text(books(house), "reference")
    assert beancount_errors(text) == []
    assert "balance Liabilities:Stall:Main  -27.00 ~ 0.00 CNY" in text
    for old, new in (("-27.00 ~", "-27.01 ~"), ("12.00 CNY", "12.01 CNY")):
        assert beancount_errors(text.replace(old, new, 1)) != []


def test_n6_hledger_accepts_the_books_and_notices_a_missing_fen(house: CountingHouse, tmp_path: Path) -> None:
    text = hledger_text(books(house), "reference")
    checked = hledger(text, tmp_path, "check", "accounts", "commodities", "balanced", "assertions", "ordereddates")
    assert checked.returncode == 0, checked.stderr
    sheet = hledger(text, tmp_path, "balance", "Liabilities:Stall:Main", "-O", "csv")
    assert '"-32.00 CNY"' in sheet.stdout
    assert hledger(text.replace("= -27.00 CNY", "= -27.01 CNY", 1), tmp_path, "check").returncode != 0


def test_the_books_of_a_later_day_begin_with_what_stood(house: CountingHouse, tmp_path: Path) -> None:
    later = books(house, DAY + timedelta(days=1))
    assert later.opening[Account("stall", "main")] == -2700
    assert beancount_errors(beancount_text(later, "later")) == []
    assert hledger(hledger_text(later, "later"), tmp_path, "check").returncode == 0
    assert beancount_text(later, "later") == beancount_text(books(house, DAY + timedelta(days=1)), "later")


def test_every_account_of_money_has_its_place() -> None:
    assert set(ROOTS) == set(LedgerRole) - MEAL_ROLES
    assert account_name(Account("stall", "面食_1")) == "Liabilities:Stall:X-u9762--u98df--u5f-1"


@pytest.mark.parametrize("name", BUILT_IN)
def test_c75_vouchers_balance_and_follow_the_mapping(house: CountingHouse, name: str) -> None:
    mapping = load_mapping(name)
    made = vouchers_of(books(house).entries, mapping)
    content = voucher_bytes(made, mapping)
    rows = list(csv.DictReader(io.StringIO(content.decode(mapping.encoding), newline="")))
    assert len(made) == 2
    for voucher in made:
        assert sum(line.debit for line in voucher.lines) == sum(line.credit for line in voucher.lines) > 0
        assert all((line.debit > 0) != (line.credit > 0) for line in voucher.lines)
    debits = [parse_yuan(row["借方金额"]) for row in rows if row["借方金额"]]
    assert sum(debits) == sum(line.debit for voucher in made for line in voucher.lines)
    numbers = [row["凭证号"] for row in rows]
    assert numbers == sorted(numbers)
    assert set(numbers) == {"0004", "0005"}
    assert content == voucher_bytes(vouchers_of(books(house).entries, mapping), mapping)


def test_c75_a_copy_of_the_mapping_changes_the_columns(house: CountingHouse, tmp_path: Path) -> None:
    copy = tmp_path / "ours.toml"
    copy.write_text(
        'encoding = "utf-8"\nseparator = "\\t"\n[[columns]]\ntitle = "K"\nvalue = "{account}-{debit}"\n'
        '[accounts]\npurse = "1"\nstall = "2"\ncash_drawer = "3"\nsubsidy = "4"\nopening = "5"\n'
    )
    mapping = load_mapping(str(copy))
    lines = voucher_bytes(vouchers_of(books(house).entries, mapping), mapping).decode().splitlines()
    assert lines[0] == "K"
    assert "1-24.00" in lines


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "columns"),
        ({"columns": [{"title": "x", "value": "{nothing}"}]}, "column 1"),
        ({"columns": [{"title": "x"}]}, "column 1 needs"),
        ({"columns": [{"title": "x", "value": "y"}], "encoding": "ebcdic-9"}, "ebcdic-9"),
    ],
)
def test_a_mapping_that_cannot_be_used_says_why(document: dict[str, object], said: str) -> None:
    with pytest.raises(MappingError, match=said):
        read_mapping(document)


def test_accounts_without_a_code_are_named(house: CountingHouse) -> None:
    mapping = read_mapping({"columns": [{"title": "x", "value": "y"}], "accounts": {"purse": "1"}})
    with pytest.raises(MappingError, match="cash_drawer/main"):
        vouchers_of(books(house).entries, mapping)
    with pytest.raises(MappingError, match="neither"):
        load_mapping("sap")


accounts = st.builds(Account, st.sampled_from(["stall", "purse", "cash_drawer"]), st.sampled_from("ab"))
moved = st.builds(
    Movement, st.just(DAY), st.sampled_from(["charge", "refund"]), st.sampled_from(["", "lunch"]), accounts, accounts,
    st.just(1), st.integers(1, 10**6).map(Fen),
)  # fmt: skip


@given(st.lists(moved, max_size=20))
def test_every_entry_is_in_balance(movements: list[Movement]) -> None:
    entries = entries_of(movements)
    assert all(sum(fen for _, fen in entry.lines) == 0 for entry in entries)
    assert sum(entry.count for entry in entries) == len(movements)
