"""`python -m tests.month`: the whole month of the reference site, 27,000 meals, on a PostgreSQL of its own."""

from __future__ import annotations

import argparse
import time

from cardcore.money import Fen, yuan_text
from tests.month.story import EXPLANATIONS, Month, play_month
from tests.simulation.campaign import databases


def main() -> int:
    """Play the month and print its figures; 1 when something does not add up."""
    parser = argparse.ArgumentParser(prog="python -m tests.month", description=__doc__)
    parser.add_argument("--meals", type=int, default=27_000)
    parser.add_argument("--cards", type=int, default=3_837)
    arguments = parser.parse_args()
    begun = time.monotonic()
    with databases(2, 1) as (url,):
        month = play_month(url, arguments.meals, arguments.cards)
    return _tell(month, time.monotonic() - begun)


def _tell(month: Month, seconds: float) -> int:
    adds_up = month.charged == month.served - month.undone and not month.broken and not month.errors and month.locked
    for name, value in (
        ("green lamps", month.served),
        ("refused at the till", month.refused),
        ("taken back at the till", month.undone),
        ("charges in force", month.charged),
        ("charged, yuan", yuan_text(Fen(month.charged_fen))),
        ("posted in a later day than eaten", month.late),
        ("days closed and signed", len(month.closes)),
        ("transfers", month.transfers),
        ("records", month.records),
        ("broken invariants", month.broken or "none"),
        ("unexplained errors", month.errors or "none"),
        ("month locked", "yes" if month.locked else "no"),
    ):
        print(f"{name:<34} {value}")
    for stall, fen in sorted(month.payable.items()):
        print(f"{'payable to ' + stall:<34} {yuan_text(Fen(fen))}")
    for kind, count in sorted(month.differences.items()):
        print(f"{'difference: ' + kind:<34} {count:>4}  {EXPLANATIONS[kind]}")
    print(f"{'adds up':<34} {'yes' if adds_up else 'NO'}  ({seconds:.0f} s)")
    return 0 if adds_up else 1


if __name__ == "__main__":
    raise SystemExit(main())
