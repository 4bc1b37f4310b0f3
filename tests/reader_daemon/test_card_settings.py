"""The settings of cards: what a good file gives, and errors that name the line and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardcore.card_keys.roles import DEFAULT_LAYOUT, CardLayout
from reader_daemon.settings import Settings, SettingsError, parse_settings
from tests.cardcore.issuers import ED25519_ISSUER, P256_ISSUER

GOOD = f"""
[server]
url = "wss://onecard.example:8443"
[data]
dir = "/var/lib/onecard-reader"

[cards]
system_id = "000102030405060708090a0b"
gate_aid = "F51CDB"
issuers = ["{ED25519_ISSUER.text()}", "{P256_ISSUER.text()}"]
edge_key_file = "edge.keys"
accept_ev1 = false
pkoc_anchors = ["{"41" * 16}:{P256_ISSUER.public.hex()}"]

[[pcsc_reader]]
name = "t01"
match = "S1"
application = "canteen"
"""


def parsed(text: str) -> Settings:
    return parse_settings(text, "reader.toml", {})


def test_a_good_file() -> None:
    settings = parsed(GOOD)
    assert settings.cards.layout == CardLayout(bytes(range(12)), bytes.fromhex("F51CDB"), DEFAULT_LAYOUT.canteen_aid)
    assert settings.cards.issuers == (ED25519_ISSUER, P256_ISSUER)
    assert (settings.cards.edge_key_file, settings.cards.accept_ev1) == (Path("edge.keys"), False)
    assert settings.cards.pkoc_anchors == ((b"A" * 16, P256_ISSUER.public),)
    assert settings.pcsc_readers[0].application == "canteen"


def test_without_the_table_nothing_is_believed_and_keys_are_relayed() -> None:
    text = GOOD[: GOOD.index("[cards]")] + GOOD[GOOD.index("[[pcsc") :].replace('application = "canteen"\n', "")
    settings = parsed(text)
    assert (settings.cards.issuers, settings.cards.edge_key_file) == ((), None)
    assert settings.pcsc_readers[0].application == "none"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"000102030405060708090a0b"', '"00010203"', "24 hex digits"),
        ('"F51CDB"', '"F51C"', "an AID 6"),
        ('"F51CDB"', '"xyz"', "an AID 6"),
        ('"F51CDB"', '"f4e1a1"', "must differ"),
        (ED25519_ISSUER.text(), "hello", "8 hex digits"),
        ("accept_ev1 = false", "accept_ev1 = 1.5", "True, False"),
        ('"canteen"', '"both"', "none, gate, canteen"),
        ("edge_key_file", "edge_key", "system_id, gate_aid"),
        (f"{'41' * 16}:", "4142:", "32 hex digits"),
        (P256_ISSUER.public.hex() + '"]\n\n', "05" * 65 + '"]\n\n', "130"),
        ("issuers = [", "issuers = 5 #", "list of at most 16"),
    ],
)
def test_an_error_says_what_is_allowed(old: str, new: str, says: str) -> None:
    with pytest.raises(SettingsError, match=r"^reader\.toml:\d+: ") as caught:
        parsed(GOOD.replace(old, new, 1))
    assert says in str(caught.value)


def test_an_application_needs_an_issuer() -> None:
    lines = [line for line in GOOD.splitlines() if not line.startswith("issuers")]
    with pytest.raises(SettingsError, match="whose cards are believed"):
        parsed("\n".join(lines))
