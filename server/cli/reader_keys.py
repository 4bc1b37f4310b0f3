"""`onecard device keys` and what is ordered about the keys of OSDP readers; the box draws and keeps them itself."""

from __future__ import annotations

import argparse
import sys

from cardcore.ids import DeviceId, SiteId
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal
from server.approvals.texts import text_of
from server.audit.service import staff_actor
from server.cli.opened import Opened
from server.cli.signed_in import add_login, signed_in
from server.devices import reader_orders, repository
from server.devices.approved import INSTALL_KEY, InstallKey
from server.devices.models import DeviceStatus
from server.devices.reader_orders import MAX_MINUTES, KeyDeed, KeyRefusal, Wanted
from server.staff import service as staff
from server.staff.roles import Permission

ADVICE = {
    KeyRefusal.UNKNOWN_DEVICE: "there is no such device: onecard device list",
    KeyRefusal.UNKNOWN_READER: "this box has no OSDP reader of that name: onecard device keys DEVICE",
    KeyRefusal.NOT_CONNECTED: "the box is not connected: orders live for one second",
    KeyRefusal.REASON_MISSING: "say why, in at most 200 characters: --reason TEXT",
    KeyRefusal.MINUTES: f"install mode lasts 1 to {MAX_MINUTES} minutes: --minutes N",
    KeyRefusal.NO_KEY_YET: "it has no key yet: onecard device install-key gives it the first one",
    KeyRefusal.KEY_ON_ITS_WAY: "a new key is on its way to it already",
}
DEEDS = {"install-key": KeyDeed.INSTALL, "roll-key": KeyDeed.ROLL, "confirm-reader": KeyDeed.CONFIRM}
HELP = {
    "install-key": "ask for install mode: a reader on its factory key gets its first own one; another person approves",
    "roll-key": "give a reader a new key inside its session",
    "confirm-reader": "accept the reader that answers in the place of another: you have looked at it",
}


def add_options(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the actions."""
    shown = actions.add_parser("keys", help="show how the keys of a box's OSDP readers stand, and the newest orders")
    shown.add_argument("device", help="name or id")
    for name, words in HELP.items():
        ordering = actions.add_parser(name, help=words)
        ordering.add_argument("device", help="name or id")
        ordering.add_argument("reader")
        ordering.add_argument("--reason", required=True)
        if name == "install-key":
            ordering.add_argument("--minutes", type=int, default=MAX_MINUTES)
        add_login(ordering)


def show(found: Opened, site: SiteId, device: DeviceId) -> int:
    """Print the readers of a box and the newest orders."""
    status = _status(found, site, device)
    for reader in status.health.get("readers", ()):
        if reader.get("key"):
            line = "secure" if reader["secure"] else "online" if reader["online"] else "silent"
            print(f"{reader['name']:<24} {reader['key']:<12} {line}")
    for order in found.database.read(lambda session: reader_orders.newest(session, found.system, site, device)):
        told = f"{order.given_at:%Y-%m-%d %H:%M:%S} UTC  {order.reader:<16} {order.kind:<20} {order.result}"
        print(f"{told}  {order.detail}".rstrip())
    return 0


def order(arguments: argparse.Namespace, found: Opened, site: SiteId, device: DeviceId) -> int:
    """Order one thing about a reader's key."""
    who = signed_in(arguments, found, site)
    if who is None:
        return 1
    deed = DEEDS[arguments.action]
    minutes = arguments.minutes if deed is KeyDeed.INSTALL else 0
    wanted = Wanted(device, arguments.reader, deed, arguments.reason, minutes)
    if not found.database.read(lambda session: staff.may(session, who, site, Permission.DEVICES_WRITE)):
        print(f"onecard: {text_of(ApprovalRefusal.NOT_ALLOWED, chinese=False)}", file=sys.stderr)
        return 1
    if deed is not KeyDeed.INSTALL:
        given = found.database.write(
            lambda session: reader_orders.give(session, found.system, site, wanted, staff_actor(who))
        )
        if isinstance(given, KeyRefusal):
            print(f"onecard: {ADVICE[given]}", file=sys.stderr)
            return 1
        print(f"ordered; how it ended: onecard device keys {arguments.device}")
        return 0
    refusal = found.database.read(lambda session: reader_orders.refusal_of(session, found.system, site, wanted))
    if refusal is not None:
        print(f"onecard: {ADVICE[refusal]}", file=sys.stderr)
        return 1
    content = InstallKey(device, _status(found, site, device).name, arguments.reader, minutes)
    asked = found.database.write(
        lambda session: approvals.ask(session, found.system, site, who, INSTALL_KEY, content, arguments.reason)
    )
    if isinstance(asked, ApprovalRefusal):
        print(f"onecard: {text_of(asked, chinese=False)}", file=sys.stderr)
        return 1
    print(asked)
    print(f"another person decides: onecard approval approve {asked} --as LOGIN", file=sys.stderr)
    return 0


def _status(found: Opened, site: SiteId, device: DeviceId) -> DeviceStatus:
    now = found.system.clock.now()
    rows = found.database.read(lambda session: repository.statuses(session, site, now, with_revoked=True))
    return next(row for row in rows if row.id == device)
