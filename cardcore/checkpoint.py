"""What is signed about the audit tree: a checkpoint (C2SP tlog-checkpoint style) and the statement of a restore.

A checkpoint says: the log of this origin had `size` leaves and this root. Its signer is the installation's key, which
daemons pin at enrolment; daemons that saw it grow cosign it. A restore statement is the only thing that lets a witness
accept a shorter tree, and it needs the signatures of two officers whose keys the witness was given by hand.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.merkle import HASH_BYTES
from cardcore.signed_note import Note, parse_note

SERVER_NAME = "onecard"
"""Name under which the installation signs."""
OFFICERS_NEEDED = 2
MAX_REASON = 200
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_RESTORE_TITLE = "onecard audit restore statement"


def origin_of(server_key: bytes) -> str:
    """Return the name of the log that a server key signs: it never changes while the key stands."""
    return f"onecard/audit/{hashlib.sha256(server_key).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log's state at one moment; `at_ms` is the server's wall clock, for people."""

    origin: str
    size: int
    root: bytes
    generation: str
    at_ms: int

    @property
    def tree(self) -> tuple[int, bytes]:
        """Size and root, as proofs take them."""
        return self.size, self.root

    def text(self) -> str:
        """Return the text that is signed."""
        root = base64.b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\ngeneration {self.generation}\nat {self.at_ms}\n"

    def signed(self, key: Ed25519PrivateKey) -> str:
        """Return the note with the installation's signature."""
        return Note(self.text()).signed(SERVER_NAME, key).document()


def read_checkpoint(document: str, server_key: bytes) -> Checkpoint | None:
    """Return a checkpoint of this installation, or None when it is none or its signature is wrong."""
    note = parse_note(document)
    if note is None or not note.is_signed_by(SERVER_NAME, server_key):
        return None
    lines = note.text.split("\n")
    if len(lines) != 6:  # noqa: PLR2004 - the five lines of `text` and the end
        return None
    origin, size, root, generation, at, _ = lines
    found = _numbers(size, at.removeprefix("at ")), _hash(root)
    if found[0] is None or found[1] is None or origin != origin_of(server_key):
        return None
    checkpoint = Checkpoint(origin, found[0][0], found[1], generation.removeprefix("generation "), found[0][1])
    return checkpoint if checkpoint.text() == note.text else None


def cosigned(document: str, device: str, key: Ed25519PrivateKey) -> str:
    """Return the signature line's value of a witness: a note of its own over the checkpoint's text."""
    note = parse_note(document)
    if note is None:
        msg = "only a checkpoint can be cosigned"
        raise ValueError(msg)
    return Note(note.text).signed(device, key).document()


def is_cosigned(document: str, cosignature: str, device: str, device_key: bytes) -> bool:
    """Tell whether a device signed exactly this checkpoint."""
    note, witness = parse_note(document), parse_note(cosignature)
    return note is not None and witness is not None and note.text == witness.text and (
        witness.is_signed_by(device, device_key)
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RestoreStatement:
    """Why a log became shorter: the database was restored from an older backup (reliability sheet, section 10)."""

    origin: str
    old: tuple[int, bytes]
    """Size and root that a witness saw before the restore."""
    new: tuple[int, bytes]
    """Size and root of the restored log, from which it goes on."""
    generation: str
    reason: str

    def text(self) -> str:
        """Return the text that is signed."""
        sizes = [f"{name} {size} {base64.b64encode(root).decode()}\n" for name, (size, root) in self._trees()]
        reason = " ".join(self.reason.split())[:MAX_REASON]
        return f"{_RESTORE_TITLE}\n{self.origin}\n{''.join(sizes)}generation {self.generation}\nreason {reason}\n"

    def _trees(self) -> tuple[tuple[str, tuple[int, bytes]], tuple[str, tuple[int, bytes]]]:
        return ("old", self.old), ("new", self.new)


def read_restore(document: str, officers: Mapping[str, bytes]) -> RestoreStatement | None:
    """Return a statement that two different officers of these (name -> public key) signed, or None."""
    note = parse_note(document)
    if note is None:
        return None
    signers = {key for name, key in officers.items() if note.is_signed_by(name, key)}
    return parse_restore(note) if len(signers) >= OFFICERS_NEEDED else None


def parse_restore(note: Note) -> RestoreStatement | None:
    """Return what a note says about a restore, whoever signed it; None when it says nothing of the kind."""
    lines = note.text.split("\n")
    if len(lines) != 7 or lines[0] != _RESTORE_TITLE:  # noqa: PLR2004 - as `text`
        return None
    _, origin, old, new, generation, reason, _ = lines
    trees = [_tree(line) for line in (old, new)]
    if trees[0] is None or trees[1] is None:
        return None
    statement = RestoreStatement(
        origin, trees[0], trees[1], generation.removeprefix("generation "), reason.removeprefix("reason ")
    )
    return statement if statement.text() == note.text else None


def _tree(line: str) -> tuple[int, bytes] | None:
    _, size, root = (*line.split(" "), "", "")[:3]
    numbers, digest = _numbers(size), _hash(root)
    return None if numbers is None or digest is None else (numbers[0], digest)


def _numbers(*texts: str) -> tuple[int, ...] | None:
    return tuple(map(int, texts)) if all(_NUMBER.fullmatch(text) for text in texts) else None


def _hash(text: str) -> bytes | None:
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest if len(digest) == HASH_BYTES else None
