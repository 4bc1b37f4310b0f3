"""The security officer's pages on the real server: alarms, lock-down, access levels, schedules, calendar, devices."""

from __future__ import annotations

import json
import re

from cardcore.calendar import DayKind
from cardcore.ids import DeviceId
from cardcore.wire.messages import Health, ReaderHealth
from server.access import repository, week
from server.alarms import service as alarms
from server.alarms.rows import NewAlarm
from server.devices import repository as devices
from server.seed.holders import FIRST_NUMBER
from server.staff.roles import Role
from tests.admin_web.real_site import RealSite


async def test_a59_an_alarm_is_acknowledged_with_a_note(real_site: RealSite) -> None:
    lane = real_site.read(lambda session: repository.lane_rows(session, real_site.site_id))[0]["id"]
    new = NewAlarm("forced_passage", lane, real_site.now())
    real_site.write(lambda session: alarms.raise_alarm(session, real_site.system, real_site.site_id, new))
    async with real_site.client(Role.SECURITY_OFFICER) as officer:
        page = (await officer.get("/alarms")).text
        assert "Forced passage" in page
        found = re.search(r'action="/alarms/([0-9a-f-]{36})/acknowledge"', page)
        assert found is not None
        assert (await officer.send_form(f"/alarms/{found[1]}/acknowledge", note=" ")).status_code == 422
        done = await officer.send_form(f"/alarms/{found[1]}/acknowledge", note="风吹开，已关好")
        assert done.status_code == 303
        assert "Forced passage" not in (await officer.get("/alarms")).text
        assert "风吹开，已关好" in (await officer.get("/alarms/past")).text
    async with real_site.client(Role.RECEPTION) as reception:
        assert "/acknowledge" not in (await reception.get("/alarms")).text
        assert (await reception.send_form(f"/alarms/{found[1]}/acknowledge", note="x")).status_code == 403


async def test_a22_a_schedule_is_edited_row_by_row_with_errors_beside_the_row(real_site: RealSite) -> None:
    row = {"id": "evening", "name_zh": "晚班", "name_en": "Evening", "day_0_4": "1", "from_0": "22:00", "to_0": "06:00"}
    async with real_site.client(Role.SECURITY_OFFICER) as officer:
        refused = await officer.send_form("/access/schedules/new", **row)
        assert refused.status_code == 422
        assert "crosses midnight" in refused.text
        assert (await officer.send_form("/access/schedules/new", **row | {"to_0": "00:00"})).status_code == 303
        level = {"id": "night", "name_zh": "夜间", "name_en": "Night", "schedule_id": "evening", "zones_compound": "1"}
        assert (await officer.send_form("/access/levels/new", **level, escorts="1")).status_code == 303
        assert 'name="escorts" value="1" checked' in (await officer.get("/access/levels/night")).text
        picture = (await officer.get("/access/week?zone=compound")).text
        assert "22:00–24:00" in picture
        again = (await officer.get("/access/schedules/evening")).text
        assert 'name="day_0_4" value="1" checked' in again


async def test_a22_the_calendar_takes_a_kind_and_then_days(real_site: RealSite) -> None:
    async with real_site.client(Role.SYSTEM_ADMIN) as admin:
        day = "2026-09-25"
        assert (await admin.send_form("/calendar", kind="holiday", name="中秋节", day=day)).status_code == 200
        kinds = real_site.read(lambda session: week.calendar(session, real_site.site_id))
        assert {str(at): kind for at, kind in kinds.items()}[day] is DayKind.HOLIDAY
        await admin.send_form("/calendar", kind="ordinary", day=day)
        kinds = real_site.read(lambda session: week.calendar(session, real_site.site_id))
        assert day not in {str(at) for at in kinds}
        assert (await admin.send_form("/calendar", kind="holiday", day="tomorrow")).status_code == 422


async def test_a36_a_lock_down_is_begun_and_ended_with_a_reason(real_site: RealSite) -> None:
    plan = {"id": "all", "name_zh": "全院封控", "name_en": "All", "zone_compound": "1", "minutes": "0", "rank": "1"}
    rescue = {"id": "rescue", "name_zh": "救援", "name_en": "Rescue", "schedule_id": "always", "zones_compound": "1"}
    async with real_site.client(Role.SECURITY_OFFICER) as officer:
        assert "Nobody could pass any more" in (await officer.send_form("/lockdown/plans/new", **plan)).text
        done = await officer.send_form("/access/levels/new", **rescue, overrides_lockdown="1")
        assert done.status_code == 303
        assert (await officer.send_form("/lockdown/plans/new", **plan)).status_code == 303
        assert (await officer.send_form("/lockdown/all/begin", reason="")).status_code == 422
        assert (await officer.send_form("/lockdown/all/begin", reason="有人闯入")).status_code == 303
        assert "In force" in (await officer.get("/lockdown")).text
        assert (await officer.send_form("/lockdown/all/begin", reason="再来")).status_code == 422
        assert (await officer.send_form("/lockdown/all/end", reason="已处置")).status_code == 303
    async with real_site.client(Role.RECEPTION) as reception:
        assert (await reception.send_form("/lockdown/all/begin", reason="x")).status_code == 403


