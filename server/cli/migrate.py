"""`onecard migrate`: brings the schema to the newest version, as the role that owns it, and publishes policy anew.

A newer version may write items in other words or with more in them: what is published must be what it would publish.
"""

from __future__ import annotations

import argparse
from functools import partial

from server.cli.opened import opened
from server.cli.repository import sites
from server.database import schema_version
from server.policy import service as policy
from server.settings import Settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """No options."""


def run(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Migrate, bring every site's policy in line with its rows, and say which version the schema now has."""
    with opened(settings) as found:
        for site, _ in found.database.read(sites):
            found.database.write(partial(policy.refresh, system=found.system, site_id=site))
        print(f"onecard: the schema is at version {found.database.read(schema_version)}")
    return 0
