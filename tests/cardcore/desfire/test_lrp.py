"""Every public vector of LRP: tables, evaluation, encryption, CMAC, authentication and one session."""

from __future__ import annotations

import pytest

from cardcore.card_keys.asks import CardMethod, CommandToSeal, CommMode, SessionKeys
from cardcore.card_keys.software import AesCardKey
from cardcore.desfire import lrp
from cardcore.desfire.blocks import every_second, pad80
from cardcore.desfire.lrp import LrpSession, LrpTables
from tests.cardcore.vectors import names, vector


def test_tables() -> None:
    v = vector("lrp-plaintexts-updatedkeys")
    tables = LrpTables.of(v["key"])
    assert (tables.plaintexts[0], tables.plaintexts[15]) == (v["pt0"], v["pt15"])
    assert (tables.updated_key(0), tables.updated_key(2)) == (v["uk0"], v["uk2"])


def test_evaluation() -> None:
    v = vector("lrp-eval")
    assert LrpTables.of(v["key"]).evaluate(v["uk"], v["nibbles"], final=v["final"]) == v["out"]


def test_indexed_codebook() -> None:
    v = vector("lrp-lricb-encrypt")
    clear = pad80(bytes.fromhex(v["pt"].split()[0]))
    tables, counter = LrpTables.of(v["key"]), int.from_bytes(v["ctr"], "big")
    assert tables.encrypt(v["uk"], counter, clear) == v["out"]
    assert tables.decrypt(v["uk"], counter, v["out"]) == clear


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("lrp-cmac")])
def test_cmac(name: str) -> None:
    v = vector(name)
    assert LrpTables.of(v["key"]).cmac(v["msg"]) == v["out"]


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("lrp-session-master")])
def test_session_master(name: str) -> None:
    v = vector(name)
    assert lrp.session_master(LrpTables.of(v["key"]), v["rnd_a"], v["rnd_b"]) == v["out"]


def test_the_transaction_is_decrypted_and_used() -> None:
    v = vector("lrp-auth-ti-decrypt-and-mac")
    tables = LrpTables.of(v["session_master"])
    assert tables.decrypt(v["enc_uk"], int.from_bytes(v["enc_ctr"], "big"), v["enc"]) == v["ti_caps"]
    assert every_second(tables.cmac(v["mac_input"])) == v["mact"]


def test_authentication() -> None:
    v = vector("lrp-authfirst-transcript")
    mode, rnd_b = v["card_part1"][:1], v["card_part1"][1:17]
    assert mode == b"\x01"
    assert v["card_part1"][17:] == bytes.fromhex("91AF")
    master, token = lrp.begin(AesCardKey(v["key"]), rnd_b, v["rnd_a"])
    assert bytes.fromhex("90AF000020") + token + b"\0" == v["apdu2"]
    proof = v["picc_response"] + bytes(0)
    keys = lrp.finish_first(master, v["rnd_a"], rnd_b, v["card_part2"])
    assert keys is not None
    assert v["card_part2"][16:] == proof
    assert keys.transaction == v["ti"]
    assert lrp.finish_first(master, v["rnd_a"], rnd_b, v["card_part2"][:31] + b"\0") is None


def test_full_session() -> None:
    v = vector("lrp-full-write-read")
    key = AesCardKey(bytes(16))
    tables = LrpTables.of_card_key(key)
    master = tables.cmac(v["sv"])
    counter = v["enc_ctr_after_auth"].to_bytes(4, "big")
    session = LrpSession(SessionKeys(CardMethod.LRP_FIRST, master, counter, v["ti"], 0))
    write = session.seal(CommandToSeal(0x8D, v["header"], v["data"], CommMode.FULL))
    assert write is not None
    assert bytes([0x90, 0x8D, 0, 0, len(write)]) + write + b"\0" == v["write_apdu"]
    assert session.open(0, v["write_resp_mact"]) == b""
    read = session.seal(CommandToSeal(0xAD, v["header"], mode=CommMode.FULL, answer_mode=CommMode.FULL))
    assert read is not None
    assert bytes([0x90, 0xAD, 0, 0, len(read)]) + read + b"\0" == v["read_apdu"]
    assert session.open(0, v["read_response_ciphertext"] + v["read_resp_mact"]) == v["data"]
