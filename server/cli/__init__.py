"""The command `onecard`: one module a command group, imported only when it is asked for.

Exit codes: 0 done, 1 it did not go well, 2 used or set up wrongly.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

COMMANDS = {
    "serve": "run the server",
    "migrate": "bring the database's schema to the newest version",
    "backup": "copy the database, list the copies, try one",
    "restore": "put a backup in place of the database",
    "doctor": "find what is wrong and say what to do",
    "user": "add, list, disable staff; set passwords",
    "people": "import people and their cards from a sheet, after a dry run",
    "card": "make cards on an encoder; report them lost, found, returned; replace and lend them",
    "edge-keys": "give single devices a reading key for the time without the server, list and revoke such keys",
    "keys": "make the card keys, show their state, begin new epochs, restore them",
    "collect": "take a device's records from a file",
    "device": "enrol, list, assign and revoke reader daemons",
    "presence": "count and list who is inside; forgive a person, reset a zone",
    "lane": "list lanes, hold and release one, explain why somebody may pass, list what is odd",
    "alarms": "list what waits, say what was found",
    "lockdown": "list threat plans, begin one, end one",
    "audit": "export the audit log, sign restore statements",
    "verify-audit": "check an exported audit log, offline, with the server's public key alone",
    "close": "close and sign business days",
    "reconcile": "hold a day's equalities, list and settle what differs",
    "stall": "contracts, purchases and settlement of stalls",
    "export": "write reports and books into files",
    "subsidy": "take in sheets of subsidies, payroll and bank files; run a month",
    "till": "how tills charge, subsidies of first taps, missing prices",
    "desk": "a cashier's shift: cash over the counter, undo, closing an account",
    "money": "ask for refunds, corrections, monthly plans; set purse rules; list debts",
    "approval": "list what waits for a second person, and decide it",
    "webhook": "send events to other programs: add, test, pause, send again, look at deliveries",
    "seed": "write the reference site into the database",
}
WITH_OWN_OPTIONS = {
    "demo": ("server.demo", "run a whole site with virtual readers on this machine"),
    "bench": ("server.bench", "measure this machine"),
}
"""Commands that read their own options."""

DONE = 0
NOT_WELL = 1
USED_WRONGLY = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in WITH_OWN_OPTIONS:
        return int(import_module(WITH_OWN_OPTIONS[words[0]][0]).main(words[1:]) or DONE)
    arguments = _parser(words[0] if words else "").parse_args(words)
    return _run(arguments)


def _parser(wanted: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="onecard", description="One card for the gate and the canteen.")
    parser.add_argument("--config", type=Path, help="a TOML file of settings; ONECARD_* variables stand above it")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, text) in WITH_OWN_OPTIONS.items():
        commands.add_parser(name, help=text, add_help=False)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if wanted in {name, "--config"} or wanted.startswith("--config="):
            import_module(_module(name)).add_options(command)
    return parser


def _module(command: str) -> str:
    return f"server.cli.{command.replace('-', '_')}"


def _run(arguments: argparse.Namespace) -> int:
    from server.audit.origin import coming_from
    from server.cli.opened import SiteChoiceError
    from server.database import DatabaseUnavailableError
    from server.embedded import EmbeddedPostgresError
    from server.keys.key_file import KeyFileError
    from server.keys.vault import VaultError
    from server.logs import configure_logs
    from server.secrets_file import SecretsFileError, WrongKeyError
    from server.settings import SettingsError, load_settings

    configure_logs("warning", "console")  # a server sets its own when its settings are read
    try:
        settings = load_settings(arguments.config)
        with coming_from(_origin(arguments.command)):
            return int(import_module(_module(arguments.command)).run(arguments, settings))
    except SettingsError as error:
        for problem in error.problems:
            print(f"onecard: {problem}", file=sys.stderr)
        return USED_WRONGLY
    except SiteChoiceError as error:
        print(f"onecard: {error}", file=sys.stderr)
        return USED_WRONGLY
    except (
        DatabaseUnavailableError,
        EmbeddedPostgresError,
        SecretsFileError,
        WrongKeyError,
        KeyFileError,
        VaultError,
    ) as error:
        print(f"onecard: {error}", file=sys.stderr)
        return NOT_WELL
    except KeyboardInterrupt:
        return 130


def _origin(command: str) -> str:
    """Return where the audit trail says that a command's deeds come from: the account of this machine."""
    from server.audit.origin import SERVER, of_command

    if command == "serve":
        return SERVER
    try:
        return of_command(getpass.getuser())
    except (KeyError, OSError):  # an account without a name, as in some containers
        return of_command(str(os.getuid()))
