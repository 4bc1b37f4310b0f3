"""May this person pass this lane, at this instant, and why (A66): over the very function that lanes decide with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cardcore.access.decide import GateTap, SiteState
from cardcore.access.explain import Explanation, explain
from cardcore.access.presence import NOWHERE, Position, Whereabouts
from cardcore.access.snapshot import Snapshot
from cardcore.ids import CardId, CredentialKey, LaneId, PersonId, SiteId, ZoneId
from server.cards import repository as card_rows
from server.database import ReadSession
from server.lanes import service as lanes
from server.people import repository as people_rows
from server.policy import service as policy
from server.presence import repository as presence_rows
from server.presence.service import FORGOTTEN_AFTER
from server.system import System


class WhyRefusal(StrEnum):
    """Why there is no answer."""

    UNKNOWN_PERSON = "unknown_person"
    UNKNOWN_LANE = "unknown_lane"
    NO_CARD = "no_card"
    """The person has no card, so there is nothing to tap."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What would become of one credential of a person at the lane."""

    card: CardId
    credential: CredentialKey
    explanation: Explanation

    @property
    def granted(self) -> bool:
        """Whether the person would pass with it."""
        return self.explanation.decision.granted


@dataclass(frozen=True, slots=True)
class Why:
    """The answers, the best first: those that pass, then those that came closest."""

    person: PersonId
    lane: LaneId
    at: datetime
    is_now: bool
    """Whether positions and what lanes remember were looked at; of another instant nobody knows them."""
    policy_version: int
    answers: tuple[Answer, ...]


def may_pass(
    session: ReadSession, system: System, site_id: SiteId, number: str, lane_id: LaneId, at: datetime | None = None
) -> Why | WhyRefusal:
    """Explain a tap of the person with this number at a lane, now or at another instant (aware UTC)."""
    person = people_rows.by_number(session, site_id, number)
    if person is None:
        return WhyRefusal.UNKNOWN_PERSON
    cards = [CardId(row["id"]) for row in card_rows.cards_of_person(session, site_id, person["id"])]
    snapshot = policy.rules_snapshot(session, site_id, cards)
    lane = snapshot.lane(lane_id)
    if lane is None:
        return WhyRefusal.UNKNOWN_LANE
    shown = sorted(snapshot.cards, key=lambda item: item.credential)
    if not shown:
        return WhyRefusal.NO_CARD
    now, person_id = system.clock.now(), PersonId(person["id"])
    state = SiteState()
    if at is None:
        where = _whereabouts(session, system, site_id, person_id, snapshot)
        state = SiteState(whereabouts=where, moments=lanes.moments_of(session, site_id))
    answers = [
        Answer(item.card, item.credential, explain(GateTap(item.credential, lane_id), snapshot, state, at or now))
        for item in shown
    ]
    answers.sort(key=lambda answer: (not answer.granted, -len(answer.explanation.steps)))
    return Why(person_id, lane_id, at or now, at is None, snapshot.version, tuple(answers))


def _whereabouts(
    session: ReadSession, system: System, site_id: SiteId, person: PersonId, snapshot: Snapshot
) -> Whereabouts:
    if not any(zone.passback_minutes or zone.occupancy_limit or zone.passback != "none" for zone in snapshot.zones):
        return NOWHERE
    row = presence_rows.position(session, site_id, person)
    heads = presence_rows.heads(session, site_id, system.clock.now() - FORGOTTEN_AFTER)
    return Whereabouts(
        {person: Position(ZoneId(row["zone_id"]), row["at"])} if row is not None else {},
        {ZoneId(zone["id"]): zone["known"] + zone["unknown"] for zone in heads if zone["occupancy_limit"]},
        frozenset(ZoneId(zone["id"]) for zone in heads if zone["uncertain_since"] is not None),
    )
