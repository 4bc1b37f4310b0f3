"""The hash tree over the audit log: RFC 6962 section 2.1 (SHA-256, leaf prefix 0x00, node prefix 0x01).

Pure functions that server, daemon and offline verifier share. `Nodes` returns the hash of a *complete* subtree by its
level (0 = leaves) and its index on that level; whoever holds the tree keeps those and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

Nodes = Callable[[int, int], bytes]

HASH_BYTES = 32
MAX_PROOF_HASHES = 130
"""Of a tree of 2^64 leaves; a longer proof is none."""
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(content: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that only grows, kept as the roots of its complete subtrees, largest first: enough for the root."""

    def __init__(self) -> None:
        """Begin with no leaf."""
        self.size = 0
        self._peaks: list[tuple[int, bytes]] = []

    def append(self, leaf: bytes) -> None:
        """Add the hash of a leaf."""
        level = 0
        while self._peaks and self._peaks[-1][0] == level:
            leaf = node_hash(self._peaks.pop()[1], leaf)
            level += 1
        self._peaks.append((level, leaf))
        self.size += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        *larger, (_, root) = self._peaks
        for _, peak in reversed(larger):
            root = node_hash(peak, root)
        return root


def grown(size: int, leaves: Sequence[bytes], nodes: Nodes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (level, index, hash) of every subtree that becomes complete as leaves follow the first `size`."""
    fresh: dict[tuple[int, int], bytes] = {}
    for offset, leaf in enumerate(leaves):
        level, index, digest = 0, size + offset, leaf
        while True:  # ends at the first even index: at most 64 levels
            fresh[level, index] = digest
            yield level, index, digest
            if index % 2 == 0:
                break
            left = fresh.get((level, index - 1)) or nodes(level, index - 1)
            level, index, digest = level + 1, index // 2, node_hash(left, digest)


def root(size: int, nodes: Nodes) -> bytes:
    """Return the root of the first `size` leaves."""
    return _range_root(0, size, nodes) if size else EMPTY_ROOT


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """Return the proof that the tree of `new` leaves begins with the tree of `old` (RFC 6962 section 2.1.2)."""
    if not 0 <= old <= new:
        msg = f"no tree of {new} leaves begins with one of {old}"
        raise ValueError(msg)
    return _consistency(old, 0, new, nodes, is_whole=True) if 0 < old < new else []


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """Return the proof that leaf `index` stands in the tree of `size` leaves (RFC 6962 section 2.1.1)."""
    if not 0 <= index < size:
        msg = f"a tree of {size} leaves has no leaf {index}"
        raise ValueError(msg)
    return _inclusion(index, 0, size, nodes)


def is_consistent(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Check a consistency proof between (size, root) and (size, root) (RFC 9162 section 2.1.4.2)."""
    (old_size, old_root), (new_size, new_root) = old, new
    if not 0 <= old_size <= new_size or not _well_formed(proof):
        return False
    if old_size == new_size:
        return old_root == new_root and not proof
    if old_size == 0:
        return old_root == EMPTY_ROOT and not proof
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not path:
        return False
    return _climbs(old_size - 1, new_size - 1, path) == (old_root, new_root)


def is_included(leaf: bytes, index: int, tree: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Check an inclusion proof of a leaf's hash (RFC 9162 section 2.1.3.2)."""
    size, expected = tree
    if not 0 <= index < size or not _well_formed(proof):
        return False
    last, digest = size - 1, leaf
    for part in proof:
        if last == 0:
            return False
        if index % 2 or index == last:
            digest = node_hash(part, digest)
            while not index % 2 and index:
                index, last = index // 2, last // 2
        else:
            digest = node_hash(digest, part)
        index, last = index // 2, last // 2
    return last == 0 and digest == expected


def _climbs(first: int, second: int, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Return the two roots that a consistency path leads to, or None when it has the wrong length."""
    while first % 2:
        first, second = first // 2, second // 2
    old = new = path[0]
    for part in path[1:]:
        if second == 0:
            return None
        if first % 2 or first == second:
            old, new = node_hash(part, old), node_hash(part, new)
            while not first % 2 and first:
                first, second = first // 2, second // 2
        else:
            new = node_hash(new, part)
        first, second = first // 2, second // 2
    return (old, new) if second == 0 else None


def _well_formed(proof: Sequence[bytes]) -> bool:
    return len(proof) <= MAX_PROOF_HASHES and all(len(part) == HASH_BYTES for part in proof)


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _range_root(start: int, end: int, nodes: Nodes) -> bytes:
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return nodes(level, start >> level)
    middle = start + _split(size)
    return node_hash(_range_root(start, middle, nodes), _range_root(middle, end, nodes))


def _consistency(old: int, start: int, end: int, nodes: Nodes, *, is_whole: bool) -> list[bytes]:
    if old == end - start:
        return [] if is_whole else [_range_root(start, end, nodes)]
    left = _split(end - start)
    if old <= left:
        inner = _consistency(old, start, start + left, nodes, is_whole=is_whole)
        return [*inner, _range_root(start + left, end, nodes)]
    inner = _consistency(old - left, start + left, end, nodes, is_whole=False)
    return [*inner, _range_root(start, start + left, nodes)]


def _inclusion(index: int, start: int, end: int, nodes: Nodes) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_inclusion(index, start, middle, nodes), _range_root(middle, end, nodes)]
    return [*_inclusion(index, middle, end, nodes), _range_root(start, middle, nodes)]
