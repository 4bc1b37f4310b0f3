"""`onecard seed`: writes a site into the database: an empty one, or the reference site with everything in it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from server.cli.opened import CLI_ACTOR, Opened, opened
from server.settings import Settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the two kinds of site."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    empty = kinds.add_parser("site", help="an empty site")
    empty.add_argument("slug", help="its short name, e.g. head-office")
    empty.add_argument("--name-en", required=True)
    empty.add_argument("--name-zh", required=True)
    empty.add_argument("--time-zone", default="Asia/Shanghai")
    reference = kinds.add_parser("reference", help="the reference site: lanes, tills, prices, and one holder a card")
    reference.add_argument("cards", type=Path, help="a card list, as `onecard-mock cards --json FILE` writes one")
    reference.add_argument("--slug", default="reference")
    reference.add_argument("--seed", type=int, default=1, help="draws names and balances")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write the site."""
    with opened(settings) as found:
        problem = _empty(arguments, found) if arguments.kind == "site" else _reference(arguments, found)
    if problem:
        print(f"onecard: {problem}", file=sys.stderr)
        return 1
    return 0


def _empty(arguments: argparse.Namespace, found: Opened) -> str:
    from server.access import service as access

    new = access.NewSite(arguments.slug, arguments.name_en, arguments.name_zh, arguments.time_zone)
    if found.database.read(lambda session: access.find_site(session, new.slug)) is not None:
        return f"there is a site {new.slug} already"
    found.database.write(lambda session: access.create_site(session, found.system, new, CLI_ACTOR))
    return ""


def _reference(arguments: argparse.Namespace, found: Opened) -> str:
    from server.seed.card_list import read_card_list
    from server.seed.service import seed_reference_site

    try:
        cards = read_card_list(arguments.cards)
        seeded = seed_reference_site(found.database, found.system, cards, seed=arguments.seed, slug=arguments.slug)
    except (ValueError, OSError) as error:
        return str(error)
    print(f"onecard: wrote {arguments.slug} with {len(seeded.holders)} holders, policy {seeded.policy_version}")
    return ""
