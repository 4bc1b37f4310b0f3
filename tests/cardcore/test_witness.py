"""Checkpoints and witnesses: only what the installation signed and what the last one grew into is accepted."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore import merkle
from cardcore.checkpoint import (
    Checkpoint,
    RestoreStatement,
    cosigned,
    is_cosigned,
    origin_of,
    read_checkpoint,
    read_restore,
)
from cardcore.signed_note import MAX_NOTE_BYTES, Note, parse_note
from cardcore.witness import NOTHING_SEEN, Offer, WitnessRefusal, judge

SERVER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"x" * 32)
OFFICERS = {name: Ed25519PrivateKey.from_private_bytes(name[:1].encode() * 32) for name in ("li.wei", "wang.fang")}
PUBLIC = SERVER.public_key().public_bytes_raw()
KNOWN = {name: key.public_key().public_bytes_raw() for name, key in OFFICERS.items()}


class Log:
    """A log of rows, with its tree."""

    def __init__(self, rows: list[str]) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.size = len(rows)
        leaves = [merkle.leaf_hash(row.encode()) for row in rows]
        for level, index, digest in merkle.grown(0, leaves, self.node):
            self.nodes[level, index] = digest

    def node(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def checkpoint(self, size: int | None = None, generation: str = "g1") -> Checkpoint:
        size = self.size if size is None else size
        return Checkpoint(origin_of(PUBLIC), size, merkle.root(size, self.node), generation, 1_000)

    def offer(self, old_size: int, restore: str = "", generation: str = "g1") -> Offer:
        proof = merkle.consistency_proof(old_size, self.size, self.node) if old_size <= self.size else []
        return Offer(self.checkpoint(generation=generation).signed(SERVER), old_size, proof, restore)


ROWS = [f"row {number}" for number in range(20)]
LOG = Log(ROWS)
judged = partial(judge, server_key=PUBLIC, officers=KNOWN)


def statement(old: Checkpoint, new: Checkpoint, *signers: str, generation: str = "g2") -> str:
    note = Note(RestoreStatement(old.origin, old.tree, new.tree, generation, "disk lost").text())
    for name in signers:
        note = note.signed(name, OFFICERS[name])
    return note.document()


class TestCheckpoint:
    def test_reads_back_as_it_was_signed(self) -> None:
        assert read_checkpoint(LOG.checkpoint().signed(SERVER), PUBLIC) == LOG.checkpoint()

    def test_of_a_stranger_or_bent_is_none(self) -> None:
        good = LOG.checkpoint().signed(SERVER)
        assert read_checkpoint(LOG.checkpoint().signed(STRANGER), PUBLIC) is None
        assert read_checkpoint(replace(LOG.checkpoint(), origin="onecard/audit/else").signed(SERVER), PUBLIC) is None
        for place in range(len(good)):
            bent = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
            assert read_checkpoint(bent, PUBLIC) is None, place

    def test_other_texts_of_the_same_key_are_none(self) -> None:
        assert (
            read_checkpoint(Note("five\nlines\nof\nany\nsort\n").signed("onecard", SERVER).document(), PUBLIC) is None
        )
        assert read_checkpoint("", PUBLIC) is None
        assert parse_note("x\n\n" + "y" * MAX_NOTE_BYTES) is None

    def test_is_cosigned_by_who_saw_it(self) -> None:
        document = LOG.checkpoint().signed(SERVER)
        cosignature = cosigned(document, "device-1", STRANGER)
        public = STRANGER.public_key().public_bytes_raw()
        assert is_cosigned(document, cosignature, "device-1", public)
        assert not is_cosigned(document, cosignature, "device-2", public)
        assert not is_cosigned(document, cosignature, "device-1", PUBLIC)
        assert not is_cosigned(LOG.checkpoint(5).signed(SERVER), cosignature, "device-1", public)
        with pytest.raises(ValueError, match="only a checkpoint"):
            cosigned("rubbish", "device-1", STRANGER)


class TestWitness:
    @pytest.mark.parametrize("seen", [0, 1, 7, 8, 16, 19, 20])
    def test_accepts_what_grew_from_what_it_saw(self, seen: int) -> None:
        last = LOG.checkpoint(seen).tree if seen else NOTHING_SEEN
        assert judged(last, LOG.offer(seen)) == LOG.checkpoint()

    def test_refuses_a_history_that_was_rewritten(self) -> None:
        rewritten = Log(["edited", *ROWS[1:], "row 20"])
        assert judged(LOG.checkpoint().tree, rewritten.offer(20)) is WitnessRefusal.FORKED

    def test_refuses_another_tree_of_the_same_size(self) -> None:
        assert judged(LOG.checkpoint().tree, Log([*ROWS[:-1], "edited"]).offer(20)) is WitnessRefusal.FORKED

    def test_refuses_a_shorter_log(self) -> None:
        assert judged(LOG.checkpoint().tree, Log(ROWS[:12]).offer(20)) is WitnessRefusal.REGRESSED

    def test_refuses_what_the_server_did_not_sign(self) -> None:
        forged = replace(LOG.offer(0), checkpoint=LOG.checkpoint().signed(STRANGER))
        assert judged(NOTHING_SEEN, forged) is WitnessRefusal.SIGNATURE

    def test_refuses_a_proof_from_somewhere_else(self) -> None:
        assert judged(LOG.checkpoint(7).tree, LOG.offer(8)) is WitnessRefusal.FORKED


class TestRestore:
    restored = Log([*ROWS[:12], "after the restore"])

    def offered(self, document: str) -> Offer:
        return replace(self.restored.offer(12, generation="g2"), restore=document)

    def test_two_officers_let_a_witness_accept_the_shorter_log(self) -> None:
        document = statement(LOG.checkpoint(), LOG.checkpoint(12), "li.wei", "wang.fang")
        for seen in (20, 15):
            assert judged(LOG.checkpoint(seen).tree, self.offered(document)) == self.restored.checkpoint(
                generation="g2"
            )

    @pytest.mark.parametrize("signers", [(), ("li.wei",), ("li.wei", "li.wei")])
    def test_one_officer_does_not(self, signers: tuple[str, ...]) -> None:
        document = statement(LOG.checkpoint(), LOG.checkpoint(12), *signers)
        assert judged(LOG.checkpoint().tree, self.offered(document)) is WitnessRefusal.REGRESSED

    def test_one_key_under_two_names_is_one_officer(self) -> None:
        same = {"li.wei": KNOWN["li.wei"], "alias": KNOWN["li.wei"]}
        note = Note(RestoreStatement("o", (2, b"a" * 32), (1, b"b" * 32), "g", "why").text())
        signed = note.signed("li.wei", OFFICERS["li.wei"]).signed("alias", OFFICERS["li.wei"])
        assert read_restore(signed.document(), same) is None

    def test_a_statement_of_another_restore_does_not(self) -> None:
        signers = ("li.wei", "wang.fang")
        older = statement(LOG.checkpoint(15), LOG.checkpoint(12), *signers)
        other_generation = statement(LOG.checkpoint(), LOG.checkpoint(12), *signers, generation="g9")
        for document in (older, other_generation, "rubbish"):
            assert judged(LOG.checkpoint().tree, self.offered(document)) is WitnessRefusal.REGRESSED

    def test_what_follows_the_restore_must_follow_from_the_stated_tree(self) -> None:
        document = statement(LOG.checkpoint(), LOG.checkpoint(12), "li.wei", "wang.fang")
        rewritten = Log(["edited", *ROWS[1:12], "after the restore"])
        offer = replace(rewritten.offer(12, generation="g2"), restore=document)
        assert judged(LOG.checkpoint().tree, offer) is WitnessRefusal.FORKED

    def test_reads_back_as_it_was_signed(self) -> None:
        document = statement(LOG.checkpoint(), LOG.checkpoint(12), "li.wei", "wang.fang")
        found = read_restore(document, KNOWN)
        assert found is not None
        assert (found.old, found.new, found.reason) == (LOG.checkpoint().tree, LOG.checkpoint(12).tree, "disk lost")
