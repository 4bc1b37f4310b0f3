"""Fuzz targets for files and codes that people bring: tables, statements, passes, pictures, collected journals."""

from __future__ import annotations

import contextlib
import io
from datetime import UTC, datetime
from itertools import islice

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.ids import MAX_EPOCH
from cardcore.issuer import IssuerKey, SignatureAlgorithm
from cardcore.qr_pass import QrPass, pass_text, verified_pass
from cardcore.reasons import Reason
from cardcore.wire.journal_file import JournalFileError, read_header, read_uploads
from server.close.bank import BankLine, read_statement
from server.people.photos import PhotoRefusal, _kept
from server.settlement.purchases import read_file
from server.subsidies.cells import Unreadable, read_sheet

MAX_UPLOADS_READ = 64
MAX_PICTURE_BYTES = 1_000_000
NOON = datetime(2026, 9, 7, 4, 0, tzinfo=UTC)
ISSUER_KEY = Ed25519PrivateKey.from_private_bytes(b"no fuzzer has ever seen this one")
ISSUER = IssuerKey(b"SITE", SignatureAlgorithm.ED25519, ISSUER_KEY.public_key().public_bytes_raw())
STALLS, MEALS = frozenset({"noodles"}), frozenset({"lunch"})
GENUINE = QrPass(ISSUER.issuer_id, bytes(range(16)), 0, 2**32 - 1)
"""The one pass that was ever made with the key."""


def sheets(data: bytes) -> None:
    """Check that a table of any kind is read, with rows in order, or refused with its problem."""
    read = read_sheet(data)
    if not isinstance(read, Unreadable):
        numbers = [row.number for row in read]
        assert numbers == sorted(set(numbers))


def bank_statements(data: bytes) -> None:
    """Check that a statement is all lines, none twice, or all problems; a file of purchases likewise."""
    read = read_statement(data)
    references = [line.reference for line in read if isinstance(line, BankLine)]
    assert len(references) in {0, len(read)}
    assert len(set(references)) == len(references)
    read_file(data, STALLS, MEALS)


def qr_passes(data: bytes) -> None:
    """Check that no text but the one that was signed is a pass."""
    found = verified_pass(data.decode(errors="replace"), (ISSUER,), NOON)
    assert isinstance(found, Reason) or found == GENUINE


def photos(data: bytes) -> None:
    """Check that a picture is written anew as a JPEG, smaller than allowed, or refused."""
    kept = _kept(data)
    if not isinstance(kept, PhotoRefusal):
        assert kept.startswith(b"\xff\xd8\xff")
        assert len(kept) <= MAX_PICTURE_BYTES


def journal_files(data: bytes) -> None:
    """Check that a collected journal is read upload by upload, or refused with its one error."""
    file = io.BytesIO(data)
    with contextlib.suppress(JournalFileError):
        header = read_header(file.read)
        for upload in islice(read_uploads(file.read, header), MAX_UPLOADS_READ):
            assert 0 < upload.epoch <= MAX_EPOCH


def genuine_pass() -> bytes:
    """Return the text of the genuine pass, for the corpus."""
    return pass_text(GENUINE, ISSUER_KEY.sign).encode()
