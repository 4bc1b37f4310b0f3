"""People by form and by sheet, photos, leaving, and the steps of a card, on real services."""

from __future__ import annotations

import io
import zipfile

import pytest
from PIL import Image

from cardcore.access.items import CardState
from cardcore.ids import CardId, PersonId
from server.cards import service as cards
from server.people import service as people
from server.staff.roles import Role
from tests.admin_web.real_site import Desk, RealSite

SHEET = "编号,全名,身份\n20001,欧阳娜娜,staff\n20002,李红,staff\n"


def picture() -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (400, 500), (90, 120, 200)).save(made, "JPEG")
    return made.getvalue()


@pytest.fixture
def desk(real_site: RealSite) -> Desk:
    return real_site.client(Role.ISSUER)


def found(site: RealSite, term: str) -> list[str]:
    rows = site.read(lambda session: people.search(session, site.site_id, term, 1)).rows
    return [row["number"] for row in rows]


def state(site: RealSite, card: CardId) -> str:
    row = site.read(lambda session: cards.get(session, site.site_id, card))
    assert row is not None
    return str(row["state"])


async def test_somebody_is_added_found_by_letters_changed_and_shown(real_site: RealSite, desk: Desk) -> None:
    wrong = await desk.send_form("/people/new", number="", name="王小明", category="staff")
    assert wrong.status_code == 422
    assert 'id="number-told"' in wrong.text
    added = await desk.send_form("/people/new", number="30001", name="王小明", category="staff", department="")
    assert added.status_code == 303, added.text
    page = await desk.get(added.headers["location"])
    assert "Add" in page.text
    assert found(real_site, "wxm") == ["30001"]
    twice = await desk.send_form("/people/new", number="30001", name="李", category="staff")
    assert "Somebody else has this number." in twice.text
    address = added.headers["location"].partition("?")[0]
    changed = await desk.send_form(f"{address}/edit", name="王大明", category="staff", initials="", department="")
    assert changed.status_code == 303
    assert found(real_site, "wdm") == ["30001"]
    photo = await desk.send_file(f"{address}/photo/upload", "me.jpg", picture())
    assert photo.status_code == 303
    assert (await desk.get(f"{address}/photo")).headers["content-type"] == "image/jpeg"
    assert f'src="{address}/photo"' in (await desk.get(address)).text
    broken = await desk.send_file(f"{address}/photo/upload", "me.jpg", b"no picture")
    assert "Not a whole JPEG or PNG picture." in broken.text


async def test_a_sheet_is_assigned_looked_at_and_imported(real_site: RealSite, desk: Desk) -> None:
    sent = await desk.send_file("/people/import/upload", "人员.csv", SHEET.encode("utf-8-sig"))
    assert sent.status_code == 303, sent.text
    address = sent.headers["location"]
    guessed = await desk.get(address)
    assert "Choose the column “Name”." in guessed.text
    other = await real_site.client(Role.AUDITOR).get(address)
    assert other.status_code == 403
    looked = await desk.send_form(address, number="0", name="1", category="2")
    assert "Import all of it" in looked.text
    seal = looked.text.partition('name="seal" value="')[2].partition('"')[0]
    assert (await desk.send_form(address, number="0", name="1", category="2", seal="0" * 64)).status_code == 422
    assert not found(real_site, "20001")
    done = await desk.send_form(address, number="0", name="1", category="2", seal=seal)
    assert done.headers["location"] == "/people?said=people_imported"
    assert found(real_site, "oynn") == ["20001"]
    bad = await desk.send_file("/people/import/upload", "a.xls", b"\xd0\xcf\x11\xe0old")
    assert "Save it as .xlsx" in bad.text


async def test_photos_come_in_bulk_and_each_wrong_one_is_named(real_site: RealSite, desk: Desk) -> None:
    holder = real_site.seeded.holders[0].person
    row = real_site.read(lambda session: people.get(session, real_site.site_id, PersonId(holder)))
    assert row is not None
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(f"{row['number']}.jpg", picture())
        archive.writestr("nobody.jpg", picture())
    answer = await desk.send_file("/people/photos/upload", "photos.zip", made.getvalue())
    assert "1 of 2 photos taken" in answer.text
    assert "nobody.jpg" in answer.text
    badge = await desk.get(f"/cards/{real_site.seeded.holders[0].card}/badge")
    assert badge.content.startswith(b"%PDF")


async def test_a_card_is_returned_and_its_holder_leaves(real_site: RealSite, desk: Desk) -> None:
    holder, other = real_site.seeded.holders[1], real_site.seeded.holders[2]
    done = await desk.send_form(f"/cards/{holder.card}/step", step="return")
    assert done.headers["location"].endswith("said=card_step_taken")
    assert state(real_site, holder.card) == CardState.RETURNED
    again = await desk.send_form(f"/cards/{holder.card}/step", step="found")
    assert again.headers["location"].endswith("said=card_step_refused")
    page = await desk.get(f"/people/{other.person}/leave")
    assert "At once: all cards end" in page.text
    missing = await desk.send_form(f"/people/{other.person}/leave", account="frozen", reason="")
    assert missing.status_code == 422
    left = await desk.send_form(f"/people/{other.person}/leave", account="frozen", reason="retired")
    assert left.headers["location"].endswith("said=person_left")
    assert state(real_site, other.card) == CardState.REVOKED


@pytest.mark.parametrize("role", [Role.CASHIER, Role.FINANCE, Role.AUDITOR, Role.SECURITY_OFFICER])
async def test_who_may_not_write_people_sees_no_way_to_and_has_none(real_site: RealSite, role: Role) -> None:
    client, holder = real_site.client(role), real_site.seeded.holders[3]
    page = (await client.get(f"/people/{holder.person}")).text
    assert f"/people/{holder.person}/edit" not in page
    assert (await client.get("/people/new")).status_code == 403
    assert (await client.send_form(f"/people/{holder.person}/leave", reason="x", account="kept")).status_code == 403
    assert (await client.get("/issuing")).status_code == 403
