"""Verifying an exported audit log with nothing but the installation's public key: no database, no network, no secret.

Found are: an edited, dropped, added or moved row, a wrong or missing checkpoint, a forged signature, a cut file. A log
that was cut back or rewritten *and signed again with the server's own key* is found with a checkpoint that a witness or
an auditor kept: `known` (security sheet, section 8.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from cardcore import merkle
from cardcore.checkpoint import Checkpoint, is_cosigned, origin_of, read_checkpoint
from server.audit.export import FORMAT

MAX_LINE_BYTES = 1024 * 1024
MAX_FINDINGS = 50
"""Differences that a report names; the first ones are what a person needs."""


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Any line of an export; exactly the fields of one kind are set."""

    format: str | None = None
    origin: str | None = None
    server_key: str | None = None
    witness: str | None = None
    key: str | None = None
    restore: str | None = None
    leaf: int | None = None
    content: str | None = None
    checkpoint: str | None = None
    cosignatures: tuple[str, ...] = ()
    end: int | None = None
    unsealed: int | None = None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was found. `proven` is the newest checkpoint that holds; `cosigned` counts its witnesses."""

    differences: tuple[str, ...]
    leaves: int
    checkpoints: int
    proven: Checkpoint | None
    witnesses: int
    cosigned: int
    """Witnesses whose signature stands under the newest checkpoint that any of them signed."""
    cosigned_size: int
    unsealed: int


@dataclass(slots=True)
class _Reading:
    server_key: bytes
    known: Sequence[Checkpoint]
    frontier: merkle.Frontier = field(default_factory=merkle.Frontier)
    witnesses: dict[str, bytes] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    proven: Checkpoint | None = None
    checkpoints: int = 0
    cosigned: tuple[int, int] = (0, 0)
    end: _Line | None = None

    def wrong(self, what: str) -> None:
        if len(self.differences) < MAX_FINDINGS:
            self.differences.append(what)


def verify_export(lines: Iterable[bytes], server_key: bytes, known: Sequence[str] = ()) -> AuditReport:
    """Read an export and name every difference; `known` are checkpoints that were kept elsewhere."""
    kept = [read_checkpoint(note, server_key) for note in known]
    reading = _Reading(server_key, [one for one in kept if one is not None])
    if None in kept:
        reading.wrong("a checkpoint that was kept elsewhere is not signed by this installation")
    number = 0
    for number, raw in enumerate(lines, 1):
        line = _read(raw)
        if line is None:
            reading.wrong(f"line {number} is no line of an export")
        elif reading.end is not None:
            reading.wrong(f"line {number} stands after the end")
        else:
            _take(reading, number, line)
    _close(reading, number)
    return _report(reading)


def _read(raw: bytes) -> _Line | None:
    if len(raw) > MAX_LINE_BYTES or not raw.endswith(b"\n"):
        return None
    try:
        return msgspec.json.decode(raw, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _take(reading: _Reading, number: int, line: _Line) -> None:
    if number == 1:
        if line.format != FORMAT:
            reading.wrong("the file is no export of an audit log")
        if line.server_key != reading.server_key.hex() or line.origin != origin_of(reading.server_key):
            reading.wrong("the file names another server key than the one given")
    elif line.leaf is not None and line.content is not None:
        _take_leaf(reading, line.leaf, line.content)
    elif line.checkpoint is not None:
        _take_checkpoint(reading, number, line.checkpoint, line.cosignatures)
    elif line.witness is not None and line.key is not None and _is_hex(line.key):
        reading.witnesses[line.witness] = bytes.fromhex(line.key)
    elif line.end is not None:
        reading.end = line
    elif line.restore is None:
        reading.wrong(f"line {number} says nothing")


def _take_leaf(reading: _Reading, number: int, content: str) -> None:
    if number != reading.frontier.size:
        reading.wrong(f"leaf {number} stands where leaf {reading.frontier.size} belongs")
    reading.frontier.append(merkle.leaf_hash(content.encode()))
    for kept in reading.known:
        if kept.size == reading.frontier.size and kept.root != reading.frontier.root():
            reading.wrong(f"the first {kept.size} rows are not those of a checkpoint that was kept elsewhere")


def _take_checkpoint(reading: _Reading, number: int, note: str, cosignatures: Sequence[str]) -> None:
    reading.checkpoints += 1
    checkpoint = read_checkpoint(note, reading.server_key)
    if checkpoint is None:
        reading.wrong(f"the checkpoint in line {number} is not signed by this installation")
        return
    if checkpoint.tree != (reading.frontier.size, reading.frontier.root()):
        before = reading.proven.size if reading.proven else 0
        reading.wrong(f"rows {before} to {checkpoint.size - 1} are not what was sealed")
        return
    if reading.proven is not None and checkpoint.size <= reading.proven.size:
        reading.wrong(f"the checkpoint in line {number} is not newer than the one before")
    signers = 0
    for cosignature in cosignatures:
        names = [name for name, key in reading.witnesses.items() if is_cosigned(note, cosignature, name, key)]
        if not names:
            reading.wrong(f"a witness's signature in line {number} is wrong")
        signers += len(names)
    if signers:
        reading.cosigned = (checkpoint.size, signers)
    reading.proven = checkpoint


def _close(reading: _Reading, lines: int) -> None:
    size, proven = reading.frontier.size, reading.proven.size if reading.proven else 0
    if lines == 0:
        reading.wrong("the file is empty")
    if reading.end is None:
        reading.wrong("the file was cut: its end is missing")
    elif reading.end.end != size:
        reading.wrong(f"the file should hold {reading.end.end} rows and holds {size}")
    if size > proven:
        reading.wrong(f"rows {proven} to {size - 1} are under no checkpoint that holds")
    for kept in reading.known:
        if kept.size > size:
            reading.wrong(f"a checkpoint that was kept elsewhere covers {kept.size} rows, the file holds {size}")


def _report(reading: _Reading) -> AuditReport:
    cosigned_size, cosigned = reading.cosigned
    unsealed = (reading.end.unsealed or 0) if reading.end is not None else 0
    return AuditReport(
        differences=tuple(reading.differences),
        leaves=reading.frontier.size,
        checkpoints=reading.checkpoints,
        proven=reading.proven,
        witnesses=len(reading.witnesses),
        cosigned=cosigned,
        cosigned_size=cosigned_size,
        unsealed=unsealed,
    )


def _is_hex(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) == merkle.HASH_BYTES
    except ValueError:
        return False
