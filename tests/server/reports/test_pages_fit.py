"""The pages' services fit what `admin_web` asks for: methods, fields of rows, and words of enumerations."""

from __future__ import annotations

import inspect
from dataclasses import fields
from enum import StrEnum

import pytest

from admin_web import ports
from admin_web import rows as wanted
from admin_web.i18n import key_of
from server.cards.service import CardChange
from server.reports import pages, paging, rows
from server.staff import roles, service, sign_in

PAIRS = (
    (ports.People, pages.PeoplePages),
    (ports.Cards, pages.CardPages),
    (ports.Charges, pages.ChargePages),
    (ports.Overview, pages.OverviewPages),
    (ports.SignIn, sign_in.SignIn),
)
ROWS = (
    (wanted.Page, paging.Page),
    (wanted.CardRow, rows.CardRow),
    (wanted.CardView, rows.CardView),
    (wanted.CardHistoryRow, rows.CardHistoryRow),
    (wanted.PurseRow, rows.PurseRow),
    (wanted.PersonRow, rows.PersonRow),
    (wanted.PersonView, rows.PersonView),
    (wanted.ChargeRow, rows.ChargeRow),
    (wanted.ChargesFound, rows.ChargesFound),
    (wanted.HourFigures, rows.HourFigures),
    (wanted.DayFigures, rows.DayFigures),
    (wanted.StaffView, service.StaffView),
    (wanted.SessionView, sign_in.SessionView),
    (wanted.SignInResult, sign_in.SignInResult),
)
WORDS = (
    (wanted.CardProduct, rows.CardProduct),
    (wanted.CardStatus, rows.CardStatus),
    (wanted.PurseKind, rows.PurseKind),
    (wanted.ChargeState, rows.ChargeState),
    (wanted.CardChange, CardChange),
    (wanted.SignInOutcome, sign_in.SignInOutcome),
)


@pytest.mark.parametrize(("protocol", "ours"), PAIRS)
def test_every_method_is_there_with_the_same_arguments(protocol: type, ours: type) -> None:
    names = [name for name, _ in inspect.getmembers(protocol, inspect.isfunction) if not name.startswith("_")]
    assert names
    for name in names:
        asked = inspect.signature(getattr(protocol, name)).parameters
        given = inspect.signature(getattr(ours, name)).parameters
        assert [(each.name, each.kind) for each in given.values()] == [
            (each.name, each.kind) for each in asked.values()
        ], name


@pytest.mark.parametrize(("asked", "ours"), ROWS)
def test_every_field_is_there(asked: type, ours: type) -> None:
    assert {each.name for each in fields(asked)} <= {each.name for each in fields(ours)}


@pytest.mark.parametrize(("asked", "ours"), WORDS)
def test_our_words_have_their_texts(asked: type[StrEnum], ours: type[StrEnum]) -> None:
    known = {key_of(member) for member in asked}
    assert {key_of(member) for member in ours} <= known


def test_the_pages_permissions_are_ours_by_word() -> None:
    assert {each.value for each in wanted.Permission} <= {each.value for each in roles.Permission}


def test_a_page_has_as_many_rows_as_the_pages_think() -> None:
    assert paging.PAGE_ROWS == wanted.PAGE_ROWS


def test_what_can_be_chosen_to_block_a_card_can_be_done() -> None:
    assert {each.value for each in wanted.BlockReason} == set(pages.BLOCKED)
