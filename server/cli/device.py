"""`onecard device`: one-time codes, the list, places and revocation of boxes, and what tills alone can lose."""

from __future__ import annotations

import argparse
import sys
from uuid import UUID

from cardcore.ids import DeviceId, LaneId, SiteId, TillId
from cardcore.journal import Purpose
from cardcore.money import Fen, yuan_text
from server.access.service import assign_device
from server.canteen.exposure import MAX_BAD_CARDS, exposures
from server.cli import reader_keys
from server.cli.opened import CLI_ACTOR, Opened, opened
from server.devices import repository, service
from server.devices.models import CodeProblem
from server.policy.service import current_version
from server.settings import Settings

CODE_PROBLEMS = {
    CodeProblem.SITE_UNKNOWN: "name a site with --site",
    CodeProblem.NAME_UNUSABLE: "a device name has 1 to 63 small letters, digits and dashes, e.g. gate-north",
    CodeProblem.NAME_IN_USE: "a device has this name: choose another, or first type onecard device revoke NAME",
    CodeProblem.PURPOSES_MISSING: "name what the device is for: --purpose gate, --purpose till or both",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    code = actions.add_parser("code", help="make a one-time enrolment code, valid for 15 minutes")
    code.add_argument("name", help="what to call the device, e.g. gate-north")
    code.add_argument("--purpose", action="append", default=[], choices=[str(purpose) for purpose in Purpose])
    listing = actions.add_parser("list", help="list devices and how they are")
    listing.add_argument("--all", action="store_true", help="revoked ones too")
    assign = actions.add_parser("assign", help="put a device in charge of lanes and tills")
    assign.add_argument("device", help="name or id")
    assign.add_argument("--lane", action="append", default=[])
    assign.add_argument("--till", action="append", default=[])
    revoke = actions.add_parser("revoke", help="refuse a device from now on; its link closes within a second")
    revoke.add_argument("device", help="name or id")
    bound = actions.add_parser("bound", help="print the most that tills can lose while they are cut off")
    bound.add_argument("--lost-cards", type=int, default=1, help="cards lost that the tills do not know of yet")
    reader_keys.add_options(actions)
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    with opened(settings) as found:
        site = found.site(arguments.site)
        match arguments.action:
            case "code":
                return _code(arguments, found)
            case "list":
                return _list(arguments, found, site)
            case "bound":
                return _bound(arguments, found, site)
            case "assign":
                return _assign(arguments, found, site)
            case "keys" | "install-key" | "roll-key" | "confirm-reader":
                return _keys(arguments, found, site)
            case _:
                return _revoke(arguments, found, site)


def _code(arguments: argparse.Namespace, found: Opened) -> int:
    purposes = frozenset(Purpose(purpose) for purpose in arguments.purpose)
    made = found.database.write(
        lambda session: service.make_code(session, found.system, arguments.site, arguments.name, purposes, CLI_ACTOR)
    )
    if isinstance(made, CodeProblem):
        print(f"onecard: {CODE_PROBLEMS[made]}", file=sys.stderr)
        return 1
    print(made.code)
    print(
        f"valid until {made.expires_at:%H:%M:%S} UTC, once, for {made.name}. On the reader box, type:", file=sys.stderr
    )
    print(f"  onecard-reader enrol {made.code}", file=sys.stderr)
    return 0


def _list(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    now = found.system.clock.now()
    devices = found.database.read(lambda session: repository.statuses(session, site, now, with_revoked=arguments.all))
    newest = found.database.read(lambda session: current_version(session, site))
    for device in devices:
        state = "connected" if device.is_connected else "silent" if device.state == "active" else str(device.state)
        seen = f"{device.last_seen_at:%Y-%m-%d %H:%M:%S} UTC" if device.last_seen_at else "never"
        purposes = ",".join(device.purposes)
        known = max(device.policy_version, device.deny_version)
        cards = f"cards {known} of {newest}"
        about = f"{device.name:<24} {state:<10} {purposes:<10} seen {seen}  {cards:<20}"
        print(f"{about} {device.id}  {device.problem}".rstrip())
    if not devices:
        print("onecard: no device is enrolled; type: onecard device code NAME --purpose gate", file=sys.stderr)
    return 0


def _bound(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    lost = arguments.lost_cards
    if not 0 <= lost <= MAX_BAD_CARDS:
        print(f"onecard: --lost-cards is 0 to {MAX_BAD_CARDS}", file=sys.stderr)
        return 2
    tills = found.database.read(lambda session: exposures(session, site, lost))
    print(f"{'till':<12} {'stall':<16} {f'{lost} lost cards':>16} {'any cards':>16}   yuan, in one spell alone")
    for till in tills:
        any_card = yuan_text(till.any_card_fen)
        print(f"{till.till:<12} {till.stall:<16} {yuan_text(till.bad_cards_fen):>16} {any_card:>16}")
    bad, total = Fen(sum(till.bad_cards_fen for till in tills)), Fen(sum(till.any_card_fen for till in tills))
    print(f"{'all':<12} {'':<16} {yuan_text(bad):>16} {yuan_text(total):>16}")
    return 0


def _assign(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    device = _device(found, site, arguments.device)
    if device is None:
        return 1
    places = ([LaneId(lane) for lane in arguments.lane], [TillId(till) for till in arguments.till])
    missing = found.database.write(
        lambda session: assign_device(session, found.system, site, device, places, CLI_ACTOR)
    )
    if missing:
        print(f"onecard: there is no {', '.join(sorted(missing))} at this site", file=sys.stderr)
        return 1
    return 0


def _keys(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    device = _device(found, site, arguments.device)
    if device is None:
        return 1
    if arguments.action == "keys":
        return reader_keys.show(found, site, device)
    return reader_keys.order(arguments, found, site, device)


def _revoke(arguments: argparse.Namespace, found: Opened, site: SiteId) -> int:
    device = _device(found, site, arguments.device)
    if device is None:
        return 1
    done = found.database.write(lambda session: service.revoke(session, found.system, device, CLI_ACTOR))
    print(f"onecard: {'revoked' if done else 'was revoked before'}: {device}")
    return 0


def _device(found: Opened, site: SiteId, named: str) -> DeviceId | None:
    now = found.system.clock.now()
    devices = found.database.read(lambda session: repository.statuses(session, site, now, with_revoked=True))
    for device in devices:
        if device.name == named or str(device.id) == _as_uuid(named):
            return device.id
    print(f"onecard: there is no device {named}; type: onecard device list --all", file=sys.stderr)
    return None


def _as_uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""
