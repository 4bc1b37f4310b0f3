"""What answers of `/api/v1` share: pages of events after an id, bodies that allow no unknown field, refusals.

Instants are RFC 3339 in UTC, amounts integer fen, ids as text.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Generic, NoReturn, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from server.problem import Problem, ProblemError

MAX_ROWS = 500
"""Rows of one answer."""

Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=MAX_ROWS, description="Rows of one answer.")]


class Body(BaseModel):
    """The base of what callers send: an unknown field is a mistake, not a wish."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Rows(BaseModel, Generic[Row]):
    """Rows in order; `next` is what to send as `after` for the following ones, absent at the end."""

    rows: list[Row]
    next: str | None = None


def refused(refusal: StrEnum) -> NoReturn:
    """Answer that a service did not do what was asked, and why; nothing was changed."""
    if refusal.value == "not_found":
        raise ProblemError(Problem.NOT_FOUND)
    raise ProblemError(Problem.NOT_DONE, refusal=str(refusal))
