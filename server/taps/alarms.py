"""Which records of a batch are alarms, and which end one. No SQL, no clock."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from cardcore.ids import PersonId, TapKey
from cardcore.journal import DeviceEvent
from server.alarms.kinds import ENDS, occurrence_of
from server.alarms.rows import NewAlarm
from server.taps.arrivals import LinkDevice, StoredRecord, Writes


class Seen(NamedTuple):
    """The id for an alarm, and the instant of the batch."""

    id: UUID
    now: datetime


def happened(writes: Writes, device: LinkDevice, key: TapKey, event: DeviceEvent, at: datetime, seen: Seen) -> None:
    """Raise or end the alarm that a device event stands for, if it stands for one."""
    ends = ENDS.get(event.event)
    if ends is not None:
        writes.alarms.end(device.site, ends, event.place, at)
    if event.alarm:
        occurrence = occurrence_of(seen.now - at, is_alarm=True)
        new = NewAlarm(event.event, event.place, at, occurrence, "", None, event.detail, *key)
        writes.alarms.raise_(device.site, new, seen.id, seen.now)


def refused(writes: Writes, device: LinkDevice, key: TapKey, tap: StoredRecord, at: datetime, seen: Seen) -> None:
    """Raise the alarm of a card that somebody holds who should not: lost, stolen, forged, replaced."""
    assert tap.decision is not None
    person = PersonId(tap.person_id) if tap.person_id is not None else None
    new = NewAlarm(
        str(tap.decision.reason), tap.place, at, occurrence_of(seen.now - at, is_alarm=True), str(tap.card_id or ""),
        person, "", *key,
    )  # fmt: skip
    writes.alarms.raise_(device.site, new, seen.id, seen.now)
