"""`onecard till`: modes as typed, subsidies of first taps, and prices that are missing."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from cardcore.access.items import Product
from cardcore.access.snapshot import Snapshot
from cardcore.ids import CategoryId, CredentialKey, SiteId
from server.cli import NOT_WELL, USED_WRONGLY, main
from server.database import Database
from server.people import service as people
from server.policy import service as policy
from server.seed.card_list import SeedCard
from server.seed.service import seed_reference_site
from server.staff import service as staff
from server.staff.passwords import Passwords
from server.staff.roles import Role
from server.system import System

PASSWORD = "correct horse battery"


@pytest.fixture
def seeded(
    postgres_url: str, database: Database, system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SiteId:
    """Set up the reference site with a canteen manager, `chef`."""
    monkeypatch.setenv("ONECARD_DATABASE_URL", postgres_url)
    monkeypatch.setenv("ONECARD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    listed = [SeedCard(n, Product.COMBINED, CredentialKey(f"uid:{n:08x}")) for n in range(40)]
    site = seed_reference_site(database, system, listed).site_id
    new = people.NewPerson("chef", "厨师长", CategoryId("staff"))
    person = database.write(lambda session: people.create_person(session, system, site, new, "test"))
    assert not isinstance(person, people.PersonRefusal)
    login = staff.NewStaff("chef", "chef", PASSWORD, frozenset({Role.CANTEEN_MANAGER}), person=person)
    passwords = Passwords(system.ids, memory_kib=8, time_cost=1)
    made = database.write(lambda session: staff.create_staff(session, system, site, passwords, login, "test"))
    assert not isinstance(made, staff.StaffRefusal)
    return site


@pytest.fixture
def till(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typing:
    return Typing(monkeypatch, capsys)


class Typing:
    """Somebody at a terminal."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str, login: str = "chef") -> tuple[int, str]:
        """Type a command; return its exit code and what it said."""
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))
        known = ("--as", login, "--password-stdin") if login else ()
        done = main(["till", *words, *known])
        said = self._capsys.readouterr()
        return done, (said.out + said.err).strip()


def published(database: Database, site: SiteId) -> Snapshot:
    return database.read(lambda session: policy.load_snapshot(session, site))


def test_c01_c04_a_till_is_told_how_to_charge(seeded: SiteId, database: Database, till: Typing) -> None:
    assert till("set", "t01", "--mode", "fixed", "--amount", "7.00") == (0, "")
    assert till("set", "t02", "--mode", "key_value", "--key", "1=2.00", "--key", "2=5.50") == (0, "")
    snapshot = published(database, seeded)
    first, second = snapshot.till("t01"), snapshot.till("t02")
    assert first is not None
    assert second is not None
    assert (first.mode, first.amount, second.mode, second.key_prices) == (
        "fixed", 700, "key_value", (("1", 200), ("2", 550)),
    )  # fmt: skip
    assert till("list", login="")[1].splitlines()[0].split() == ["t01", "main", "fixed", "holder", "7.00"]
    assert till("set", "t01", "--mode", "keyed") == (0, "")  # the price does not outlive its mode
    assert till("set", "t01", "--mode", "fixed")[0] == NOT_WELL
    assert till("set", "t09", "--mode", "keyed") == (NOT_WELL, "onecard: there is no till t09: onecard till list")
    assert till("set", "t02", "--key", "1")[0] == USED_WRONGLY


def test_c26_a_first_tap_is_subsidised_and_no_longer(seeded: SiteId, database: Database, till: Typing) -> None:
    assert till("subsidy", "3.00", "--category", "tenant", "--per", "day") == (0, "")
    assert till("subsidy", "100%", "--category", "staff", "--meal", "breakfast") == (0, "")
    snapshot = published(database, seeded)
    tenant, staff_breakfast = (
        snapshot.meal_subsidy("tenant", "main", "lunch"), snapshot.meal_subsidy("staff", "main", "breakfast"),
    )  # fmt: skip
    assert tenant is not None
    assert staff_breakfast is not None
    assert (tenant.fen, tenant.per, staff_breakfast.percent) == (300, "day", 100)
    assert till("subsidy", "0", "--category", "tenant") == (0, "")
    assert till("subsidy", "0", "--category", "tenant") == (NOT_WELL, "onecard: there is no such subsidy")
    assert published(database, seeded).meal_subsidy("tenant", "main", "lunch") is None


def test_a_gap_in_the_tariffs_is_named(seeded: SiteId, database: Database, system: System, till: Typing) -> None:
    """The seed prices everything; a meal without prices is a gap at every till for everybody who holds a card."""
    assert till("gaps", login="") == (0, "")
    database.write(lambda session: session.exec_driver_sql("delete from tariff where meal_id = 'night'"))
    database.write(lambda session: policy.refresh(session, system, seeded, {"tariff"}))
    done, said = till("gaps", login="")
    assert done == NOT_WELL
    assert "night" in said
    assert said.splitlines()[0].split()[:2] == ["t01", "night"]
