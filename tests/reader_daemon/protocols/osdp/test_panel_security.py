"""The panel against hostile and careless lines: every line of the policy is shown to hold. Virtual time throughout."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reader_daemon.messages import CardRead, CommandResult, Pulse, ReaderStatus
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import Capability, NakReason, ReplyCode, SecurityBlock
from reader_daemon.protocols.osdp.crypto import full_mac
from reader_daemon.protocols.osdp.frames import Frame, FrameSplitter, authenticated_part, encode
from reader_daemon.protocols.osdp.health import InstallModeClosed, KeyRolled
from reader_daemon.protocols.osdp.settings import ReaderSettings
from tests.reader_daemon.protocols.osdp.scripted_reader import CAPABILITIES, IDENTITY, ScriptedReader
from tests.reader_daemon.protocols.osdp.virtual_bus import KEYS, VirtualBus, assert_said_nothing_in_clear, one_reader

CARD = replies.RawCard(0, 1, 26, bytes.fromhex("01234580"))
NO_AES = replies.Capabilities(tuple(r for r in CAPABILITIES.records if r.function != Capability.SECURITY))


def never_online(reader: ScriptedReader, settings: ReaderSettings | None = None) -> VirtualBus:
    bus = VirtualBus([reader], [settings] if settings else None)
    reader.events += [CARD] * 5
    bus.run(30_000)
    assert [status.online for status in bus.all(ReaderStatus)] == [False]
    assert bus.all(CardRead) == []
    assert_said_nothing_in_clear(bus)
    return bus


def test_a_reader_with_another_key_stays_offline() -> None:
    bus = never_online(ScriptedReader(5, KEYS[9]))
    assert bus.alarms() == ["wrong_key"]
    assert bus.health().detail == "wrong_key"


def test_a_reader_without_secure_channel_stays_offline() -> None:
    reader = ScriptedReader(5, None, capabilities=NO_AES)
    reader.answer = lambda command, _: CARD if isinstance(command, commands.Challenge) else None
    assert "cleartext_card" in never_online(reader).alarms()


def test_a_reader_on_the_default_key_stays_offline_and_gets_no_key() -> None:
    reader = ScriptedReader(5, None, accepts_default_key=True, answers_default_key=True)
    assert "default_key_answer" in never_online(reader).alarms()


def test_a_reader_answering_every_challenge_with_nak_stays_offline() -> None:
    assert "handshake_refused" in never_online(ScriptedReader(5, None)).alarms()


def test_a_reader_without_a_key_is_left_alone() -> None:
    bus = never_online(ScriptedReader(5, None), ReaderSettings("r0", 5, None))
    assert bus.sent == []
    assert bus.health().detail == "no key"


def test_a_lying_pdcap_raises_an_alarm_and_changes_nothing() -> None:
    bus = VirtualBus([ScriptedReader(5, KEYS[0], clear_capabilities=NO_AES)])
    bus.run(3_000)
    assert bus.is_usable()
    assert bus.alarms() == ["no_encryption_claimed", "capabilities_changed"]
    assert_said_nothing_in_clear(bus)


def test_an_initial_mac_that_is_not_computed_from_the_key_is_refused() -> None:
    reader = ScriptedReader(5, KEYS[0])

    def forge(clear: Frame, sealed: Frame) -> Frame:
        return replace(sealed, data=bytes(16)) if sealed.block_type == SecurityBlock.SCS_14 else sealed

    reader.reply_frame = forge
    assert never_online(reader).alarms() == ["wrong_initial_mac"]


def test_a_reader_that_reports_a_refused_cryptogram_is_refused() -> None:
    reader = ScriptedReader(5, KEYS[0])

    def forge(clear: Frame, sealed: Frame) -> Frame:
        return replace(sealed, block_data=b"\xff") if sealed.block_type == SecurityBlock.SCS_14 else sealed

    reader.reply_frame = forge
    assert never_online(reader).alarms() == ["wrong_initial_mac"]


def forged(bus: VirtualBus, reply: replies.Reply, *, count: int) -> None:
    """Put a clear-text reply with the right sequence before the reader's next answers."""
    left = [count]

    def inject(message: bytes) -> bytes:
        [frame] = FrameSplitter().feed(message)
        assert isinstance(frame, Frame)
        if left[0] == 0:
            return message
        left[0] -= 1
        fake = Frame(frame.address, True, frame.sequence, reply.code, replies.encode_data(reply))  # noqa: FBT003
        return encode(fake) + message

    bus.to_panel = inject


