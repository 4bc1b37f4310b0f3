"""Which modules are broken on purpose, and which tests must notice. Each group has tests that need few seconds."""

from __future__ import annotations

from dataclasses import dataclass

SEEDS = "tests/simulation/test_first_tier.py::test_no_invariant_breaks[range(0, 100)]"
"""A hundred stories of the simulator, over tables in memory."""


@dataclass(frozen=True, slots=True)
class Target:
    """A group of modules and the tests that hold them."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    needs_database: bool = False


TARGETS = (
    Target("decide", ("cardcore.access.decide", "cardcore.access.presence"), ("tests/cardcore/access",)),
    Target(
        "authorise",
        (
            "cardcore.canteen.authorise",
            "cardcore.canteen.limits",
            "cardcore.canteen.offline",
            "cardcore.canteen.pricing",
            "cardcore.canteen.selling",
        ),
        ("tests/cardcore/canteen",),
    ),
    Target(
        "merge",
        ("cardcore.journal", "server.taps.checks", "server.taps.batch"),
        (
            "tests/cardcore/test_journal.py",
            SEEDS,
            "tests/server/taps/test_taps.py",
            "tests/server/taps/test_rogue_daemon.py",
            "tests/server/taps/test_modes.py",
            "tests/server/taps/test_presence.py",
        ),
        needs_database=True,
    ),
    Target(
        "ledger",
        ("server.taps.ledger_sheet", "server.ledger.booking", "server.ledger.service"),
        (
            SEEDS,
            "tests/server/ledger/test_ledger.py",
            "tests/server/ledger/test_holder_transfer.py",
            "tests/server/ledger/test_merging.py",
            "tests/server/ledger/test_rules.py",
            "tests/server/taps/test_modes.py",
            "tests/server/taps/test_taps.py",
        ),
        needs_database=True,
    ),
)
