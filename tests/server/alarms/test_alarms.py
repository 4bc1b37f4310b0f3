"""Alarms from what devices report to the person who looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from cardcore.access.items import CardState
from cardcore.journal import DeviceEvent, Record
from server.alarms import service
from server.alarms.kinds import AlarmKind, Occurrence, Severity, occurrence_of, severity_of
from server.alarms.rows import NewAlarm
from server.alarms.service import Alarm, AlarmRefusal, Mask, Wanted
from server.database import Database, connect_app
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from tests.private_postgres import PrivatePostgres
from tests.server.taps.small_site import Holder, Journal, SmallSite, card, make_site


class Guardroom:
    """A small site whose device reports, and the list in the guards' room."""

    def __init__(self, url: str, name: str) -> None:
        self.small: SmallSite = make_site(url, holders=2, name=name)
        self.database = Database(url)
        self.journal = Journal(self.small)
        self.taps = TapService(PostgresTaps(lambda: connect_app(url)), self.small.system)

    def close(self) -> None:
        self.taps.close()
        self.database.close()

    def event(self, word: str, place: str = "g01", detail: str = "", *, alarm: bool = True) -> Record:
        return self.journal.add(DeviceEvent(word, place, detail, self.journal.stamp(), alarm))

    def report(self, *records: Record) -> None:
        self.taps.process([self.journal.upload(records)])

    def waiting(self, **wanted: object) -> list[Alarm]:
        asked = Wanted(**wanted)  # type: ignore[arg-type]
        return self.database.read(lambda session: service.open_alarms(session, self.small.site, asked))

    def acknowledge(self, *alarms: Alarm, note: str = "looked, nobody there") -> AlarmRefusal | None:
        ids = [alarm.id for alarm in alarms]
        system, site = self.small.system, self.small.site
        return self.database.write(lambda session: service.acknowledge(session, system, site, "staff:guard", ids, note))

    def lose(self, holder: Holder) -> None:
        self.small.publish(card(holder, state=CardState.LOST))

    def heard(self) -> list[str]:
        query = "select payload->>'change' from outbox where site_id = %s and topic = 'alarms' order by created_at, id"
        return [row[0] for row in self.small.rows(query, self.small.site)]


@pytest.fixture(scope="module")
def one_url(embedded_postgres: PrivatePostgres) -> Iterator[str]:
    """One database for all of these, each with a site of its own."""
    with embedded_postgres.fresh_database(migrated=True) as url:
        yield url


@pytest.fixture
def room(one_url: str, request: pytest.FixtureRequest) -> Iterator[Guardroom]:
    made = Guardroom(one_url, request.node.name[:40])
    yield made
    made.close()


def test_a53_the_age_of_an_event_says_what_it_may_do() -> None:
    ages = [timedelta(0), timedelta(seconds=3), timedelta(seconds=30), timedelta(seconds=31), timedelta(days=9)]
    assert [occurrence_of(age, is_alarm=True) for age in ages] == [
        Occurrence.LIVE, Occurrence.LIVE, Occurrence.GRACE, Occurrence.OFFLINE_ALARM, Occurrence.OFFLINE_ALARM,
    ]  # fmt: skip
    assert occurrence_of(timedelta(seconds=31), is_alarm=False) is Occurrence.RECORD_ONLY
    assert occurrence_of(timedelta(seconds=-60), is_alarm=True) is Occurrence.LIVE


def test_a56_a_forced_passage_is_an_urgent_alarm_until_somebody_looked(room: Guardroom) -> None:
    room.report(room.event("forced_passage"), room.event("daemon_started", "", alarm=False))
    (alarm,) = room.waiting()
    assert (alarm.kind, alarm.place, alarm.severity, alarm.late) == ("forced_passage", "g01", Severity.URGENT, False)
    assert room.acknowledge(alarm) is None
    assert room.waiting() == []
    assert room.heard() == ["raised", "acknowledged"]


def test_a56_what_happens_again_before_anybody_looked_counts(room: Guardroom) -> None:
    room.report(room.event("forced_passage"), room.event("forced_passage"))
    room.small.clock.advance(seconds=5)
    room.report(room.event("forced_passage"), room.event("forced_passage", "g02"))
    by_place = {alarm.place: alarm.count for alarm in room.waiting()}
    assert by_place == {"g01": 3, "g02": 1}
    for alarm in room.waiting(place="g01"):
        assert room.acknowledge(alarm) is None
    room.report(room.event("forced_passage"))
    assert [alarm.count for alarm in room.waiting(place="g01")] == [1]


def test_a73_a_reader_that_comes_back_ends_the_cause_and_not_the_alarm(room: Guardroom) -> None:
    room.report(room.event("reader_offline"))
    room.small.clock.advance(seconds=5)
    room.report(room.event("reader_online", alarm=False))
    (alarm,) = room.waiting()
    assert alarm.over_at == room.small.clock.now()
    assert alarm.severity is Severity.FAULT
    room.small.clock.advance(seconds=5)
    room.report(room.event("reader_offline"))
    assert [alarm.over_at for alarm in room.waiting()] == [None]


