"""What a daemon returns to a restored server: every card that it refuses, so that none is granted again (P14, I6)."""

from __future__ import annotations

from collections.abc import Iterator

from cardcore.access.decide import STATE_REASONS
from cardcore.access.items import CardState
from cardcore.ids import CredentialKey
from cardcore.wire.messages import MAX_RETURNED_CARDS, StateInstalled
from reader_daemon.policy import Policy

MAX_FRAMES = 400
"""More refused cards than fit here (120,000) do not exist at a site; the link takes 512 frames at once."""


def returned(policy: Policy) -> Iterator[StateInstalled]:
    """Yield the refused cards in parts, the last one marked; at least one part."""
    refused: dict[CredentialKey, str] = {
        card.credential: STATE_REASONS[card.state]
        for card in policy.snapshot.cards
        if card.state is not CardState.ACTIVE
    }
    refused.update({CredentialKey(key): reason.value for key, reason in policy.denied.items()})
    snapshot = policy.snapshot
    cards = sorted(refused.items())[: MAX_FRAMES * MAX_RETURNED_CARDS]
    parts = [tuple(cards[at : at + MAX_RETURNED_CARDS]) for at in range(0, len(cards), MAX_RETURNED_CARDS)] or [()]
    for number, part in enumerate(parts, 1):
        yield StateInstalled(
            snapshot.version, snapshot.content_hash, policy.deny_version, refused=part, parts_left=len(parts) - number
        )
