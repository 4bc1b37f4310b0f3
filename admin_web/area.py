"""An area of the site: its routes, who may ask for each, its places in the menu, the enumerations it shows in words.

One module of `admin_web.pages` is one area; `admin_web.areas` lists them. Knows no page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fastapi import APIRouter

from server.staff.roles import Permission


class Group(StrEnum):
    """The parts of the menu, in its order."""

    TODAY = "today"
    PEOPLE = "people"
    GATES = "gates"
    CANTEEN = "canteen"
    FINANCE = "finance"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the menu, and the key that leads there after `g`; most have none."""

    address: str
    icon: str
    key: str
    """Of its name in the catalogues."""
    permission: Permission
    group: Group
    letter: str = ""
    others: frozenset[Permission] = frozenset()
    """Permissions any of which opens the place too."""

    def opens_for(self, permissions: frozenset[Permission]) -> bool:
        """Tell whether somebody with these permissions sees the place."""
        return self.permission in permissions or not self.others.isdisjoint(permissions)

    def holds(self, path: str) -> bool:
        """Tell whether a page belongs to this place."""
        return path == self.address or (self.address != "/" and path.startswith(f"{self.address}/"))


@dataclass(frozen=True, slots=True)
class Area:
    """What one module of pages brings."""

    router: APIRouter
    permissions: Mapping[str, frozenset[Permission]]
    """By route name: any one of them will do."""
    places: tuple[Place, ...] = ()
    shown: tuple[type[StrEnum], ...] = ()
    """Enumerations whose members its templates show with `label`: each needs its words in every catalogue."""
    open_routes: frozenset[str] = frozenset()
    """Routes for everybody, signed in or not."""


def allow(permissions: Mapping[str, Permission]) -> Mapping[str, frozenset[Permission]]:
    """Return the rules of routes of which each asks for one permission."""
    return {name: frozenset({permission}) for name, permission in permissions.items()}
