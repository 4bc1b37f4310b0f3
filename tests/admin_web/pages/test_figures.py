"""Overview, charges, devices and the live page."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from html import unescape

import httpx2
import pytest

from admin_web.pages.devices import repair_hints
from admin_web.pages.live import event_id
from admin_web.pages.overview import hours_of
from cardcore.ids import PersonId, TillId
from cardcore.money import Fen
from cardcore.reasons import Reason
from server.reports.rows import ChargeFilter, DayFigures, DeviceRow, HourFigures
from server.staff.roles import Permission
from tests.admin_web.fakes import NOW, TODAY, FakeSite, an_id
from tests.admin_web.sample_site import a_device, a_reader, an_event


async def test_the_overview_counts_the_site_s_own_day(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    site.clock.at = NOW.replace(hour=16, minute=30)
    page = (await staff.get("/")).text
    assert site.overview.asked == [TODAY + timedelta(days=1)]
    for words in ("3,665", "3,402", "35", "1,118", "¥3,124.80", "2 / 3", "闸机控制箱 3"):
        assert words in page


async def test_the_charts_have_the_same_numbers_as_the_tables(staff: httpx2.AsyncClient) -> None:
    page = (await staff.get("/")).text
    hours, reasons = (json.loads(unescape(part.split('"')[0])) for part in page.split('data-values="')[1:])
    assert hours["hours"] == ["07", "08", "09", "10", "11", "12"]
    assert hours["granted"][1] == 1240
    assert reasons == {
        "names": [
            "Balance is too low",
            "No right to pass at this time",
            "Card is not registered",
            "Card was reported lost",
        ],
        "counts": [17, 9, 6, 3],
    }
    assert "1,240" in page


def test_quiet_hours_are_kept_in_the_chart() -> None:
    figures = DayFigures(3, 0, 1, 0, 0, Fen(0), (HourFigures(7, 2, 0), HourFigures(10, 0, 1)), {})
    assert hours_of(figures) == [(7, 2, 0), (8, 0, 0), (9, 0, 0), (10, 0, 1)]
    assert hours_of(replace(figures, hours=())) == []


async def test_a_day_without_taps_says_what_to_look_at(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    site.overview.day_figures = DayFigures(0, 0, 0, 0, 0, Fen(0), (), {})
    assert "No taps yet today" in (await staff.get("/")).text


async def test_the_overview_shows_devices_only_to_who_may_see_them(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    site.sign_in.permissions = frozenset({Permission.OVERVIEW_READ})
    page = (await staff.get("/")).text
    assert "闸机控制箱" not in page
    assert 'href="/people"' not in page


async def test_charges_are_of_today_unless_asked_otherwise(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    await staff.get("/charges")
    await staff.get(f"/charges?day=2026-11-19&till=till-2&person={an_id(1_001)}")
    await staff.get("/charges?till=unknown")
    assert site.charges.asked == [
        ChargeFilter(TODAY),
        ChargeFilter(date(2026, 11, 19), TillId("till-2"), PersonId(an_id(1_001))),
        ChargeFilter(TODAY),
    ]


async def test_a_charge_shows_who_where_how_much_and_whether_it_stands(staff: httpx2.AsyncClient) -> None:
    page = (await staff.get("/charges")).text
    for words in (
        "张伟",
        "二号窗口",
        "第一食堂",
        "¥2.20",
        "12:03:05",
        "Posted",
        "Reversed",
        "Awaits confirmation",
        "Offline",
    ):
        assert words in page
    in_force = sum(220 + 60 * (number % 4) for number in range(60) if number % 5 != 4)
    assert f"¥{in_force // 100}.{in_force % 100:02d}" in page


async def test_a_person_s_charges_name_the_person_and_keep_the_filter(staff: httpx2.AsyncClient) -> None:
    page = (await staff.get(f"/charges?person={an_id(1_001)}")).text
    assert "王秀英" in page
    assert f"/charges?day=2026-11-19&amp;person={an_id(1_001)}" in page


@pytest.mark.parametrize(
    "query", ["day=x", "day=0001-01-01", "day=9999-12-31", "day=20261120T00", "person=7", "page=0", "till=" + "x" * 99]
)
async def test_a_filter_that_cannot_be_is_not_found(staff: httpx2.AsyncClient, query: str) -> None:
    assert (await staff.get(f"/charges?{query}")).status_code == 404


async def test_a_day_without_charges_leads_back_to_today(staff: httpx2.AsyncClient) -> None:
    page = (await staff.get("/charges?day=2026-01-01")).text
    assert "No charges on 1 Jan 2026" in page
    assert "To today" in page


SILENT = a_reader(3, is_online=False)
OPEN = a_reader(4, is_secure=False)


@pytest.mark.parametrize(
    ("device", "hints"),
    [
        (a_device(1, readers=(a_reader(1), a_reader(2, is_secure=None))), ()),
        (a_device(2), (("hint.snapshot_behind", ""),)),
        (a_device(1, is_online=False, readers=(SILENT,)), (("hint.device_silent", ""),)),
        (replace(a_device(1), last_seen=None), (("hint.never_seen", ""),)),
        (replace(a_device(1), snapshot_version=None), (("hint.no_snapshot", ""),)),
        (a_device(1, readers=(SILENT, OPEN)), (("hint.reader_silent", "R3"), ("hint.reader_not_secure", "R4"))),
    ],
)
def test_each_trouble_has_its_hint(device: DeviceRow, hints: tuple[tuple[str, str], ...]) -> None:
    assert repair_hints(device) == hints


async def test_devices_show_health_and_what_to_do(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    page = (await staff.get("/devices")).text
    for words in (
        "2 of 3 online",
        "312 records",
        "31 min ago",
        "40 / 41",
        "R3 is silent. Check its power and the A/B wires.",
    ):
        assert words in page
    site.devices.rows = ()
    assert "onecard device enrol" in (await staff.get("/devices")).text


async def test_the_live_page_shows_newest_first_and_follows_from_there(staff: httpx2.AsyncClient) -> None:
    page = (await staff.get("/live")).text
    assert 'hx-sse:connect="/live/stream?after=5"' in page
    taps = [part.split('"')[0] for part in page.split('data-tap="')[1:]]
    assert taps == [str(an_id(10_000 + number)) for number in (5, 4, 3, 2, 1)]
    for words in ("Card was reported lost", "Alarm", "Unknown holder", "¥2.20", "Passed", "Offline", "12:03:06"):
        assert words in page


async def test_a_tap_with_its_outcome_is_one_row(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    site.live.events.append(an_event(6, tap_id=an_id(10_003)))
    page = (await staff.get("/live")).text
    assert page.count(f'data-tap="{an_id(10_003)}"') == 1


async def test_every_reason_can_be_shown(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    site.live.events = [an_event(number, reason) for number, reason in enumerate(Reason, start=1)]
    page = (await staff.get("/live", headers={"Accept-Language": "zh"})).text
    assert page.count('class="live-row ') == len(Reason)
    assert "卡片已挂失" in page


async def test_the_stream_of_a_page_that_is_signed_out_ends(staff: httpx2.AsyncClient, site: FakeSite) -> None:
    answers = iter([True])
    session = site.sign_in.session

    def only_once(token: str, *, is_activity: bool) -> object:
        site.clock.ms += 60_000
        return session(token, is_activity=is_activity) if next(answers, False) else None

    site.sign_in.session = only_once  # type: ignore[method-assign,assignment]
    original = site.clock.monotonic_ms

    def later() -> int:
        site.clock.ms += 10_000
        return original()

    site.clock.monotonic_ms = later  # type: ignore[method-assign]
    answer = await staff.get("/live/stream?after=3", headers={"Last-Event-ID": "4"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.startswith("id: 5\ndata: ")
    assert "Card is not registered" in answer.text
    assert answer.text.endswith("event: signed-out\ndata:\n\n")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("12", 12),
        (str(2**63), 2**63 - 1),
        (None, None),
        ("", None),
        ("-1", None),
        ("1e3", None),
        ("٣", None),
        ("9" * 40, None),
    ],
)
def test_event_ids_from_outside_are_numbers(text: str | None, number: int | None) -> None:
    assert event_id(text) == number