async def test_a_box_is_let_in_by_a_code_and_revoked_on_a_page(real_site: RealSite) -> None:
    async with real_site.client(Role.SYSTEM_ADMIN) as admin:
        assert (await admin.send_form("/devices/new", name="Gate North", purpose_gate="1")).status_code == 422
        made = await admin.send_form("/devices/new", name="gate-north", purpose_gate="1")
        code = re.search(r"<code>([0-9A-Z]{5}(?:-[0-9A-Z]{5}){3})</code>", made.text)
        assert code is not None
        assert "data:image/svg+xml" in made.text
        enrol = {"code": code[1], "public_key": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"}
        enrol |= {"record_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "software": "onecard-reader 0.1"}
        answer = await admin.post("/device/enrol", json=enrol)
        device = DeviceId(json.loads(answer.text)["device"])
        page = (await admin.get(f"/devices/{device}")).text
        assert "gate-north" in page
        file = await admin.get(f"/devices/{device}/diagnostics")
        assert json.loads(file.text)["name"] == "gate-north"
        assert "attachment" in file.headers["content-disposition"]
        await _readers_keys(real_site, device)
        assert (await admin.send_form(f"/devices/{device}/revoke")).status_code == 303
        assert (await admin.send_form(f"/devices/{device}/revoke")).status_code == 422
    now = real_site.now()
    states = real_site.read(lambda session: devices.statuses(session, real_site.site_id, now, with_revoked=True))
    assert {one.name: str(one.state) for one in states}["gate-north"] == "revoked"
    async with real_site.client(Role.AUDITOR) as auditor:
        assert (await auditor.get(f"/devices/{device}")).status_code == 200
        assert (await auditor.send_form(f"/devices/{device}/revoke")).status_code == 403


async def _readers_keys(real_site: RealSite, device: DeviceId) -> None:
    """Look after the keys of a box on its page: the first one of a reader waits for a second person."""
    readers = (
        ReaderHealth("g01", "g01", online=True, secure=False, key="none"),
        ReaderHealth("g02", "g02", online=True, secure=True, key="heard"),
    )
    health = Health(0, 1, 0, 0, 0, 1, 1, 0, 1, readers)
    real_site.write(lambda session: devices.set_connected(session, device, real_site.now(), "test"))
    real_site.write(lambda session: devices.update_status(session, device, real_site.now(), health))
    install = {"deed": "install_reader_key", "reader": "g01", "minutes": "10", "reason": "新装"}
    roll = {"deed": "roll_reader_key", "reader": "g02", "reason": "每年一次"}
    async with real_site.client(Role.SYSTEM_ADMIN) as admin:
        page = (await admin.get(f"/devices/{device}")).text
        assert "Its own key, perhaps overheard" in page
        assert "No key: not used" in page
        for wrong in ({"minutes": "11"}, {"reason": ""}, {"deed": "open_lane"}):
            assert (await admin.send_form(f"/devices/{device}/key", **install | wrong)).status_code == 422
        refused = await admin.send_form(f"/devices/{device}/key", **roll | {"reader": "g01"})
        assert "It has no key yet" in refused.text
        assert (await admin.send_form(f"/devices/{device}/key", **roll)).status_code == 303
        assert "Give a new key" in (await admin.get(f"/devices/{device}")).text
        assert (await admin.send_form(f"/devices/{device}/key", **install)).status_code == 303
    async with real_site.client(Role.SECURITY_OFFICER) as officer:
        page = (await officer.get("/approvals")).text
        assert "Give a reader its first key" in page
        assert "gate-north" in page
        assert (await officer.send_form(f"/devices/{device}/key", **roll)).status_code == 403


async def test_a58_a_lane_is_held_and_let_go_with_a_reason(real_site: RealSite) -> None:
    lane = real_site.read(lambda session: repository.lane_rows(session, real_site.site_id))[0]["id"]
    async with real_site.client(Role.SECURITY_OFFICER) as officer:
        assert "no box has charge" in (await officer.send_form(f"/lanes/{lane}/open", reason="送货")).text.lower()
        held = {"mode": "locked", "minutes": "30", "reason": "清洁"}
        assert (await officer.send_form(f"/lanes/{lane}/hold", **held | {"minutes": "0"})).status_code == 422
        assert (await officer.send_form(f"/lanes/{lane}/hold", **held)).status_code == 303
        assert "/release" in (await officer.get("/lanes")).text
        assert (await officer.send_form(f"/lanes/{lane}/release", reason="完毕")).status_code == 303
        assert (await officer.send_form(f"/lanes/{lane}/release", reason="再来")).status_code == 422
    async with real_site.client(Role.CASHIER) as cashier:
        assert (await cashier.get("/lanes")).status_code == 403


async def test_a66_a_guard_learns_why_somebody_may_not_pass(real_site: RealSite) -> None:
    lane = real_site.read(lambda session: repository.lane_rows(session, real_site.site_id))[0]["id"]
    number = str(FIRST_NUMBER)
    async with real_site.client(Role.SECURITY_OFFICER) as officer:
        answer = await officer.send_form("/why", number=number, lane=lane)
        assert answer.status_code == 200
        assert "The card is in force" in answer.text
        unknown = await officer.send_form("/why", number="nobody", lane=lane)
        assert "nobody with this number" in unknown.text


async def test_s12_the_lobby_shows_counts_to_everybody_and_no_name(real_site: RealSite) -> None:
    async with real_site.client(None) as anybody:
        page = await anybody.get("/public/lobby")
        assert page.status_code == 200
        assert "lobby-number" in page.text
        assert "职员" not in page.text
