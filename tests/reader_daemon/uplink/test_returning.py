"""What a daemon returns to a restored server: each refused card once, in parts that fit a frame, the last marked."""

from __future__ import annotations

from cardcore.access.items import CardState
from cardcore.access.snapshot import Snapshot, StateItem, encode_item
from cardcore.ids import CredentialKey
from cardcore.wire.codec import encode
from cardcore.wire.messages import MAX_FRAME_BYTES, MAX_RETURNED_CARDS
from reader_daemon.policy import Policy
from reader_daemon.store.snapshot_db import DeniedCard, StoredPolicy
from reader_daemon.system import SystemClock
from reader_daemon.uplink.returning import returned
from tests.reader_daemon.site import ANNA, BORIS, LOST, card


def policy(*items: tuple[CredentialKey, CardState], denied: tuple[CredentialKey, ...] = ()) -> Policy:
    changes = [StateItem(f"card/{key}", encode_item(card(key, state))) for key, state in items]
    snapshot = Snapshot.empty().with_changes(7, changes)
    listed = {key: DeniedCard("card_lost", 9) for key in denied}
    return Policy(StoredPolicy(snapshot, listed, 9 if denied else 0, 0, 0), SystemClock())


def test_snapshot_and_deny_list_are_one_list_of_refused_cards() -> None:
    active, suspended = (ANNA, CardState.ACTIVE), (BORIS, CardState.SUSPENDED)
    (part,) = returned(policy(active, suspended, denied=(ANNA, LOST)))
    assert dict(part.refused) == {ANNA: "card_lost", BORIS: "card_suspended", LOST: "card_lost"}
    assert (part.version, part.deny_version, part.parts_left) == (7, 9, 0)


def test_a_daemon_that_refuses_nobody_says_so() -> None:
    (part,) = returned(policy((ANNA, CardState.ACTIVE)))
    assert (part.refused, part.version, part.parts_left) == ((), 7, 0)


def test_a_long_list_goes_in_parts_that_fit_a_frame() -> None:
    keys = tuple(CredentialKey(f"desfire:{'ab' * 60}{number:08x}") for number in range(MAX_RETURNED_CARDS * 2 + 1))
    parts = list(returned(policy(denied=keys)))
    assert [len(part.refused) for part in parts] == [MAX_RETURNED_CARDS, MAX_RETURNED_CARDS, 1]
    assert [part.parts_left for part in parts] == [2, 1, 0]
    assert max(len(encode(part)) for part in parts) <= MAX_FRAME_BYTES
