"""`onecard audit`: the export that proves itself, the key to prove it with, and statements of a restore."""

from __future__ import annotations

import argparse
import base64
import os
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.checkpoint import RestoreStatement, read_checkpoint
from cardcore.signed_note import Note, parse_note
from server.audit import tree_repository as tree
from server.audit.export import export_lines
from server.audit.service import Deed, record
from server.cli.opened import CLI_ACTOR, Opened, opened
from server.database import ReadSession, WriteSession
from server.devices.register import Register
from server.secrets_file import ServerSecrets, load_secrets
from server.settings import Settings
from server.system import real_system


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    export = actions.add_parser("export", help="write the sealed log into a file for `onecard verify-audit`")
    export.add_argument("file", type=Path)
    actions.add_parser("key", help="print the public key that verifies exports and checkpoints")
    officer = actions.add_parser("officer-key", help="make an officer's key for restore statements; prints its public")
    officer.add_argument("file", type=Path, help="where the private key goes; it must not exist, and stays with them")
    statement = actions.add_parser("restore-statement", help="say that the log became shorter by a restore")
    statement.add_argument("file", type=Path, help="where the statement goes")
    statement.add_argument("--witness", type=Path, required=True, help="a witness's last checkpoint before the restore")
    statement.add_argument("--reason", required=True)
    sign = actions.add_parser("sign", help="put an officer's signature under a restore statement; needs no server")
    sign.add_argument("file", type=Path)
    sign.add_argument("--name", required=True, help="the officer's name as the daemons know it")
    sign.add_argument("--key", type=Path, required=True)
    publish = actions.add_parser("publish", help="hand a signed restore statement to the daemons")
    publish.add_argument("file", type=Path)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Carry out one action."""
    try:
        match arguments.action:
            case "export":
                return _export(arguments.file, settings)
            case "key":
                print(_secrets(settings).identity_public.hex())
            case "officer-key":
                return _officer_key(arguments.file)
            case "restore-statement":
                return _statement(arguments, settings)
            case "sign":
                return _sign(arguments)
            case _:
                return _publish(arguments.file, settings)
    except OSError as error:
        print(f"onecard: {error}", file=sys.stderr)
        return 1
    return 0


def _secrets(settings: Settings) -> ServerSecrets:
    return load_secrets(settings.data_dir, real_system().ids)


def _export(file: Path, settings: Settings) -> int:
    key = _secrets(settings).identity_public

    def write(session: ReadSession) -> int:
        with file.open("wb") as out:
            return sum(out.write(line) for line in export_lines(session, key))

    with opened(settings) as found:
        size = found.database.read(write, stable=True)
    print(f"{file}: {size} bytes. Check it anywhere: onecard verify-audit {file} --key {key.hex()}")
    return 0


def _officer_key(file: Path) -> int:
    private = Ed25519PrivateKey.from_private_bytes(real_system().ids.random_bytes(32))
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(base64.b64encode(private.private_bytes_raw()) + b"\n")
    print(private.public_key().public_bytes_raw().hex())
    return 0


def _statement(arguments: argparse.Namespace, settings: Settings) -> int:
    secrets = _secrets(settings)
    seen = read_checkpoint(arguments.witness.read_text(encoding="utf-8"), secrets.identity_public)
    if seen is None:
        print(f"onecard: {arguments.witness} is no checkpoint of this installation", file=sys.stderr)
        return 1
    with opened(settings) as found:
        note = found.database.read(tree.newest_checkpoint)
        generation = _generation(found, secrets)
    now = None if note is None else read_checkpoint(note["note"], secrets.identity_public)
    if now is None or now.size >= seen.size:
        print("onecard: the log is not shorter than what the witness saw: nothing needs a statement", file=sys.stderr)
        return 1
    statement = RestoreStatement(seen.origin, seen.tree, now.tree, generation, arguments.reason)
    arguments.file.write_text(Note(statement.text()).document(), encoding="utf-8")
    print(f"{arguments.file}: two officers sign it (onecard audit sign), then: onecard audit publish {arguments.file}")
    return 0


def _generation(found: Opened, secrets: ServerSecrets) -> str:
    return Register(found.database, found.system, secrets).generation()


def _sign(arguments: argparse.Namespace) -> int:
    note = _note(arguments.file)
    if note is None:
        print(f"onecard: {arguments.file} is no statement", file=sys.stderr)
        return 1
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(arguments.key.read_bytes()))
    arguments.file.write_text(note.signed(arguments.name, private).document(), encoding="utf-8")
    return 0


def _publish(file: Path, settings: Settings) -> int:
    note = _note(file)
    if note is None:
        print(f"onecard: {file} is no statement", file=sys.stderr)
        return 1
    with opened(settings) as found:
        now = found.system.clock.now()
        statement_id = found.system.ids.uuid7()

        def write(session: WriteSession) -> None:
            tree.insert_restore(session, statement_id, note.document(), now)
            signers = [name for name, _ in note.signatures]
            deed = Deed(CLI_ACTOR, "restore_statement_published", f"restore:{statement_id}", after={"signers": signers})
            record(session, found.system, None, deed)

        found.database.write(write)
    return 0


def _note(file: Path) -> Note | None:
    """Read a statement, with or without signatures."""
    document = file.read_text(encoding="utf-8")
    if document.endswith("\n\n"):
        return Note(document[:-1])
    return parse_note(document)
