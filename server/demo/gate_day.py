"""The demo's day at the gate: a visitor, a crew without a permit, a vehicle, a patrol, a lock-down, a roll-call.

What a person would set up by hand is set up here through the same services; what then happens is done by the devices.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cardcore.access.items import Product
from cardcore.ids import CategoryId, CredentialKey, LaneId, LevelId, ScheduleId, ZoneId
from cardcore.reasons import Reason
from server.access import service as access
from server.access import threats
from server.cards import service as cards
from server.cards.service import NewCard
from server.contractors import service as contractors
from server.contractors.models import NewPermit, Worker
from server.database import ReadSession, WriteSession
from server.demo import repository
from server.demo.site import DemoSite
from server.demo.story import Story, Turn
from server.muster import service as muster
from server.points import service as points
from server.points.service import Purpose
from server.seed.service import SeededHolder
from server.tours import service as tours
from server.tours.progress import Checkpoint
from server.tours.service import Tour
from server.vehicles import garages
from server.vehicles.models import Garage, GarageId, LaneSide
from server.visitors import passes
from server.visitors import service as visitors
from server.visitors.documents import DocumentKind
from server.visitors.models import IssuedPass, NewVisit, VisitId, VisitorRules, VisitState
from server.visitors.service import Desk

VISITOR_CARD, WORKER_CARD = 4_700, 4_701
"""Card indices that the site's list never issued and the story never shows."""
COMPOUND, OUTSIDE = ZoneId("compound"), ZoneId("outside")
WAIT_SECONDS = 15.0
WALK_MS = 500
ACTOR, KEY = "demo", b"the demo's key of document numbers"
GARAGE_LANES = ((LaneId("v01"), LaneSide.IN), (LaneId("v02"), LaneSide.OUT))
GARAGE = Garage(GarageId("north"), "North garage", "北车库", 200, GARAGE_LANES)


