"""Fuzz targets for frames of the link and for documents. Each raises only when a promise is broken."""

from __future__ import annotations

import contextlib

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore import merkle
from cardcore.access.items import Item
from cardcore.checkpoint import read_checkpoint, read_restore
from cardcore.credential import CredentialProblem, credential_body, read_credential
from cardcore.ids import credential_key
from cardcore.journal import Record, read_body
from cardcore.money import parse_yuan
from cardcore.signed_note import parse_note
from cardcore.wire.codec import BadFrame, decode_for_daemon, decode_for_server, encode
from reader_daemon.settings import SettingsError, parse_settings
from server.audit.verification import verify_export
from server.keys.share_text import read_share
from server.keys.shares import SharesError
from server.seed.card_list import parse_card_list

SERVER_KEY = Ed25519PrivateKey.from_private_bytes(b"never known to a fuzzer, 32 byte").public_key().public_bytes_raw()
OFFICERS = {name: bytes([number]) * 32 for number, name in enumerate(("li.wei", "wang.fang"))}
PROOF_PARTS = 64

_item: msgspec.json.Decoder[Item] = msgspec.json.Decoder(Item)


def link_frames(data: bytes) -> None:
    """Check that a frame is a message or a named defect, and a message the same after another trip."""
    for_server, for_daemon = decode_for_server(data), decode_for_daemon(data)
    if not isinstance(for_server, BadFrame):
        assert _same(for_server, decode_for_server(encode(for_server)))
    if not isinstance(for_daemon, BadFrame):
        assert _same(for_daemon, decode_for_daemon(encode(for_daemon)))


def journal_bodies(data: bytes) -> None:
    """Check that a body of any content is read or set aside."""
    read_body(Record(1, data, b"", b"", b""))


def policy_items(data: bytes) -> None:
    """Check that an item of a card list is read or refused by its one error."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _item.decode(data)


def card_lists(data: bytes) -> None:
    """Check that the seed's list is read or refused with words."""
    with contextlib.suppress(ValueError):
        parse_card_list(data)


def reader_settings(data: bytes) -> None:
    """Check that a settings file is read or refused with the place of the mistake."""
    with contextlib.suppress(SettingsError):
        parse_settings(data.decode(errors="replace"), "reader.toml", {})


def credentials(data: bytes) -> None:
    """Check that a credential file has one encoding, and that texts are credential keys and amounts or refused."""
    found = read_credential(data)
    if not isinstance(found, CredentialProblem):
        assert credential_body(found) == data[:42]
    text = data.decode(errors="replace")
    with contextlib.suppress(ValueError):
        assert credential_key(text) == text
    with contextlib.suppress(ValueError):
        parse_yuan(text)


def key_shares(data: bytes) -> None:
    """Check that a typed share is read or refused with its line."""
    with contextlib.suppress(SharesError):
        read_share(data.decode(errors="replace"))


def signed_notes(data: bytes) -> None:
    """Check that a note has one form, and that nobody signs for a key that he does not hold."""
    document = data.decode(errors="replace")
    note = parse_note(document)
    assert note is None or note.document() == document
    assert read_checkpoint(document, SERVER_KEY) is None
    assert read_restore(document, OFFICERS) is None


def audit_exports(data: bytes) -> None:
    """Check that any file gets a report, and that nothing is proven without the server's key."""
    report = verify_export(data.splitlines(keepends=True), SERVER_KEY)
    assert report.differences
    assert report.proven is None


def tree_proofs(data: bytes) -> None:
    """Check that no made-up proof holds: of growth, or of a leaf in a tree of other leaves."""
    old, new, index = (int.from_bytes(data[at : at + 2], "big") for at in (0, 2, 4))
    proof = [data[at : at + 32] for at in range(6, min(len(data), 6 + 32 * PROOF_PARTS), 32)]
    trees = (old, bytes(32)), (new, b"\1" * 32)
    assert not merkle.is_consistent(*trees, proof)
    assert not merkle.is_included(merkle.leaf_hash(data), index, trees[1], proof)


def _same(message: object, again: object) -> bool:
    """Compare two messages; NaN in a number would equal nothing, so texts are compared."""
    return repr(message) == repr(again)
