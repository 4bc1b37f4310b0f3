"""A restored database waits for its devices, refuses again what they refuse, and may be released by a person."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cardcore.ids import CredentialKey
from server.backup import service
from server.cards import service as cards
from server.database import Database
from server.devices import repository as device_rows
from server.system import System
from tests.server.conftest import StillClock
from tests.server.link.link_site import LinkSite, make_link_site


@pytest.fixture
def site(database: Database, system: System) -> LinkSite:
    made = make_link_site(database, system)
    made.enrol("gate-2")
    return made


def seen(site: LinkSite, clock: StillClock) -> None:
    for box in site.boxes:
        site.database.write(lambda session, box=box: device_rows.set_connected(session, box.device, clock.at, "test"))  # type: ignore[misc]


def restored(site: LinkSite, clock: StillClock) -> str:
    """Mark the database as restored from a copy an hour old."""
    made_at = clock.at
    clock.at += timedelta(hours=1)
    return site.database.write(lambda session: service.begin_restored(session, site.system, made_at))


def returns(site: LinkSite, box: int, *cards: tuple[str, str], last: bool = True, version: int = 0) -> list[str]:
    refused = service.Refused(cards, version, last)
    device = site.boxes[box].device
    return site.database.write(lambda session: service.take_back(session, site.system, device, site.site, refused))


def state(site: LinkSite, holder: int) -> str:
    return str(site.rows("select state from card where id = %s", site.holders[holder].card)[0][0])


def key(site: LinkSite, holder: int) -> CredentialKey:
    return site.holders[holder].credential


def test_it_waits_for_every_device_that_was_seen_lately(site: LinkSite, clock: StillClock) -> None:
    seen(site, clock)
    restored(site, clock)
    assert returns(site, 0) == []
    status = site.database.read(service.status)
    assert status is not None
    assert status.awaited == ("gate-2",)
    returns(site, 1, last=False)
    assert site.database.read(service.is_restored)
    returns(site, 1)
    assert not site.database.read(service.is_restored)


def test_it_waits_for_no_device_that_was_silent_for_a_week(site: LinkSite, clock: StillClock) -> None:
    seen(site, clock)
    clock.forward(days=8)
    holder = site.holders[0]
    site.database.write(
        lambda session: cards.block(session, site.system, site.site, holder.card, "test")
    )  # the newest change in the copy
    restored(site, clock)
    assert not site.database.read(service.is_restored)


def test_a_card_goes_only_towards_refusal_and_unknown_ones_are_named(site: LinkSite, clock: StillClock) -> None:
    seen(site, clock)
    restored(site, clock)
    unknown = returns(
        site, 0, (key(site, 0), "card_lost"), (key(site, 1), "a newer word"), ("uid:ffff", "card_lost"),
        (key(site, 2), "granted"),
    )  # fmt: skip
    assert unknown == ["uid:ffff"]
    assert [state(site, holder) for holder in range(4)] == ["lost", "suspended", "suspended", "active"]
    actors = site.rows("select actor, object from audit where action = 'card_state_set' order by object")
    assert {actor for actor, _ in actors} == {f"device:{site.boxes[0].device}"}
    returns(site, 1, (key(site, 0), "card_suspended"))
    assert state(site, 0) == "lost"


def test_policy_jumps_past_the_highest_version_any_device_knew(site: LinkSite, clock: StillClock) -> None:
    seen(site, clock)
    restored(site, clock)
    returns(site, 0, version=500)
    returns(site, 1, version=90)
    assert site.rows("select version from policy_state") == [(501,)]
    assert site.rows("select distinct version from policy_item") == [(501,)]


def test_a_person_may_release_it_and_is_named(site: LinkSite, clock: StillClock) -> None:
    seen(site, clock)
    restored(site, clock)
    returns(site, 0)
    missing = site.database.write(lambda session: service.release(session, site.system, "test", "the box burnt"))
    assert missing == ("gate-2",)
    assert not site.database.read(service.is_restored)
    assert site.rows("select actor, reason from audit where action = 'restore_released'") == [("test", "the box burnt")]
    assert site.database.write(lambda session: service.release(session, site.system, "test", "again")) is None


def test_a_site_without_devices_waits_for_nothing_and_sessions_end(site: LinkSite, clock: StillClock) -> None:
    generation = restored(site, clock)
    assert not site.database.read(service.is_restored)
    assert site.rows("select generation from installation") == [(generation,)]
    assert restored(site, clock) != generation
