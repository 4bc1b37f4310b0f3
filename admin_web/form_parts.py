"""A form of settings as a table of its parts: drawn by one template, read by one function, refusals beside the field.

The names of the parts are those of the service's fields, so that what a service refuses finds its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from typing import Any

from fastapi import HTTPException, Response

from admin_web.forms import WHOLE, Form
from admin_web.i18n import Language, key_of
from admin_web.visits import Visit
from cardcore.calendar import DAY_SECONDS
from cardcore.money import Fen, yuan_text
from server.access.fields import FieldProblem

NEW = "new"
"""Stands in an address for what is not there yet."""
IDENTITY = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
MAX_ID, MAX_NAME, MAX_LINES = 32, 64, 2_000


class Look(StrEnum):
    """How a part is drawn, and what it gives: text, number, Fen, day, second of the day, bool, key, tuple of keys."""

    TEXT = "text"
    LINES = "lines"
    NUMBER = "number"
    AMOUNT = "amount"
    DAY = "day"
    TIME = "time"
    TICK = "tick"
    CHOICE = "choice"
    TICKS = "ticks"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its name, the key of its words and of its hint, and its range (characters of a text)."""

    name: str
    words: str
    look: Look = Look.TEXT
    hint: str = ""
    required: bool = True
    low: int = 0
    high: int = MAX_NAME
    options: Sequence[tuple[str, str]] = ()
    """(value, words in the visitor's language), for choice and ticks."""


@dataclass(frozen=True, slots=True)
class Section:
    """Parts under a heading (a key; empty = none); `opens` False hides them until somebody looks."""

    words: str
    parts: Sequence[Part]
    opens: bool = True


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page with one form: where it leads, what it is called, how the thing is retired."""

    back: str
    back_words: str
    action: str
    title: str
    """The key of the heading for a new thing."""
    name: str
    """The thing's name, empty for a new one."""
    sections: Sequence[Section]
    retire: str = ""
    """Where the form that retires it goes; empty = it cannot."""
    retire_means: str = ""

    def page(self, visit: Visit, form: Form, status: int = 200) -> Response:
        """Show it."""
        return visit.page("setup/form.html", status, sheet=self, form=form)


ID_PART = Part("id", "access.id", hint="access.id_hint", high=MAX_ID)
NAME_PARTS = (Part("name_zh", "access.name_zh"), Part("name_en", "access.name_en"))


def identity_of(form: Form, given: str) -> str:
    """Return a short name: as it is, or as typed for something new."""
    if given != NEW:
        return given
    typed = form.text("id", MAX_ID)
    if not IDENTITY.fullmatch(typed) or typed == NEW:
        form.refuse("id", "access.id_unusable")
    return typed


def found(rows: Iterable[Mapping[Any, Any]], identity: str) -> dict[str, Any] | None:
    """Return the row of a short name, None for `new`; raises HTTPException 404."""
    if identity == NEW:
        return None
    row = next((dict(row) for row in rows if row["id"] == identity), None)
    if row is None:
        raise HTTPException(404)
    return row


def named(visit: Visit, row: Mapping[Any, Any]) -> str:
    """Return a row's name in the visitor's language, its short name where it has none."""
    name = row["name_zh" if visit.language is Language.CHINESE else "name_en"]
    return str(name or row["id"])


def options_of(visit: Visit, rows: Iterable[Mapping[Any, Any]]) -> list[tuple[str, str]]:
    """Return rows as the options of a choice."""
    return [(row["id"], named(visit, row)) for row in rows]


def words_of(visit: Visit, members: Iterable[StrEnum]) -> list[tuple[str, str]]:
    """Return members of an enumeration as the options of a choice."""
    return [(member.value, visit.web.renderer.text(visit.language, key_of(member))) for member in members]


def read_parts(form: Form, sections: Iterable[Section]) -> dict[str, Any]:
    """Return what the parts say, each a usable value of its look even after an error."""
    return {part.name: _read(form, part) for section in sections for part in section.parts}


def fill(values: Mapping[str, Any], sections: Iterable[Section]) -> Form:
    """Return a form filled with what stands, or with what something new begins with."""
    typed: dict[str, str] = {}
    for part in (part for section in sections for part in section.parts):
        if part.name in values:
            typed |= _typed(part, values[part.name])
    return Form(typed)


def refuse(form: Form, problem: FieldProblem, sections: Iterable[Section]) -> None:
    """Put a service's refusal beside its field, or above the form where it has none."""
    name = problem.field.partition(".")[0]
    is_there = any(part.name == name for section in sections for part in section.parts)
    words = f" ({problem.named})" if problem.named else ""
    form.refuse(name if is_there else WHOLE, key_of(problem.refusal), named=words)


def clock_text(second: int) -> str:
    """Return a second of the day as a browser shows it; the end of the day as 00:00."""
    second %= DAY_SECONDS
    return f"{second // 3600:02}:{second // 60 % 60:02}"


def _read(form: Form, part: Part) -> object:
    match part.look:
        case Look.TEXT | Look.LINES:
            return form.text(part.name, part.high, required=part.required)
        case Look.NUMBER:
            return form.number(part.name, part.low, part.high, default=None if part.required else part.low)
        case Look.AMOUNT:
            if not part.required and not form.value(part.name).strip():
                return Fen(part.low)
            return form.yuan(part.name, Fen(part.low), Fen(part.high))
        case Look.DAY:
            return form.day(part.name, required=part.required)
        case Look.TIME:
            return _second(form, part.name)
        case Look.TICK:
            return form.is_on(part.name)
        case Look.CHOICE:
            if not part.required and not form.value(part.name):
                return ""
            return form.one_of(part.name, dict(part.options))
        case Look.TICKS:
            return tuple(key for key, _ in part.options if form.is_on(f"{part.name}_{key}"))


def _second(form: Form, name: str) -> int:
    try:
        at = time.fromisoformat(form.value(name).strip())
    except ValueError:
        form.refuse(name, "setup.time")
        return 0
    return at.hour * 3600 + at.minute * 60 + at.second


def _typed(part: Part, value: Any) -> dict[str, str]:  # noqa: ANN401 - a column of any table
    if part.look is Look.TICKS:
        return {f"{part.name}_{key}": "1" for key in value}
    if part.look is Look.TICK:
        return {part.name: "1"} if value else {}
    if value is None:
        return {}
    match part.look:
        case Look.AMOUNT:
            text = yuan_text(Fen(value)) if value or part.required else ""
        case Look.TIME:
            text = clock_text(value)
        case Look.DAY:
            text = "" if value == date.min else value.isoformat()
        case _:
            text = str(value)
    return {part.name: text}
