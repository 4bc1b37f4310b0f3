"""The places of the menu: where they are, who may go there, and the key that leads there after `g`."""

from __future__ import annotations

from dataclasses import dataclass

from server.staff.roles import Permission


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of the menu."""

    address: str
    icon: str
    key: str
    """Of its name in the catalogues."""
    permission: Permission
    letter: str

    def holds(self, path: str) -> bool:
        """Tell whether a page belongs to this place."""
        return path == self.address or (self.address != "/" and path.startswith(f"{self.address}/"))


PLACES = (
    Place("/", "layout-dashboard", "nav.overview", Permission.OVERVIEW_READ, "o"),
    Place("/live", "activity", "nav.live", Permission.LIVE_READ, "l"),
    Place("/people", "users", "nav.people", Permission.PEOPLE_READ, "p"),
    Place("/cards", "credit-card", "nav.cards", Permission.CARDS_READ, "c"),
    Place("/charges", "receipt-yuan", "nav.charges", Permission.CHARGES_READ, "m"),
    Place("/devices", "server", "nav.devices", Permission.DEVICES_READ, "d"),
)


def home_of(permissions: frozenset[Permission]) -> str:
    """Return the first place that somebody with these permissions may see, else the first page, which explains."""
    return next((place.address for place in PLACES if place.permission in permissions), PLACES[0].address)
