"""A day at the gate on the real site: visitors, a crew, vehicles and a garage, a patrol, a roll-call, shifts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text

from cardcore.ids import CategoryId, LaneId, LevelId, PersonId, SiteId, ZoneId
from server.attendance import service as attendance
from server.attendance.judging import Shift
from server.attendance.service import HolderKind
from server.contractors import service as contractors
from server.contractors.models import NewPermit, PermitId, Worker
from server.database import WriteSession
from server.keys.service import KeyService
from server.muster import service as muster
from server.tours import service as tours
from server.tours.progress import Checkpoint
from server.tours.service import Tour
from server.vehicles import garages
from server.vehicles import service as vehicles
from server.vehicles.models import Garage, GarageId, LaneSide, NewVehicle
from server.visitors import passes
from server.visitors import service as visitors
from server.visitors.documents import DocumentKind
from server.visitors.models import NewVisit, VisitId, VisitorRules
from server.visitors.service import Desk
from tests.admin_web.real_site import RealSite
from tests.server.issuing.issuing_site import site_keys

ID_CARD = "11010519491231002X"
OUTSIDE, COMPOUND = ZoneId("outside"), ZoneId("compound")
GARAGE = Garage(
    GarageId("north"), "North garage", "北车库", 40, ((LaneId("v01"), LaneSide.IN), (LaneId("g10"), LaneSide.OUT))
)


@dataclass(frozen=True, slots=True)
class GateDay:
    """What was made."""

    visit: VisitId
    announced: VisitId
    permit: PermitId


def unlock(site: RealSite) -> None:
    """Hold the key ceremony that signs passes."""
    keys: KeyService = site.app.state.parts.keys
    keys._vault = site_keys(SiteId(site.site_id))._vault


def gate_day(site: RealSite) -> GateDay:
    """Make the day."""
    unlock(site)
    return site.write(lambda session: _make(session, site))


def _make(session: WriteSession, site: RealSite) -> GateDay:
    system, site_id, now = site.system, site.site_id, site.now()
    holder = site.seeded.holders[0].person
    rules = VisitorRules(CategoryId("guest"), OUTSIDE, (LevelId("tenant"),), (LevelId("leave"),))
    assert visitors.put_rules(session, system, site_id, rules, "test") is None
    made = []
    for name, number in (("访客甲", ID_CARD), ("Vera Visitor", "110101199003070011")):
        kind = DocumentKind.ID_CARD if number == ID_CARD else DocumentKind.OTHER
        new = NewVisit(name, holder, "合同洽谈", kind, number, now, now + timedelta(hours=2), company="某公司")
        visit = visitors.register(session, system, site_id, new, Desk("test", b"k"))
        assert isinstance(visit, type(site_id)), visit
        made.append(visit)
    assert visitors.answer(session, system, site_id, VisitId(made[0]), ("x", holder), agreed=True) is None
    passes.issue_qr(session, system, site_id, VisitId(made[0]), site.app.state.parts.keys, "test")
    today = (now + timedelta(hours=8)).date()
    permit = contractors.draw_up(
        session, system, site_id,
        NewPermit("电梯公司", "电梯检修", holder, today, today, (LevelId("contractor"),),
                  (Worker("张工", DocumentKind.OTHER, "W1234567"),)), ("test", b"k"),
    )  # fmt: skip
    vehicle = NewVehicle("浙A12345", holder, (site.seeded.holders[1].person,))
    vehicles.put(session, system, site_id, vehicle, "test")
    assert garages.put_garage(session, system, site_id, GARAGE, "test") is None
    assert garages.recount(session, system, site_id, GARAGE.id, 13, ("test", "counted")) is None
    stops = (Checkpoint("g01", 0), Checkpoint("r01", 10))
    tour = Tour("night", "Night round", "夜间巡更", stops, (holder,))
    assert tours.put_tour(session, system, site_id, tour, "test") is None
    tours.begin(session, system, site_id, "night", "test")
    _inside(session, site, [one.person for one in site.seeded.holders[:3]])
    muster.call(session, system, site_id, [COMPOUND], ("test", "消防演练"))
    muster.mark_safe(session, system, site_id, holder, "test")
    assert attendance.set_zones(session, system, site_id, [COMPOUND], "test") is None
    assert (
        attendance.put_shift(session, system, site_id, Shift("office", "Office", "行政班", 32_400, 61_200), "x") is None
    )
    attendance.give_shift(session, system, site_id, (HolderKind.CATEGORY, "staff"), "office", "test")
    return GateDay(VisitId(made[0]), VisitId(made[1]), permit)  # type: ignore[arg-type]


def _inside(session: WriteSession, site: RealSite, people: list[PersonId]) -> None:
    statement = text("insert into presence (person_id, site_id, zone_id, at) values (:person, :site, 'compound', :at)")
    rows = [{"person": person, "site": site.site_id, "at": site.now() - timedelta(hours=1)} for person in people]
    session.execute(statement, rows)
