"""`onecard alarms`: list what waits, and say what was found."""

from __future__ import annotations

import argparse
from uuid import UUID

from cardcore.ids import SiteId
from server.alarms import service
from server.cli.opened import CLI_ACTOR, Opened
from server.cli.site_state import on_site, told
from server.settings import Settings

ADVICE = {
    "unknown": "there is no such alarm: onecard alarms list shows them",
    "note_missing": "say what you found, in at most 500 characters: --note TEXT",
    "acknowledged": "somebody looked at one of these before: onecard alarms list shows what waits",
    "too_many": "acknowledge at most 200 at a time",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list what nobody has looked at yet, newest first")
    seen = actions.add_parser("acknowledge", help="say that you looked, and what you found")
    seen.add_argument("alarm", nargs="+", type=UUID)
    seen.add_argument("--note", required=True)
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    return on_site(arguments, settings, lambda found, site: _act(arguments, found, site))


def _act(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    if arguments.action == "list":
        return _list(found, site)
    refusal = found.database.write(
        lambda session: service.acknowledge(session, found.system, site, CLI_ACTOR, arguments.alarm, arguments.note)
    )
    return told(refusal, ADVICE, f"{len(arguments.alarm)} acknowledged")


def _list(found: Opened, site: SiteId) -> int:
    for alarm in found.database.read(lambda session: service.open_alarms(session, site)):
        late = "  late" if alarm.late else ""
        over = "  over" if alarm.over_at else ""
        who = f"  {alarm.person_number} {alarm.person_name}" if alarm.person else ""
        print(
            f"{alarm.id}  {alarm.severity:7} {alarm.kind:20} {alarm.place:12} x{alarm.count}"
            f"  {alarm.last_at:%Y-%m-%d %H:%M:%S} UTC{late}{over}{who}"
        )
    return 0
