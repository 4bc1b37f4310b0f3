"""Finance at the month's end: reports with files and drill, the close of a day by two people, stalls, batches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from cardcore.money import Fen
from server.cashdesk import shifts
from server.cashdesk.models import DeskRefusal
from server.reports.sums import Scope, charge_total
from server.staff.roles import Role
from tests.admin_web.eaten import eat, eat_now
from tests.admin_web.real_site import RealSite
from tests.private_postgres import PrivatePostgres

DAY = "2026-03-04"


@pytest.fixture(scope="module")
def fed_site(embedded_postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSite]:
    with embedded_postgres.fresh_database(migrated=True) as url:
        folder: Path = tmp_path_factory.mktemp("fed")
        site = RealSite(url, folder)
        eat(site)
        yield site
        site.close()


async def test_every_figure_leads_to_its_charges_and_the_files_say_the_same(fed_site: RealSite) -> None:
    async with fed_site.client(Role.FINANCE) as finance:
        page = (await finance.get(f"/reports?from={DAY}&through={DAY}&by=stall&by=meal")).text
        drills = [address.replace("&amp;", "&") for address in re.findall(r'href="(/reports/charges\?[^"]+)"', page)]
        assert len(drills) == 3
        nets = re.findall(r'href="/reports/charges[^"]+">¥([\d,.]+)</a>', page)
        for drill, net in zip(drills, nets, strict=True):
            assert f"<strong>¥{net}</strong>" in (await finance.get(drill)).text
        total = fed_site.read(lambda session: charge_total(session, fed_site.site_id, _scope(fed_site)))
        whole = f"{total.net // 100:,}.{total.net % 100:02d}"
        assert f"<strong>¥{whole}</strong>" in page
        table = await finance.get(f"/reports/file?from={DAY}&through={DAY}&by=stall&kind=csv")
        assert whole.replace(",", "") in table.content.decode("utf-8-sig").splitlines()[-1]
        book = await finance.get(f"/reports/file?from={DAY}&through={DAY}&by=stall&kind=xlsx")
        assert "xl/worksheets/sheet1.xml" in ZipFile(BytesIO(book.content)).namelist()
        drawn = await finance.get(f"/reports/file?from={DAY}&through={DAY}&by=day&by=till&kind=pdf")
        assert drawn.content.startswith(b"%PDF")
        assert "Credit" in (await finance.get(f"/reports/tables/trial_balance?from={DAY}&through={DAY}")).text


def _scope(site: RealSite) -> Scope:
    today = site.now().date()
    return Scope(today, today)


async def test_c59_the_cashier_undoes_the_last_meal_of_the_till_once(fed_site: RealSite) -> None:
    async with fed_site.client(Role.CASHIER) as cashier:
        page = (await cashier.get("/counter?till=t04")).text
        old = re.search(r"/counter/([0-9a-f-]+)/undo", page)
        assert old is None, "the meals of this site are older than five minutes"
        charge = eat_now(fed_site)
        page = (await cashier.get("/counter?till=t04")).text
        where = f"/counter/{charge}/undo"
        assert where in page
        refund = re.search(r'name="refund" value="([^"]+)"', page)
        assert refund is not None
        fields = {"refund": refund[1], "till": "t04"}
        assert (await cashier.send_form(where, **fields, reason="")).status_code == 422
        assert (await cashier.send_form(where, **fields, reason="wrong dish")).status_code == 303
        assert (await cashier.send_form(where, **fields, reason="wrong dish")).status_code == 303
        other = {**fields, "refund": "01900000-0000-7000-8000-000000000001"}
        assert (await cashier.send_form(where, **other, reason="again")).status_code == 422
        assert "¥7.70 given back" in (await cashier.get("/counter?till=t04")).text


async def test_a_report_by_people_is_for_who_may_see_people(fed_site: RealSite) -> None:
    name = "by=person"
    async with fed_site.client(Role.CANTEEN_MANAGER) as manager, fed_site.client(Role.FINANCE) as finance:
        assert 'value="person"' not in (await manager.get(f"/reports?{name}")).text
        shown = (await finance.get(f"/reports?{name}")).text
        assert "person=" in shown
        behind = await manager.get(f"/reports/charges?from={DAY}&through={DAY}")
        assert "Hidden" in behind.text


async def test_a_day_is_closed_by_one_person_and_signed_by_another(fed_site: RealSite) -> None:
    cashier, site = fed_site.staff[Role.CASHIER], fed_site.site_id
    left_open = fed_site.write(
        lambda session: shifts.open_shift(session, fed_site.system, site, "desk-1", cashier, Fen(10_000))
    )
    assert not isinstance(left_open, DeskRefusal)
    async with fed_site.client(Role.FINANCE) as finance:
        early = await finance.send_form(f"/closes/{DAY}/close", without_silent="1")
        assert early.status_code == 422
        assert "has not ended" in early.text
    fed_site.clock.move(timedelta(days=1, hours=12))
    async with fed_site.client(Role.FINANCE) as finance, fed_site.client(Role.AUDITOR) as auditor:
        assert (await finance.send_form(f"/closes/{DAY}/close", without_silent="1")).status_code == 303
        assert (await finance.send_form(f"/closes/{DAY}/sign")).status_code == 422
        assert (await auditor.send_form(f"/closes/{DAY}/sign")).status_code == 303
        assert (await finance.get(f"/closes/{DAY}/sheet.pdf")).content.startswith(b"%PDF")
        assert "Signed" in (await finance.get("/closes")).text


async def test_findings_are_explained_or_carried_on(fed_site: RealSite) -> None:
    async with fed_site.client(Role.FINANCE) as finance:
        page = (await finance.get("/findings")).text
        settle, carry = re.search(r"/findings/[0-9a-f-]+/settle", page), re.search(r"/findings/[0-9a-f-]+/assign", page)
        if settle is None or carry is None:
            pytest.fail("the closed day left no finding to work on")
        assert (await finance.send_form(carry[0], owner="cashier")).status_code == 303
        assert "Cashier" in (await finance.get("/findings?owner=cashier")).text
        assert (await finance.send_form(settle[0], reason="")).status_code == 422
        assert (await finance.send_form(settle[0], reason="the till was in repair")).status_code == 303
        again = await finance.send_form(settle[0], reason="the till was in repair")
        assert "settled before" in again.text


async def test_a_stall_is_settled_by_two_people(fed_site: RealSite) -> None:
    other = fed_site.hire(Role.FINANCE, "paying.finance")
    async with fed_site.client(Role.FINANCE) as finance, fed_site.client(other) as payer:
        contract = {"stall": "main", "begins": "2026-01-01", "owner": "老王餐饮", "commission": "250"}
        assert (await finance.send_form("/settlement/contracts", **contract)).status_code == 303
        late = await finance.send_form("/settlement/sheets", stall="main", through="2026-03-09")
        assert late.status_code == 422
        assert (await finance.send_form("/settlement/sheets", stall="main", through=DAY)).status_code == 303
        where = re.search(r"/settlement/sheets/[0-9a-f-]+/paid", (await finance.get("/settlement")).text)
        assert where is not None
        assert "Another person" in (await finance.send_form(where[0], reason="ICBC-7781")).text
        assert (await payer.send_form(where[0], reason="ICBC-7781")).status_code == 303
        assert "ICBC-7781" in (await payer.get("/settlement")).text


async def test_a_sheet_is_checked_by_row_then_booked_by_another_person(fed_site: RealSite) -> None:
    good = [holder for holder in fed_site.seeded.holders if holder.account is not None][:2]
    numbers = [str(10_001 + holder.index) for holder in good]
    wrong = f"工号,金额\n{numbers[0]},20\n99999,5\n".encode()
    right = f"工号,金额\n{numbers[0]},20\n{numbers[1]},30\n合计,50\n".encode()
    fields = {"number": "2026-03", "kind": "subsidy", "control": "", "reason": "三月饭补"}
    other = fed_site.hire(Role.FINANCE, "booking.finance")
    async with fed_site.client(Role.FINANCE) as finance, fed_site.client(other) as checker:
        said = await finance.send_file("/batches/check/upload", "a.csv", wrong, **{**fields, "control": "25"})
        assert "nobody has this number" in said.text
        assert (
            "Clean: 2 lines, ¥50.00"
            in (await finance.send_file("/batches/check/upload", "a.csv", right, **fields)).text
        )
        refused = await finance.send_file("/batches/hand-in/upload", "a.csv", wrong, **{**fields, "control": "25"})
        assert refused.status_code == 422
        assert (await finance.send_file("/batches/hand-in/upload", "a.csv", right, **fields)).status_code == 303
        page = (await checker.get("/approvals")).text
        assert "Book a batch" in page
        where = re.search(r'action="(/approvals/[0-9a-f-]+)"', page)
        seen = re.search(r'name="seen" value="([0-9a-f]+)"', page)
        assert where is not None
        assert seen is not None
        assert (await checker.send_form(where[1], verdict="approve", seen=seen[1])).status_code == 303
        assert "Booked" in (await finance.get("/batches")).text
