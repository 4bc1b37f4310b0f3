"""Frames of the link: round trips, peers of another version, rubbish, and signatures bound to their purpose."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from cardcore.ids import CredentialKey
from cardcore.journal import Record
from cardcore.wire import codec, signing
from cardcore.wire.messages import (
    MAX_FRAME_BYTES,
    Challenge,
    Deny,
    Hello,
    Ping,
    Tap,
    Upload,
    Welcome,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
HELLO = Hello("device", 1, "0.1", b"n" * 32, 5, 9, 8, "g", 3, bytes(32), 2)
RECORD = Record(1, b"{}", bytes(32), bytes(32), bytes(16))


def test_messages_read_back() -> None:
    for to_server in (HELLO, Tap(5, RECORD), Upload(5, (RECORD, RECORD), b"s"), Ping(1, 2)):
        assert codec.decode_for_server(codec.encode(to_server)) == to_server
    for to_daemon in (Challenge(b"n", 1, "s", 1), Welcome("g", 1, b"h", 1, 1, 1), Deny(1, ())):
        assert codec.decode_for_daemon(codec.encode(to_daemon)) == to_daemon


def test_fields_of_a_newer_peer_are_passed_over() -> None:
    newer = msgspec.msgpack.decode(codec.encode(HELLO)) | {"colour": "red"}
    assert codec.decode_for_server(msgspec.msgpack.encode(newer)) == HELLO


def test_a_message_of_a_newer_peer_is_a_bad_frame_not_an_error() -> None:
    assert isinstance(codec.decode_for_server(msgspec.msgpack.encode({"t": "hologram"})), codec.BadFrame)


@given(st.binary(max_size=300))
def test_rubbish_is_a_value(frame: bytes) -> None:
    assert isinstance(codec.decode_for_server(frame), codec.BadFrame)
    assert isinstance(codec.decode_for_daemon(frame), codec.BadFrame)


@given(st.data())
def test_a_damaged_frame_is_a_value(data: st.DataObject) -> None:
    frame = bytearray(codec.encode(Tap(5, RECORD)))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    codec.decode_for_server(bytes(frame))


def test_frames_have_a_limit_and_deep_ones_end_nothing() -> None:
    assert isinstance(codec.decode_for_server(bytes(MAX_FRAME_BYTES + 1)), codec.BadFrame)
    assert isinstance(codec.decode_for_server(b"\x91" * 60_000), codec.BadFrame)


def test_a_signature_is_good_for_one_purpose_only() -> None:
    nonce = b"c" * 32
    proof = signing.sign(KEY, signing.hello_bytes(nonce, HELLO))
    assert signing.verified(PUBLIC, proof, signing.hello_bytes(nonce, HELLO))
    assert not signing.verified(PUBLIC, proof, signing.hello_bytes(b"d" * 32, HELLO))
    assert not signing.verified(PUBLIC, proof, signing.state_bytes("s", 0, 1, bytes(32)))
    assert not signing.verified(b"short", proof, signing.hello_bytes(nonce, HELLO))


@pytest.mark.parametrize(
    "changed",
    [{"epoch": 6}, {"last_seq": 10}, {"policy_version": 4}, {"generation": "h"}, {"device": "other"}],
)
def test_every_claim_of_a_hello_is_signed(changed: dict[str, object]) -> None:
    nonce = b"c" * 32
    proof = signing.sign(KEY, signing.hello_bytes(nonce, HELLO))
    assert not signing.verified(PUBLIC, proof, signing.hello_bytes(nonce, msgspec.structs.replace(HELLO, **changed)))


def test_a_deny_list_cannot_be_moved_to_another_site() -> None:
    deny = Deny(4, ((CredentialKey("uid:00000001"), "card_lost"),))
    proof = signing.sign(KEY, signing.deny_bytes("here", deny))
    assert signing.verified(PUBLIC, proof, signing.deny_bytes("here", deny))
    assert not signing.verified(PUBLIC, proof, signing.deny_bytes("there", deny))
