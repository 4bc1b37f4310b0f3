"""The pages of the gate's guests on real services: visitors and outside crews, as desk and officer use them."""

from __future__ import annotations

import re
from datetime import date, timedelta
from uuid import UUID

import pytest

from cardcore.ids import CategoryId, LevelId, SiteId, ZoneId
from server.contractors import service as contractors
from server.keys.service import KeyService
from server.staff.roles import Role
from server.visitors import service as visitors
from server.visitors.models import VisitorRules
from tests.admin_web.real_site import Desk, RealSite
from tests.server.issuing.issuing_site import site_keys

ID_CARD = "11010519491231002X"


def unlock(site: RealSite) -> None:
    """Hold the key ceremony that signs passes."""
    keys: KeyService = site.app.state.parts.keys
    keys._vault = site_keys(SiteId(site.site_id))._vault


def set_rules(site: RealSite) -> None:
    new = VisitorRules(
        CategoryId("guest"), ZoneId("outside"), (LevelId("tenant"),), (LevelId("leave"),), approval_needed=True
    )
    assert site.write(lambda session: visitors.put_rules(session, site.system, site.site_id, new, "test")) is None


def typed(site: RealSite, **more: str) -> dict[str, str]:
    local = site.now() + timedelta(hours=8)
    return {
        "name": "Vera Visitor", "document_kind": "id_card", "document_number": ID_CARD, "host": "10001",
        "purpose": "a meeting", "starts_at": f"{local:%Y-%m-%dT%H:%M}",
        "ends_at": f"{local + timedelta(hours=2):%Y-%m-%dT%H:%M}", "company": "Acme", "escorted": "1", **more,
    }  # fmt: skip


async def register(desk: Desk, site: RealSite, **more: str) -> UUID:
    answer = await desk.send_form("/visitors/new", **typed(site, **more))
    assert answer.status_code == 303, answer.text
    return UUID(answer.headers["location"].split("/")[2].partition("?")[0])


@pytest.fixture(scope="module", autouse=True)
def _rules(real_site: RealSite) -> None:
    set_rules(real_site)
    unlock(real_site)


async def test_s02_the_desk_registers_and_the_officer_agrees_and_a_pass_is_printed(real_site: RealSite) -> None:
    async with real_site.client(Role.RECEPTION) as desk, real_site.client(Role.SECURITY_OFFICER) as officer:
        visit = await register(desk, real_site)
        shown = (await desk.get(f"/visitors/{visit}")).text
        assert "Waits for the host" in shown
        assert "**************002X" in shown
        assert ID_CARD not in shown
        assert (await desk.send_form(f"/visitors/{visit}/answer", agreed="1")).status_code == 403
        refused = await desk.send_form(f"/visitors/{visit}/pass")
        assert (refused.status_code, "not at this step" in refused.text) == (422, True)
        assert (await officer.send_form(f"/visitors/{visit}/answer", agreed="1")).status_code == 303
        made = await desk.send_form(f"/visitors/{visit}/pass")
        assert made.status_code == 200
        assert 'src="data:image/svg+xml' in made.text
        assert "OC1" not in made.text  # the text itself stands in the picture only
        assert "Pass is out" in (await desk.get("/visitors")).text
        assert (await desk.send_form(f"/visitors/{visit}/out", returned="0")).status_code == 303
        assert "Ended" in (await desk.get(f"/visitors/{visit}?said=checked_out")).text


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        ({"host": ""}, "host", "A visitor needs a host."),
        ({"host": "nobody"}, "host", "Nobody has this number."),
        ({"document_number": "110105194912310021"}, "document_number", "No document of this kind"),
        ({"ends_at": "2026-03-01T10:00"}, "ends_at", "A visit ends after it begins."),
    ],
)
async def test_s07_a_wrong_field_is_named_beside_it_and_what_was_typed_stays(
    real_site: RealSite, wrong: dict[str, str], field: str, words: str
) -> None:
    async with real_site.client(Role.RECEPTION) as desk:
        answer = await desk.send_form("/visitors/new", **typed(real_site, **wrong))
    assert answer.status_code == 422
    beside = re.search(rf'id="{field}-told">(.*?)</div>\s*</div>', answer.text, re.DOTALL)
    assert beside is not None
    assert words in beside[1]
    assert 'value="a meeting"' in answer.text


