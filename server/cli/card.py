"""`onecard card`: make cards on an encoder, and what becomes of them: lost, found, returned, replaced, lent.

Acts as a member of staff (`--as`): the same permissions, the same second person as on the pages.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn
from uuid import UUID

from cardcore.access.items import CardState, Product
from cardcore.ids import CardId, PersonId, SiteId, StaffId
from cardcore.money import yuan_text
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal
from server.audit.service import staff_actor
from server.cards import loans, replacement, validity
from server.cards import repository as card_rows
from server.cards import service as cards
from server.cards.approved import ACTIVATE, UNBLOCK, Activate, Unblock
from server.cards.life import LifeStep, take_step
from server.cards.transitions import TRANSITIONS
from server.cli.card_texts import told_change, told_refusal
from server.cli.opened import Opened
from server.cli.signed_in import add_login, signed_in
from server.cli.site_state import on_site
from server.issuing import desk, service
from server.issuing.models import BatchId, IssuingRefusal, NewBatch, NewJob
from server.people import repository as people_rows
from server.settings import Settings
from server.staff import service as staff
from server.staff.roles import Permission

MAX_LIST_LINES = 1_000
STEPS: Mapping[str, LifeStep] = MappingProxyType({str(step): step for step in LifeStep})
Action = Callable[[argparse.Namespace, Opened, SiteId, StaffId], int]


class _UnknownError(Exception):
    """There is no such card or person; the text says which."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("table", help="print which state of a card may follow which")
    shown = [actions.add_parser("encoders", help="list the readers that make cards")]
    issue = actions.add_parser("issue", help="make a card for a person on an encoder")
    issue.add_argument("person", help="the person's number")
    issue.add_argument("--number", default="", help="printed on it; person's number and a count when left out")
    batch = actions.add_parser("batch", help="make cards for a list of people, one after the other")
    batch.add_argument("file", type=Path, help="one person's number a line")
    replace = actions.add_parser("replace", help="make the next copy of a card; the old one ends when it is made")
    replace.add_argument("card", help="the old card's printed number")
    replace.add_argument("--number", default="")
    for action in (issue, batch):
        action.add_argument("--kind", default="combined", choices=[str(product) for product in Product])
    for action in (issue, batch, replace):
        action.add_argument("--encoder", default="", help="DEVICE/READER, as `encoders` lists; may be left out")
    ending = actions.add_parser("ending", help="list cards in use that end soon")
    ending.add_argument("--days", type=int, default=30)
    shown.append(ending)
    watch = actions.add_parser("jobs", help="show how far a list has come")
    watch.add_argument("batch", help="as issue, batch and replace print it")
    cancel = actions.add_parser("cancel", help="drop what is left of a list")
    cancel.add_argument("batch")
    for step in LifeStep:
        action = actions.add_parser(str(step), help=f"take the step '{step}' with a card")
        action.add_argument("card", help="its printed number")
        action.add_argument("--reason", default="")
        shown.append(action)
    use = actions.add_parser("use", help="ask that a found, suspended or mended card be put into use: two people")
    use.add_argument("card")
    use.add_argument("--reason", required=True)
    lend = actions.add_parser("lend", help="lend a blank card of the site to a person")
    lend.add_argument("card")
    lend.add_argument("person")
    lend.add_argument("--days", type=int, default=1)
    lend.add_argument("--own", default="", help="the person's own card, suspended meanwhile")
    back = actions.add_parser("take-back", help="take a lent card back into stock")
    back.add_argument("card")
    stock = actions.add_parser("restock", help="put a returned card back into stock")
    stock.add_argument("card")
    for action in (issue, batch, replace, watch, cancel, use, lend, back, stock, *shown):
        add_login(action)
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action as a member of staff; the table needs nobody."""
    if arguments.action == "table":
        for before, after in TRANSITIONS.items():
            print(f"{before:<11} -> {', '.join(sorted(after)) or 'nothing'}")
        return 0
    return on_site(arguments, settings, lambda found, site: _act(arguments, found, site))


def _act(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    who = signed_in(arguments, found, site)
    if who is None:
        return 1
    try:
        action = _step if arguments.action in STEPS else _ACTIONS[arguments.action]
        return action(arguments, found, site, who)
    except _UnknownError as error:
        print(f"onecard: {error}", file=sys.stderr)
        return 1


# --- making --------------------------------------------------------------------------------------------------


def _encoders(_arguments: argparse.Namespace, found: Opened, site: SiteId, _who: StaffId) -> int:
    for one in found.database.read(lambda session: desk.encoders(session, site, found.system.clock.now())):
        print(f"{one.device_name}/{one.reader:<20} {'online' if one.is_online else 'offline'}")
    return 0


def _issue(arguments: argparse.Namespace, found: Opened, site: SiteId, who: StaffId) -> int:
    person = _person(found, site, arguments.person)
    return _start(arguments, found, site, who, (_job(arguments, found, site, person),))


def _batch(arguments: argparse.Namespace, found: Opened, site: SiteId, who: StaffId) -> int:
    try:
        lines = arguments.file.read_text(encoding="utf-8-sig").splitlines()[: MAX_LIST_LINES + 1]
    except (OSError, UnicodeDecodeError) as error:
        _stop(f"{arguments.file} cannot be read: {error}")
    numbers = [line.strip() for line in lines if line.strip()]
    arguments.number = ""
    jobs = tuple(_job(arguments, found, site, _person(found, site, number)) for number in numbers)
    return _start(arguments, found, site, who, jobs)


def _replace(arguments: argparse.Namespace, found: Opened, site: SiteId, who: StaffId) -> int:
    card = _card(found, site, arguments.card)
    row = found.database.read(lambda session: cards.get(session, site, card))
    if row is None or row["person_id"] is None:
        _stop(f"nobody holds card {arguments.card}")
    since = row["lost_at"] or found.system.clock.now()
    waiting = found.database.read(lambda session: replacement.uncollected(session, site, since))
    if waiting.tills:
        most = yuan_text(waiting.most_fen)
        print(f"silent tills may still bring meals of the old card: {', '.join(waiting.tills)}; at most {most}")
    arguments.kind = row["product"]
    return _start(
        arguments, found, site, who, (_job(arguments, found, site, PersonId(row["person_id"]), replaces=card),)
    )


def _job(
    arguments: argparse.Namespace, found: Opened, site: SiteId, person: PersonId, replaces: CardId | None = None
) -> NewJob:
    number = arguments.number or found.database.read(lambda session: desk.next_number(session, site, person))
    return NewJob(person, Product(arguments.kind), number, replaces=replaces)


def _start(arguments: argparse.Namespace, found: Opened, site: SiteId, who: StaffId, jobs: tuple[NewJob, ...]) -> int:
    known = found.database.read(lambda session: desk.encoders(session, site, found.system.clock.now()))
    named = [one for one in known if not arguments.encoder or arguments.encoder == f"{one.device_name}/{one.reader}"]
    if len(named) != 1:
        _stop("name one encoder with --encoder DEVICE/READER: onecard card encoders lists them")
    wanted = NewBatch(named[0].device, named[0].reader, jobs)
    begun = found.database.write(lambda session: desk.start_for(session, found.system, site, wanted, who))
    if isinstance(begun, IssuingRefusal):
        return told_refusal(begun)
    print(f"lay a blank card on {named[0].reader}: {', '.join(job.number for job in jobs[:3])}", file=sys.stderr)
    print(begun)
    return 0


def _jobs(arguments: argparse.Namespace, found: Opened, site: SiteId, _who: StaffId) -> int:
    for row in found.database.read(lambda session: service.progress(session, site, _batch_id(arguments.batch))):
        said = " ".join(part for part in (row["step"], row["result"], row["detail"]) if part)
        print(f"{row['position']:>4} {row['number']:<20} {row['person_name']:<12} {row['state']:<10} {said}")
    return 0


def _cancel(arguments: argparse.Namespace, found: Opened, site: SiteId, who: StaffId) -> int:
    _must(found, site, who, Permission.CARDS_ISSUE)
    batch = _batch_id(arguments.batch)
    left = found.database.write(lambda session: service.cancel(session, found.system, site, batch, staff_actor(who)))
    if isinstance(left, IssuingRefusal):
        return told_refusal(left)
    print(f"{left} cards are not made")
    return 0


def _ending(arguments: argparse.Namespace, found: Opened, site: SiteId, who: StaffId) -> int:
    _must(found, site, who, Permission.CARDS_READ)
    now, within = found.system.clock.now(), timedelta(days=arguments.days)
    for row in found.database.read(lambda session: validity.ending_soon(session, site, now, within)):
        print(f"{row['ends_at']:%Y-%m-%d}  {row['number']:<20} {row['person_number']:<12} {row['person_name']}")
    return 0


# --- the life of a card --------------------------------------------------------------------------------------


def _step(arguments: argparse.Namespace, found: Opened, site: SiteId, who: StaffId) -> int:
    card, step = _card(found, site, arguments.card), STEPS[arguments.action]
    by = (who, arguments.reason)
    change = found.database.write(lambda session: take_step(session, found.system, site, card, step, by))
    return told_change(change)


def _use(arguments: argparse.Namespace, found: Opened, site: SiteId, who: StaffId) -> int:
    card = _card(found, site, arguments.card)
    row = found.database.read(lambda session: cards.get(session, site, card))
    is_new = row is not None and row["state"] == CardState.ISSUED
    if is_new:
        asked = found.database.write(
            lambda session: approvals.ask(session, found.system, site, who, ACTIVATE, Activate(card), arguments.reason)
        )
    else:
        asked = found.database.write(
            lambda session: approvals.ask(session, found.system, site, who, UNBLOCK, Unblock(card), arguments.reason)
        )
    if isinstance(asked, ApprovalRefusal):
        return told_refusal(asked)
    print(asked)
    print(f"another person decides: onecard approval approve {asked} --as LOGIN", file=sys.stderr)
    return 0


def _lend(arguments: argparse.Namespace, found: Opened, site: SiteId, who: StaffId) -> int:
    _must(found, site, who, Permission.CARDS_ISSUE)
    own = _card(found, site, arguments.own) if arguments.own else None
    due = found.system.clock.now() + timedelta(days=arguments.days)
    loan = loans.Loan(_card(found, site, arguments.card), _person(found, site, arguments.person), due, own)
    refusal = found.database.write(lambda session: loans.lend(session, found.system, site, loan, staff_actor(who)))
    return told_refusal(refusal)


def _take_back(arguments: argparse.Namespace, found: Opened, site: SiteId, who: StaffId) -> int:
    _must(found, site, who, Permission.CARDS_ISSUE)
    card, actor = _card(found, site, arguments.card), staff_actor(who)
    return told_refusal(found.database.write(lambda session: loans.take_back(session, found.system, site, card, actor)))


def _restock(arguments: argparse.Namespace, found: Opened, site: SiteId, who: StaffId) -> int:
    _must(found, site, who, Permission.CARDS_ISSUE)
    card, actor = _card(found, site, arguments.card), staff_actor(who)
    return told_refusal(found.database.write(lambda session: loans.recycle(session, found.system, site, card, actor)))


_ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "encoders": _encoders, "ending": _ending, "issue": _issue, "batch": _batch, "replace": _replace, "jobs": _jobs,
        "cancel": _cancel, "use": _use, "lend": _lend, "take-back": _take_back, "restock": _restock,
    }
)  # fmt: skip


def _stop(words: str) -> NoReturn:
    raise _UnknownError(words)


def _card(found: Opened, site: SiteId, number: str) -> CardId:
    row = found.database.read(lambda session: card_rows.by_number(session, site, number))
    if row is None:
        _stop(f"there is no card {number}")
    return CardId(row["id"])


def _person(found: Opened, site: SiteId, number: str) -> PersonId:
    row = found.database.read(lambda session: people_rows.by_number(session, site, number))
    if row is None:
        _stop(f"nobody has the number {number}")
    return PersonId(row["id"])


def _batch_id(text: str) -> BatchId:
    try:
        return BatchId(UUID(text))
    except ValueError:
        _stop(f"{text} is no list: issue, batch and replace print its id")


def _must(found: Opened, site: SiteId, who: StaffId, permission: Permission) -> None:
    if not found.database.read(lambda session: staff.may(session, who, site, permission)):
        _stop(f"your role does not include {permission}")
