"""Every public vector of block arithmetic, derivation, EV1, EV2, transaction MAC, SDM and SM4 against our code."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from cardcore.card_keys.asks import CardMethod, CommandToSeal, CommMode, SessionKeys
from cardcore.card_keys.software import AesCardKey, Sm4CardKey
from cardcore.desfire import ev1, ev2
from cardcore.desfire.blocks import (
    ZERO_BLOCK,
    cbc_decrypt,
    cbc_encrypt,
    cmac,
    doubled,
    encrypt_block,
    every_second,
    jamcrc,
)
from cardcore.desfire.diversify import application_constant, card_block, diversify
from cardcore.desfire.transaction_mac import TransactionMacKeys, transaction_mac
from tests.cardcore.vectors import names, vector

ZERO_TI = bytes(4)


def ev2_session(v: dict[str, object], counter: int = 0) -> ev2.Ev2Session:
    encryption, mac, ti = v.get("ses_auth_enc", bytes(16)), v.get("ses_auth_mac", bytes(16)), v.get("ti", ZERO_TI)
    assert isinstance(encryption, bytes)
    assert isinstance(mac, bytes)
    assert isinstance(ti, bytes)
    return ev2.Ev2Session(SessionKeys(CardMethod.EV2_FIRST, encryption, mac, ti, counter))


def ev1_session(key: bytes) -> ev1.Ev1Session:
    return ev1.Ev1Session(SessionKeys(CardMethod.EV1_AES, key, b""))


def wrapped(instruction: int, data: bytes | None) -> bytes:
    assert data is not None
    return bytes([0x90, instruction, 0, 0, len(data)]) + data + b"\0"


def test_aes_cbc() -> None:
    v = vector("aes128-cbc-nist-sp800-38a")
    assert cbc_encrypt(v["key"], v["iv"], v["pt"]) == v["out"]
    assert cbc_decrypt(v["key"], v["iv"], v["out"]) == v["pt"]


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("aes-cmac-rfc4493")])
def test_cmac(name: str) -> None:
    v = vector(name)
    assert cmac(v["key"], v["msg"]) == v["out"]


def test_cmac_subkeys() -> None:
    v = vector("aes-cmac-subkeys-an10922")
    assert encrypt_block(v["key"], ZERO_BLOCK) == v["L"]
    assert (doubled(v["L"]), doubled(doubled(v["L"]))) == (v["K1"], v["K2"])


def test_checksum_of_the_card() -> None:
    assert jamcrc(b"123456789") == vector("crc32-jamcrc-check")["out"]


@pytest.mark.parametrize(
    "name", ["an10922-aes128", "an10922-aes128-M1", "an10922-aes128-M15", "an10922-aes128-bare-uid"]
)
def test_derived_keys(name: str) -> None:
    v = vector(name)
    assert diversify(v["master"], v["M"]) == v["out"]


def test_derivation_is_cmac_from_sixteen_bytes_on_and_never_below() -> None:
    v = vector("an10922-aes128-equals-rfc4493-when-M-over-15")
    assert cmac(v["master"], v["msg"]) == v["out"] == diversify(v["master"], v["msg"][1:])
    for length in range(1, 32):
        m = bytes(range(length))
        assert (diversify(v["master"], m) == cmac(v["master"], b"\x01" + m)) == (length > 15), length


def test_derivation_in_the_order_of_an_hsm() -> None:
    v = vector("an10922-hsm-friendly-order")
    system_id = str(v["system_id_ascii"]).encode()
    m = system_id + v["aid"] + v["uid"] + v["role"] + v["keyver"]
    assert diversify(v["master"], m) == v["out"]
    first = b"\x01" + system_id + v["aid"]
    assert encrypt_block(v["master"], first) == v["c1_const"]
    constant = application_constant(v["master"], m[:15])
    assert encrypt_block(v["master"], card_block(constant, m[15:])) == v["out"]


@pytest.mark.parametrize("length", range(15, 31))
def test_both_ways_to_derive_agree(length: int) -> None:
    master, m = bytes(range(16)), bytes(range(100, 100 + length))
    constant = application_constant(master, m[:15])
    assert encrypt_block(master, card_block(constant, m[15:])) == diversify(master, m)


@pytest.mark.parametrize("name", ["ev1-aes-auth-an0945-table22", "ev1-aes-auth-zero-key"])
def test_ev1_authentication(name: str) -> None:
    v = vector(name)
    key = AesCardKey(v["key"])
    rnd_b, token = ev1.begin(key, v["card_enc_rnd_b"], v["rnd_a"])
    assert (rnd_b, token) == (v["rnd_b"], v["pcd_token"])
    keys = ev1.finish(key, v["rnd_a"], rnd_b, token, v["card_enc_rnd_a_rot"])
    assert keys is not None
    assert keys.encryption == v["session_key"]


def test_ev1_full_write_then_read() -> None:
    v = vector("ev1-full-write-then-read")
    session = ev1_session(v["session_key"])
    write = CommandToSeal(v["write_cmd"][0], v["header"], v["data"], CommMode.FULL, CommMode.MAC)
    assert session.seal(write) == v["write_wire"]
    assert session.open(0, v["write_response_cmac"]) == b""
    read = CommandToSeal(v["read_cmd"][0], v["header"], b"", CommMode.FULL, CommMode.FULL, len(v["data"]))
    assert session.seal(read) == v["header"]
    assert session.open(0, v["read_response_ciphertext"]) == v["data"] == v["read_plain"][: len(v["data"])]


def test_ev1_plain_commands_move_the_iv() -> None:
    v = vector("ev1-plain-getkeysettings")
    session = ev1_session(v["session_key"])
    assert session.seal(CommandToSeal(v["cmd"][0], mode=CommMode.PLAIN, answer_mode=CommMode.PLAIN)) == b""
    assert session.open(0, v["resp_data"] + v["out"]) == v["resp_data"]


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("ev1-changekey")])
def test_ev1_change_key(name: str) -> None:
    v = vector(name)
    session = ev1_session(v["session_key"])
    sealed = session.seal_key_change(v["keyno"][0], v["new_key"], v["version"][0], old=v.get("old_key"))
    assert sealed == v["wire"]


@pytest.mark.parametrize("name", ["ev2first-an12343-table16", "ev2first-an12196-table14-key0"])
def test_ev2_first(name: str) -> None:
    v = vector(name)
    key = AesCardKey(v["key"])
    rnd_b, token = ev2.begin(key, v["card_enc_rnd_b"], v["rnd_a"])
    assert rnd_b == v["rnd_b"]
    assert wrapped(0xAF, token) == v["apdu2"]
    assert bytes.fromhex("A55A00010080") + ev2.session_vector(v["rnd_a"], rnd_b) == v["sv1"]
    assert bytes.fromhex("5AA500010080") + ev2.session_vector(v["rnd_a"], rnd_b) == v["sv2"]
    keys = ev2.finish_first(key, v["rnd_a"], rnd_b, v["card_final"])
    assert keys is not None
    assert (keys.encryption, keys.authentication) == (v["ses_auth_enc"], v["ses_auth_mac"])
    assert (keys.transaction, keys.counter) == (v["ti"], 0)


def test_ev2_next() -> None:
    v = vector("ev2nonfirst-final-frame")
    before = SessionKeys(CardMethod.EV2_FIRST, bytes(16), bytes(16), b"TIxx", 7)
    keys = ev2.finish_next(AesCardKey(v["key"]), v["rnd_a"], v["rnd_b"], v["out"], before)
    assert keys is not None
    assert (keys.transaction, keys.counter) == (b"TIxx", 7)
    first = vector("ev2first-an12343-table16")
    assert (keys.encryption, keys.authentication) == (first["ses_auth_enc"], first["ses_auth_mac"])


def test_ev2_session_keys_with_a_key_that_is_not_zero() -> None:
    v = vector("ev2-session-keys-nonzero")
    assert ev2.session_keys(AesCardKey(v["key"]), v["rnd_a"], v["rnd_b"]) == (v["enc"], v["mac"])


def test_ev2_command_iv_and_truncation() -> None:
    v = vector("ev2-iv-cmd-ED56F6E6")
    iv_input = bytes.fromhex("A55A") + v["ti"] + v["cmd_ctr"].to_bytes(2, "little") + bytes(8)
    assert encrypt_block(v["ses_auth_enc"], iv_input) == v["out"]
    v = vector("ev2-mac-getcarduid-cmd")
    assert cmac(v["ses_auth_mac"], v["mac_input"]) == v["cmac"]
    assert every_second(v["cmac"]) == v["mact"]
    session = ev2.Ev2Session(SessionKeys(CardMethod.EV2_FIRST, bytes(16), v["ses_auth_mac"], v["mac_input"][3:], 0))
    assert session.seal(CommandToSeal(0x51)) == v["mact"]


def test_ev2_mac_mode() -> None:
    v = vector("ev2-mac-writedata-readdata")
    session = ev2_session(v)
    assert session.seal(CommandToSeal(0x8D, v["write_header"], v["data"])) == v["write_wire"]
    assert session.open(0, v["write_resp_mact"]) == b""
    assert session.seal(CommandToSeal(0xAD, v["read_header"])) == v["read_wire"]
    stored = v["data"].ljust(48, b"\0")
    assert session.open(0, stored + v["read_resp_mact"]) == stored


def test_ev2_full_mode() -> None:
    v = vector("ev2-full-writedata-readdata")
    session = ev2_session(v)
    write = CommandToSeal(0x8D, v["write_header"], v["data"], CommMode.FULL)
    assert wrapped(0x8D, session.seal(write)) == v["write_apdu"]
    assert session.open(0, v["write_resp_mact"]) == b""
    read = CommandToSeal(0xAD, v["read_apdu"][5:12], mode=CommMode.FULL, answer_mode=CommMode.FULL)
    assert wrapped(0xAD, session.seal(read)) == v["read_apdu"]
    assert session.open(0, v["read_response_ciphertext"] + v["read_resp_mact"]) == v["read_plain"][:48]


def test_ev2_file_settings() -> None:
    v = vector("ev2-mac-getfilesettings-an12196-table7")
    session = ev2_session(v)
    assert wrapped(0xF5, session.seal(CommandToSeal(0xF5, v["file"]))) == v["apdu"]
    assert session.open(0, v["resp_data"] + v["resp_mact"]) == v["resp_data"]


def test_ev2_change_of_the_own_key_ends_the_session() -> None:
    v = vector("ev2-changekey-same-an12196-table26")
    session = ev2_session(v, v["cmd_ctr"])
    sealed = session.seal_key_change(v["keyno"][0], v["new_key"], v["version"][0], old=None)
    assert wrapped(0xC4, sealed) == v["apdu"]
    assert session.open(0, b"") == b""
    assert not session.alive
    assert session.seal(CommandToSeal(0x51)) is None


def test_ev2_create_transaction_mac_file() -> None:
    v = vector("ev2-create-tmac-file")
    session = ev2_session(v, v["cmd_ctr"])
    command = CommandToSeal(0xCE, v["header"], v["tmac_key"] + v["tmac_key_version"], CommMode.FULL)
    assert session.seal(command) == v["wire"]


def test_ev2_answer_iv() -> None:
    v = vector("ev2-commitreaderid-resp-decrypt")
    iv = encrypt_block(
        v["ses_auth_enc"], bytes.fromhex("5AA5") + v["ti"] + v["cmd_ctr"].to_bytes(2, "little") + bytes(8)
    )
    assert cbc_decrypt(v["ses_auth_enc"], iv, v["enc"]) == v["out"]


def test_transaction_mac() -> None:
    v = vector("tmac-session-keys-04010203040506")
    keys = TransactionMacKeys.derive(v["app_tmac_key"], v["tmc_of_this_transaction"], v["uid"])
    assert (keys.mac, keys.encryption) == (v["ses_tm_mac"], v["ses_tm_enc"])
    v = vector("tmac-session-keys-tmc00000001")
    keys = TransactionMacKeys.derive(v["app_tmac_key"], v["tmc"], v["uid"])
    assert (keys.mac, keys.encryption) == (v["ses_tm_mac"], v["ses_tm_enc"])
    v = vector("tmac-value")
    assert transaction_mac(v["ses_tm_mac"], v["tmi"]) == v["out"]
    v = vector("tmac-readerid-decrypt")
    assert keys.reader_id(v["enc_tmri"]) == v["out"]


def test_secure_dynamic_messages_under_our_blocks() -> None:
    """The product sells no such card; the vectors still pin CMAC, truncation and IVs."""
    v = vector("sdm-session-keys-an12196-table1")
    tail = v["uid"] + v["ctr_le"]
    assert cmac(v["k_sdm_file_read"], bytes.fromhex("C33C00010080") + tail) == v["enc"]
    assert cmac(v["k_sdm_file_read"], bytes.fromhex("3CC300010080") + tail) == v["mac"]
    v = vector("sun-an12196-table2-4")
    plain = cbc_decrypt(v["k"], ZERO_BLOCK, v["picc_enc"])
    assert plain == v["plain"]
    session = cmac(v["k"], bytes.fromhex("3CC300010080") + plain[1:11])
    assert (session, every_second(cmac(session, b""))) == (v["ks"], v["mact"])
    v = vector("sdm-enc-file-an12196-table3")
    counter = v["ctr"].to_bytes(3, "little")
    session = cmac(v["k"], bytes.fromhex("C33C00010080") + v["uid"] + counter)
    iv = encrypt_block(session, counter + bytes(13))
    assert (session, iv) == (v["ks_enc"], v["iv"])
    assert cbc_decrypt(session, iv, v["enc"]) == v["plain"]
    v = vector("sdm-mac-ascii-an12196-table5")
    session = cmac(v["k"], bytes.fromhex("3CC300010080") + v["uid"] + v["ctr"].to_bytes(3, "little"))
    assert session == v["ks_mac"]
    assert every_second(cmac(session, v["mac_input_ascii"].encode())) == v["mact"]


def test_originality_signature() -> None:
    v = vector("originality-desfire-light-an12343-table44")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP224R1(), v["pub"])
    r, s = (int.from_bytes(half, "big") for half in (v["sig_rs"][:28], v["sig_rs"][28:]))
    algorithm = ec.ECDSA(utils.Prehashed(hashes.SHA224()))
    # the card signs the bare serial number, which `cryptography` takes as a digest, left-padded to its size
    key.verify(utils.encode_dss_signature(r, s), v["uid"].rjust(28, b"\0"), algorithm)
    with pytest.raises(InvalidSignature):
        key.verify(utils.encode_dss_signature(r, s), v["uid"][::-1].rjust(28, b"\0"), algorithm)


def test_sm4() -> None:
    v = vector("sm4-ecb-gmt0002-example1")
    assert Sm4CardKey(v["key"]).encrypt(ZERO_BLOCK, v["pt"]) == v["out"]
    v = vector("sm4-cbc-draft-ribose")
    assert Sm4CardKey(v["key"]).encrypt(v["iv"], v["pt"]) == v["out"]
    assert Sm4CardKey(v["key"]).decrypt(v["iv"], v["out"]) == v["pt"]