def test_clear_text_cards_in_a_session_are_dropped_and_alarmed() -> None:
    bus, reader = one_reader()
    forged(bus, CARD, count=3)
    bus.run(1_000)
    assert bus.all(CardRead) == []
    assert bus.alarms() == ["cleartext_card"]
    assert bus.is_usable()
    assert "retries" not in bus.health().counters  # the true reply behind the forged one still counted
    assert len(reader.executed(commands.Challenge)) == 1


def test_a_card_under_mac_only_is_dropped_and_alarmed() -> None:
    bus, reader = one_reader()
    reader.events.append(CARD)

    def unencrypted(clear: Frame, sealed: Frame) -> Frame:
        if clear.code != ReplyCode.RAW:
            return sealed
        reader.reply_frame = lambda _clear, later: later
        session = reader._session
        assert session is not None
        plain = replace(clear, block_type=SecurityBlock.SCS_16)
        mac = full_mac(session._keys, session.c_mac, authenticated_part(plain))
        session._r_mac = mac
        return replace(plain, mac=mac[:4])

    reader.reply_frame = unencrypted
    bus.run(1_000)
    assert bus.all(CardRead) == []
    assert bus.alarms() == ["cleartext_card"]
    assert "mac_failures" not in bus.health().counters
    assert bus.is_usable()


@pytest.mark.parametrize("reason", range(2, 10))
def test_a_forged_nak_leads_to_a_new_handshake_with_the_same_key(reason: int) -> None:
    bus, reader = one_reader()
    forged(bus, replies.Nak(reason), count=1)
    bus.run(2_000)
    assert bus.is_usable()
    assert all(status.online for status in bus.all(ReaderStatus)[1:])
    assert len(reader.executed(commands.Challenge)) == 2
    assert_said_nothing_in_clear(bus)


def test_a_forged_nak_to_a_pulse_leaves_it_unknown_and_unsent() -> None:
    bus, reader = one_reader()
    number = bus.submit("r0", Pulse(0, 500))
    forged(bus, replies.Nak(NakReason.UNKNOWN_COMMAND), count=1)
    bus.run(5_000)
    assert bus.results(number) == [CommandResult.UNKNOWN]
    assert len(reader.executed(commands.SetOutputs)) <= 1


def test_many_naks_are_an_alarm() -> None:
    bus, _ = one_reader()
    forged(bus, replies.Nak(NakReason.SECURITY_CONDITIONS), count=1)
    for _ in range(5):
        forged(bus, replies.Nak(NakReason.SECURITY_CONDITIONS), count=1)
        bus.run(1_000)
    assert bus.alarms() == ["nak_burst"]


def test_a_bad_mac_kills_the_session_and_is_an_alarm() -> None:
    bus, reader = one_reader()
    reader.events.append(CARD)

    def tampered(message: bytes) -> bytes:
        [frame] = FrameSplitter().feed(message)
        assert isinstance(frame, Frame)
        if frame.code != ReplyCode.RAW:
            return message
        bus.to_panel = lambda later: later
        return encode(replace(frame, data=bytes((frame.data[0] ^ 1,)) + frame.data[1:]))

    bus.to_panel = tampered
    bus.run(2_000)
    assert bus.alarms() == ["bad_mac"]
    assert bus.all(CardRead) == []
    assert len(reader.executed(commands.Challenge)) == 2
    assert bus.is_usable()


