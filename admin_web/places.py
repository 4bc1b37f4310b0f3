"""The menu as one visitor sees it, and where the visitor begins."""

from __future__ import annotations

from collections.abc import Iterable

from admin_web.area import Group, Place
from admin_web.paths import HOME
from server.staff.roles import Permission


def menu_of(places: Iterable[Place], permissions: frozenset[Permission]) -> list[tuple[Group, list[Place]]]:
    """Return the groups of the menu, each with the places that these permissions open; none of them is empty."""
    seen = [place for place in places if place.opens_for(permissions)]
    menu = [(group, [place for place in seen if place.group is group]) for group in Group]
    return [(group, entries) for group, entries in menu if entries]


def home_of(places: Iterable[Place], permissions: frozenset[Permission]) -> str:
    """Return the first place that somebody with these permissions may see, else the first page, which explains."""
    menu = menu_of(places, permissions)
    return menu[0][1][0].address if menu else HOME


def place_of(places: Iterable[Place], path: str) -> str | None:
    """Return the address of the place that a page belongs to; of several the longest: one may lie in another."""
    return max((place.address for place in places if place.holds(path)), key=len, default=None)
