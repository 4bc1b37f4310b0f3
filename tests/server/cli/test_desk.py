"""`onecard desk`: a cashier's day from the float to the count, as typed, and what is refused in words."""

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
from tests.server.money import Money

PASSWORD = "correct horse battery"


@pytest.fixture
def money(
    postgres_url: str, database: Database, system: System, site: SiteId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Money:
    """Set up a machine with a site, a cashier `wang` and somebody of finance, `qian`."""
    monkeypatch.setenv("ONECARD_DATABASE_URL", postgres_url)
    monkeypatch.setenv("ONECARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    money = Money(database, system, site)
    passwords = Passwords(system.ids, memory_kib=8, time_cost=1)
    for login, role in (("wang", Role.CASHIER), ("qian", Role.FINANCE)):
        new = staff.NewStaff(login, login, PASSWORD, frozenset({role}), person=money.holder(name=login).person)
        made = database.write(
            lambda session, new=new: staff.create_staff(session, system, site, passwords, new, "test")  # type: ignore[misc]
        )
        assert not isinstance(made, staff.StaffRefusal), made
    return money


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(monkeypatch, capsys)


class Desk:
    """A cashier at a terminal."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str, login: str = "wang") -> tuple[int, str]:
        """Type a command; return its exit code and what it said."""
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
        done = main(["desk", *words, "--as", login, "--password-stdin"])
        said = self._capsys.readouterr()
        return done, (said.out + said.err).strip()


def test_c36_c70_a_shift_from_the_float_to_the_count(money: Money, desk: Desk) -> None:
    holder, other = money.holder(), money.holder(name="李四")
    assert desk("topup", holder.number, "50") == (NOT_WELL, "onecard: no shift is open: onecard desk open")
    assert desk("open", "hall", "--float", "200") == (0, "hall 1")
    done, said = desk("topup", holder.number, "50.00", "--note", "cash")
    assert (done, said.split()[:4]) == (0, ["hall-1-0001", "50.00", "balance", "50.00"])
    assert desk("transfer", holder.number, other.number, "20") == (0, "balance 30.00")
    assert desk("payout", other.number, "5")[1].startswith("hall-1-0002 5.00 balance 15.00")
    assert desk("deposit", holder.number, "10")[0] == 0
    assert desk("card-fee", holder.number, "15")[0] == 0
    assert desk("return-deposit", holder.number, "10")[0] == 0
    assert desk("count", "259.00") == (0, "hall 1 expected 260.00 difference -1.00")
    assert (money.balances(holder)["cash"], money.balances(other)["cash"]) == (3_000, 1_500)
    money.prove()


def test_c38_c45_a_wrong_top_up_is_taken_back_and_an_account_closed(money: Money, desk: Desk) -> None:
    holder = money.holder()
    desk("open", "hall", "--float", "200")
    transfer = desk("topup", holder.number, "30")[1].split()[-1]
    assert desk("take-back", transfer, holder.number, "30", "--reason", "wrong card")[0] == 0
    assert desk("take-back", transfer, holder.number, "30", "--reason", "again") == (
        NOT_WELL, "onecard: it was taken back before",
    )  # fmt: skip
    desk("topup", holder.number, "12.30")
    assert desk("close-account", holder.number, "--reason", "left the office") == (
        0, "paid out 12.30 left 0.00 lapsed 0.00 claimed 0.00",
    )  # fmt: skip
    assert desk("topup", holder.number, "1")[1] == "onecard: the account is frozen or closed"
    money.prove()


def test_what_a_desk_refuses_is_told_in_either_language(money: Money, desk: Desk) -> None:
    holder = money.holder()
    assert desk("--language", "zh-CN", "topup", holder.number, "5")[1].startswith("onecard: 没有开班")
    assert desk("open", "hall", login="qian") == (NOT_WELL, "onecard: your role may not do this")
    desk("open", "hall")
    assert desk("open", "hall")[1] == "onecard: the desk, or the operator, has a shift open"
    assert desk("topup", holder.number, "1.234")[0] == USED_WRONGLY
    assert desk("topup", holder.number, "0")[1] == "onecard: the amount is nothing, negative or too large"
    assert desk("topup", "99999", "5")[1] == "onecard: nobody with an account has the number 99999"
    assert (
        desk("undo", "00000000-0000-0000-0000-000000000001", "--reason", "x")[1] == "onecard: there is no such charge"
    )
    assert desk("count", "0")[0] == 0
    money.prove()


def test_c37_an_order_for_an_online_payment_waits(money: Money, desk: Desk, tmp_path: Path) -> None:
    holder = money.holder()
    order = ("order", holder.number, "80", "--provider", "bank-a")
    assert desk(*order) == (NOT_WELL, "onecard: payments.toml has no such provider")
    (tmp_path / "data").mkdir(mode=0o700, exist_ok=True)
    file = tmp_path / "data" / "payments.toml"
    file.write_text(f'[[provider]]\nname = "bank-a"\nurl = "https://pay.example/o"\nkey_hex = "{"ab" * 32}"\n')
    file.chmod(0o600)
    done, said = desk(*order)
    assert (done, said.split()[1]) == (0, "pending")
    assert money.balances(holder)["cash"] == 0
