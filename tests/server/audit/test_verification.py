"""Ten thousand ways to tamper with an exported audit log, and every one of them found, offline.

A forger of the file has no key. A forger of the database has even the server's key: he rewrites everything and signs
it again, and is found by what a witness kept.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore import merkle
from cardcore.checkpoint import Checkpoint, cosigned, origin_of
from server.audit.export import FORMAT
from server.audit.verification import verify_export

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"x" * 32)
WITNESS = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
ROWS = 60
EVERY = 20
"""Rows under one checkpoint."""
TAMPERINGS = 10_000

Lines = list[bytes]


def line(values: dict[str, object]) -> bytes:
    return msgspec.json.encode(values) + b"\n"


def signed(contents: list[str], key: Ed25519PrivateKey) -> str:
    frontier = merkle.Frontier()
    for content in contents:
        frontier.append(merkle.leaf_hash(content.encode()))
    return Checkpoint(origin_of(PUBLIC), frontier.size, frontier.root(), "g1", 1_000).signed(key)


def export_of(contents: list[str], key: Ed25519PrivateKey = KEY) -> Lines:
    """Return an export as the product writes it, signed with `key`."""
    witness = WITNESS.public_key().public_bytes_raw().hex()
    lines = [
        line({"format": FORMAT, "origin": origin_of(PUBLIC), "server_key": PUBLIC.hex()}),
        line({"witness": "device-1", "key": witness}),
    ]
    for number, content in enumerate(contents):
        lines.append(line({"leaf": number, "content": content}))
        if (number + 1) % EVERY == 0 or number + 1 == len(contents):
            note = signed(contents[: number + 1], key)
            lines.append(line({"checkpoint": note, "cosignatures": [cosigned(note, "device-1", WITNESS)]}))
    lines.append(line({"end": len(contents), "unsealed": 0}))
    return lines


CONTENTS = [f'{{"action":"thing_done","after":{{"n":{number}}},"kind":"audit"}}' for number in range(ROWS)]
GOOD = export_of(CONTENTS)
KEPT = signed(CONTENTS[:50], KEY)
"""What a witness holds: a checkpoint from before the tampering."""
LEAF_LINES = [place for place, raw in enumerate(GOOD) if raw.startswith(b'{"leaf"')]
CHECKPOINT_LINES = [place for place, raw in enumerate(GOOD) if raw.startswith(b'{"checkpoint"')]


def flip(chance: random.Random) -> Lines:
    """Change one bit anywhere but in the count of unsealed rows, which nobody vouches for."""
    place = chance.choice([0, *LEAF_LINES, *CHECKPOINT_LINES])
    raw = bytearray(GOOD[place])
    at = chance.randrange(len(raw))
    raw[at] ^= 1 << chance.randrange(8)
    return [*GOOD[:place], bytes(raw), *GOOD[place + 1 :]]


def edit(chance: random.Random) -> Lines:
    place = chance.choice(LEAF_LINES)
    number = msgspec.json.decode(GOOD[place])["leaf"]
    return [*GOOD[:place], line({"leaf": number, "content": f'{{"n":{chance.random()}}}'}), *GOOD[place + 1 :]]


def drop(chance: random.Random) -> Lines:
    place = chance.choice([*LEAF_LINES, len(GOOD) - 1, 0])
    return [*GOOD[:place], *GOOD[place + 1 :]]


def drop_and_renumber(chance: random.Random) -> Lines:
    gone = chance.randrange(ROWS)
    return forged_file([*CONTENTS[:gone], *CONTENTS[gone + 1 :]])


def insert(chance: random.Random) -> Lines:
    place = chance.randrange(ROWS + 1)
    return forged_file([*CONTENTS[:place], f'{{"n":{chance.random()}}}', *CONTENTS[place:]])


def swap(chance: random.Random) -> Lines:
    one, other = chance.sample(range(ROWS), 2)
    contents = list(CONTENTS)
    contents[one], contents[other] = contents[other], contents[one]
    return forged_file(contents)


def swap_lines(chance: random.Random) -> Lines:
    one, other = chance.sample(LEAF_LINES, 2)
    lines = list(GOOD)
    lines[one], lines[other] = lines[other], lines[one]
    return lines


def cut(chance: random.Random) -> Lines:
    return GOOD[: chance.randrange(len(GOOD))]


def cut_inside_a_line(chance: random.Random) -> Lines:
    whole = b"".join(GOOD)
    kept = whole[: chance.randrange(1, len(whole))]
    return kept.splitlines(keepends=True)


def cut_back_to_a_checkpoint(chance: random.Random) -> Lines:
    """Drop the newest rows with all that tells of them: only what a witness kept shows it."""
    return export_of(CONTENTS[: EVERY * chance.randrange(1, 3)])


def replay_checkpoint(chance: random.Random) -> Lines:
    one, other = chance.sample(CHECKPOINT_LINES, 2)
    return [*GOOD[:one], GOOD[other], *GOOD[one + 1 :]]


def sign_as_somebody(chance: random.Random) -> Lines:
    return export_of([*CONTENTS[:-1], f'{{"n":{chance.random()}}}'], STRANGER)


def fork(chance: random.Random) -> Lines:
    """Rewrite a row that a witness has seen and sign everything again with the server's own, stolen key."""
    place = chance.randrange(50)
    return export_of([*CONTENTS[:place], f'{{"n":{chance.random()}}}', *CONTENTS[place + 1 :]])


