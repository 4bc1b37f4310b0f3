"""Fields read one by one: what is usable comes back as its type, and what is not has its error beside it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

import pytest

from admin_web.forms import NIL, Form
from cardcore.money import Fen
from tests.admin_web.fakes import an_id


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


def errors(form: Form) -> dict[str, str]:
    return {name: error.key for name, error in form.errors.items()}


def test_good_fields_come_back_as_their_types() -> None:
    form = Form(
        {
            "name": " 王芳 ",
            "seats": "12",
            "price": "¥1,200.5",
            "from": "2026-11-25",
            "at": "2026-11-25T08:30",
            "size": "large",
            "who": str(an_id(7)),
            "yes": "1",
        }
    )
    assert form.text("name", 10) == "王芳"
    assert form.number("seats", 1, 20) == 12
    assert form.yuan("price", Fen(0), Fen(1_000_000)) == 120_050
    assert form.day("from") == date(2026, 11, 25)
    assert form.moment("at", ZoneInfo("Asia/Shanghai")) == datetime(2026, 11, 25, 0, 30, tzinfo=UTC)
    assert form.choice("size", Size) is Size.LARGE
    assert form.identity("who") == an_id(7)
    assert form.is_on("yes")
    assert not form.is_on("no")
    assert form.is_good


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("", "form.missing"),
        ("12.345", "form.yuan"),
        ("1e3", "form.yuan"),
        ("十元", "form.yuan"),
        ("0", "form.yuan_range"),
        ("-1", "form.yuan_range"),
        ("500.01", "form.yuan_range"),
    ],
)
def test_amounts_that_are_none_say_so(typed: str, key: str) -> None:
    form = Form({"price": typed})
    form.yuan("price", Fen(1), Fen(50_000))
    assert errors(form) == {"price": key}


@pytest.mark.parametrize("typed", ["", "-1", "21", "1.5", "٣", "9" * 40, "abc"])
def test_numbers_outside_their_range_are_refused(typed: str) -> None:
    form = Form({"seats": typed})
    form.number("seats", 0, 20)
    assert errors(form) == {"seats": "form.number"}


def test_everything_unusable_is_told_at_once_and_what_was_typed_stays() -> None:
    form = Form({"name": "x" * 11, "from": "31.12.2026", "at": "soon", "size": "huge", "who": "me", "note": "a\x00b"})
    form.text("name", 10)
    form.text("note", 10)
    assert form.day("from") is not None
    form.moment("at", ZoneInfo("UTC"))
    form.choice("size", Size)
    form.one_of("kind", {"a": 1})
    assert form.identity("who") == NIL
    assert errors(form) == {
        "name": "form.too_long",
        "note": "form.unprintable",
        "from": "form.day",
        "at": "form.moment",
        "size": "form.choice",
        "kind": "form.choice",
        "who": "form.choice",
    }
    assert form.value("name") == "x" * 11


def test_empty_fields_may_be_empty_where_the_page_says_so() -> None:
    form = Form({})
    assert form.text("note", 10, required=False) == ""
    assert form.day("until", required=False) is None
    assert form.number("seats", 1, 9, default=4) == 4
    assert form.is_good


def test_the_first_error_of_a_field_stays() -> None:
    form = Form({})
    form.refuse("name", "form.missing")
    form.refuse("name", "form.too_long", limit=3)
    assert errors(form) == {"name": "form.missing"}
