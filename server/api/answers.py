"""What answers of `/api/v1` share: pages of events after an id, bodies that allow no unknown field, refusals.

Instants are RFC 3339 in UTC, amounts integer fen, ids as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Generic, NoReturn, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict

from server.access.fields import FieldProblem, FieldRefusal
from server.problem import Problem, ProblemError

MAX_ROWS = 500
"""Rows of one answer."""

Row = TypeVar("Row")
Answer = TypeVar("Answer", bound=BaseModel)

Limit = Annotated[int, Query(ge=1, le=MAX_ROWS, description="Rows of one answer.")]


class Body(BaseModel):
    """The base of what callers send: an unknown field is a mistake, not a wish."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Rows(BaseModel, Generic[Row]):
    """Rows in order; `next` is what to send as `after` for the following ones, absent at the end."""

    rows: list[Row]
    next: str | None = None


Identity = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", description="A short name: small letters, digits, - and _.")
]
"""Of a zone, lane, level, schedule, stall, till, meal."""


def refused_field(problem: FieldProblem | None) -> None:
    """Answer that a field was not taken, which and why; nothing was changed. Does nothing for None."""
    if problem is None:
        return
    if problem.field == "id" and problem.refusal is FieldRefusal.UNKNOWN:
        raise ProblemError(Problem.NOT_FOUND)
    told = {"object": problem.object, "field": problem.field, "advice": problem.advice, "named": problem.named}
    raise ProblemError(Problem.NOT_DONE, refusal=str(problem.refusal), **told)


def row_of(kind: type[Answer], row: Mapping[Any, Any]) -> Answer:
    """Return a row as an answer: the columns that it shows."""
    return kind(**{name: row[name] for name in kind.model_fields})


def refused(refusal: StrEnum) -> NoReturn:
    """Answer that a service did not do what was asked, and why; nothing was changed."""
    if refusal.value == "not_found":
        raise ProblemError(Problem.NOT_FOUND)
    raise ProblemError(Problem.NOT_DONE, refusal=str(refusal))
