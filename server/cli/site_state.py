"""What `onecard lockdown` and `onecard presence` share: the site, and how a refusal is told."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from enum import StrEnum

from cardcore.ids import SiteId
from server.cli.opened import Opened, opened
from server.settings import Settings


def on_site(arguments: argparse.Namespace, settings: Settings, action: Callable[[Opened, SiteId], int]) -> int:
    """Run an action on the site that the options name. Raises SiteChoiceError when they name none."""
    with opened(settings) as found:
        return action(found, found.site(arguments.site))


def told(refusal: StrEnum | None, advice: dict[str, str], done: str) -> int:
    """Print what became of it; return the exit code."""
    if refusal is None:
        print(done)
        return 0
    print(f"onecard: {advice.get(refusal.value, refusal.value)}", file=sys.stderr)
    return 1
