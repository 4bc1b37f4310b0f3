"""What a PC/SC port must do, whatever service is behind it: run on the service in memory and on a real pcscd."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Protocol

from cardcore.card_keys.asks import KeySource
from cardcore.card_keys.roles import DEFAULT_LAYOUT
from cardcore.ids import CredentialKey
from cardcore.reasons import Reason
from firmware_mocks.virtual_card.card import VirtualCard
from firmware_mocks.virtual_card.desfire.card import ATR_DESFIRE, DesfireCard
from firmware_mocks.virtual_card.misbehaving import RubbishCard, SilentCard, TornCard
from firmware_mocks.virtual_card.pkoc_card import Forgery, PkocCard
from firmware_mocks.virtual_card.uid_card import UidCard
from reader_daemon.messages import (
    Beep,
    CardFailed,
    CardRead,
    CommandFinished,
    CommandResult,
    PortLost,
    PortReopened,
    ReaderStatus,
)
from reader_daemon.protocols.card.dialogue import NO_KEYS, CardPolicy, Transmit, run_dialogue
from reader_daemon.protocols.card.outcome import CardFailure
from reader_daemon.protocols.card.personalise import PERSONALISE_EXCHANGES, Personalised, personalise
from reader_daemon.transports.pcsc import PcscPort
from reader_daemon.transports.pcsc_reader import PcscReaderSettings, ServeCard
from reader_daemon.transports.pcsc_service import EstablishContext
from tests.reader_daemon.protocols.card.site_cards import UID, CountingKeys, issue, issued, reader
from tests.reader_daemon.protocols.card.test_cpu_card import cpu_card
from tests.reader_daemon.protocols.card.test_personalise import ORDER
from tests.reader_daemon.transports.port_events import DEADLINE_SECONDS, EventLog, SeededIds, StandingClock

GATE_AID = DEFAULT_LAYOUT.gate_aid[::-1]
READER = "till-1"
OTHER = "till-2"
HOURS_MS = 10**8


class Recording:
    """Says what was heard, whatever it is asked."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self._left: list[bytes] = []
        self.atr = ATR_DESFIRE

    def power_on(self) -> None:
        self._left = list(self._answers)

    def answer(self, _command: bytes) -> bytes:
        return self._left.pop(0) if self._left else b"\x91\x1c"


class Listening:
    """A genuine card with somebody listening."""

    def __init__(self, card: DesfireCard) -> None:
        self._card = card
        self._heard: list[bytes] = []
        self.atr = card.atr

    def power_on(self) -> None:
        self._card.power_on()

    def answer(self, command: bytes) -> bytes:
        self._heard.append(self._card.answer(command))
        return self._heard[-1]

    def recording(self) -> Recording:
        return Recording(self._heard)


class PcscBench(Protocol):
    """Two readers and the hands that put cards on them."""

    establish: EstablishContext
    names: tuple[str, str]

    def insert(self, slot: int, card: VirtualCard) -> None: ...

    def remove(self, slot: int) -> None: ...

    def stop_service(self) -> None: ...

    def start_service(self) -> None: ...


@contextmanager
def running_port(
    bench: PcscBench,
    policy: CardPolicy | None = None,
    keys: KeySource = NO_KEYS,
    serve: ServeCard | None = None,
) -> Iterator[tuple[PcscPort, EventLog]]:
    """Yield a started port whose two readers are online."""
    log = EventLog()
    readers = [
        PcscReaderSettings(name, pcsc_name, policy or CardPolicy(), keys=keys, serve=serve)
        for name, pcsc_name in zip((READER, OTHER), bench.names, strict=True)
    ]
    port = PcscPort("pcsc", readers, clock=StandingClock(), ids=SeededIds(), sink=log, establish=bench.establish)
    port.start()
    try:
        log.wait(ReaderStatus, 2, lambda status: status.online)
        yield port, log
    finally:
        port.stop()