@dataclass
class GateDay:
    """Plays the scenes on a running site; `play` returns what must hold afterwards."""

    site: DemoSite
    story: Story
    say: Callable[[str], None]
    people: list[SeededHolder] = field(default_factory=list)

    async def play(self) -> dict[str, bool]:
        """Set up, let it happen, and look."""
        staff = [one for one in self.site.site.holders if one.product == "combined"] if self.site.site else []
        self.people = random.Random(f"gate/{self.story.seed}").sample(staff, 7)
        visit = await self._write(self._set_up)
        await self.site.heard("gatehouse")
        self.story.total += 14
        self.say("at the gate: a visitor, a crew without a permit, a car, a patrol")
        visited, parked, walked, _ = await asyncio.gather(
            self._visitor(visit), self._car(), self._patrol(), self.story.turn("g02", Turn(WORKER_CARD, None))
        )
        locked = await self._lock_down()
        called = await self._roll_call()
        no_permit = Reason.PERMIT_MISSING in await self._reasons("g02", WORKER_CARD)
        return {
            "s02_a35_the_visitor_came_in_behind_the_host_and_was_checked_out_at_the_gate": visited,
            "s08_the_crew_without_a_permit_stayed_outside": no_permit,
            "s11_the_car_took_a_space_of_the_garage": parked,
            "s10_the_patrol_was_walked_in_order_and_time": walked,
            "a36_the_lock_down_refused_and_let_out": locked,
            "a64_the_roll_call_knew_who_reported_and_who_left": called,
        }

    # --- scenes ------------------------------------------------------------------------------------------------

    async def _visitor(self, visit: VisitId) -> bool:
        await self.story.turn("g01", Turn(VISITOR_CARD, None))
        await self.story.turn("g01", Turn(self.people[0].index, WALK_MS))
        await self.story.turn("g01", Turn(VISITOR_CARD, WALK_MS))
        alone = Reason.ESCORT_NEEDED in await self._reasons("g01", VISITOR_CARD)
        await self.story.turn("g07", Turn(VISITOR_CARD, WALK_MS))

        def is_over(session: ReadSession) -> bool:
            row = visitors.get(session, self.site.site_id, visit)
            return row is not None and row["state"] == VisitState.ENDED and row["left_at"] is not None

        return alone and await self._comes_true(is_over)

    async def _car(self) -> bool:
        await self.story.turn("v01", Turn(self.people[6].index, WALK_MS))
        return await self._comes_true(
            lambda session: [one.occupied for one in garages.spaces(session, self.site.site_id)] == [1]
        )

    async def _patrol(self) -> bool:
        for lane in ("g03", "g04"):
            await self.story.turn(lane, Turn(self.people[1].index, WALK_MS))
        since = self.site.system.clock.now() - timedelta(hours=1)

        def is_done(session: ReadSession) -> bool:
            found = tours.rounds(session, self.site.system, self.site.site_id, since)
            return [one.state for one in found] == ["done"]

        return await self._comes_true(is_done)

    async def _lock_down(self) -> bool:
        self.say("lock-down: nobody comes in, everybody gets out")
        deed = (ACTOR, "the demo's alarm")
        await self._write(lambda session: threats.begin(session, self.site.system, self.site.site_id, "demo", deed))
        await self.story.turn("g01", Turn(self.people[2].index, None))
        passed = self.site.tally.passages["g08"]
        await self.story.turn("g08", Turn(self.people[3].index, WALK_MS))
        await self._write(lambda session: threats.end(session, self.site.system, self.site.site_id, "demo", deed))
        refused = Reason.LOCKED_DOWN in await self._reasons("g01", self.people[2].index)
        return refused and self.site.tally.passages["g08"] == passed + 1

    async def _roll_call(self) -> bool:
        for person in self.people[4:6]:
            await self.story.turn("g03", Turn(person.index, WALK_MS))
        self.say("the roll is called: one reports at the assembly point, one leaves")
        deed = (ACTOR, "fire drill")
        await self._write(lambda session: muster.call(session, self.site.system, self.site.site_id, [COMPOUND], deed))
        reported, left = self.people[4:6]
        await self.story.turn("g02", Turn(reported.index, WALK_MS))
        await self.story.turn("g09", Turn(left.index, WALK_MS))

        def is_known(session: ReadSession) -> bool:
            roll = muster.running(session, self.site.site_id)
            how = {row["person_id"]: row["how"] for row in roll.safe} if roll is not None else {}
            return (how.get(reported.person), how.get(left.person)) == ("tap", "left")

        known = await self._comes_true(is_known)
        await self._write(lambda session: muster.end(session, self.site.system, self.site.site_id, deed))
        return known

    # --- what a person would type ------------------------------------------------------------------------------

    def _set_up(self, session: WriteSession) -> VisitId:
        system, site_id, now = self.site.system, self.site.site_id, self.site.system.clock.now()
        out = access.Lane(LaneId("v02"), "Vehicle lane (out)", "车辆出口", "v02", COMPOUND, OUTSIDE)
        guards = access.AccessLevel(
            LevelId("guards"), "Guards", "保安", ScheduleId("always"), (COMPOUND,), overrides_lockdown=True
        )
        stops = (Checkpoint("g03", 0), Checkpoint("g04", 5))
        tour = Tour("demo", "Gate round", "门岗巡更", stops, (self.people[1].person,))
        plan = threats.ThreatPlan("demo", "Lock-down", "封控", (COMPOUND,))
        rules = VisitorRules(CategoryId("guest"), OUTSIDE, (LevelId("tenant"),), (LevelId("leave"),))
        _none(
            access.put_lanes(session, system, site_id, [out], ACTOR),
            access.put_level(session, system, site_id, guards, ACTOR),
            garages.put_garage(session, system, site_id, GARAGE, ACTOR),
            tours.put_tour(session, system, site_id, tour, ACTOR),
            points.mark(session, system, site_id, Purpose.ASSEMBLY, [LaneId("g02")], ACTOR),
            threats.put_plan(session, system, site_id, plan, ACTOR),
            visitors.put_rules(session, system, site_id, rules, ACTOR),
        )
        tours.begin(session, system, site_id, "demo", ACTOR)
        keys = self._strangers()
        today = (now + timedelta(hours=8)).date()
        crew = (Worker("赵师傅", DocumentKind.OTHER, "W1234567"),)
        contractors.draw_up(
            session, system, site_id,
            NewPermit("电梯公司", "电梯检修", self.people[0].person, today, today, (LevelId("contractor"),), crew),
            (ACTOR, KEY),
        )  # fmt: skip
        worker = repository.newest_person(session, site_id, "赵师傅")
        self._card(session, Product.CONTRACTOR, keys[WORKER_CARD], worker)
        self._card(session, Product.VISITOR, keys[VISITOR_CARD], None)
        host = self.people[0].person
        new = NewVisit("访客甲", host, "合同洽谈", DocumentKind.OTHER, "V1234567", now, now + timedelta(hours=2))
        visit = visitors.register(session, system, site_id, new, Desk(ACTOR, KEY))
        assert isinstance(visit, type(site_id)), visit
        _none(visitors.answer(session, system, site_id, VisitId(visit), (ACTOR, host), agreed=True))
        lent = passes.lend_card(session, system, site_id, VisitId(visit), keys[VISITOR_CARD][-8:], ACTOR)
        assert isinstance(lent, IssuedPass), lent
        return VisitId(visit)

    def _card(self, session: WriteSession, product: Product, key: CredentialKey, person: Any) -> None:  # noqa: ANN401
        new = NewCard(key[-8:], product, (key,), person)
        made = cards.issue_card(session, self.site.system, self.site.site_id, new, ACTOR)
        assert not isinstance(made, cards.CardRefusal), made

    def _strangers(self) -> dict[int, CredentialKey]:
        document = json.loads((self.site.folder / "cards.json").read_text())
        return {card["index"]: CredentialKey(card["credential"]) for card in document["cards"]}

    # --- looking -----------------------------------------------------------------------------------------------

    async def _write(self, call: Callable[[WriteSession], Any]) -> Any:  # noqa: ANN401
        return await asyncio.to_thread(self.site.database.write, call)

    async def _reasons(self, place: str, index: int) -> list[str]:
        key = self._strangers()[index]
        return await asyncio.to_thread(
            self.site.database.read, lambda session: repository.reasons_of(session, self.site.site_id, place, key)
        )

    async def _comes_true(self, holds: Callable[[ReadSession], bool]) -> bool:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + WAIT_SECONDS
        while not await asyncio.to_thread(self.site.database.read, holds):
            if loop.time() > ends_at:
                return False
            await asyncio.sleep(0.3)
        return True


def _none(*refusals: object) -> None:
    wrong = [refusal for refusal in refusals if refusal is not None]
    if wrong:
        raise AssertionError(wrong)
