"""The PC/SC port on a real pcscd with virtual readers: the same contract as in memory."""

from __future__ import annotations

from cardcore.card_keys.roles import CardApplication
from firmware_mocks.virtual_card.card import STATUS_WRONG_LENGTH
from firmware_mocks.virtual_card.pkoc_card import PkocCard
from reader_daemon.messages import CardFailed, CardRead, ReaderStatus
from reader_daemon.protocols.card.dialogue import CardPolicy
from reader_daemon.transports.pcsc import READERS_PER_SERVICE, PcscPort
from reader_daemon.transports.pcsc_reader import PcscReaderSettings
from reader_daemon.transports.pcsc_service import UNSEEN
from tests.pcsc_service.conftest import LOOKS, PcscdBench
from tests.reader_daemon.protocols.card.site_cards import CREDENTIAL_IDS, CountingKeys, issued, reader
from tests.reader_daemon.transports.pcsc_contract import PcscContract
from tests.reader_daemon.transports.port_events import EventLog, SeededIds, StandingClock

GATE_ID = CREDENTIAL_IDS[CardApplication.GATE]


class TestThroughPcscd(PcscContract):
    """Inherits every test; `bench` is the fixture of this folder."""


def test_command_of_one_byte_does_not_hang_the_reader(bench: PcscdBench) -> None:
    bench.insert(0, PkocCard(1))
    context = bench.establish()
    look = UNSEEN
    for _ in range(LOOKS):
        look = context.wait(bench.names[0], look, 100) or look
        if look.present:
            break
    channel = context.connect(bench.names[0])
    try:
        assert channel.transmit(b"\x60") == STATUS_WRONG_LENGTH
    finally:
        channel.close()
        context.release()


def test_private_service_is_not_the_machines_own(bench: PcscdBench) -> None:
    context = bench.establish()
    try:
        assert set(context.readers()) == set(bench.all_names)
    finally:
        context.release()


def test_sixteen_readers_each_read_their_own_card(bench: PcscdBench) -> None:
    assert len(bench.all_names) == READERS_PER_SERVICE
    log = EventLog()
    names = [f"r{slot:02}" for slot in range(READERS_PER_SERVICE)]
    readers = [
        PcscReaderSettings(name, pcsc_name, CardPolicy(desfire=reader()), keys=CountingKeys())
        for name, pcsc_name in zip(names, bench.all_names, strict=True)
    ]
    port = PcscPort("pcsc", readers, clock=StandingClock(), ids=SeededIds(), sink=log, establish=bench.establish)
    port.start()
    try:
        log.wait(ReaderStatus, READERS_PER_SERVICE, lambda status: status.online)
        for slot in range(0, READERS_PER_SERVICE, 2):
            bench.insert(slot, PkocCard(slot))
            bench.insert(slot + 1, issued())
        log.wait(CardRead, READERS_PER_SERVICE)
    finally:
        port.stop()
    read = {event.reader: event.credential for event in log.of(CardRead)}
    assert not log.of(CardFailed)
    for slot, name in enumerate(names):
        assert read[name] == (PkocCard(slot).credential if slot % 2 == 0 else f"desfire:{GATE_ID.hex()}")
