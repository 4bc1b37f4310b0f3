"""Vehicles: a plate is one vehicle's, opens for its holder, and follows all that befalls them (S3)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from cardcore.ids import CredentialKey, PersonId, SiteId
from cardcore.reasons import Reason
from server.access import service as access
from server.database import Database
from server.people import service as people
from server.system import System
from server.vehicles import service
from server.vehicles.models import (
    FIELDS,
    NewVehicle,
    VehicleId,
    VehicleKind,
    VehicleRefusal,
    cleaned_plate,
    plate_credential,
)
from tests.server.visitors.lobby import HALL, LEAVE, VISIT, Lobby, open_lobby

_R = VehicleRefusal
PLATE = "浙A·12345"
KEY = plate_credential("浙A12345")


class Park:
    """A site whose host may pass, and whose vehicles are registered."""

    def __init__(self, lobby: Lobby) -> None:
        self.lobby = lobby
        for person in (lobby.host, lobby.other):
            self.may_pass(person)

    def may_pass(self, person: PersonId) -> None:
        levels = [VISIT, LEAVE]
        assert (
            self.lobby.write(
                lambda session, system, site: access.set_person_levels(session, system, site, person, levels, "test")
            )
            is None
        )

    def put(self, change: VehicleId | None = None, **more: object) -> VehicleId | VehicleRefusal:
        typed: dict[str, object] = {"plate": PLATE, "holder": self.lobby.host}
        new = NewVehicle(**(typed | more))  # type: ignore[arg-type]
        return self.lobby.write(lambda session, system, site: service.put(session, system, site, new, "clerk", change))

    def registered(self, **more: object) -> VehicleId:
        made = self.put(**more)  # type: ignore[arg-type]
        assert not isinstance(made, VehicleRefusal), made
        return made

    def remove(self, vehicle: VehicleId) -> VehicleRefusal | None:
        return self.lobby.write(lambda session, system, site: service.remove(session, system, site, vehicle, "clerk"))

    def found(self, term: str) -> list[tuple[str, str, list[str]]]:
        page = self.lobby.database.read(lambda session: service.search(session, self.lobby.site, term, 1))
        assert page.total == len(page.rows)
        return [(row["plate"], row["holder_name"], row["drivers"]) for row in page.rows]


@pytest.fixture
def park(database: Database, system: System, site: SiteId) -> Park:
    return Park(open_lobby(database, system, site))


@pytest.mark.parametrize(
    ("typed", "cleaned"),
    [("浙a·12345", "浙A12345"), ("b ab-123", "BAB123"), ("浙AD12345", "浙AD12345"), ("abc", None), ("浙A'12345", None),
     ("", None), ("A" * 11, None)],
)  # fmt: skip
def test_a_plate_is_cleaned_or_refused(typed: str, cleaned: str | None) -> None:
    assert cleaned_plate(typed) == cleaned


@pytest.mark.parametrize(
    ("typed", "refusal", "field"),
    [
        ({"plate": "?"}, _R.PLATE_WRONG, "plate"),
        ({"holder": None}, _R.HOLDER_MISSING, "holder"),
        ({"holder": PersonId(UUID(int=5))}, _R.HOLDER_UNKNOWN, "holder"),
        ({"drivers": (PersonId(UUID(int=5)),)}, _R.DRIVER_UNKNOWN, "drivers"),
        ({"drivers": tuple(PersonId(UUID(int=n)) for n in range(21))}, _R.TOO_MANY_DRIVERS, "drivers"),
        ({"note": "x" * 101}, _R.TOO_LONG, "note"),
    ],
)
def test_s03_bad_input_names_the_field(park: Park, typed: dict[str, Any], refusal: VehicleRefusal, field: str) -> None:
    assert park.put(**typed) is refusal
    assert FIELDS[refusal] == field
    assert park.found("") == []


def test_s03_a_plate_twice_is_refused(park: Park) -> None:
    park.registered()
    assert park.put(plate="浙a 12345", holder=park.lobby.other) is _R.PLATE_TAKEN
    assert park.found("") == [("浙A12345", "Henry Host", [])]


def test_s03_a09_a_plate_opens_for_its_holder_and_follows_the_holders_rights(park: Park) -> None:
    assert park.lobby.tap(KEY) is Reason.CARD_UNKNOWN
    park.registered()
    assert park.lobby.tap(KEY) is Reason.GRANTED
    lobby = park.lobby
    lobby.write(lambda session, system, site: people.set_left(session, system, site, lobby.host, "hr", left=True))
    assert lobby.tap(KEY) is Reason.NO_ACCESS_HERE


def test_a_plate_that_proves_nothing_is_refused_where_proof_is_asked(park: Park) -> None:
    park.registered()
    lobby = park.lobby
    strict = access.Zone(HALL, "Hall", "厅", low_assurance_allowed=False)
    lobby.write(lambda session, system, site: access.put_zones(session, system, site, [strict], "test"))
    assert lobby.tap(KEY) is Reason.ASSURANCE_TOO_LOW


def test_a_plate_may_be_for_the_books_only(park: Park) -> None:
    vehicle = park.registered(plate_opens=False)
    assert park.lobby.tap(KEY) is Reason.CARD_UNKNOWN
    assert park.put(vehicle, plate_opens=True) == vehicle
    assert park.lobby.tap(KEY) is Reason.GRANTED
    assert park.put(vehicle, plate_opens=False) == vehicle
    assert park.lobby.tap(KEY) is Reason.CARD_RETURNED


def test_s03_who_drives_what(park: Park) -> None:
    vehicle = park.registered(drivers=(park.lobby.other, park.lobby.host), kind=VehicleKind.VAN)
    assert (
        park.found("12345") == park.found("Olga") == park.found("Henry") == [("浙A12345", "Henry Host", ["Olga Other"])]
    )
    driven = park.lobby.database.read(lambda session: service.of_person(session, park.lobby.site, park.lobby.other))
    assert [(row["id"], row["kind"]) for row in driven] == [(vehicle, "van")]
    assert park.found("%") == []


def test_a_vehicle_that_is_gone_opens_nothing_and_its_plate_can_come_back_with_another_holder(park: Park) -> None:
    vehicle = park.registered()
    assert park.remove(vehicle) is None
    assert park.remove(vehicle) is _R.NOT_FOUND
    assert park.lobby.tap(KEY) is Reason.CARD_RETURNED
    assert park.found("") == []
    assert park.put(vehicle) is _R.NOT_FOUND
    again = park.registered(holder=park.lobby.other)
    assert again == vehicle
    assert park.lobby.tap(KEY) is Reason.GRANTED
    assert park.found("") == [("浙A12345", "Olga Other", [])]


def test_a_plate_that_is_a_cards_number_already_is_refused(park: Park) -> None:
    park.lobby.stock("ABC1234")
    assert park.put(plate="ABC1234") is _R.PLATE_TAKEN
    assert park.found("") == []


def test_a_plate_is_a_credential() -> None:
    assert plate_credential("浙A12345") == CredentialKey("plate:浙a12345")
