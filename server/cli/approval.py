"""`onecard approval`: what waits for a second person, and the decision. Works for every operation of the product."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from cardcore.ids import SiteId, StaffId
from server.approvals import service
from server.approvals.models import ApprovalRefusal, Request
from server.approvals.operations import OPERATIONS
from server.approvals.texts import text_of
from server.cli.close import chosen_language
from server.cli.opened import Opened, opened
from server.cli.signed_in import add_login, signed_in
from server.corrections.texts import TEXTS as CORRECTIONS
from server.settings import Settings
from server.subsidies.texts import TEXTS as BATCHES


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add_login(actions.add_parser("list", help="list what waits, the oldest first"))
    for name, text in (
        ("approve", "let it be done, now"), ("decline", "refuse it"), ("withdraw", "take back one's own request"),
    ):  # fmt: skip
        action = actions.add_parser(name, help=text)
        action.add_argument("request", help="its id, or what it is about, as `list` shows them")
        add_login(action)
    parser.add_argument("--language", default="", choices=["", "en", "zh-CN"], help="the machine's own when left out")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action as a member of staff."""
    with opened(settings) as found:
        site = found.site(arguments.site)
        staff = signed_in(arguments, found, site)
        if staff is None:
            return 1
        now = found.system.clock.now()
        waiting = found.database.read(lambda session: service.waiting(session, site, staff, OPERATIONS, now))
        if arguments.action == "list":
            for request in waiting:
                print(f"{request.id}  {request.object:<32} {request.operation:<20} {request.maker_name}")
                print(f"    {request.reason}  {dict(request.content)}")
            return 0
        chosen = [one for one in waiting if arguments.request in {str(one.id), one.object}]
        if len(chosen) != 1:
            print(f"onecard: {text_of(ApprovalRefusal.NOT_FOUND, chinese=_chinese(arguments))}", file=sys.stderr)
            return 1
        return _decide(arguments, found, site, staff, chosen[0])


def _decide(arguments: argparse.Namespace, found: Opened, site: SiteId, staff: StaffId, request: Request) -> int:
    database, system = found.database, found.system
    ways: dict[str, Callable[[], ApprovalRefusal | None]] = {
        "approve": lambda: database.write(
            lambda session: service.approve(session, system, site, request.id, (staff, request.seen), OPERATIONS)
        ),
        "decline": lambda: database.write(
            lambda session: service.decline(session, system, site, request.id, staff, OPERATIONS)
        ),
        "withdraw": lambda: database.write(lambda session: service.withdraw(session, system, site, request.id, staff)),
    }
    refused = ways[arguments.action]()
    ended = database.read(lambda session: service.get(session, site, request.id))
    if refused is None:
        print(f"{request.object}  {'' if ended is None else ended.state}")
        return 0
    outcome = "" if ended is None else ended.outcome
    print(f"onecard: {_why(refused, outcome, chinese=_chinese(arguments))}", file=sys.stderr)
    return 1


def _why(refused: ApprovalRefusal, outcome: str, *, chinese: bool) -> str:
    words = text_of(refused, chinese=chinese)
    if refused is not ApprovalRefusal.OPERATION_REFUSED:
        return words
    known = {str(reason): (text.zh if chinese else text.en) for reason, text in BATCHES.items()}
    known |= {str(reason): (text.zh if chinese else text.en) for reason, text in CORRECTIONS.items()}
    return f"{words}: {known.get(outcome, outcome)}"


def _chinese(arguments: argparse.Namespace) -> bool:
    return chosen_language(arguments).startswith("zh")
