"""The visitor register: what is refused with which field, who says yes, what is found and exported again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from cardcore.ids import CategoryId, LevelId, PersonId, ZoneId
from server.database import ReadSession
from server.exports.csv_file import csv_bytes
from server.visitors import ending, register, service
from server.visitors.documents import DocumentKind
from server.visitors.models import FIELDS, Search, VisitorRules, VisitRefusal, VisitState
from server.visitors.service import Desk
from tests.server.conftest import NOON, StillClock
from tests.server.visitors.lobby import CLERK, HALL, ID_CARD, LEAVE, OUTSIDE, STAFF, VISIT, Lobby

_R = VisitRefusal


@pytest.mark.parametrize(
    ("typed", "refusal", "field"),
    [
        ({"host": None}, _R.HOST_MISSING, "host"),
        ({"host": PersonId(UUID(int=9))}, _R.HOST_UNKNOWN, "host"),
        ({"name": " "}, _R.NAME_MISSING, "name"),
        ({"purpose": ""}, _R.PURPOSE_MISSING, "purpose"),
        ({"company": "x" * 101}, _R.TOO_LONG, "purpose"),
        ({"document_number": "110105194912310021"}, _R.DOCUMENT_WRONG, "document_number"),
        ({"ends_at": NOON}, _R.ENDS_BEFORE_START, "ends_at"),
        ({"starts_at": NOON - timedelta(hours=3), "ends_at": NOON - timedelta(hours=1)}, _R.IN_THE_PAST, "ends_at"),
        ({"ends_at": NOON + timedelta(hours=13)}, _R.TOO_LONG_A_VISIT, "ends_at"),
        (
            {"starts_at": NOON + timedelta(days=91), "ends_at": NOON + timedelta(days=91, hours=1)},
            _R.TOO_FAR_AHEAD,
            "starts_at",
        ),
        ({"levels": (STAFF,)}, _R.LEVEL_NOT_FOR_VISITORS, "levels"),
    ],
)
def test_s07_bad_input_names_the_field_and_writes_nothing(
    lobby: Lobby, typed: dict[str, Any], refusal: VisitRefusal, field: str
) -> None:
    assert lobby.register(lobby.visit(**typed)) is refusal
    assert FIELDS[refusal] == field
    assert found(lobby, Search()) == []


@pytest.mark.parametrize(
    ("rules", "refusal"),
    [
        (VisitorRules(CategoryId("moon"), OUTSIDE, (VISIT,)), _R.CATEGORY_UNKNOWN),
        (VisitorRules(CategoryId("guest"), ZoneId("moon"), (VISIT,)), _R.ZONE_UNKNOWN),
        (VisitorRules(CategoryId("guest"), OUTSIDE, ()), _R.LEVEL_UNKNOWN),
        (VisitorRules(CategoryId("guest"), OUTSIDE, (VISIT,), (LevelId("moon"),)), _R.LEVEL_UNKNOWN),
        (VisitorRules(CategoryId("guest"), OUTSIDE, (STAFF,)), _R.LEVEL_PRIVILEGED),
        (VisitorRules(CategoryId("guest"), OUTSIDE, (VISIT,), grace_minutes=1441), _R.NUMBER_OUT_OF_RANGE),
    ],
)
def test_rules_that_cannot_hold_are_refused(lobby: Lobby, rules: VisitorRules, refusal: VisitRefusal) -> None:
    before = lobby.database.read(lambda session: service.rules(session, lobby.site))
    answer = lobby.write(lambda session, system, site: service.put_rules(session, system, site, rules, "test"))
    assert answer is refusal
    assert lobby.database.read(lambda session: service.rules(session, lobby.site)) == before


def test_the_number_of_a_document_is_nowhere_in_the_database(lobby: Lobby) -> None:
    visit = lobby.registered(lobby.visit())
    assert lobby.row(visit)["document_mask"] == "**************002X"
    dump = text(
        "select string_agg(t::text, '|') from (select row(v.*)::text as t from visitor v union all"
        " select row(p.*)::text from person p union all select row(a.*)::text from audit a"
        " union all select row(w.*)::text from visit w) all_rows"
    )
    everything = str(lobby.database.read(lambda session: session.execute(dump).scalar_one()))
    assert "002X" in everything
    assert ID_CARD not in everything


def test_a44_the_host_agrees_and_nobody_else(lobby: Lobby) -> None:
    visit = lobby.registered(lobby.visit())
    assert lobby.row(visit)["state"] == VisitState.ANNOUNCED
    assert lobby.qr(visit) is _R.WRONG_STATE
    assert lobby.answer(visit, ("staff:other", lobby.other)) is _R.NOT_YOUR_VISITOR
    assert lobby.answer(visit, (CLERK.actor, lobby.other), for_host=True) is _R.SAME_PERSON
    assert lobby.answer(visit, ("staff:host", lobby.host)) is None
    assert lobby.row(visit)["state"] == VisitState.APPROVED
    assert lobby.answer(visit, ("staff:host", lobby.host)) is _R.WRONG_STATE


def test_a44_who_invites_has_agreed(lobby: Lobby) -> None:
    tomorrow = NOON + timedelta(days=1)
    new = lobby.visit(starts_at=tomorrow, ends_at=tomorrow + timedelta(hours=1))
    visit = lobby.registered(new, Desk("person:host", CLERK.number_key, lobby.host))
    assert lobby.row(visit)["state"] == VisitState.APPROVED


def test_a_visitor_who_is_not_expected_is_turned_away(lobby: Lobby) -> None:
    visit = lobby.registered(lobby.visit())
    assert lobby.answer(visit, ("staff:officer", None), agreed=False, for_host=True) is None
    assert lobby.qr(visit) is _R.WRONG_STATE
    assert lobby.row(visit)["state"] == VisitState.DECLINED


def test_a_site_may_do_without_the_hosts_word(lobby: Lobby) -> None:
    assert lobby.rules(approval_needed=False) is None
    assert lobby.row(lobby.registered(lobby.visit()))["state"] == VisitState.APPROVED


def test_a_cancelled_visit_opens_nothing(lobby: Lobby) -> None:
    visit = lobby.approved()
    assert lobby.write(lambda session, system, site: service.cancel(session, system, site, visit, "x")) is None
    assert lobby.qr(visit) is _R.WRONG_STATE
    assert (
        lobby.write(lambda session, system, site: service.cancel(session, system, site, visit, "x")) is _R.WRONG_STATE
    )


def test_a_returning_visitor_is_known_and_another_name_is_not_believed(lobby: Lobby) -> None:
    first = lobby.registered(lobby.visit())
    later = NOON + timedelta(days=2)
    again = {"starts_at": later, "ends_at": later + timedelta(hours=1)}
    second = lobby.registered(lobby.visit(**again, document_number="110105 19491231 002x"))
    assert lobby.row(first)["person_id"] == lobby.row(second)["person_id"]
    assert lobby.register(lobby.visit(**again, name="Paul Pretender")) is _R.DOCUMENT_OF_ANOTHER
    other = lobby.visit(**again, document_kind=DocumentKind.PASSPORT, document_number="E12345678")
    assert lobby.row(lobby.registered(other))["person_id"] != lobby.row(first)["person_id"]


def test_an_unwanted_visitor_is_turned_away_until_somebody_says_otherwise(lobby: Lobby) -> None:
    person = PersonId(lobby.row(lobby.registered(lobby.visit()))["person_id"])  # type: ignore[arg-type]

    def want(why: str) -> VisitRefusal | None:
        return lobby.write(
            lambda session, system, site: service.set_unwanted(session, system, site, person, why, "staff:officer")
        )

    assert want("stole a bicycle") is None
    assert lobby.register(lobby.visit()) is _R.NOT_WANTED
    assert want("") is None
    lobby.registered(lobby.visit())


def test_a46_a_host_has_so_many_visitors_at_a_time(lobby: Lobby) -> None:
    assert lobby.rules(most_per_host=1) is None
    lobby.registered(lobby.visit())
    assert lobby.register(lobby.visit()) is _R.HOST_FULL
    later = NOON + timedelta(hours=2)
    lobby.registered(lobby.visit(starts_at=later, ends_at=later + timedelta(hours=1)))
    lobby.registered(lobby.visit(host=lobby.other))


def test_who_left_and_who_visits_is_no_host(lobby: Lobby) -> None:
    visitor = PersonId(lobby.row(lobby.registered(lobby.visit()))["person_id"])  # type: ignore[arg-type]
    assert lobby.register(lobby.visit(host=visitor)) is _R.HOST_IS_VISITOR
    leave = text("update person set state = 'left' where id = :id")
    lobby.database.write(lambda session: session.execute(leave, {"id": lobby.other}))
    assert lobby.register(lobby.visit(host=lobby.other)) is _R.HOST_LEFT


def test_s07_the_register_is_searched_and_exported(lobby: Lobby) -> None:
    lobby.registered(lobby.visit(plate="浙a12345"))
    later = NOON + timedelta(days=1)
    lobby.registered(
        lobby.visit(
            name="=cmd()", host=lobby.other, document_kind=DocumentKind.PASSPORT, document_number="E12345678",
            starts_at=later, ends_at=later + timedelta(hours=1),
        )
    )  # fmt: skip
    assert found(lobby, Search()) == ["=cmd()", "Vera Visitor"]
    assert (
        found(lobby, Search("Vera")) == found(lobby, Search("Henry")) == found(lobby, Search("浙A")) == ["Vera Visitor"]
    )
    assert found(lobby, Search("%")) == []
    assert found(lobby, Search(since=later)) == ["=cmd()"]
    assert found(lobby, Search(until=later)) == ["Vera Visitor"]
    assert found(lobby, Search(states=(VisitState.OPEN,))) == []

    def export(session: ReadSession) -> str:
        return b"".join(csv_bytes(register.table(session, lobby.site, Search(), "en"), "en")).decode("utf-8-sig")

    lines = lobby.database.read(export).splitlines()
    assert lines[0].startswith("Visitor,Company,Document,Document number,Host")
    assert lines[1].startswith("'=cmd(),Acme,passport,*****5678,Olga Other")
    assert "2026-09-07 12:00" in lines[2]
    assert lines[3].startswith("control_total 2")


def test_what_is_exported_is_written_down_first(lobby: Lobby) -> None:
    deed = ("staff:clerk", "the police asked")
    lobby.write(lambda session, system, site: register.note_export(session, system, site, Search("Vera"), deed))
    row = lobby.database.read(
        lambda session: session.execute(text("select actor, reason from audit where action = 'visits_exported'")).one()
    )
    assert tuple(row) == deed


def test_s07_old_visits_are_forgotten_with_the_names(lobby: Lobby, clock: StillClock) -> None:
    assert lobby.rules(keep_days=1) is None
    visit = lobby.registered(lobby.visit())
    person = lobby.row(visit)["person_id"]
    clock.forward(hours=4)
    lobby.look()
    assert lobby.write(ending.forget_old) == 0
    clock.forward(days=1)
    assert lobby.write(ending.forget_old) == 1
    assert found(lobby, Search()) == []
    name = text("select name from person where id = :id")
    assert lobby.database.read(lambda session: session.execute(name, {"id": person}).scalar_one()) == "***"
    lobby.registered(lobby.visit(name="Vera"))


def found(lobby: Lobby, wanted: Search) -> list[str]:
    page = lobby.database.read(lambda session: register.search(session, lobby.site, wanted, 1))
    assert page.total == len(page.rows)
    return [row["name"] for row in page.rows]


def test_levels_of_a_visit_hold_the_way_out(lobby: Lobby) -> None:
    assert lobby.row(lobby.registered(lobby.visit()))["levels"] == [LEAVE, VISIT]
    assert HALL != OUTSIDE
