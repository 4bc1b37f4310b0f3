"""Made-up contents for any operation, out of the ids that an attacker knows; and the level they are after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from cardcore.calendar import Interval
from cardcore.ids import AccountId, CardId, LevelId, PersonId, ScheduleId, SiteId, ZoneId
from server.access import service as access
from server.database import WriteSession
from server.system import System
from tests.server.conftest import NOON

VIP = LevelId("vip")


def content_of(
    kind: type[msgspec.Struct],
    data: st.DataObject,
    cards: Sequence[CardId],
    people: Sequence[PersonId],
    accounts: Sequence[AccountId],
) -> msgspec.Struct:
    """Draw a content of an operation: known ids where a field is named after one, plausible values elsewhere."""
    known: dict[str, Sequence[Any]] = {
        "card": cards, "person": people, "account": accounts, "levels": [(VIP,), ()], "crew": [tuple(people), ()],
    }  # fmt: skip
    values = {
        field.name: data.draw(st.sampled_from(list(known.get(field.name) or _values(field.type, cards))))
        for field in msgspec.structs.fields(kind)
    }
    return kind(**values)


def _values(kind: object, cards: Sequence[CardId]) -> list[Any]:
    kind = getattr(kind, "__supertype__", kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return list(kind)
    values: dict[object, list[Any]] = {
        str: ["staff", "cash", "subsidy", "x"],
        int: [1, 700, 50_000],
        bool: [True, False],
        UUID: list(cards),
        datetime: [NOON - timedelta(days=1), NOON + timedelta(days=300)],
        date: [NOON.date(), NOON.date() - timedelta(days=1)],
    }
    return values.get(kind, [None])


def give_privileged_level(session: WriteSession, system: System, site: SiteId, person: PersonId) -> None:
    """Give a person a level that takes two people, as two people would have."""
    access.put_zones(session, system, site, [access.Zone(ZoneId("vault"), "Vault", "金库")], "test")
    always = access.Schedule(ScheduleId("always"), "Always", "全天", (Interval(),))
    assert access.put_schedule(session, system, site, always, "test") is None
    level = access.AccessLevel(VIP, "VIP", "贵宾", ScheduleId("always"), (ZoneId("vault"),), privileged=True)
    assert access.put_level(session, system, site, level, "test") is None
    assert access.set_person_levels(session, system, site, person, [VIP], "test", approved=True) is None