async def test_s07_the_register_is_exported_only_with_a_reason(real_site: RealSite) -> None:
    async with real_site.client(Role.SECURITY_OFFICER) as officer:
        assert (await officer.send_form("/visitors/export", reason="")).status_code == 400
        answer = await officer.send_form("/visitors/export", reason="asked by the police")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbfVisitor,")


async def test_the_rules_are_shown_and_set(real_site: RealSite) -> None:
    async with real_site.client(Role.SECURITY_OFFICER) as officer:
        page = (await officer.get("/visitors/rules")).text
        assert 'name="level-tenant" value="1" checked' in page
        fields = {"category": "guest", "outside_zone": "outside", "level-tenant": "1", "always-leave": "1",
                  "approval_needed": "1", "early_minutes": "30", "grace_minutes": "45", "overstay_minutes": "15",
                  "longest_hours": "12", "most_per_host": "0", "keep_days": "90"}  # fmt: skip
        assert (await officer.send_form("/visitors/rules", **fields)).status_code == 303
        wrong = await officer.send_form("/visitors/rules", **{**fields, "level-tenant": ""})
        assert (wrong.status_code, "Choose at least one access level." in wrong.text) == (422, True)
    how = real_site.read(lambda session: visitors.rules(session, real_site.site_id))
    assert how is not None
    assert how.grace_minutes == 45


def permit(site: RealSite, **more: str) -> dict[str, str]:
    today = (site.now() + timedelta(hours=8)).date()
    return {
        "firm": "Lifts Ltd", "work": "mend the lift", "host": "10001", "starts_on": str(today),
        "ends_on": str(today + timedelta(days=2)), "category": "contractor", "level-contractor": "1",
        "crew": f"Bob Builder, {ID_CARD}\nPaul Painter, passport, E12345678", **more,
    }  # fmt: skip


async def test_s08_one_person_asks_for_a_crew_and_another_lets_it_in(real_site: RealSite) -> None:
    async with real_site.client(Role.ISSUER) as issuer, real_site.client(Role.SECURITY_OFFICER) as officer:
        made = await issuer.send_form("/crews/new", **permit(real_site))
        assert made.status_code == 303, made.text
        path = made.headers["location"].partition("?")[0]
        assert (await issuer.send_form(f"{path}/ask", reason="the lift stands")).status_code == 303
        page = (await officer.get(path)).text
        assert "the lift stands" in page
        seen = re.search(r'name="seen" value="([0-9a-f]+)"', page)
        assert seen is not None
        assert (await officer.send_form(f"{path}/approve", seen="0" * 64)).status_code == 422
        assert (await officer.send_form(f"{path}/approve", seen=seen[1])).status_code == 303
        assert "In force" in (await issuer.get(path)).text
        assert (await issuer.send_form(f"{path}/end", reason="they smoke")).status_code == 303
    now = real_site.now()
    page_of = real_site.read(
        lambda session: contractors.search(session, real_site.site_id, ("Lifts", "in_force"), now, 1)
    )
    assert page_of.rows == ()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"crew": f"Bob Builder, {ID_CARD}\nPaul"}, "Line 2: name, comma, number."),
        ({"crew": "Bob Builder, 123"}, "Line 1: no document has such a number"),
        ({"ends_on": str(date(2026, 1, 1))}, "The last day is before the first."),
        ({"level-contractor": ""}, "Choose what the crew may open."),
    ],
)
async def test_s08_what_is_wrong_with_a_permit_is_named(real_site: RealSite, wrong: dict[str, str], words: str) -> None:
    async with real_site.client(Role.ISSUER) as issuer:
        answer = await issuer.send_form("/crews/new", **permit(real_site, **wrong))
    assert answer.status_code == 422
    assert words in answer.text


async def test_who_is_of_another_site_or_nobody_is_not_found(real_site: RealSite) -> None:
    async with real_site.client(Role.SECURITY_OFFICER) as officer:
        for path in ("/visitors", "/crews"):
            assert (await officer.get(f"{path}/{UUID(int=5)}")).status_code == 404