class PcscContract:
    """Subclasses provide the fixture `bench`."""

    def test_pkoc_card_is_read_once_an_insertion(self, bench: PcscBench) -> None:
        card = PkocCard(1)
        with running_port(bench) as (_, log):
            bench.insert(0, card)
            first = log.wait(CardRead)
            assert first.reader == READER
            assert first.credential == card.credential
            assert not first.possibly_stale
            bench.remove(0)
            bench.insert(0, card)
            log.wait(CardRead, 2)
            bench.remove(0)
        assert len(log.of(CardRead)) == 2
        assert not log.of(CardFailed)

    def test_rubbish_fails_and_the_next_card_is_read(self, bench: PcscBench) -> None:
        with running_port(bench) as (_, log):
            bench.insert(0, RubbishCard(3, accepting=True))
            assert log.wait(CardFailed).reason == Reason.CARD_UNREADABLE
            bench.remove(0)
            bench.insert(0, PkocCard(2))
            assert log.wait(CardRead).credential == PkocCard(2).credential

    def test_card_pulled_in_the_dialogue_has_moved(self, bench: PcscBench) -> None:
        with running_port(bench) as (_, log):
            bench.insert(0, TornCard(PkocCard(3), 20))
            failed = log.wait(CardFailed)
            assert failed.reason == Reason.CARD_MOVED, failed.detail
            bench.remove(0)
            bench.insert(0, PkocCard(3))
            assert log.wait(CardRead).credential == PkocCard(3).credential

    def test_forged_signature_is_not_genuine(self, bench: PcscBench) -> None:
        with running_port(bench) as (_, log):
            bench.insert(0, PkocCard(4, forgery=Forgery.OTHER_KEY))
            assert log.wait(CardFailed).reason == Reason.CARD_NOT_GENUINE
        assert not log.of(CardRead)

    def test_serial_number_is_refused_unless_admitted(self, bench: PcscBench) -> None:
        card = UidCard(bytes.fromhex("04A1B2C3D4E5F6"))
        with running_port(bench) as (_, log):
            bench.insert(0, card)
            assert log.wait(CardFailed).reason == Reason.CARD_UNKNOWN_TYPE
            bench.remove(0)
        assert not log.of(CardRead)
        with running_port(bench, CardPolicy(allow_low_assurance=True)) as (_, log):
            bench.insert(0, card)
            assert log.wait(CardRead).credential == CredentialKey("uid:04a1b2c3d4e5f6")

    def test_secure_cards_are_read_and_copies_of_them_are_not(self, bench: PcscBench) -> None:
        """A copied serial number, a replayed transcript, and a clone with the right file and the wrong key."""
        policy = CardPolicy(desfire=reader(), allow_low_assurance=True)
        keys = CountingKeys()
        genuine, heard = issued(), Listening(issued())
        clone = issue(DesfireCard(UID), site=9)
        clone.applications[GATE_AID].files[1].data[:] = genuine.applications[GATE_AID].files[1].data
        with running_port(bench, policy, keys) as (_, log):
            good: tuple[VirtualCard, ...] = (genuine, heard, cpu_card(), issued(generation=1))
            for count, card in enumerate(good, 1):
                bench.insert(0, card)
                assert log.wait(CardRead, count).credential.partition(":")[0] in {"desfire", "cpu"}
                bench.remove(0)
            copied = UidCard(UID)
            bench.insert(0, copied)
            assert log.wait(CardRead, 5).credential == f"uid:{UID.hex()}"
            bench.remove(0)
            bad: tuple[VirtualCard, ...] = (heard.recording(), clone)
            for count, card in enumerate(bad, 1):
                bench.insert(0, card)
                assert log.wait(CardFailed, count).reason == Reason.CARD_NOT_GENUINE
                bench.remove(0)
            bench.insert(0, genuine)
            assert log.wait(CardRead, 6).credential == log.of(CardRead)[0].credential

    def test_a_card_is_made_on_an_encoder_and_torn_and_finished(self, bench: PcscBench) -> None:
        keys, made = CountingKeys(), Queue[Personalised | CardFailure]()

        def serve(transmit: Transmit) -> CardFailure | None:
            outcome = run_dialogue(personalise(ORDER), transmit, StandingClock(), 15_000, keys, PERSONALISE_EXCHANGES)
            made.put(outcome)
            return outcome if isinstance(outcome, CardFailure) else None

        card = DesfireCard(UID)
        with running_port(bench, CardPolicy(budget_ms=20_000), serve=serve) as (_, log):
            bench.insert(0, TornCard(card, 600))
            torn = made.get(timeout=DEADLINE_SECONDS)
            assert isinstance(torn, CardFailure), torn
            assert log.wait(CardFailed).reason == torn.reason
            bench.remove(0)
            bench.insert(0, card)
            finished = made.get(timeout=DEADLINE_SECONDS)
            assert isinstance(finished, Personalised), finished
            assert finished.finished_a_torn_card
            assert not log.of(CardRead)

    def test_without_its_key_source_a_secure_card_has_its_own_reason(self, bench: PcscBench) -> None:
        with running_port(bench, CardPolicy(desfire=reader())) as (_, log):
            bench.insert(0, issued())
            assert log.wait(CardFailed).reason == Reason.KEYS_UNAVAILABLE

    def test_silent_card_delays_no_other_reader(self, bench: PcscBench) -> None:
        with running_port(bench) as (_, log):
            silent = SilentCard()
            bench.insert(0, silent)
            assert silent.asked.wait(DEADLINE_SECONDS)
            bench.insert(1, PkocCard(5))
            read = log.wait(CardRead)
            assert (read.reader, read.credential) == (OTHER, PkocCard(5).credential)
            bench.remove(0)
            failed = log.wait(CardFailed)
            assert failed.reason == Reason.CARD_MOVED, failed.detail
            bench.insert(0, PkocCard(6))
            assert log.wait(CardRead, 2).reader == READER

    def test_restart_of_the_service_is_survived(self, bench: PcscBench) -> None:
        with running_port(bench) as (_, log):
            bench.stop_service()
            log.wait(PortLost)
            log.wait(ReaderStatus, 2, lambda status: not status.online)
            bench.start_service()
            log.wait(PortReopened)
            log.wait(ReaderStatus, 4, lambda status: status.online)
            bench.insert(0, PkocCard(7))
            assert log.wait(CardRead).credential == PkocCard(7).credential
        assert len(log.of(PortLost)) == 1
        assert len(log.of(PortReopened)) == 1

    def test_signals_are_refused_by_a_reader_without_any(self, bench: PcscBench) -> None:
        with running_port(bench) as (port, log):
            command_id = port.submit(READER, Beep(100), HOURS_MS)
            finished = log.wait(CommandFinished)
        assert finished == CommandFinished(READER, command_id, CommandResult.REFUSED)
