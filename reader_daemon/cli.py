"""The command `onecard-reader`: run the daemon, enrol it, list what is plugged in, look for trouble.

Exit codes: 0 well, 1 trouble that was found or happened, 2 settings or usage.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from cardcore.card_keys.roles import DEFAULT_LAYOUT
from reader_daemon.settings import Settings, SettingsError, load_settings

CONFIG_VARIABLE = "ONECARD_READER_CONFIG"
DEFAULT_CONFIG = "/etc/onecard/reader.toml"
TROUBLE = 1
USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(argv)
    from reader_daemon.logs import set_up_logs

    set_up_logs(options.log)
    if options.command == "readers":
        return _readers()
    if options.command == "card":
        return _card_doctor(options.reader, Path(options.config))
    try:
        settings = load_settings(Path(options.config), os.environ)
        match options.command:
            case "run":
                return _run(settings)
            case "enrol":
                return _enrol(settings, options.code)
            case "witness":
                return _witness(settings)
            case "journal":
                return _journal(settings, options)
            case _:
                return _doctor(settings)
    except SettingsError as error:
        print(f"onecard-reader: {error}", file=sys.stderr)
        return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="onecard-reader", description="The daemon between readers and the server.")
    parser.add_argument(
        "--config",
        default=os.environ.get(CONFIG_VARIABLE, DEFAULT_CONFIG),
        help=f"settings file (default: ${CONFIG_VARIABLE} or {DEFAULT_CONFIG})",
    )
    parser.add_argument("--log", default="info", choices=("debug", "info", "warning", "error"), help="log from here on")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="serve readers until stopped")
    enrolling = commands.add_parser("enrol", help="get an identity from the server, once")
    enrolling.add_argument("code", help="the one-time code an administrator made")
    commands.add_parser("readers", help="list PC/SC readers and serial ports")
    commands.add_parser("witness", help="print the newest checkpoint of the server's audit log that this box accepted")
    card = commands.add_parser("card", help="look at the card on a reader").add_subparsers(dest="what", required=True)
    looking = card.add_parser("doctor", help="say what the card is and what it would accept; never writes")
    looking.add_argument("--reader", default="", help="a part of the reader's name (default: every reader)")
    commands.add_parser("doctor", help="look at settings, keys, journal, server and ports")
    journal = commands.add_parser("journal", help="records as a file, for the server's `onecard collect`")
    what = journal.add_subparsers(dest="action", required=True)
    exporting = what.add_parser("export", help="write what the server does not have yet; the journal stays as it is")
    exporting.add_argument("--all", action="store_true", help="every kept record, not only what waits")
    exporting.add_argument("file", type=Path, help="the file to write; it must not exist")
    salvaging = what.add_parser("salvage", help="write every record that can still be read in a damaged journal")
    salvaging.add_argument("journal", type=Path, help="the file that was set aside: journal.damaged-....db")
    salvaging.add_argument("file", type=Path, help="the file to write; it must not exist")
    return parser


def software() -> str:
    """Return name and version for the hello."""
    try:
        return f"onecard-reader {metadata.version('onecard')}"
    except metadata.PackageNotFoundError:
        return "onecard-reader (not installed)"


def _run(settings: Settings) -> int:
    from reader_daemon.identity import IdentityError, load_identity
    from reader_daemon.store.journal_schema import JournalDamagedError
    from reader_daemon.store.sqlite_file import StoreUnusableError
    from reader_daemon.transports.pcsc_service import PcscMissing

    try:
        identity = load_identity(settings.data_dir)
        with asyncio.Runner() as runner:
            from reader_daemon.serving import serve

            stop = asyncio.Event()
            loop = runner.get_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, stop.set)
            runner.run(serve(settings, identity, stop, software()))
    except (IdentityError, StoreUnusableError, JournalDamagedError, PcscMissing, OSError) as error:
        print(f"onecard-reader: {error}", file=sys.stderr)
        return TROUBLE
    return 0


def _enrol(settings: Settings, code: str) -> int:
    from reader_daemon.enrol import EnrolError, enrol
    from reader_daemon.system import real_system

    try:
        identity = enrol(settings.server_url, settings.ca_file, code, settings.data_dir, real_system().ids, software())
    except (EnrolError, OSError) as error:
        print(f"onecard-reader: {error}", file=sys.stderr)
        return TROUBLE
    print(f"enrolled as {identity.name}, device {identity.device}; keys are in {settings.data_dir}")
    return 0


def _readers() -> int:
    from reader_daemon.transports.plugged_in import pcsc_readers, serial_ports

    for port in serial_ports():
        print(f"serial  {port}")
    for reader in pcsc_readers():
        print(f"PC/SC   {reader}")
    return 0


def _witness(settings: Settings) -> int:
    from reader_daemon.store.sqlite_file import StoreFault
    from reader_daemon.store.witness_db import WitnessStore

    held = WitnessStore(settings.data_dir).load()
    if isinstance(held, StoreFault):
        print(f"onecard-reader: {held.detail}", file=sys.stderr)
        return TROUBLE
    print(held.seen, end="")
    for at_ms, why in held.refused:
        print(f"onecard-reader: a checkpoint was refused as {why}, at {at_ms} ms since 1970", file=sys.stderr)
    return TROUBLE if held.refused else 0


def _journal(settings: Settings, options: argparse.Namespace) -> int:
    from cardcore.clock import to_millis
    from reader_daemon.identity import IdentityError, load_identity
    from reader_daemon.journal_export import export
    from reader_daemon.store.journal_schema import JournalDamagedError
    from reader_daemon.system import real_system

    salvaging = options.action == "salvage"
    source = options.journal if salvaging else settings.data_dir / "journal.db"
    made_at_ms = to_millis(real_system().clock.now())
    try:
        identity = load_identity(settings.data_dir)
        done = export(source, identity, options.file, made_at_ms, software(), whole=salvaging or options.all)
    except (IdentityError, JournalDamagedError, OSError) as error:
        print(f"onecard-reader: {error}", file=sys.stderr)
        return TROUBLE
    print(f"{options.file}: {done.records} records of {done.epochs} epoch(s); at the server: onecard collect FILE")
    for epoch, first, last in done.left_out.missing:
        print(f"missing in epoch {epoch}: {first} to {last}", file=sys.stderr)
    for problem in done.left_out.unreadable:
        print(f"cannot be read: {problem}", file=sys.stderr)
    if done.left_out.forged:
        print(f"left out, because they are not authentic: {done.left_out.forged}", file=sys.stderr)
    return TROUBLE if done.left_out.missing or done.left_out.forged or done.left_out.unreadable else 0


def _doctor(settings: Settings) -> int:
    from reader_daemon.doctor import examine
    from reader_daemon.system import real_system

    bad = 0
    for finding in examine(settings, real_system()):
        bad += not finding.good
        print(f"{'ok' if finding.good else 'BAD':<4}{finding.check}: {finding.detail}")
    return TROUBLE if bad else 0


def _card_doctor(wanted: str, config: Path) -> int:
    from reader_daemon.card_doctor import examine_cards
    from reader_daemon.protocols.card.outcome import CardFailure
    from reader_daemon.system import real_system
    from reader_daemon.transports.pcsc_scard import pcsc_establish
    from reader_daemon.transports.pcsc_service import PcscFault, PcscMissing

    try:
        layout = load_settings(config, os.environ).cards.layout if config.exists() else DEFAULT_LAYOUT
        seen = 0
        for name, found in examine_cards(pcsc_establish(), wanted, layout, real_system().clock):
            seen += 1
            print(name)
            if isinstance(found, CardFailure):
                print(f"    {found.reason}: {found.detail}")
                continue
            for line in found:
                print(f"    {line.subject}: {line.detail}")
    except (SettingsError, PcscMissing, PcscFault) as error:
        print(f"onecard-reader: {error}", file=sys.stderr)
        return TROUBLE
    if not seen:
        print("no card on a reader; lay one down and call again", file=sys.stderr)
    return 0 if seen else TROUBLE
