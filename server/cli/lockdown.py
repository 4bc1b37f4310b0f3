"""`onecard lockdown`: list threat plans, begin one, end one."""

from __future__ import annotations

import argparse

from cardcore.ids import SiteId
from server.access import threats
from server.cli.opened import CLI_ACTOR, Opened
from server.cli.site_state import on_site, told
from server.settings import Settings

ADVICE = {
    "unknown_plan": "there is no such plan: onecard lockdown list shows them",
    "reason_missing": "say why, in at most 200 characters: --reason TEXT",
    "in_force": "this plan is in force already",
    "not_in_force": "this plan is not in force",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list the plans and which are in force")
    for name, text in (("begin", "put a plan in force at every lane"), ("end", "end a plan")):
        action = actions.add_parser(name, help=text)
        action.add_argument("plan")
        action.add_argument("--reason", required=True)
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    return on_site(arguments, settings, lambda found, site: _act(arguments, found, site))


def _act(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    if arguments.action == "list":
        return _list(found, site)
    act = threats.begin if arguments.action == "begin" else threats.end
    deed = (CLI_ACTOR, arguments.reason)
    refusal = found.database.write(lambda session: act(session, found.system, site, arguments.plan, deed))
    return told(refusal, ADVICE, f"{arguments.plan}: {'in force' if arguments.action == 'begin' else 'ended'}")


def _list(found: Opened, site: SiteId) -> int:
    for state in found.database.read(lambda session: threats.plans(session, site)):
        plan = state.plan
        active = "in force" if state.active_since else "ready"
        until = f" until {state.active_until:%Y-%m-%d %H:%M} UTC" if state.active_until else ""
        print(f"{plan.id:20} rank {plan.rank:3}  {plan.effect:6}  {', '.join(plan.zones)}: {active}{until}")
    return 0
