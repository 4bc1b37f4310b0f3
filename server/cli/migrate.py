"""`onecard migrate`: brings the schema to the newest version, as the role that owns it."""

from __future__ import annotations

import argparse

from server.cli.opened import opened
from server.database import schema_version
from server.settings import Settings


def add_options(parser: argparse.ArgumentParser) -> None:
    """No options."""


def run(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Migrate and say which version the schema now has."""
    with opened(settings) as found:
        print(f"onecard: the schema is at version {found.database.read(schema_version)}")
    return 0
