"""`onecard card`: a person, a list, a loss and a second person, as a member of staff types it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from cardcore.access.items import Product
from cardcore.ids import CategoryId, CredentialKey, DeviceId
from server.cards import service as cards
from server.cli import NOT_WELL, main
from server.cli.repository import sites
from server.database import Database, ReadSession, WriteSession
from server.people import service as people
from server.staff import service as staff
from server.staff.passwords import Passwords
from server.staff.roles import Role
from server.system import real_system
from tests.server.issuing.encoder_rows import an_encoder

PASSWORD = "correct horse battery"
Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Return how to type a command, as the issuer, on a machine with an encoder, two people and three cards."""
    monkeypatch.setenv("ONECARD_DATABASE_URL", postgres_url)
    monkeypatch.setenv("ONECARD_DATA_DIR", str(tmp_path))
    assert main(["seed", "site", "test", "--name-en", "Test", "--name-zh", "测试"]) == 0
    database, system = Database(postgres_url), real_system()

    def prepare(session: WriteSession) -> None:
        (site, _), *_ = sites(ReadSession(session))
        people.put_category(session, system, site, CategoryId("staff"), people.Named("S", "职"), "test")
        persons = []
        for number in ("10001", "10002", "issuer"):
            new = people.NewPerson(number, "王小明", CategoryId("staff"))
            persons.append(people.create_person(session, system, site, new, "test"))
        for number, holder in (("A", persons[0]), ("B", None)):
            assert not isinstance(holder, people.PersonRefusal)
            key = (CredentialKey(f"uid:0000000{number.lower()}"),)
            cards.issue_card(session, system, site, cards.NewCard(number, Product.COMBINED, key, holder), "test")
        passwords, me = Passwords(system.ids, memory_kib=8, time_cost=1), persons[2]
        assert not isinstance(me, people.PersonRefusal)
        login = staff.NewStaff("li", "Li", PASSWORD, frozenset({Role.ISSUER}), person=me)
        staff.create_staff(session, system, site, passwords, login, "test")
        device = DeviceId(system.ids.uuid7())
        an_encoder(session, system, site, device)

    database.write(prepare)
    database.close()

    def typed(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
        capsys.readouterr()
        code = main(["card", *words, *(() if words[0] == "table" else ("--as", "li", "--password-stdin"))])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return typed


def test_a_card_is_made_for_a_person_and_a_list(say: Say, tmp_path: Path) -> None:
    assert say("encoders") == (0, "box/desk                 online\n")
    code, said = say("issue", "10002")
    assert code == 0
    assert "lay a blank card on desk: 10002-1" in said
    batch = said.splitlines()[0]
    code, said = say("jobs", batch)
    assert (code, said.split()) == (0, ["1", "10002-1", "王小明", "waiting"])
    assert say("issue", "10001")[1] == "onecard: another list waits at this encoder: finish or cancel it\n"
    assert say("cancel", batch) == (0, "1 cards are not made\n")
    listed = tmp_path / "list.txt"
    listed.write_text("10001\n10002\n\n99\n")
    assert say("batch", str(listed)) == (NOT_WELL, "onecard: nobody has the number 99\n")
    listed.write_text("10001\n10002\n")
    assert "10001-2, 10002-1" in say("batch", str(listed))[1]


def test_nobody_makes_a_card_for_themselves(say: Say) -> None:
    assert say("issue", "issuer") == (NOT_WELL, "onecard: nobody does this for themselves\n")


def test_a_card_is_lost_found_and_waits_for_another_person(say: Say) -> None:
    assert say("lost", "A", "--reason", "in the bus") == (0, "done; connected readers know within a second\n")
    assert say("lost", "A")[1] == "nothing to do: the card is in this state\n"
    assert say("return", "A")[0] == NOT_WELL
    assert say("found", "A")[0] == 0
    code, said = say("use", "A", "--reason", "it lay in the tray")
    assert code == 0
    assert "another person decides: onecard approval approve" in said
    assert say("lost", "Z") == (NOT_WELL, "onecard: there is no card Z\n")


def test_a_card_is_lent_taken_back_and_replaced(say: Say) -> None:
    assert say("lend", "B", "10002", "--days", "2") == (0, "done\n")
    assert say("take-back", "B") == (0, "done\n")
    assert say("take-back", "B")[0] == NOT_WELL
    code, said = say("replace", "A")
    assert code == 0
    assert "10001-2" in said


def test_the_table_is_printed_without_anybody(say: Say) -> None:
    code, said = say("table")
    assert code == 0
    assert "revoked     -> nothing" in said
