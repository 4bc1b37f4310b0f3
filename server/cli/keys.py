"""`onecard keys`: the ceremony that makes card keys, their state and check values, further epochs, and the backup.

Reads and writes `card.keys` in the data folder. Shows check values and never a key; shares are shown once, on paper.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path

from cardcore.card_keys.roles import KeyRole
from cardcore.ids import SiteId
from server.audit.service import Deed, record
from server.cli.opened import CLI_ACTOR, Opened, opened
from server.database import WriteSession
from server.keys.ceremony import CeremonyError, printed_shares, rotated, with_site
from server.keys.key_file import (
    FILE_NAME,
    KeyFileError,
    OpenedFile,
    new_file,
    open_with_file_key,
    open_with_passphrase,
    read_key_file,
    resealed,
    sealed_file,
    write_key_file,
)
from server.keys.memory import forbid_core_dumps
from server.keys.names import issuer_key, site_layout
from server.keys.opening import unlocking_secret
from server.keys.service import epoch_rows
from server.keys.share_text import MAX_TEXT, shares_of
from server.keys.shares import SharesError, combine
from server.keys.vault import VaultError
from server.settings import Settings

USED_WRONGLY = 2
NEWEST = "newest"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    ceremony = actions.add_parser("ceremony", help="make the keys of a site, and shares of their backup on paper")
    ceremony.add_argument("--needed", type=int, default=2, help="how many shares restore the keys (default 2)")
    ceremony.add_argument("--shares", type=int, default=3, help="how many shares are printed (default 3)")
    actions.add_parser("status", help="list masters, epochs and check values")
    actions.add_parser("export-kcv", help="write the check values as CSV, to compare with another copy")
    rotate = actions.add_parser("rotate", help="make the next epoch; cards of the one before stay good")
    rotate.add_argument("--role", action="append", required=True, choices=[str(role) for role in KeyRole])
    restore = actions.add_parser("restore", help="open a copy of card.keys with shares, and set a new passphrase")
    restore.add_argument("--share", action="append", required=True, type=Path, help="a file with one share as typed in")
    load = actions.add_parser("load-token", help="put the keys into the PKCS#11 token of the settings")
    load.add_argument("--pin-file", type=Path, required=True, help="a file of 0600 with the token's PIN")
    for action in (ceremony, rotate, restore, load):
        action.add_argument("--passphrase-file", type=Path, help="a file of 0600; asked for when left out")
    parser.add_argument("--site", default="", help="the site's short name, where there are several")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    forbid_core_dumps()
    with opened(settings) as found:
        try:
            site = found.site(arguments.site)
            return _ACTIONS[arguments.action](arguments, settings, found, site)
        except (KeyFileError, CeremonyError, SharesError, VaultError, ValueError) as error:
            print(f"onecard: {error}", file=sys.stderr)
            return 1


def _ceremony(arguments: argparse.Namespace, settings: Settings, found: Opened, site: SiteId) -> int:
    path, draw = settings.data_dir / FILE_NAME, found.system.ids.random_bytes
    if path.exists():
        file = open_with_passphrase(read_key_file(path), asked_passphrase(arguments, "passphrase of the card keys"))
        shares = []
    else:
        file = new_file(asked_passphrase(arguments, "new passphrase for the card keys", twice=True), draw)
        shares = printed_shares(file, arguments.needed, arguments.shares, draw)
    file = with_site(file, site, draw, found.system.clock.now())
    _write(file, path, found, site, "card_keys_made")
    for number, text in enumerate(shares, 1):
        print(f"--- share {number} of {len(shares)}; {arguments.needed} restore the keys ---\n{text}")
    return _print_status(file, site)


def _status(_arguments: argparse.Namespace, settings: Settings, _found: Opened, site: SiteId) -> int:
    for each in epoch_rows(read_key_file(settings.data_dir / FILE_NAME).public.masters, site):
        name, made = each.row.master, f"{each.row.created_at:%Y-%m-%d}"
        print(f"{name.role:<18} epoch {name.epoch:<4} {each.state:<9} {each.row.check_value}  {made}")
    for row in read_key_file(settings.data_dir / FILE_NAME).public.issuers:
        if row.site == str(site):
            print(f'issuers = ["{issuer_key(row).text()}"]')
    print(f'system_id = "{site_layout(site).system_id.hex()}"')
    return 0


def _export(_arguments: argparse.Namespace, settings: Settings, _found: Opened, site: SiteId) -> int:
    print("role,epoch,check_value")
    for each in epoch_rows(read_key_file(settings.data_dir / FILE_NAME).public.masters, site):
        print(f"{each.row.master.role},{each.row.master.epoch},{each.row.check_value}")
    return 0


def _rotate(arguments: argparse.Namespace, settings: Settings, found: Opened, site: SiteId) -> int:
    path = settings.data_dir / FILE_NAME
    file = open_with_passphrase(read_key_file(path), asked_passphrase(arguments, "passphrase of the card keys"))
    roles = [KeyRole(role) for role in dict.fromkeys(arguments.role)]
    file = rotated(file, site, roles, found.system.ids.random_bytes, found.system.clock.now())
    _write(file, path, found, site, "card_keys_rotated")
    print("onecard: restart the server to use the new epoch", file=sys.stderr)
    return _print_status(file, site)


def _restore(arguments: argparse.Namespace, settings: Settings, found: Opened, site: SiteId) -> int:
    path, draw = settings.data_dir / FILE_NAME, found.system.ids.random_bytes
    shares = shares_of([share.read_text(encoding="utf-8")[:MAX_TEXT] for share in arguments.share])
    file = open_with_file_key(read_key_file(path), combine(shares))
    file = resealed(file, asked_passphrase(arguments, "new passphrase for the card keys", twice=True), draw)
    _write(file, path, found, site, "card_keys_restored")
    return _print_status(file, site)


def _load_token(arguments: argparse.Namespace, settings: Settings, found: Opened, site: SiteId) -> int:
    if settings.keys_module is None:
        print("onecard: set ONECARD_KEYS_MODULE and ONECARD_KEYS_TOKEN first", file=sys.stderr)
        return USED_WRONGLY
    from server.keys.hsm import HsmVault

    sealed = read_key_file(settings.data_dir / FILE_NAME)
    file = open_with_passphrase(sealed, asked_passphrase(arguments, "passphrase of the card keys"))
    pin = unlocking_secret(arguments.pin_file, {}) or ""
    vault = HsmVault(settings.keys_module, settings.keys_token, pin, file.public)
    try:
        found.database.write(lambda session: _record(session, found, site, file, "card_keys_loaded"))
        vault.load(file)
    finally:
        vault.close()
    return _print_status(file, site)


_ACTIONS: dict[str, Callable[[argparse.Namespace, Settings, Opened, SiteId], int]] = {
    "ceremony": _ceremony,
    "status": _status,
    "export-kcv": _export,
    "rotate": _rotate,
    "restore": _restore,
    "load-token": _load_token,
}


def _write(file: OpenedFile, path: Path, found: Opened, site: SiteId, action: str) -> None:
    draw = found.system.ids.random_bytes

    def write(session: WriteSession) -> None:
        _record(session, found, site, file, action)
        write_key_file(path, sealed_file(file, draw), draw)

    found.database.write(write)


def _record(session: WriteSession, found: Opened, site: SiteId, file: OpenedFile, action: str) -> None:
    values = {each.row.master.text: each.row.check_value for each in epoch_rows(file.public.masters, site)}
    record(session, found.system, site, Deed(CLI_ACTOR, action, f"card_keys:{site}", after=values))


def _print_status(file: OpenedFile, site: SiteId) -> int:
    newest = [each.row for each in epoch_rows(file.public.masters, site) if each.state == NEWEST]
    for row in newest:
        print(f"{row.master.role:<18} epoch {row.master.epoch:<4} {row.check_value}")
    return 0


def asked_passphrase(arguments: argparse.Namespace, prompt: str, *, twice: bool = False) -> str:
    """Return the passphrase from the file of the options, from systemd, or as typed. Raises KeyFileError."""
    secret = unlocking_secret(arguments.passphrase_file, os.environ)
    if secret is not None:
        return secret
    typed = getpass.getpass(f"{prompt}: ")
    if twice and getpass.getpass("the same again: ") != typed:
        msg = "the two differ; nothing was done"
        raise KeyFileError(msg)
    return typed
