"""`onecard desk`: a cashier's shift from the float to the count, cash over the counter, and what a desk does to meals.

Every action is one of a login with a shift, but for `open`; refusals are told in words and change nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from cardcore.ids import AccountId, ChargeId, ShiftId, SiteId, StaffId, TransferId
from cardcore.money import Fen, parse_yuan, yuan_text
from server.approvals.models import ApprovalRefusal
from server.approvals.texts import text_of
from server.audit.service import staff_actor
from server.cashdesk import closing, desk, shifts
from server.cashdesk.models import DeskRefusal, Receipt, ShiftView
from server.cashdesk.texts import TEXTS as DESK_TEXTS
from server.cli.close import chosen_language
from server.cli.opened import Opened, opened
from server.cli.persons import account_of
from server.cli.signed_in import add_login, signed_in
from server.corrections import refunds
from server.corrections.refunds import Refunded, RefundOrder
from server.corrections.texts import TEXTS as REFUND_TEXTS
from server.ledger import holder_transfer
from server.payments import service as payments
from server.payments.config import load_providers
from server.payments.models import NewOrder, Order, PaymentRefusal
from server.settings import Settings
from server.staff import service as staff_service
from server.staff.roles import Permission

PERSON = "the personnel number"
NEEDED = {"undo": Permission.CHARGES_UNDO}
"""What an action needs beside the right to take cash."""
Outcome = StrEnum | str
"""Why nothing was done, or the line to print."""


class _Job(NamedTuple):
    """One action with everything it works on; `till` is None before a shift is open."""

    arguments: argparse.Namespace
    found: Opened
    site: SiteId
    staff: StaffId
    till: desk.Till | None
    settings: Settings

    @property
    def at(self) -> desk.Till:
        assert self.till is not None
        return self.till

    def account(self, number: str) -> AccountId:
        return account_of(self.found, self.site, number)

    def new_id(self) -> TransferId:
        return TransferId(self.found.system.ids.uuid7())


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    begin = actions.add_parser("open", help="begin a shift with change from the safe")
    begin.add_argument("desk", help="the desk's name")
    begin.add_argument("--float", dest="amount", default="0", help="in yuan")
    count = actions.add_parser("count", help="count the drawer and end the shift; the books' sum is told afterwards")
    count.add_argument("amount", help="what was counted, in yuan")
    for name, text in (
        ("topup", "take cash onto an account"), ("payout", "give cash back"), ("deposit", "take a card's deposit"),
        ("return-deposit", "give a deposit back"), ("card-fee", "take the price of a card"),
    ):  # fmt: skip
        cash = actions.add_parser(name, help=text)
        cash.add_argument("person", help=PERSON)
        cash.add_argument("amount", help="in yuan")
        cash.add_argument("--note", default="")
    back = actions.add_parser("take-back", help="take a wrong top-up back, whole; refused when it was spent")
    back.add_argument("transfer", help="the id that the top-up printed")
    back.add_argument("person", help=PERSON)
    back.add_argument("amount", help="in yuan, as it was")
    passed = actions.add_parser("transfer", help="pass cash from one holder to another")
    passed.add_argument("person", help=f"{PERSON} of the giver")
    passed.add_argument("target", help=f"{PERSON} of the taker")
    passed.add_argument("amount", help="in yuan")
    undo = actions.add_parser("undo", help="undo a meal of the last five minutes, whole")
    undo.add_argument("charge", help="the charge's id")
    close = actions.add_parser("close-account", help="pay out what is left and close the account")
    close.add_argument("person", help=PERSON)
    close.add_argument("--left", action="store_true", help="the rest is left to the site instead of paid out")
    close.add_argument("--despite-silent-tills", action="store_true", help="although tills may hold meals of it")
    close.add_argument("--claim-debt", action="store_true", help="what is owed becomes a claim")
    order = actions.add_parser("order", help="make an order for an online payment")
    order.add_argument("person", help=PERSON)
    order.add_argument("amount", help="in yuan")
    order.add_argument("--provider", required=True, help="as named in payments.toml")
    for action in (back, undo, close):
        action.add_argument("--reason", required=True)
    for name in _ACTIONS:
        add_login(actions.choices[name])
    parser.add_argument("--language", default="", choices=["", "en", "zh-CN"], help="the machine's own when left out")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action as a cashier."""
    with opened(settings) as found:
        try:
            site = found.site(arguments.site)
            staff = signed_in(arguments, found, site)
            if staff is None:
                return 1
            outcome = _carried_out(arguments, found, site, staff, settings)
        except ValueError as error:
            print(f"onecard: {error}", file=sys.stderr)
            return 2
    if isinstance(outcome, StrEnum):
        print(f"onecard: {_words(outcome, chinese=chosen_language(arguments).startswith('zh'))}", file=sys.stderr)
        return 1
    print(outcome)
    return 0


def _carried_out(
    arguments: argparse.Namespace, found: Opened, site: SiteId, staff: StaffId, settings: Settings
) -> Outcome:
    needed = NEEDED.get(arguments.action, Permission.TOP_UP)
    if not found.database.read(lambda session: staff_service.may(session, staff, site, needed)):
        return ApprovalRefusal.NOT_ALLOWED
    shift = found.database.read(lambda session: shifts.shift_of(session, staff))
    till = None if shift is None else desk.Till(ShiftId(shift.id), staff)
    if till is None and arguments.action not in WITHOUT_SHIFT:
        return DeskRefusal.SHIFT_UNKNOWN
    return _ACTIONS[arguments.action](_Job(arguments, found, site, staff, till, settings))


