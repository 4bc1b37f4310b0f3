"""One page of a result, however it was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

PAGE_ROWS = 50
"""Rows of one page."""
MAX_PAGE = 2_000
"""Nobody turns further; a larger number is taken as this one."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """At most `PAGE_ROWS` rows."""

    rows: tuple[Row, ...]
    number: int
    """Counts from 1."""
    has_next: bool
    total: int | None
    """Rows in all pages; None where counting would cost too much."""


def page_of(number: int, find: Callable[[int, int], Sequence[Row]], count: Callable[[], int | None]) -> Page[Row]:
    """Build a page: `find` takes limit and offset, `count` gives the total or None where counting costs too much."""
    number = min(max(number, 1), MAX_PAGE)
    found = find(PAGE_ROWS + 1, (number - 1) * PAGE_ROWS)
    return Page(tuple(found[:PAGE_ROWS]), number, len(found) > PAGE_ROWS, count())