def test_a53_a_replayed_alarm_is_listed_as_late_and_touches_no_live_one(room: Guardroom) -> None:
    old = room.event("forced_passage")
    old_end = room.event("reader_online", alarm=False)
    room.small.clock.advance(hours=2)
    room.report(room.event("forced_passage"), room.event("reader_offline"))
    room.report(old, old_end)
    found = {(alarm.kind, alarm.late): (alarm.count, alarm.over_at) for alarm in room.waiting()}
    assert found == {
        ("forced_passage", False): (1, None),
        ("reader_offline", False): (1, None),
        ("forced_passage", True): (1, None),
    }


def test_a14_a_lost_card_at_a_lane_names_its_holder(room: Guardroom) -> None:
    anna, boris = room.small.holders
    for holder in (anna, boris):
        room.lose(holder)
        room.taps.process([room.journal.live(room.journal.gate(holder))])
    assert {alarm.person for alarm in room.waiting(kind="card_lost")} == {anna.person, boris.person}


def test_a59_looking_at_an_alarm_takes_a_note_and_happens_once(room: Guardroom) -> None:
    room.report(room.event("reader_tampered"), room.event("security_alarm", detail="bad MAC"))
    alarms = room.waiting()
    assert room.acknowledge(*alarms, note=" ") is AlarmRefusal.NOTE_MISSING
    assert room.acknowledge() is AlarmRefusal.UNKNOWN
    assert room.acknowledge(*alarms) is None
    assert room.acknowledge(alarms[0]) is AlarmRefusal.ACKNOWLEDGED
    kept = room.database.read(lambda session: service.history(session, room.small.site, Wanted(kind="security_alarm")))
    assert [(one.note, one.acknowledged_by, one.detail) for one in kept] == [
        ("looked, nobody there", "staff:guard", "bad MAC")
    ]
    query = "select reason from audit where site_id = %s and action = 'alarm_acknowledged'"
    assert room.small.rows(query, room.small.site) == [("looked, nobody there",)] * 2


def test_a59_a_mask_keeps_known_alarms_off_the_list_for_a_time(room: Guardroom) -> None:
    system, site, now = room.small.system, room.small.site, room.small.clock.now()

    def masked(kind: str, place: str, hours: int, reason: str = "painters") -> AlarmRefusal | None:
        wanted = Mask(kind, place, now + timedelta(hours=hours), "staff:guard", reason)
        return room.database.write(lambda session: service.mask(session, system, site, wanted))

    assert masked("*", "*", 1) is AlarmRefusal.MASK_TOO_WIDE
    assert masked("*", "g01", 24 * 8) is AlarmRefusal.MASK_TOO_LONG
    assert masked("*", "g01", 1, "") is AlarmRefusal.REASON_MISSING
    assert masked("*", "g01", 1) is None
    room.report(room.event("forced_passage"), room.event("forced_passage", "g02"))
    assert [alarm.place for alarm in room.waiting()] == ["g02"]
    room.small.clock.advance(hours=2)
    room.report(room.event("forced_passage"))
    assert {alarm.place: alarm.count for alarm in room.waiting()} == {"g01": 2, "g02": 1}
    assert room.database.read(lambda session: service.masks(session, system, site)) == []


def test_a59_an_urgent_alarm_that_waits_too_long_is_passed_on_once(room: Guardroom) -> None:
    system, site = room.small.system, room.small.site
    room.report(room.event("forced_passage"), room.event("reader_offline"))
    room.small.clock.advance(minutes=5)
    for _ in range(2):
        room.database.write(lambda session: service.look(session, system, site))
    assert {alarm.kind: alarm.escalated_at is not None for alarm in room.waiting()} == {
        "forced_passage": True, "reader_offline": False,
    }  # fmt: skip
    assert room.heard().count("escalated") == 1


def test_a73_a_box_without_a_link_is_an_alarm_until_it_is_back(room: Guardroom) -> None:
    system, site, device = room.small.system, room.small.site, room.small.device.id

    def seen() -> None:
        with room.database._engine.begin() as connection:
            connection.execute(
                text(
                    "insert into device_status (device_id, connected, last_seen_at) values (:id, true, :at)"
                    " on conflict (device_id) do update set last_seen_at = :at"
                ),
                {"id": device, "at": room.small.clock.now()},
            )

    def look() -> list[Alarm]:
        room.database.write(lambda session: service.look(session, system, site))
        return room.waiting(kind=AlarmKind.DEVICE_OFFLINE)

    seen()
    assert look() == []
    room.small.clock.advance(seconds=31)
    assert [alarm.count for alarm in look()] == [1]
    room.small.clock.advance(seconds=60)
    assert [alarm.count for alarm in look()] == [1]
    seen()
    assert [alarm.over_at for alarm in look()] == [room.small.clock.now()]


def test_a_service_raises_an_alarm_of_its_own(room: Guardroom) -> None:
    system, site = room.small.system, room.small.site
    new = NewAlarm(AlarmKind.VISITOR_OVERSTAY, "compound", room.small.clock.now(), subject="visit 7")
    for _ in range(2):
        room.database.write(lambda session: service.raise_alarm(session, system, site, new))
    assert [(alarm.kind, alarm.count) for alarm in room.waiting()] == [("visitor_overstay", 2)]
    assert severity_of("a word of tomorrow") is Severity.WARNING
