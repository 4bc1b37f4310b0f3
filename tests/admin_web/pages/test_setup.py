"""The pages by which a site is set up, on the real server: what is typed holds, a wrong field is told beside it."""

from __future__ import annotations

from server.access import repository
from server.policy import service as policy
from server.staff.roles import Role
from tests.admin_web.real_site import RealSite

ZONE = {
    "id": "vault", "name_zh": "库房", "name_en": "Vault", "passback": "hard", "passback_minutes": "0",
    "passback_forgets_hours": "168", "occupancy_limit": "12", "pair_seconds": "20",
}  # fmt: skip
LANE = {
    "id": "k1", "name_zh": "库房门", "name_en": "Vault door", "from_zone": "compound", "to_zone": "vault",
    "reader": "k1", "mode": "card", "degraded": "locked", "open_window_ms": "5500", "extended_window_ms": "15000",
    "pulse_ms": "300", "held_open_ms": "0", "escort_seconds": "60", "has_pass_sensor": "1",
}  # fmt: skip


async def test_a20_zones_and_lanes_are_set_up_corrected_and_retired_on_pages(real_site: RealSite) -> None:
    async with real_site.client(Role.SYSTEM_ADMIN) as admin:
        wrong = await admin.send_form("/zones/new", **ZONE | {"id": "The vault", "occupancy_limit": "-1"})
        assert wrong.status_code == 422
        assert "Small letters" in wrong.text
        assert "库房" in wrong.text
        assert (await admin.send_form("/zones/new", **ZONE)).status_code == 303
        taken = await admin.send_form("/zones/lanes/new", **LANE | {"reader": "g01"})
        assert taken.status_code == 422
        assert "Used by another (g01)." in taken.text
        assert (await admin.send_form("/zones/lanes/new", **LANE)).status_code == 303
        assert "has a way in and none out" in (await admin.get("/zones")).text
        back = (await admin.get("/zones/lanes/new?opposite=k1")).text
        assert '<option value="vault" selected>' in back.split('name="from_zone"')[1].split("</select>")[0]
        refused = await admin.send_form("/zones/vault/retire")
        assert refused.status_code == 422
        assert "Still needed (lane:k1)" in refused.text
        assert (await admin.send_form("/zones/lanes/k1/retire")).status_code == 303
        assert (await admin.send_form("/zones/vault/retire")).status_code == 303
        assert (await admin.get("/zones/vault")).status_code == 404
    assert "vault" not in {row["id"] for row in real_site.read(lambda s: repository.zone_rows(s, real_site.site_id))}
    assert real_site.read(lambda session: policy.verify(session, real_site.site_id)) == []
    async with real_site.client(Role.CASHIER) as cashier:
        assert (await cashier.get("/zones")).status_code == 403


async def test_a21_a_level_is_given_to_a_category_and_a_refused_change_changes_nothing(real_site: RealSite) -> None:
    level = {"id": "grp", "name_zh": "组", "name_en": "Group", "schedule_id": "always", "zones_compound": "1"}
    async with real_site.client(Role.SECURITY_OFFICER) as officer:
        refused = await officer.send_form("/access/levels/new", **level, category_staff="1", privileged="1")
        assert refused.status_code == 422
        assert "does not go together" in refused.text
        rows = real_site.read(lambda session: repository.level_rows(session, real_site.site_id))
        assert "grp" not in {row["id"] for row in rows}
        assert (await officer.send_form("/access/levels/new", **level, category_staff="1")).status_code == 303
        assert 'name="category_staff" value="1" checked' in (await officer.get("/access/levels/grp")).text
        staff = real_site.read(lambda session: policy.load_snapshot(session, real_site.site_id))
        levels = {card.category: "grp" in card.levels for card in staff.cards if card.category in {"staff", "tenant"}}
        assert levels == {"staff": True, "tenant": False}
        assert (await officer.send_form("/access/levels/grp/retire")).status_code == 422
        assert (await officer.send_form("/access/levels/grp", **level)).status_code == 303
        assert (await officer.send_form("/access/levels/grp/retire")).status_code == 303
        overlap = {"id": "two", "name_zh": "双", "name_en": "Two", "day_0_0": "1", "from_0": "08:00", "to_0": "10:00"}
        overlap |= {"day_2_0": "1", "from_2": "09:00", "to_2": "11:00"}
        answer = await officer.send_form("/access/schedules/new", **overlap)
        assert answer.status_code == 422
        assert "another (1)" in answer.text.split('name="from_2"')[1]