def _words(refusal: StrEnum, *, chinese: bool) -> str:
    if isinstance(refusal, ApprovalRefusal):
        return text_of(refusal, chinese=chinese)
    words = DESK_TEXTS.get(refusal) or REFUND_TEXTS[refusal]
    return words.zh if chinese else words.en


def _open(job: _Job) -> Outcome:
    opening = parse_yuan(job.arguments.amount)
    done = job.found.database.write(
        lambda session: shifts.open_shift(session, job.found.system, job.site, job.arguments.desk, job.staff, opening)
    )
    return f"{done.desk} {done.number}" if isinstance(done, ShiftView) else done


def _count(job: _Job) -> Outcome:
    counted = parse_yuan(job.arguments.amount)
    done = job.found.database.write(
        lambda session: shifts.close_shift(session, job.found.system, job.site, job.at.shift, job.staff, counted)
    )
    if not isinstance(done, ShiftView):
        return done
    expected, difference = done.expected or Fen(0), done.difference or Fen(0)
    return f"{done.desk} {done.number} expected {yuan_text(expected)} difference {yuan_text(difference)}"


def _cash(move: Callable[..., Receipt | DeskRefusal]) -> Callable[[_Job], Outcome]:
    def booked(job: _Job) -> Outcome:
        amount = parse_yuan(job.arguments.amount)
        order = desk.CashOrder(job.new_id(), job.account(job.arguments.person), amount, job.arguments.note)
        return _receipt(job.found.database.write(
            lambda session: move(session, job.found.system, job.site, job.at, order)
        ))  # fmt: skip

    return booked


def _take_back(job: _Job) -> Outcome:
    amount, original = parse_yuan(job.arguments.amount), TransferId(UUID(job.arguments.transfer))
    order = desk.CashOrder(job.new_id(), job.account(job.arguments.person), amount, job.arguments.reason)
    return _receipt(job.found.database.write(
        lambda session: desk.reverse_top_up(session, job.found.system, job.site, job.at, original, order)
    ))  # fmt: skip


def _receipt(done: Receipt | DeskRefusal) -> Outcome:
    if isinstance(done, DeskRefusal):
        return done
    return f"{done.number} {yuan_text(done.amount)} balance {yuan_text(done.balance)} {done.transfer}"


def _transfer(job: _Job) -> Outcome:
    given, taken = job.account(job.arguments.person), job.account(job.arguments.target)
    wanted = holder_transfer.PassOn(job.new_id(), given, taken, parse_yuan(job.arguments.amount))
    left = job.found.database.write(
        lambda session: holder_transfer.pass_on(session, job.found.system, job.site, wanted, staff_actor(job.staff))
    )
    return left if isinstance(left, StrEnum) else f"balance {yuan_text(left)}"


def _undo(job: _Job) -> Outcome:
    order = RefundOrder(job.new_id(), ChargeId(UUID(job.arguments.charge)), None, job.arguments.reason)
    done = job.found.database.write(
        lambda session: refunds.undo(session, job.found.system, job.site, order, staff_actor(job.staff))
    )
    return f"given back {yuan_text(done.amount)}" if isinstance(done, Refunded) else done


def _close_account(job: _Job) -> Outcome:
    asked = job.arguments
    rest = closing.Rest.LEFT if asked.left else closing.Rest.PAID_OUT
    closure = closing.Closure(job.account(asked.person), rest, asked.reason)
    closure = replace(closure, despite_silent_tills=asked.despite_silent_tills, claim_debt=asked.claim_debt)
    done = job.found.database.write(
        lambda session: closing.close_account(session, job.found.system, job.site, job.at, closure)
    )
    if not isinstance(done, closing.Closed):
        return done
    return (
        f"paid out {yuan_text(done.paid_out)} left {yuan_text(done.left)} lapsed {yuan_text(done.lapsed)}"
        f" claimed {yuan_text(done.claimed)}"
    )


def _order(job: _Job) -> Outcome:
    asked = job.arguments
    if asked.provider not in load_providers(job.settings.data_dir, job.found.system):
        return PaymentRefusal.UNKNOWN_PROVIDER
    new = NewOrder(UUID(str(job.new_id())), job.account(asked.person), parse_yuan(asked.amount), asked.provider)
    done = job.found.database.write(
        lambda session: payments.make_order(session, job.found.system, job.site, new, staff_actor(job.staff))
    )
    return f"{done.number} {done.state} until {done.expires_at:%Y-%m-%d %H:%M}" if isinstance(done, Order) else done


_ACTIONS: dict[str, Callable[[_Job], Outcome]] = {
    "open": _open, "count": _count, "topup": _cash(desk.top_up), "payout": _cash(desk.pay_out),
    "deposit": _cash(desk.take_deposit), "return-deposit": _cash(desk.return_deposit),
    "card-fee": _cash(desk.sell_card), "take-back": _take_back, "transfer": _transfer, "undo": _undo,
    "close-account": _close_account, "order": _order,
}  # fmt: skip
WITHOUT_SHIFT = frozenset({"open", "transfer", "undo", "order"})
"""Actions that move no cash of a drawer."""
