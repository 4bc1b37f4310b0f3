"""Every deed that the product can write into the audit trail has its words, in both languages."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from server.approvals.models import ApprovalState
from server.audit.texts import DEEDS
from server.ledger.roles import TransferKind
from tests.architecture.source import tree_sources

NAMED_BY_A_VARIABLE = {
    "server/presence/service.py",  # an earlier deed's own name
    "server/access/service.py",  # {kind}_put
    "server/approvals/service.py",  # approval_{state}
    "server/cashdesk/desk.py",  # {kind}_booked
    "server/ledger/service.py",  # {kind}_booked
    "server/devices/reader_orders.py",  # an order is its kind
    "server/staff/factors.py",
    "server/cli/keys.py",
}
ACTION = 1


def test_a69_every_deed_has_its_words_in_both_languages() -> None:
    named, unnamed = set(), set()
    for path, action in _actions():
        if isinstance(action, ast.Constant):
            named.add(str(action.value))
        else:
            unnamed.add(path)
    assert len(named) > 140
    assert named - DEEDS.keys() == set(), "add the deed to server/audit/texts.py, in English and Chinese"
    assert unnamed <= NAMED_BY_A_VARIABLE, "name the deed where it is made, or list the file here and its deeds there"
    states = {f"approval_{state}" for state in ApprovalState if state is not ApprovalState.WAITING}
    assert states <= DEEDS.keys()
    assert f"{TransferKind.TOPUP_REVERSAL}_booked" in DEEDS
    assert all(words.en and words.zh and words.en != words.zh for words in DEEDS.values())


def test_the_words_stand_in_order() -> None:
    assert list(DEEDS) == sorted(DEEDS)


def _actions() -> Iterator[tuple[str, ast.expr | None]]:
    for source in tree_sources():
        if source.part != "server":
            continue
        for node in source.nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Deed":
                given = {word.arg: word.value for word in node.keywords}
                yield str(source.path), node.args[ACTION] if len(node.args) > ACTION else given.get("action")
