"""The public vectors of framing, PKOC and Aliro against our code; and no vector of the file goes unused."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reader_daemon.protocols.card import aliro_codec
from reader_daemon.protocols.card.apdu import command_apdu
from reader_daemon.protocols.card.desfire_channel import DesfireChannel
from reader_daemon.protocols.card.desfire_commands import select_application
from reader_daemon.protocols.card.native import native_frame
from reader_daemon.protocols.card.outcome import Assertion, CardFailure
from reader_daemon.protocols.card.pkoc import PKOC_AID, verify_answer
from reader_daemon.protocols.card.pkoc_osdp import authentication_request
from tests.cardcore.vectors import names, vector

TESTS = Path(__file__).parents[3]


def test_every_vector_is_named_in_a_test_or_taken_by_its_prefix() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    prefixes = ("aes-cmac-rfc4493", "ev1-changekey", "lrp-cmac", "lrp-session-master", "atr-", "an10922-aes128-")
    unused = [name for name in names() if f'"{name}"' not in text and not name.startswith(prefixes)]
    assert not unused


def test_wrapping() -> None:
    assert next(native_frame(0x60)) == vector("iso-wrap-getversion")["out"]
    assert next(select_application(DesfireChannel(), bytes.fromhex("F51CDB"))) == vector("iso-wrap-select-aid")["out"]
    assert command_apdu(bytes.fromhex("00A40400"), PKOC_AID) == vector("pkoc-nfc-select")["out"]


def test_pkoc() -> None:
    v = vector("pkoc-signature-selfmade")
    answer = b"\x5a\x41" + v["pub"] + b"\x9e\x40" + v["sig_rs_rfc6979"]
    outcome = verify_answer(answer, v["transaction_id"])
    assert isinstance(outcome, Assertion)
    assert outcome.credential == f"pkoc:{v['pub'][1:33].hex()}"
    assert isinstance(verify_answer(answer, v["transaction_id"] + b"\0"), CardFailure)
    private = ec.derive_private_key(int.from_bytes(v["private"], "big"), ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.UncompressedPoint
    assert private.public_bytes(serialization.Encoding.X962, form) == v["pub"]
    v = vector("pkoc-osdp-auth-request-frame")
    assert authentication_request(v["reader_id"], v["transaction_id"], v["seq"]) == v["out"]


def test_aliro() -> None:
    assert aliro_codec.select_command() == vector("aliro-select")["out"]
    v = vector("aliro-exchange-keys")
    keys = aliro_codec.exchange_keys(v["derived_key"], v["salt"], v["info_endpoint_eph_x"])
    assert (keys.reader, keys.device) == (v["sk_reader"], v["sk_device"])
    v = vector("aliro-auth1-response-decrypt")
    assert keys.device == v["sk_device"]
    assert aliro_codec.open_answer(keys, 1, v["response"]) == v["out"]
    assert aliro_codec.open_answer(keys, 2, v["response"]) is None
    v = vector("aliro-user-signature")
    assert aliro_codec.device_proven(v["public"], v["sig_rs"], v["msg"])
    assert not aliro_codec.device_proven(v["public"], v["sig_rs"][::-1], v["msg"])
    reader, device_x = v["msg"][2:34], v["msg"][36:68]
    reader_x, transaction = v["msg"][70:102], v["msg"][104:120]
    built = aliro_codec.signing_input(reader, device_x, reader_x, transaction, aliro_codec.DEVICE_USAGE)
    assert built == v["msg"]