def test_a_replayed_card_is_refused() -> None:
    bus, reader = one_reader()
    recorded: list[bytes] = []

    def record(message: bytes) -> bytes:
        [frame] = FrameSplitter().feed(message)
        if isinstance(frame, Frame) and frame.code == ReplyCode.RAW:
            recorded.append(message)
        return message

    bus.to_panel = record
    reader.events.append(CARD)
    bus.run(500)
    assert len(recorded) == 1
    bus.to_panel = lambda _: recorded[0]
    bus.run(20_000)
    assert len(bus.all(CardRead)) == 1


def test_alarms_of_a_kind_are_raised_once_a_minute() -> None:
    bus = VirtualBus([ScriptedReader(5, KEYS[9])])
    bus.run(150_000)
    assert bus.alarms() == ["wrong_key"] * 3
    assert bus.health().counters["alarm_wrong_key"] > 100


@pytest.mark.parametrize("change", [{"serial": 1}, {"vendor": 1}, {"model": 9}])
def test_another_device_stays_unused_until_a_person_confirms(change: dict[str, int]) -> None:
    reader = ScriptedReader(5, KEYS[0], identity=replace(IDENTITY, **change))  # type: ignore[arg-type]
    settings = ReaderSettings("r0", 5, KEYS[0], expected_identity=IDENTITY)
    bus = VirtualBus([reader], [settings])
    reader.events.append(CARD)
    bus.run(20_000)
    assert set(bus.alarms()) == {"identity_changed"}
    assert bus.all(CardRead) == []
    assert not bus.is_usable()
    bus.panel.confirm_identity("r0", bus.now)
    bus.run_until(bus.is_usable, 1_000)


def test_a_device_exchanged_while_the_daemon_runs_is_noticed_without_enrolment() -> None:
    bus, reader = one_reader()
    bus.line_up = False
    bus.run(10_000)
    reader.identity = replace(IDENTITY, serial=99)
    reader.power_cycle()
    bus.line_up = True
    bus.run(5_000)
    assert "identity_changed" in bus.alarms()
    assert not bus.is_usable()
    assert bus.health().detail == "identity changed"


def test_a_foreign_device_without_the_key_is_named_as_one() -> None:
    reader = ScriptedReader(5, KEYS[9], identity=replace(IDENTITY, serial=1))
    bus = never_online(reader, ReaderSettings("r0", 5, KEYS[0], expected_identity=IDENTITY))
    assert set(bus.alarms()) == {"identity_changed", "wrong_key"}


def test_new_firmware_of_the_same_device_is_no_alarm() -> None:
    reader = ScriptedReader(5, KEYS[0], identity=replace(IDENTITY, firmware=(9, 9, 9), version=7))
    bus = VirtualBus([reader], [ReaderSettings("r0", 5, KEYS[0], expected_identity=IDENTITY)])
    bus.run(1_000)
    assert bus.is_usable()
    assert bus.alarms() == []


# --- keys ------------------------------------------------------------------------------------------------


def test_a_key_roll_promotes_the_new_key_and_the_old_one_is_dead() -> None:
    bus, reader = one_reader()
    bus.panel.roll_key("r0", KEYS[1])
    bus.run(2_000)
    assert bus.all(KeyRolled) == [KeyRolled("r0", promoted=True)]
    assert bus.is_usable()
    assert bus.alarms() == []
    assert [(heard.secured, heard.default_key) for heard in reader.executed(commands.SetKey)] == [(True, False)]
    with pytest.raises(ValueError, match="in use"):
        bus.panel.roll_key("r0", KEYS[1])
    reader.scbk = KEYS[0]
    reader.power_cycle()
    bus.run(10_000)
    assert not bus.is_usable()
    assert bus.alarms() == ["wrong_key"]


