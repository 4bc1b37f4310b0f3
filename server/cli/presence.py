"""`onecard presence`: how many are where, who is inside, forgiving a person, resetting a zone."""

from __future__ import annotations

import argparse
import sys

from cardcore.ids import PersonId, SiteId, ZoneId
from server.cli.opened import CLI_ACTOR, Opened
from server.cli.site_state import on_site, told
from server.people import repository as people_rows
from server.presence import service
from server.settings import Settings

ADVICE = {
    "reason_missing": "say why, in at most 200 characters: --reason TEXT",
    "unknown_zone": "there is no such zone: onecard presence heads shows them",
    "nowhere": "nobody knows where this person is: the next tap accuses them of nothing",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("heads", help="count the people in each zone")
    inside = actions.add_parser("inside", help="list who is in a zone by their last passage: the muster list")
    inside.add_argument("zone", nargs="+")
    forgive = actions.add_parser("forgive", help="forget where a person is")
    forgive.add_argument("number", help="the person's number")
    forgive.add_argument("--reason", required=True)
    reset = actions.add_parser("reset", help="forget everybody in a zone, its unknown heads and its uncertainty")
    reset.add_argument("zone")
    reset.add_argument("--reason", required=True)
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    return on_site(arguments, settings, lambda found, site: _act(arguments, found, site))


def _act(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    match arguments.action:
        case "heads":
            return _heads(found, site)
        case "inside":
            return _inside(found, site, [ZoneId(zone) for zone in arguments.zone])
        case "forgive":
            return _forgive(arguments, found, site)
        case _:
            deed, zone = (CLI_ACTOR, arguments.reason), ZoneId(arguments.zone)
            refusal = found.database.write(lambda session: service.reset_zone(session, found.system, site, zone, deed))
            return told(refusal, ADVICE, f"{zone}: nobody is known to be inside")


def _heads(found: Opened, site: SiteId) -> int:
    for zone in found.database.read(lambda session: service.heads(session, found.system, site)):
        limit = f" of {zone.limit}" if zone.limit else ""
        unsure = "  uncertain: reset it when you know who is inside" if zone.uncertain_since else ""
        print(f"{zone.zone:20} {zone.known + zone.unknown}{limit} ({zone.unknown} unknown){unsure}")
    return 0


def _inside(found: Opened, site: SiteId, zones: list[ZoneId]) -> int:
    for one in found.database.read(lambda session: service.inside(session, found.system, site, zones)):
        assumed = "  assumed" if one.assumed else ""
        print(f"{one.number:12} {one.name}  {one.zone} since {one.since:%Y-%m-%d %H:%M} UTC{assumed}")
    return 0


def _forgive(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    person = found.database.read(lambda session: people_rows.by_number(session, site, arguments.number))
    if person is None:
        print(f"onecard: nobody has the number {arguments.number}", file=sys.stderr)
        return 1
    deed = (CLI_ACTOR, arguments.reason)
    refusal = found.database.write(
        lambda session: service.forgive(session, found.system, site, PersonId(person["id"]), deed)
    )
    return told(refusal, ADVICE, f"{arguments.number}: forgiven")
