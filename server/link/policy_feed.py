"""Builds what the edge is told of policy: the signed deny list first, then a signed snapshot or delta in parts."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.access.decide import STATE_REASONS
from cardcore.access.items import CardItem, CardState, Item
from cardcore.access.snapshot import StateItem
from cardcore.ids import CredentialKey
from cardcore.reasons import Reason
from cardcore.wire import signing
from cardcore.wire.messages import MAX_STATE_PART_BYTES, Deny, StateBegin, StateEnd, StatePart, ToDaemon
from server.link.ports import PolicyChanges

MAX_DENY_ENTRIES = 600
"""Entries of one deny frame; a longer list goes out in several."""
PER_ITEM_BYTES = 16
"""Framing of one item, generously."""

_decoder: msgspec.json.Decoder[Item] = msgspec.json.Decoder(Item)


def messages(changes: PolicyChanges, site: str, key: Ed25519PrivateKey) -> Iterator[ToDaemon]:
    """Yield the whole transfer in the order in which it must be sent (P14)."""
    denied = list(_denied(changes.items))
    for start in range(0, len(denied), MAX_DENY_ENTRIES):
        entries = tuple(denied[start : start + MAX_DENY_ENTRIES])
        deny = Deny(changes.version, entries)
        yield msgspec.structs.replace(deny, signature=signing.sign(key, signing.deny_bytes(site, deny)))
    signed = signing.state_bytes(site, changes.base_version, changes.version, changes.content_hash)
    yield StateBegin(
        changes.base_version, changes.version, len(changes.items), changes.content_hash, signing.sign(key, signed)
    )
    for index, part in enumerate(_parts(changes.items)):
        yield StatePart(changes.version, index, part)
    yield StateEnd(changes.version)


def _denied(items: tuple[StateItem, ...]) -> Iterator[tuple[CredentialKey, str]]:
    for item in items:
        if not item.key.startswith("card/"):
            continue
        if not item.body:
            yield CredentialKey(item.key.removeprefix("card/")), Reason.CARD_UNKNOWN
            continue
        card = _decoder.decode(item.body)
        if isinstance(card, CardItem) and card.state is not CardState.ACTIVE:
            yield card.credential, STATE_REASONS[card.state]


def _parts(items: tuple[StateItem, ...]) -> Iterator[tuple[tuple[str, bytes], ...]]:
    part: list[tuple[str, bytes]] = []
    size = 0
    for item in items:
        item_size = len(item.key) + len(item.body) + PER_ITEM_BYTES
        if part and size + item_size > MAX_STATE_PART_BYTES:
            yield tuple(part)
            part, size = [], 0
        part.append((item.key, item.body))
        size += item_size
    if part:
        yield tuple(part)
