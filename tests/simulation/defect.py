"""What a deliberate defect is: a safeguard of the product that is taken away from outside, and what must notice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from unittest.mock import patch

Broken = AbstractContextManager[object]


@dataclass(frozen=True, slots=True)
class Defect:
    """A safeguard, the invariants of which at least one must break without it, and how it is taken away."""

    name: str
    removed: str
    shown_by: frozenset[str]
    broken: Callable[[], Broken]


def put(owner: object, name: str, replacement: object) -> Callable[[], Broken]:
    """Put something else in the place of a name of the product."""
    return lambda: patch.object(owner, name, replacement)


def of(*names: str) -> frozenset[str]:
    """Name some invariants."""
    return frozenset(names)
