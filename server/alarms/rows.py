"""Alarms as the rows that raise and end them, gathered before they are written. No SQL, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from cardcore.ids import DeviceId, PersonId, SiteId
from server.alarms.kinds import Occurrence, severity_of

ALARM_TOPIC = "alarms"
"""The outbox topic of raised, acknowledged and escalated alarms."""
MAX_DETAIL = 200

Row = dict[str, object]
RaiseKey = tuple[SiteId, str, str, str, bool]
"""Site, kind, place, subject, and whether the alarm is late: what one open alarm is about."""


@dataclass(frozen=True, slots=True)
class NewAlarm:
    """What happened, where, when and to whom."""

    kind: str
    place: str
    at: datetime
    occurrence: Occurrence = Occurrence.LIVE
    subject: str = ""
    """What tells two alarms of one kind and place apart, such as the card; empty = nothing."""
    person: PersonId | None = None
    detail: str = ""
    device: DeviceId | None = None
    epoch: int | None = None
    seq: int | None = None
    """The record it came from, where it came from one."""


@dataclass(slots=True)
class AlarmRows:
    """Alarms to raise (one row each, however often it happened) and to end."""

    raised: dict[RaiseKey, Row] = field(default_factory=dict)
    ended: list[Row] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether there is anything to write."""
        return bool(self.raised or self.ended)

    def raise_(self, site: SiteId, new: NewAlarm, alarm_id: UUID, now: datetime) -> None:
        """Note an alarm; one that is noted already counts once more."""
        late = new.occurrence is Occurrence.OFFLINE_ALARM
        key = (site, new.kind, new.place, new.subject, late)
        row = self.raised.get(key)
        if row is not None:
            row |= {"count": int(str(row["count"])) + 1, "last_at": new.at, "over_at": None}
            return
        self.raised[key] = {
            "id": alarm_id, "site_id": site, "kind": new.kind, "place": new.place, "subject": new.subject,
            "late": late, "occurrence": new.occurrence, "severity": severity_of(new.kind), "person_id": new.person,
            "detail": new.detail[:MAX_DETAIL], "device_id": new.device, "epoch": new.epoch, "seq": new.seq,
            "first_at": new.at, "last_at": new.at, "count": 1, "over_at": None, "raised_at": now,
        }  # fmt: skip

    def end(self, site: SiteId, kind: str, place: str, at: datetime) -> None:
        """Note that the cause of an alarm is over since `at`."""
        for key, row in self.raised.items():
            if key[:3] == (site, kind, place):
                row["over_at"] = at
        self.ended.append({"site_id": site, "kind": kind, "place": place, "at": at})

    def notices(self) -> list[tuple[SiteId, Mapping[str, object]]]:
        """Return what live pages and webhooks hear of the raised ones, site by site."""
        return [(key[0], notice(row, "raised")) for key, row in self.raised.items()]


def notice(row: Mapping[str, object], change: str) -> Mapping[str, object]:
    """Return what pages hear of one alarm: no name."""
    heard = {name: str(row[name]) for name in ("kind", "place", "occurrence", "severity")}
    return {**heard, "id": str(row["id"]), "change": change}
