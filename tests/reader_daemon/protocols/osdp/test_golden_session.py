"""The complete recorded session with an independent peer, frame by frame, through the codec and the crypto."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import OutputControl, SecurityBlock
from reader_daemon.protocols.osdp.crypto import (
    Role,
    SecureSession,
    SecurityFaultError,
    client_cryptogram,
    decrypt_data,
    derive_session_keys,
    encrypt_data,
    initial_r_mac,
    server_cryptogram,
)
from reader_daemon.protocols.osdp.frames import Frame, FrameSplitter, crc16, decode, encode

SCBK = bytes.fromhex("A0A1A2A3A4A5A6A7A8A9AAABACADAEAF")
RND_A = bytes.fromhex("D764C8CCE93255C4")
RND_B = bytes.fromhex("478D7AA05D83F3EA")
R_MAC_0 = bytes.fromhex("B7688C250EFB70D746E5A39A21FDC508")

SESSION = (
    "FF53050900046100C125",
    "5385140004450C0B0A020144332211010203857C",
    "FF53050900056200A247",
    "5385230005460101080201020401010501010601010801000901000A0001100200D74D",
    "FF530513000E03110176D764C8CCE93255C4CDCF",
    "53852B000E031201760C0B020044332211478D7AA05D83F3EAA5D26D512DFE10467D71154A123869E89B3B",
    "FF53051B000F03130177F3D1D469307E6164662A3EC429C20319A86B",
    "53851B000F03140178B7688C250EFB70D746E5A39A21FDC508A10D",
)
SECURED = (
    ("FF53050E000D0215608797B44959FA", "8797B449037D5ED22A4C5316D3DD3FF7"),
    ("53850E000D021640529367DC49EE", "529367DC3AB2BB3BBE8C05ACC34200D4"),
    ("FF53050E000E02156078F3BFA29BAE", "78F3BFA2857059629E9D3CD88C31DFE6"),
    ("53850E000E0216403109AFF61F41", "3109AFF6E5B4EBEA975FE12B89FB49A4"),
    ("FF53050E000F0215608B65759F2139", "8B65759F0E558A1A0D1E407D928A804A"),
    (
        "53851E000F02185024BBC9AC897291AE4E606FEAD7034AB3AE40F91D60BE",
        "AE40F91DA1F0F06620B6B8C6C72DDBDD",
    ),
)
CLEAR = (
    "FF530508000660DEEF",
    "5385080006406CE9",
    "FF53050C00076800050A004A62",
    "5385090007410691CE",
)


def frame_of(text: str) -> Frame:
    frame = decode(bytes.fromhex(text.removeprefix("FF")))
    assert isinstance(frame, Frame)
    return frame


def test_crc_has_the_published_check_value() -> None:
    assert crc16(b"123456789") == 0xE5CC


@pytest.mark.parametrize("text", [*SESSION, *(text for text, _ in SECURED), *CLEAR])
def test_every_recorded_frame_survives_decode_and_encode(text: str) -> None:
    assert encode(frame_of(text), mark=text.startswith("FF")).hex().upper() == text


def test_the_recording_splits_into_its_frames() -> None:
    frames = FrameSplitter().feed(bytes.fromhex("".join([*SESSION, *(text for text, _ in SECURED), *CLEAR])))
    assert frames == [frame_of(text) for text in [*SESSION, *(text for text, _ in SECURED), *CLEAR]]


def test_recorded_identity_and_capabilities() -> None:
    identity = frame_of(SESSION[1])
    assert replies.decode_reply(identity.code, identity.data) == replies.Identity(
        vendor=0x0A0B0C, model=2, version=1, serial=0x11223344, firmware=(1, 2, 3)
    )
    capabilities = replies.decode_reply(frame_of(SESSION[3]).code, frame_of(SESSION[3]).data)
    assert isinstance(capabilities, replies.Capabilities)
    assert capabilities.find(1) == replies.CapabilityRecord(1, 1, 8)
    assert capabilities.find(9) == replies.CapabilityRecord(9, 1, 0)
    assert capabilities.find(14) is None


def test_recorded_handshake() -> None:
    keys = derive_session_keys(SCBK, RND_A)
    assert keys.encryption.hex().upper() == "2D1F3946BD3F7DE828FB14E22A19CED1"
    assert keys.mac_1.hex().upper() == "6F6FB7C3CE157C959E679967BFA4494C"
    assert keys.mac_2.hex().upper() == "7574D1208425348FEDEC4A86F104DEED"
    assert commands.decode_command(frame_of(SESSION[4]).code, frame_of(SESSION[4]).data) == commands.Challenge(RND_A)
    answer = replies.decode_reply(frame_of(SESSION[5]).code, frame_of(SESSION[5]).data)
    assert answer == replies.ClientCryptogram(
        unique_id=bytes.fromhex("0C0B020044332211"), rnd_b=RND_B, cryptogram=client_cryptogram(keys, RND_A, RND_B)
    )
    cryptogram = server_cryptogram(keys, RND_A, RND_B)
    assert frame_of(SESSION[6]).data == cryptogram
    assert initial_r_mac(keys, cryptogram) == R_MAC_0
    assert frame_of(SESSION[7]).data == R_MAC_0


def test_recorded_secured_frames_from_the_panels_end() -> None:
    session = SecureSession(Role.PANEL, derive_session_keys(SCBK, RND_A), R_MAC_0)
    opened = []
    for text, mac in SECURED:
        frame = frame_of(text)
        if frame.is_reply:
            opened.append(session.unseal(frame))
            assert session.r_mac.hex().upper() == mac
        else:
            sealed = session.seal(Frame(frame.address, is_reply=False, sequence=frame.sequence, code=frame.code))
            assert encode(sealed).hex().upper() == text
            assert session.c_mac.hex().upper() == mac
    card = opened[-1]
    assert card.block_type == SecurityBlock.SCS_18
    assert replies.decode_reply(card.code, card.data) == replies.RawCard(0, 1, 26, bytes.fromhex("00012345"))


def test_recorded_secured_frames_from_the_readers_end() -> None:
    session = SecureSession(Role.READER, derive_session_keys(SCBK, RND_A), R_MAC_0)
    data = [b"", b"", bytes.fromhex("00011A0000012345")]
    for text, _ in SECURED:
        frame = frame_of(text)
        if frame.is_reply:
            clear = Frame(frame.address, is_reply=True, sequence=frame.sequence, code=frame.code, data=data.pop(0))
            assert encode(session.seal(clear), mark=False).hex().upper() == text
        else:
            assert session.unseal(frame).code == frame.code
    assert not data


def test_a_changed_mac_is_refused_and_moves_nothing() -> None:
    session = SecureSession(Role.READER, derive_session_keys(SCBK, RND_A), R_MAC_0)
    poll = frame_of(SECURED[0][0])
    with pytest.raises(SecurityFaultError):
        session.unseal(replace(poll, mac=bytes(4)))
    assert session.unseal(poll).code == poll.code


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 32, 200])
def test_padding_is_always_added(length: int) -> None:
    keys = derive_session_keys(SCBK, RND_A)
    data = b"\x80" * length
    cipher_text = encrypt_data(keys, R_MAC_0, data)
    assert len(cipher_text) == (length // 16 + 1) * 16
    assert decrypt_data(keys, R_MAC_0, cipher_text) == data


def test_recorded_data_blocks() -> None:
    assert replies.encode_data(replies.RawCard(0, 1, 26, bytes.fromhex("00012345"))).hex() == "00011a0000012345"
    assert replies.encode_data(replies.Keypad(0, b"1234\x7f\r")).hex() == "0006313233347f0d"
    pulse = commands.SetOutputs((commands.OutputRecord(0, OutputControl.ON_FOR_TIME, 10),))
    assert commands.encode_data(pulse).hex() == "00050a00"
    assert commands.encode_data(commands.SetBuzzer(0, 2, 1, 2, 3)).hex() == "0002010203"
    assert commands.encode_data(commands.ShowText(0, 1, 0, 1, 1, "HELLO")).hex() == "00010001010548454c4c4f"
