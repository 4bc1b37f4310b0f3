"""What a vehicle and a garage are, and every way they can be refused. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NewType
from uuid import UUID

from cardcore.ids import CredentialKey, LaneId, PersonId, credential_key

VehicleId = NewType("VehicleId", UUID)
GarageId = NewType("GarageId", str)
"""A short slug such as `north`, unique in a site."""

TOPIC = "garage"
"""Of the outbox: the free spaces of a garage changed."""
MAX_DRIVERS = 20
MAX_TEXT = 100
MAX_CAPACITY = 100_000
MAX_LANES = 32
"""Lanes of one garage."""
_PLATE = re.compile(r"[0-9A-Z\u4e00-\u9fff]{4,10}")
_GARAGE = re.compile(r"[a-z0-9-]{1,32}")


class VehicleKind(StrEnum):
    """What kind of vehicle."""

    CAR = "car"
    VAN = "van"
    TRUCK = "truck"
    MOTORCYCLE = "motorcycle"
    OTHER = "other"


class LaneSide(StrEnum):
    """What a passage at a lane does to a garage's count."""

    IN = "in"
    OUT = "out"


class VehicleRefusal(StrEnum):
    """Why nothing was written."""

    PLATE_WRONG = "plate_wrong"
    PLATE_TAKEN = "plate_taken"
    """Another vehicle, or another card, has this plate."""
    HOLDER_MISSING = "holder_missing"
    HOLDER_UNKNOWN = "holder_unknown"
    DRIVER_UNKNOWN = "driver_unknown"
    TOO_MANY_DRIVERS = "too_many_drivers"
    TOO_LONG = "too_long"
    NOT_FOUND = "not_found"
    GARAGE_ID_WRONG = "garage_id_wrong"
    NAME_MISSING = "name_missing"
    CAPACITY_OUT_OF_RANGE = "capacity_out_of_range"
    LANE_UNKNOWN = "lane_unknown"
    LANE_TWICE = "lane_twice"
    LANE_OF_ANOTHER = "lane_of_another"
    """The lane counts for another garage."""
    NO_WAY_IN = "no_way_in"
    NO_WAY_OUT = "no_way_out"
    REASON_MISSING = "reason_missing"
    COUNT_OUT_OF_RANGE = "count_out_of_range"


FIELDS: Mapping[VehicleRefusal, str] = MappingProxyType(
    {
        VehicleRefusal.PLATE_WRONG: "plate",
        VehicleRefusal.PLATE_TAKEN: "plate",
        VehicleRefusal.HOLDER_MISSING: "holder",
        VehicleRefusal.HOLDER_UNKNOWN: "holder",
        VehicleRefusal.DRIVER_UNKNOWN: "drivers",
        VehicleRefusal.TOO_MANY_DRIVERS: "drivers",
        VehicleRefusal.TOO_LONG: "note",
        VehicleRefusal.GARAGE_ID_WRONG: "id",
        VehicleRefusal.NAME_MISSING: "name",
        VehicleRefusal.CAPACITY_OUT_OF_RANGE: "capacity",
        VehicleRefusal.LANE_UNKNOWN: "lanes",
        VehicleRefusal.LANE_TWICE: "lanes",
        VehicleRefusal.LANE_OF_ANOTHER: "lanes",
        VehicleRefusal.NO_WAY_IN: "lanes",
        VehicleRefusal.NO_WAY_OUT: "lanes",
        VehicleRefusal.REASON_MISSING: "reason",
        VehicleRefusal.COUNT_OUT_OF_RANGE: "occupied",
    }
)
"""The field that a refusal speaks of; those not named speak of the whole."""


@dataclass(frozen=True, slots=True)
class NewVehicle:
    """A vehicle: its plate, whose it is (their rights open the lane), and who else drives it."""

    plate: str
    holder: PersonId | None
    drivers: tuple[PersonId, ...] = ()
    kind: VehicleKind = VehicleKind.CAR
    note: str = ""
    plate_opens: bool = True
    """Whether reading the plate opens a lane for the holder; otherwise only cards do."""


@dataclass(frozen=True, slots=True)
class Garage:
    """A garage with its entrances: lanes whose passages count in or out."""

    id: GarageId
    name_en: str
    name_zh: str
    capacity: int
    lanes: tuple[tuple[LaneId, LaneSide], ...]


@dataclass(frozen=True, slots=True)
class Spaces:
    """How full a garage is; fit for a public screen."""

    garage: GarageId
    name_en: str
    name_zh: str
    capacity: int
    occupied: int

    @property
    def free(self) -> int:
        """Free spaces: never below none, never above all."""
        return min(self.capacity, max(0, self.capacity - self.occupied))


def cleaned_plate(typed: str) -> str | None:
    """Return a plate in capitals without blanks, dots and hyphens, or None when it is none."""
    plate = re.sub(r"[\s·.\-]", "", typed).upper()
    return plate if _PLATE.fullmatch(plate) else None


def plate_credential(plate: str) -> CredentialKey:
    """Return the credential under which a camera reports a cleaned plate."""
    return credential_key(f"plate:{plate.lower()}")


def is_garage_id(text: str) -> bool:
    """Tell whether a text can name a garage."""
    return _GARAGE.fullmatch(text) is not None
