"""What the server's services return fits the rows of the pages: same names, same words.

The server imports none of the pages' types, so only this test notices when the two part.
"""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum
from typing import Any

import pytest

import server.cards.service
import server.reports.paging
import server.reports.rows
import server.staff.roles
import server.staff.service
import server.staff.sign_in
from admin_web import rows
from admin_web.i18n import key_of

ROWS = (
    (rows.Page, server.reports.paging.Page),
    (rows.PersonRow, server.reports.rows.PersonRow),
    (rows.PersonView, server.reports.rows.PersonView),
    (rows.PurseRow, server.reports.rows.PurseRow),
    (rows.CardRow, server.reports.rows.CardRow),
    (rows.CardView, server.reports.rows.CardView),
    (rows.CardHistoryRow, server.reports.rows.CardHistoryRow),
    (rows.ChargeRow, server.reports.rows.ChargeRow),
    (rows.ChargesFound, server.reports.rows.ChargesFound),
    (rows.HourFigures, server.reports.rows.HourFigures),
    (rows.DayFigures, server.reports.rows.DayFigures),
    (rows.StaffView, server.staff.service.StaffView),
    (rows.SessionView, server.staff.sign_in.SessionView),
    (rows.SignInResult, server.staff.sign_in.SignInResult),
)
WORDS = (
    (rows.CardProduct, server.reports.rows.CardProduct),
    (rows.CardStatus, server.reports.rows.CardStatus),
    (rows.CardChange, server.cards.service.CardChange),
    (rows.PurseKind, server.reports.rows.PurseKind),
    (rows.ChargeState, server.reports.rows.ChargeState),
    (rows.SignInOutcome, server.staff.sign_in.SignInOutcome),
)


@pytest.mark.parametrize(("asked", "given"), ROWS, ids=lambda kind: kind.__name__)
def test_every_field_asked_for_is_given(asked: Any, given: Any) -> None:  # noqa: ANN401 - any dataclass
    assert {field.name for field in fields(asked)} <= {field.name for field in fields(given)}


@pytest.mark.parametrize(("known", "given"), WORDS, ids=lambda kind: kind.__name__)
def test_every_word_given_is_known(known: type[StrEnum], given: type[StrEnum]) -> None:
    assert {key_of(member) for member in given} <= {key_of(member) for member in known}


def test_every_permission_asked_for_can_be_given() -> None:
    assert {member.value for member in rows.Permission} <= {member.value for member in server.staff.roles.Permission}


def test_pages_are_cut_alike() -> None:
    assert rows.PAGE_ROWS == server.reports.paging.PAGE_ROWS
