"""REST of configuration: a program sets up zones, lanes, hours, levels and prices, and is told which field is wrong."""

from __future__ import annotations

import httpx2
import pytest

from cardcore.ids import SiteId
from server.database import Database
from server.policy import service as policy
from tests.server.api.test_lanes_alarms import client as officer_client  # noqa: F401 - a fixture
from tests.server.api.test_people_cards_issuing import good


@pytest.fixture
def officer(officer_client: httpx2.AsyncClient) -> httpx2.AsyncClient:  # noqa: F811 - the fixture of that module
    return officer_client


NAMES = {"name_en": "A name", "name_zh": "名称"}


async def test_a20_a21_a22_a39_zones_levels_schedules_calendar_and_requirements_over_rest(
    officer: httpx2.AsyncClient, database: Database, site: SiteId
) -> None:
    for zone in ("out", "yard"):
        assert (await officer.put(f"/zones/{zone}", json=NAMES)).status_code == 204
    assert (await officer.put("/zones/Yard", json=NAMES)).status_code == 422
    assert (await officer.put("/zones/x", json=NAMES | {"colour": "red"})).status_code == 422
    wrong = await officer.put("/zones/yard", json=NAMES | {"requires": ["induction"]})
    assert (wrong.status_code, wrong.json()["field"], wrong.json()["named"]) == (409, "requires", "induction")
    assert (await officer.put("/requirements/induction", json=NAMES)).status_code == 204
    assert (await officer.put("/zones/yard", json=NAMES | {"requires": ["induction"]})).status_code == 204
    hours = [{"start_seconds": 28_800, "end_seconds": 64_800}, {"start_seconds": 60_000, "end_seconds": 70_000}]
    overlap = await officer.put("/schedules/day", json=NAMES | {"intervals": hours})
    assert (overlap.json()["refusal"], overlap.json()["field"]) == ("overlap", "intervals.1")
    assert (await officer.put("/schedules/day", json=NAMES | {"intervals": hours[:1]})).status_code == 204
    level = NAMES | {"schedule_id": "day", "zones": ["yard"], "groups": [{"kind": "product", "key": "visitor"}]}
    assert (await officer.put("/levels/all", json=level | {"privileged": True})).status_code == 409
    assert (await good(await officer.get("/levels")))["rows"] == []
    assert (await officer.put("/levels/all", json=level)).status_code == 204
    lane = NAMES | {"reader": "g01", "from_zone": "out", "to_zone": "yard"}
    assert (await officer.put("/lane-settings/g01", json=lane)).status_code == 204
    assert (await officer.put("/calendar/2026-10-01", json={"kind": "holiday", "name": "国庆节"})).status_code == 204
    assert (await good(await officer.get("/calendar?year=2026")))["rows"] == [
        {"day": "2026-10-01", "kind": "holiday", "name": "国庆节"}
    ]
    (shown,) = (await good(await officer.get("/levels")))["rows"]
    assert (shown["groups"], shown["holders"]) == ([{"kind": "product", "key": "visitor"}], 0)
    in_use = await officer.delete("/zones/yard")
    assert in_use.json()["named"] == "lane:g01, level:all"
    assert (await officer.put("/levels/all", json=level | {"groups": []})).status_code == 204
    for gone in ("/lane-settings/g01", "/levels/all", "/schedules/day", "/zones/yard", "/calendar/2026-10-01"):
        assert (await officer.delete(gone)).status_code == 204, gone
    assert (await officer.delete("/zones/yard")).status_code == 404
    assert database.read(lambda session: policy.verify(session, site)) == []
