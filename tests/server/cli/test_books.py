"""Close, reconcile and export from the command line: who may, what is said in both languages, what is written."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from cardcore.journal import OutcomeKind
from server.cli import main, stall
from server.cli.books_texts import CAUSES, KINDS, REFUSALS
from server.close.models import Cause, CloseRefusal, FindingKind
from server.database import Database
from server.settlement.models import SettlementRefusal
from tests.server.close.counting_house import DAY, CountingHouse

PASSWORD = "correct horse battery"


@pytest.fixture
def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingHouse]:
    """Play a lunch long ago, for the commands use this machine's clock."""
    monkeypatch.setenv("ONECARD_DATABASE_URL", database.url)
    monkeypatch.setenv("ONECARD_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    house = CountingHouse(database)
    house.play()
    house.outcome(house.journal.records[-1], OutcomeKind.SERVED, 1500)
    house.next_morning()
    house.state_all(t01=(2, 2700), t04=(1, 1000))
    yield house
    house.taps.close()


def login(house: CountingHouse, staff: object) -> str:
    return str(house.rows("select login from staff where id = %s", staff)[0][0])


def run(monkeypatch: pytest.MonkeyPatch, *words: str, password: str = PASSWORD) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
    return main(list(words))


def test_a_day_is_closed_and_signed_by_two(
    house: CountingHouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clerk, second = login(house, house.clerk), login(house, house.second)
    close = ["close", str(DAY), "--password-stdin", "--language", "en", "--as"]
    assert run(monkeypatch, *close, clerk, password="a wrong password") == 1
    assert "password is wrong" in capsys.readouterr().err
    assert run(monkeypatch, *close, login(house, house.cashier)) == 1
    assert "may not" in capsys.readouterr().err
    assert run(monkeypatch, *close, clerk) == 0
    said = capsys.readouterr().out
    assert said.startswith("2026-03-04  closed  3 charges  37.00")
    assert run(monkeypatch, *close, clerk) == 0
    assert capsys.readouterr().out == said
    assert run(monkeypatch, *close, clerk, "--sign") == 1
    assert "another person" in capsys.readouterr().err
    assert run(monkeypatch, *close, second, "--sign") == 0
    assert house.rows("select state, signed_by <> closed_by from day_close") == [("closed", True)]
    sheet = tmp_path / "close.pdf"
    assert main(["export", "sign-off", str(sheet), "--from", str(DAY), "--through", str(DAY)]) == 0
    assert sheet.read_bytes().startswith(b"%PDF")


def test_days_are_closed_up_to_one(
    house: CountingHouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--password-stdin", "--as", login(house, house.clerk), "--language", "zh-CN"]
    assert run(monkeypatch, "close", str(DAY), *words) == 0
    assert run(monkeypatch, "close", str(DAY), "--lock-month", *words) == 1
    assert "该月有未结账的营业日" in capsys.readouterr().err
    assert run(monkeypatch, "close", str(DAY + timedelta(days=2)), "--through", *words) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines() if "已结账" in line] == [
        [f"2026-03-0{n}", "已结账"] for n in (5, 6)
    ]


def test_differences_are_listed_explained_and_settled(
    house: CountingHouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clerk = login(house, house.clerk)
    assert main(["reconcile", str(DAY), "--language", "en"]) == 0
    assert capsys.readouterr().out == "everything is equal\n"
    house.state("t01", 3, 3900)
    assert main(["reconcile", str(DAY), "--language", "zh-CN"]) == 1
    said = capsys.readouterr().out
    assert "消费机合计不符: t01/lunch/box" in said
    assert "责任人: canteen_manager" in said
    main(["reconcile", str(DAY), "--json"])
    (difference,) = json.loads(capsys.readouterr().out)["differences"]
    assert difference["detail"]["till_served"] == 3
    run(monkeypatch, "close", str(DAY), "--password-stdin", "--as", clerk)
    capsys.readouterr()
    assert main(["reconcile", "--language", "en"]) == 1
    finding = next(line.split()[0] for line in capsys.readouterr().out.splitlines() if "till's total" in line)
    settle = ["reconcile", "--settle", finding, "--as", clerk, "--password-stdin", "--language", "en"]
    assert run(monkeypatch, *settle) == 1
    assert run(monkeypatch, *settle, "--explain", "three plates, one dropped") == 0
    assert house.rows("select explanation from finding where kind = 'till_total'") == [("three plates, one dropped",)]


def test_a_bank_statement_is_matched(
    house: CountingHouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    statement = tmp_path / "bank.csv"
    words = ["reconcile", "--bank", str(statement), "--as", login(house, house.clerk), "--password-stdin"]
    statement.write_text("日期,金额,流水号\n2026-03-04,5.00,A-1\n2026-03-04,x,A-2\n")
    assert run(monkeypatch, *words) == 1
    assert "row 3 amount" in capsys.readouterr().err
    statement.write_text("日期,金额,流水号\n2026-03-04,5.00,A-1\n")
    assert run(monkeypatch, *words, "--language", "zh-CN") == 1
    said = capsys.readouterr().out
    assert "已核对 0 笔" in said
    assert "仅银行有: 2026-03-04 5.00 A-1" in said


def test_a_stall_is_settled_and_paid_by_two(
    house: CountingHouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_clerk = ["--password-stdin", "--as", login(house, house.clerk)]
    by_second = ["--password-stdin", "--as", login(house, house.second)]
    terms = [
        "--owner",
        "老王餐饮",
        "--begins",
        str(DAY),
        "--commission-basis-points",
        "1000",
        "--fee-per-charge",
        "0.10",
    ]
    assert run(monkeypatch, "stall", "contract", "main", *terms, *by_clerk) == 0
    assert run(monkeypatch, "stall", "contract", "nowhere", *terms, *by_clerk) == 1
    assert run(monkeypatch, "stall", "--language", "en", "settle", "main", "--through", str(DAY), *by_clerk) == 1
    assert "close the days first" in capsys.readouterr().err
    run(monkeypatch, "close", str(DAY), *by_clerk)
    capsys.readouterr()
    assert run(monkeypatch, "stall", "--language", "en", "settle", "main", "--through", str(DAY), *by_clerk) == 0
    said = capsys.readouterr().out
    assert "turnover 39.00 - refunds 12.00 - commission 2.70 - fees 0.20 + carried 0.00 = payable 24.10" in said
    pay = ["stall", "pay", said.split()[0], "--reference", "ICBC-1"]
    assert run(monkeypatch, *pay, *by_clerk) == 1
    assert run(monkeypatch, *pay, *by_second) == 0
    bought = tmp_path / "bought.csv"
    bought.write_text("档口,日期,单据号,品名,金额\nmain,2026-03-04,D-1,大米,10.00\nmain,2026-03-04,D-1,油,x\n")
    assert run(monkeypatch, "stall", "purchases", str(bought), *by_clerk) == 1
    assert "row 3 cost" in capsys.readouterr().err
    bought.write_text("档口,日期,单据号,品名,金额\nmain,2026-03-04,D-1,大米,10.00\n")
    assert run(monkeypatch, "stall", "purchases", str(bought), *by_clerk) == 0
    assert main(["stall", "--language", "zh-CN", "list"]) == 0
    said = capsys.readouterr().out
    assert "主食堂  老王餐饮" in said
    assert "已解款" in said


def test_c72_dishes_are_exported_while_their_charge_stands(
    house: CountingHouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(house.database.url) as connection:
        connection.execute(
            "insert into dish_line"
            " select device_id, epoch, seq, 1, site_id, stall_id, meal_id, business_day, '7', 2, 350"
            " from charge where revision = 0"
        )
    path = tmp_path / "dishes.csv"
    assert main(["export", "dishes", str(path), "--from", str(DAY), "--through", str(DAY), "--language", "en"]) == 0
    rows = path.read_text("utf-8-sig").splitlines()
    assert rows[1:] == ["main,lunch,7,,4,14.00", "noodles,lunch,7,,2,7.00", "control_total 2,,,,6,21.00"]


def test_files_are_written_and_repeat_to_the_byte(
    house: CountingHouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = ["--from", str(DAY), "--through", str(DAY)]
    person = house.rows("select number from person where id = %s", house.small.holders[0].person)[0][0]
    for name, what in (
        ("sums.csv", ["sums", "--by", "stall,meal"]),
        ("sums.xlsx", ["sums", "--by", "department"]),
        ("dishes.csv", ["dishes"]),
        ("trial.csv", ["trial-balance"]),
        ("margins.csv", ["margins"]),
        ("holder.csv", ["statement", "--person", person]),
        ("books.beancount", ["beancount"]),
        ("books.journal", ["hledger"]),
        ("vouchers.csv", ["vouchers", "--mapping", "kingdee"]),
    ):
        path = tmp_path / name
        command = ["export", what[0], str(path), *what[1:], *days, "--language", "zh-CN"]
        assert main(command) == 0, capsys.readouterr().err
        first = path.read_bytes()
        assert main(command) == 0
        assert path.read_bytes() == first
    assert "主食堂" in (tmp_path / "sums.csv").read_text("utf-8-sig")
    assert (tmp_path / "sums.csv").read_text("utf-8-sig").splitlines()[-1].startswith("control_total 2,")
    assert len((tmp_path / "holder.csv").read_text("utf-8-sig").splitlines()) > 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (["sums", "x.csv", "--by", "colour"], "--by takes"),
        (["sums", "x.doc"], ".csv or .xlsx"),
        (["sign-off", "x.pdf"], "one closed day"),
        (["statement", "x.csv", "--person", "nobody"], "nobody with number"),
        (["vouchers", "x.csv", "--mapping", "sap"], "neither"),
    ],
)
def test_what_cannot_be_exported_is_said(
    house: CountingHouse, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: list[str], said: str
) -> None:
    path = tmp_path / what[1]
    assert main(["export", what[0], str(path), *what[2:], "--from", str(DAY), "--through", str(DAY)]) == 1
    assert said in capsys.readouterr().err
    assert not path.exists()


def test_every_word_is_there_in_both_languages() -> None:
    assert set(REFUSALS) == set(CloseRefusal)
    assert set(KINDS) == set(FindingKind)
    assert set(CAUSES) == set(Cause)
    assert set(stall.REFUSALS) == set(SettlementRefusal)
    for words in (*REFUSALS.values(), *KINDS.values(), *CAUSES.values(), *stall.REFUSALS.values()):
        assert words.en
        assert any("一" <= character <= "鿿" for character in words.zh)


def test_the_commands_need_a_site(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONECARD_DATABASE_URL", database.url)
    monkeypatch.setenv("ONECARD_DATA_DIR", str(tmp_path))
    assert main(["reconcile", str(DAY)]) == 2
    with psycopg.connect(database.url) as connection:
        assert connection.execute("select count(*) from finding").fetchone() == (0,)
