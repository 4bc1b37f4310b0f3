"""The hash tree against the definition of RFC 6962, written down here once more as plainly as it stands there."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore import merkle

MAX_LEAVES = 70
sizes = st.integers(0, MAX_LEAVES)


def defined_root(leaves: list[bytes]) -> bytes:
    """Return MTH(D) of RFC 6962 section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + defined_root(leaves[:split]) + defined_root(leaves[split:])).digest()


CONTENTS = [f"row {number}".encode() for number in range(MAX_LEAVES)]
LEAVES = [merkle.leaf_hash(content) for content in CONTENTS]


class Stored:
    """A tree that keeps complete subtrees, as the database does."""

    def __init__(self) -> None:
        self.size = 0
        self.kept: dict[tuple[int, int], bytes] = {}

    def grow(self, leaves: list[bytes]) -> None:
        for level, index, digest in merkle.grown(self.size, leaves, self.node):
            assert (level, index) not in self.kept
            self.kept[level, index] = digest
        self.size += len(leaves)

    def node(self, level: int, index: int) -> bytes:
        return self.kept[level, index]


@pytest.fixture(scope="module")
def stored() -> Stored:
    tree = Stored()
    for first in range(0, MAX_LEAVES, 7):
        tree.grow(LEAVES[first : first + 7])
    return tree


def test_roots_are_those_of_the_definition_however_the_tree_grew(stored: Stored) -> None:
    frontier = merkle.Frontier()
    for size in range(MAX_LEAVES + 1):
        assert merkle.root(size, stored.node) == frontier.root() == defined_root(CONTENTS[:size])
        if size < MAX_LEAVES:
            frontier.append(LEAVES[size])


def test_known_answers() -> None:
    assert merkle.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@given(one=sizes, other=sizes)
def test_a_tree_proves_that_it_grew_from_an_older_one(stored: Stored, one: int, other: int) -> None:
    old, new = sorted((one, other))
    proof = merkle.consistency_proof(old, new, stored.node)
    roots = (old, defined_root(CONTENTS[:old])), (new, defined_root(CONTENTS[:new]))
    assert merkle.is_consistent(*roots, proof)


@given(
    pair=st.tuples(st.integers(1, MAX_LEAVES), st.integers(1, MAX_LEAVES)).map(sorted), edited=st.integers(0, 69),
    data=st.data(),
)  # fmt: skip
def test_no_proof_holds_for_a_history_that_was_changed(
    stored: Stored, pair: list[int], edited: int, data: st.DataObject
) -> None:
    old, new = pair
    changed = [*CONTENTS[: edited % old], b"edited", *CONTENTS[edited % old + 1 :]]
    proof = merkle.consistency_proof(old, new, stored.node)
    forged = (old, defined_root(CONTENTS[:old])), (new, defined_root(changed[:new]))
    assert not merkle.is_consistent(*forged, proof)
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        bent = [*proof[:at], bytes(32), *proof[at + 1 :]]
        for wrong in (bent, proof[:-1], [*proof, bytes(32)]):
            assert not merkle.is_consistent(
                (old, defined_root(CONTENTS[:old])), (new, defined_root(CONTENTS[:new])), wrong
            )


@given(index=st.integers(0, 69), size=st.integers(1, 70), other=st.integers(0, 69))
def test_a_leaf_proves_its_place_and_no_other(stored: Stored, index: int, size: int, other: int) -> None:
    index %= size
    tree = (size, defined_root(CONTENTS[:size]))
    proof = merkle.inclusion_proof(index, size, stored.node)
    assert merkle.is_included(LEAVES[index], index, tree, proof)
    assert not merkle.is_included(LEAVES[index], index, tree, [*proof, bytes(32)])
    if other != index:
        assert not merkle.is_included(LEAVES[other], index, tree, proof)


def test_a_smaller_tree_and_rubbish_are_no_proof(stored: Stored) -> None:
    old, new = (7, defined_root(CONTENTS[:7])), (5, defined_root(CONTENTS[:5]))
    assert not merkle.is_consistent(old, new, [])
    assert not merkle.is_consistent(new, old, [b"short"])
    assert not merkle.is_consistent(new, old, [])
    assert not merkle.is_consistent(new, old, [bytes(32)] * (merkle.MAX_PROOF_HASHES + 1))
    with pytest.raises(ValueError, match="begins with"):
        merkle.consistency_proof(7, 5, stored.node)
    with pytest.raises(ValueError, match="no leaf"):
        merkle.inclusion_proof(5, 5, stored.node)
