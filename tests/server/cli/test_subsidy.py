"""`onecard subsidy`: a sheet from the dry run to the purse, by two people with passwords."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from cardcore.ids import SiteId
from server.cli import NOT_WELL, USED_WRONGLY, main
from server.database import Database
from server.staff import service as staff
from server.staff.passwords import Passwords
from server.staff.roles import Role
from server.system import System
from tests.server.money import Holder, Money
from tests.server.subsidies.sheets import xlsx

PASSWORD = "correct horse battery"


@pytest.fixture
def money(
    postgres_url: str, database: Database, system: System, site: SiteId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Money:
    """Set up a machine with a site and two people of finance, `maker` and `checker`."""
    monkeypatch.setenv("ONECARD_DATABASE_URL", postgres_url)
    monkeypatch.setenv("ONECARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    money = Money(database, system, site)
    passwords = Passwords(system.ids, memory_kib=8, time_cost=1)
    for login in ("maker", "checker"):
        person = money.holder(name=login).person
        new = staff.NewStaff(login, login, PASSWORD, frozenset({Role.FINANCE}), person=person)
        made = database.write(
            lambda session, new=new: staff.create_staff(session, system, site, passwords, new, "test")  # type: ignore[misc]
        )
        assert not isinstance(made, staff.StaffRefusal), made
    return money


def onecard(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
    return main(["subsidy", *words])


def approval(monkeypatch: pytest.MonkeyPatch, action: str, request: str, login: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
    return main(["approval", action, request, "--as", login, "--password-stdin"])


def ask(monkeypatch: pytest.MonkeyPatch, action: str, *words: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
    return main(["money", action, "--as", "maker", "--password-stdin", *words])


def sheet(tmp_path: Path, holder: Holder, amount: object = "12.34", number: str | None = None) -> str:
    file = tmp_path / "九月.xlsx"
    file.write_bytes(xlsx([("姓名", "补贴金额", "工号"), (holder.name, amount, number or holder.number)]))
    return str(file)


def test_c27_from_the_dry_run_to_the_purse(
    money: Money, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = money.holder()
    file = sheet(tmp_path, holder)
    options = ("import", file, "--number", "2026-09", "--total", "12.34")
    assert onecard(monkeypatch, *options, "--dry-run") == 0
    assert "1 lines, 12.34" in capsys.readouterr().out
    assert onecard(monkeypatch, "list") == 0
    assert capsys.readouterr().out == ""
    assert onecard(monkeypatch, *options, "--as", "maker", "--password-stdin") == 0
    assert onecard(monkeypatch, *options, "--as", "maker", "--password-stdin") == 0  # asked twice, waits once
    assert approval(monkeypatch, "approve", "batch:2026-09", "maker") == NOT_WELL
    assert "another person must approve it" in capsys.readouterr().err
    assert money.balances(holder)["subsidy"] == 0
    assert approval(monkeypatch, "approve", "batch:2026-09", "checker") == 0
    assert money.balances(holder)["subsidy"] == 1_234
    capsys.readouterr()
    assert onecard(monkeypatch, "list") == 0
    assert "booked" in capsys.readouterr().out
    assert onecard(monkeypatch, *options, "--as", "maker", "--password-stdin") == 0
    assert approval(monkeypatch, "approve", "batch:2026-09", "checker") == NOT_WELL  # nothing waits
    money.prove()


def test_c27_what_is_wrong_is_told_in_either_language(
    money: Money, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = sheet(tmp_path, money.holder(), number="99999")
    wrong = {"en": "row 2, number '99999': nobody has this number", "zh-CN": "第 2 行 工号 '99999': 查无此工号"}
    options = ("import", file, "--number", "A", "--total", "1", "--dry-run")
    for language, words in wrong.items():
        code = onecard(monkeypatch, "--language", language, *options)
        assert (code, words in capsys.readouterr().out) == (NOT_WELL, True)


def test_nobody_imports_without_saying_who_or_with_a_wrong_total(
    money: Money, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = sheet(tmp_path, money.holder())
    assert onecard(monkeypatch, "import", file, "--number", "A", "--total", "12.34") == USED_WRONGLY
    assert onecard(monkeypatch, "import", file, "--number", "A", "--total", "12.345", "--dry-run") == USED_WRONGLY
    assert onecard(monkeypatch, "import", str(tmp_path / "none"), "--number", "A", "--dry-run") == USED_WRONGLY
    wrong = ("import", file, "--number", "A", "--total", "12.34", "--as", "nobody", "--password-stdin")
    assert onecard(monkeypatch, *wrong) == NOT_WELL


def test_a_month_is_run_by_its_name(money: Money, monkeypatch: pytest.MonkeyPatch) -> None:
    assert money is not None
    assert onecard(monkeypatch, "month", "September") == USED_WRONGLY
    assert onecard(monkeypatch, "month", "2020-01") == NOT_WELL


def test_c62_a_difference_is_asked_for_and_approved_by_another(
    money: Money, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = money.holder()
    wanted = ("adjust", holder.number, "3.50", "--reason", "counted twice")
    assert ask(monkeypatch, *wanted) == 0
    about = f"account:{holder.account}/cash"
    assert approval(monkeypatch, "decline", about, "checker") == 0
    assert money.cash(holder) == 0
    assert ask(monkeypatch, *wanted) == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
    capsys.readouterr()
    assert main(["approval", "list", "--as", "checker", "--password-stdin"]) == 0
    assert "counted twice" in capsys.readouterr().out
    assert approval(monkeypatch, "approve", about, "checker") == 0
    assert money.cash(holder) == 350
    assert approval(monkeypatch, "approve", about, "checker") == NOT_WELL
    money.prove()


def test_c24_a_plan_and_a_rule_from_the_command_line(
    money: Money, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--mode", "reset", "--from", "2026-09", "--reason", "works council")
    assert ask(monkeypatch, "plan", "all-staff", "staff", "300", *options) == 0
    assert approval(monkeypatch, "approve", "plan:all-staff", "checker") == 0
    assert ask(monkeypatch, "plan", "all-staff", "staff", "1.234", *options) == USED_WRONGLY
    assert ask(monkeypatch, "rule", "cash", "--floor=-20", "--highest", "1000") == 0
    assert ask(monkeypatch, "rule", "cash", "--floor", "2000", "--highest", "1000") == NOT_WELL
    assert "below the highest" in capsys.readouterr().err
    assert ask(monkeypatch, "merge", "1", "2", "--reason", "x") == USED_WRONGLY
    assert money.books() == {}


def test_c62_what_the_operation_refuses_is_told(
    money: Money, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = money.holder()
    assert ask(monkeypatch, "adjust", "--reason", "x", "--", holder.number, "-5") == 0
    assert approval(monkeypatch, "approve", f"account:{holder.account}/cash", "checker") == NOT_WELL
    assert "below its floor" in capsys.readouterr().err