def forge_witness(chance: random.Random) -> Lines:
    place = chance.choice(CHECKPOINT_LINES)
    found = msgspec.json.decode(GOOD[place])
    found["cosignatures"] = [cosigned(found["checkpoint"], "device-1", STRANGER)]
    return [*GOOD[:place], line(found), *GOOD[place + 1 :]]


def append(chance: random.Random) -> Lines:
    extra = line({"leaf": ROWS, "content": f'{{"n":{chance.random()}}}'})
    place = chance.choice([len(GOOD), len(GOOD) - 1])
    return [*GOOD[:place], extra, *GOOD[place:]]


def forged_file(contents: list[str]) -> Lines:
    """Return the rows with every number right, under the checkpoints that were really signed."""
    checkpoints = iter([GOOD[place] for place in CHECKPOINT_LINES])
    lines = GOOD[:2]
    for number, content in enumerate(contents):
        lines.append(line({"leaf": number, "content": content}))
        if (number + 1) % EVERY == 0 or number + 1 == len(contents):
            lines.append(next(checkpoints, GOOD[CHECKPOINT_LINES[-1]]))
    return [*lines, line({"end": len(contents), "unsealed": 0})]


WAYS: tuple[Callable[[random.Random], Lines], ...] = (
    flip, edit, drop, drop_and_renumber, insert, swap, swap_lines, cut, cut_inside_a_line, cut_back_to_a_checkpoint,
    replay_checkpoint, sign_as_somebody, fork, forge_witness, append,
)  # fmt: skip


def test_an_untouched_log_is_proven() -> None:
    report = verify_export(GOOD, PUBLIC, [KEPT])
    assert report.differences == ()
    assert report.proven is not None
    assert (report.leaves, report.checkpoints, report.proven.size) == (ROWS, 3, ROWS)
    assert (report.witnesses, report.cosigned, report.cosigned_size) == (1, 1, ROWS)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_every_tampering_is_found(way: Callable[[random.Random], Lines]) -> None:
    chance = random.Random(way.__name__)
    missed = []
    tried = 0
    for number in range(TAMPERINGS // len(WAYS) + 1):
        tampered = way(chance)
        if tampered == GOOD:
            continue
        tried += 1
        if not verify_export(tampered, PUBLIC, [KEPT]).differences:
            missed.append(number)
    assert tried > TAMPERINGS // len(WAYS) * 0.9
    assert missed == []


def test_a_log_rewritten_with_the_stolen_key_is_found_only_by_a_witness() -> None:
    rewritten = export_of(["{}", *CONTENTS[1:]])
    assert verify_export(rewritten, PUBLIC).differences == ()
    (found,) = verify_export(rewritten, PUBLIC, [KEPT]).differences
    assert "kept elsewhere" in found


def test_another_installations_key_proves_nothing() -> None:
    other = STRANGER.public_key().public_bytes_raw()
    report = verify_export(GOOD, other)
    assert report.proven is None
    assert report.differences


def test_a_hostile_file_is_refused_not_believed() -> None:
    for rubbish in ([], [b"\n"], [b"\xff\xfe\n"], [b"[" * 100_000 + b"\n"], [b'{"leaf":"x"}\n'], [b"{}\n"] * 3):
        report = verify_export(rubbish, PUBLIC)
        assert report.differences
        assert report.proven is None
    assert partial(verify_export, GOOD[:3], PUBLIC, ["rubbish"])().differences
