"""`onecard lane`: how lanes stand, hold and release one, why somebody may pass, what is odd about the rules."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from cardcore.access.items import LaneMode
from cardcore.ids import LaneId, SiteId
from cardcore.texts import REASON_TEXTS
from server.access import warnings, why
from server.access.why import Why
from server.cli.opened import CLI_ACTOR, Opened
from server.cli.site_state import on_site, told
from server.lanes import service
from server.settings import Settings

ADVICE = {
    "unknown_lane": "there is no such lane: onecard lane list shows them",
    "reason_missing": "say why, in at most 200 characters: --reason TEXT",
    "too_long": "a hold lasts up to 1440 minutes: --minutes N",
    "not_held": "this lane is not held",
    "unknown_person": "nobody has this number",
    "no_card": "this person has no card",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list the lanes as they stand now")
    hold = actions.add_parser("hold", help="hold a lane free, locked or for cards, for a time")
    hold.add_argument("lane")
    hold.add_argument("mode", choices=[mode.value for mode in LaneMode])
    hold.add_argument("--minutes", type=int, default=60)
    hold.add_argument("--reason", required=True)
    release = actions.add_parser("release", help="let a held lane go on as it is set")
    release.add_argument("lane")
    release.add_argument("--reason", required=True)
    asked = actions.add_parser("why", help="explain whether a person may pass a lane")
    asked.add_argument("number", help="the person's number")
    asked.add_argument("lane")
    asked.add_argument("--at", type=_instant, help="another instant than now, as 2026-09-07T12:00 UTC")
    actions.add_parser("warnings", help="list what is odd about the site's rules")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    return on_site(arguments, settings, lambda found, site: _act(arguments, found, site))


def _act(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    match arguments.action:
        case "list":
            return _list(found, site)
        case "why":
            return _why(arguments, found, site)
        case "warnings":
            for one in found.database.read(lambda session: warnings.warnings(session, found.system, site)):
                print(f"{one.warning}  {one.object}  {one.field}  {one.detail}".rstrip())
            return 0
        case "hold":
            until = found.system.clock.now() + timedelta(minutes=arguments.minutes)
            wanted = (LaneMode(arguments.mode), until, arguments.reason)
            lane = LaneId(arguments.lane)
            refusal = found.database.write(
                lambda session: service.hold(session, found.system, site, CLI_ACTOR, lane, wanted)
            )
            return told(refusal, ADVICE, f"{lane}: {arguments.mode} until {until:%Y-%m-%d %H:%M} UTC")
        case _:
            lane = LaneId(arguments.lane)
            refusal = found.database.write(
                lambda session: service.release(session, found.system, site, CLI_ACTOR, lane, arguments.reason)
            )
            return told(refusal, ADVICE, f"{lane}: released")


def _list(found: Opened, site: SiteId) -> int:
    for lane in found.database.read(lambda session: service.lanes(session, found.system, site)):
        held = f" held until {lane.held_until:%Y-%m-%d %H:%M} UTC" if lane.held_until else ""
        link = "" if lane.connected else "  no link"
        print(
            f"{lane.id:12} {lane.from_zone} -> {lane.to_zone}  {lane.mode_now}{held}  {lane.device or 'no box'}{link}"
        )
    return 0


def _why(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    answer = found.database.read(
        lambda session: why.may_pass(
            session, found.system, site, arguments.number, LaneId(arguments.lane), arguments.at
        )
    )
    if not isinstance(answer, Why):
        return told(answer, ADVICE, "")
    for one in answer.answers:
        decision = one.explanation.decision
        print(f"card {one.card}: {'passes' if one.granted else 'refused'}: {REASON_TEXTS[decision.reason].en}")
        for step in one.explanation.steps:
            print(f"    {step.check:10} {step.reason or 'ok'}")
        for view in one.explanation.levels:
            leads = "leads here" if view.leads_here else "leads elsewhere"
            print(f"    level {view.level}: {leads}, {'open' if view.opens_now else 'closed'} at this time")
    if not answer.is_now:
        print("of another instant nobody knows where people are: positions and open lanes were not looked at")
    return 0


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