def test_a_key_roll_without_its_ack_still_finds_the_reader() -> None:
    bus, reader = one_reader()
    cut_until = bus.ms + 12_000
    bus.to_panel = lambda message: b"" if reader.scbk == KEYS[1] and bus.ms < cut_until else message
    bus.panel.roll_key("r0", KEYS[1])
    bus.run(16_000)
    assert bus.all(KeyRolled) == [KeyRolled("r0", promoted=True)]
    assert bus.is_usable()


def test_a_refused_key_roll_keeps_the_old_key() -> None:
    bus, reader = one_reader()
    reader.answer = lambda command, _: replies.Nak(NakReason.RECORD) if isinstance(command, commands.SetKey) else None
    bus.panel.roll_key("r0", KEYS[1])
    bus.run(3_000)
    assert bus.all(KeyRolled) == [KeyRolled("r0", promoted=False)]
    assert bus.is_usable()
    assert bus.alarms() == []


def test_a_clear_text_ack_to_keyset_is_not_believed_but_leads_to_a_handshake() -> None:
    bus, reader = one_reader()

    def clear_ack(clear: Frame, sealed: Frame) -> Frame:
        if reader.scbk != KEYS[1] or clear.code != ReplyCode.ACK:
            return sealed
        reader.reply_frame = lambda _clear, later: later
        return clear

    reader.reply_frame = clear_ack
    bus.panel.roll_key("r0", KEYS[1])
    bus.run(500)
    assert bus.all(KeyRolled) == [KeyRolled("r0", promoted=True)]
    assert bus.alarms() == []  # real readers do answer so


def test_a_pending_key_from_before_a_restart_is_tried_first() -> None:
    for real, promoted in ((KEYS[1], True), (KEYS[0], False)):
        bus = VirtualBus([ScriptedReader(5, real)], [ReaderSettings("r0", 5, KEYS[0], KEYS[1])])
        bus.run(3_000)
        assert bus.is_usable()
        assert bus.all(KeyRolled) == [KeyRolled("r0", promoted=promoted)]


def test_no_key_roll_without_a_session() -> None:
    bus = VirtualBus([ScriptedReader(5, KEYS[9])])
    bus.run(5_000)
    with pytest.raises(ValueError, match="no session"):
        bus.panel.roll_key("r0", KEYS[1])


def test_install_mode_gives_the_first_key_once() -> None:
    reader = ScriptedReader(5, None, accepts_default_key=True)
    bus = VirtualBus([reader], [ReaderSettings("r0", 5, None)])
    bus.run(2_000)
    bus.panel.open_install_mode("r0", KEYS[1], 600_000, bus.now)
    bus.run(3_000)
    assert bus.all(InstallModeClosed) == [InstallModeClosed("r0", key_sent=True)]
    assert bus.all(KeyRolled) == [KeyRolled("r0", promoted=True)]
    assert bus.is_usable()
    assert [(heard.secured, heard.default_key) for heard in reader.executed(commands.SetKey)] == [(True, True)]
    # What runs on the default key is the KEYSET alone.
    assert [type(heard.command) for heard in reader.heard if heard.default_key] == [commands.SetKey]


def test_install_mode_ends_by_the_clock() -> None:
    reader = ScriptedReader(5, None)
    bus = VirtualBus([reader], [ReaderSettings("r0", 5, None)])
    bus.panel.open_install_mode("r0", KEYS[1], 5_000, bus.now)
    bus.run(6_000)
    assert bus.all(InstallModeClosed) == [InstallModeClosed("r0", key_sent=False)]
    reader.accepts_default_key = True
    bus.run(10_000)
    assert reader.executed(commands.SetKey) == []
    with pytest.raises(ValueError, match="600000"):
        bus.panel.open_install_mode("r0", KEYS[2], 600_001, bus.now)


def test_install_mode_refuses_a_key_another_reader_uses() -> None:
    bus = VirtualBus([ScriptedReader(5, KEYS[0]), ScriptedReader(6, KEYS[1])])
    with pytest.raises(ValueError, match="in use"):
        bus.panel.open_install_mode("r0", KEYS[1], 1_000, bus.now)
