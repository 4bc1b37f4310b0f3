"""The menu: each role sees the places that are its own, and no other."""

from __future__ import annotations

from server.staff.roles import Role
from tests.admin_web.real_site import RealSite


async def test_each_role_sees_its_own_menu(real_site: RealSite) -> None:
    async with real_site.client(Role.CASHIER) as cashier:
        page = (await cashier.get("/people")).text
        assert 'href="/charges"' in page
        assert 'href="/devices"' not in page
        assert (await cashier.get("/devices")).status_code == 403
