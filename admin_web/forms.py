"""Forms: what a visitor typed, read field by field; what cannot be used stays, with the error beside its field.

A handler reads every field, asks `form.is_good`, and shows the same page again with status 422 if it is not:

    form = Form(await read_form(visit.request))
    name = form.text("name", 64)
    if not form.is_good:
        return visit.page("visitor_new.html", 422, form=form)

Each reader returns a usable value of its type even after an error, so that the rest can be read too. A service's
refusal is told with `form.refuse(field, key)`. `pieces.html` draws fields (`field`, `choice`, `problems`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from cardcore.money import Fen, parse_yuan, yuan_text

Kind = TypeVar("Kind", bound=StrEnum)

NIL = UUID(int=0)
NO_DAY = date(1970, 1, 1)
WHOLE = ""
"""The field of what is wrong with the form as a whole."""


class Error(NamedTuple):
    """A text of the catalogue and what fills its placeholders."""

    key: str
    values: Mapping[str, object]


class Form:
    """One form: `values` as typed, `errors` by field, at most one a field."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """Take the fields as sent, or what a new form begins with."""
        self.values = values
        self.errors: dict[str, Error] = {}

    @property
    def is_good(self) -> bool:
        """Whether nothing was refused so far."""
        return not self.errors

    def value(self, name: str) -> str:
        """Return a field as typed; empty where it was not sent."""
        return self.values.get(name, "")

    def refuse(self, name: str, key: str, **values: object) -> None:
        """Put an error beside a field (`WHOLE`: above the form); the first one stays."""
        self.errors.setdefault(name, Error(key, values))

    def text(self, name: str, limit: int, *, required: bool = True) -> str:
        """Return a text of at most `limit` characters, trimmed."""
        text = self.value(name).strip()
        if required and not text:
            self.refuse(name, "form.missing")
        elif len(text) > limit:
            self.refuse(name, "form.too_long", limit=limit)
        elif any(not sign.isprintable() and sign not in "\r\n\t" for sign in text):
            self.refuse(name, "form.unprintable")
        return text

    def number(self, name: str, low: int, high: int, *, default: int | None = None) -> int:
        """Return a whole number from `low` to `high`; `default` for an empty field if given."""
        text = self.value(name).strip()
        if not text and default is not None:
            return default
        digits = text.removeprefix("-")
        is_number = digits.isascii() and digits.isdecimal() and len(digits) <= len(str(max(abs(low), abs(high))))
        if is_number and low <= int(text) <= high:
            return int(text)
        self.refuse(name, "form.number", low=low, high=high)
        return low

    def yuan(self, name: str, low: Fen, high: Fen) -> Fen:
        """Return an amount typed in yuan (`12`, `12.5`, `1,200.00`), as fen from `low` to `high`."""
        text = self.value(name).strip().removeprefix("¥").replace(",", "")
        try:
            amount = parse_yuan(text)
        except ValueError:
            self.refuse(name, "form.yuan" if text else "form.missing")
            return low
        if not low <= amount <= high:
            self.refuse(name, "form.yuan_range", low=yuan_text(low), high=yuan_text(high))
        return amount

    def day(self, name: str, *, required: bool = True) -> date | None:
        """Return a day as a browser sends it (`2026-11-25`); None for an empty field that is not required."""
        text = self.value(name).strip()
        if not text and not required:
            return None
        try:
            return date.fromisoformat(text)
        except ValueError:
            self.refuse(name, "form.day" if text else "form.missing")
            return NO_DAY

    def moment(self, name: str, zone: ZoneInfo) -> datetime:
        """Return a site's wall time as a browser sends it (`2026-11-25T08:30`), as an instant in UTC."""
        try:
            typed = datetime.fromisoformat(self.value(name).strip())
        except ValueError:
            self.refuse(name, "form.moment" if self.value(name).strip() else "form.missing")
            return datetime.combine(NO_DAY, time(), UTC)
        return typed.replace(tzinfo=zone).astimezone(UTC)

    def choice(self, name: str, kind: type[Kind]) -> Kind:
        """Return the member that was chosen."""
        chosen = self.value(name)
        if chosen in {member.value for member in kind}:
            return kind(chosen)
        self.refuse(name, "form.choice")
        return next(iter(kind))

    def one_of(self, name: str, allowed: Mapping[str, object]) -> str:
        """Return the key that was chosen from a list."""
        chosen = self.value(name)
        if chosen not in allowed:
            self.refuse(name, "form.choice")
        return chosen

    def identity(self, name: str) -> UUID:
        """Return an id that a list of ours offered."""
        try:
            return UUID(self.value(name))
        except ValueError:
            self.refuse(name, "form.choice")
            return NIL

    def is_on(self, name: str) -> bool:
        """Tell whether a box was ticked."""
        return bool(self.value(name))
