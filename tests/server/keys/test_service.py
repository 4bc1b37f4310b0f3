"""The key service: which epochs it accepts, who may ask for what, and that no key shows anywhere."""

from __future__ import annotations

import ctypes
import io
import logging
import resource
import traceback
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import structlog

from cardcore.card_keys.asks import BeginAuthentication, CardMethod, KeyName, KeyPurpose, KeyRefusal, KeyRefused
from cardcore.card_keys.custody import CardKey, KeyCipher
from cardcore.card_keys.roles import KeyRole
from cardcore.ids import DeviceId
from cardcore.issuer import signed_by
from cardcore.journal import Purpose
from server.keys.ceremony import rotated
from server.keys.key_file import OpenedFile
from server.keys.permission import READ_BACK_ROLES, Asker, refused
from server.keys.service import KeyService
from server.keys.software import SoftwareVault
from server.logs import configure_logs
from tests.server.keys.key_site import AT, OTHER_SITE, SITE, UID, drawn

DEVICE = DeviceId(UUID(int=7))


@pytest.fixture
def service(opened_file: OpenedFile) -> Iterator[KeyService]:
    opened = KeyService(SoftwareVault(opened_file))
    yield opened
    opened.close()


def at_epoch(opened: OpenedFile, role: KeyRole, epoch: int) -> KeyService:
    for number in range(1, epoch):
        opened = rotated(opened, SITE, [role], drawn(f"epoch{number}"), AT)
    return KeyService(SoftwareVault(opened))


class TestEpochs:
    @pytest.mark.parametrize(("newest", "accepted"), [(1, {1}), (2, {1, 2}), (3, {2, 3}), (6, {5, 6})])
    def test_the_newest_and_the_one_before_are_accepted(
        self, opened_file: OpenedFile, newest: int, accepted: set[int]
    ) -> None:
        custody = at_epoch(opened_file, KeyRole.GATE_READ, newest).custody(SITE)
        answers = {
            epoch: custody.card_key(KeyName(KeyRole.GATE_READ, UID, epoch), KeyCipher.AES)
            for epoch in range(1, newest + 3)
        }
        assert {epoch for epoch, answer in answers.items() if not isinstance(answer, KeyRefused)} == accepted
        wrong = {answer.refusal for answer in answers.values() if isinstance(answer, KeyRefused)}
        assert wrong == {KeyRefusal.UNKNOWN_EPOCH}

    def test_each_epoch_has_another_key(self, opened_file: OpenedFile) -> None:
        custody = at_epoch(opened_file, KeyRole.CANTEEN_READ, 2).custody(SITE)
        keys = [custody.card_key(KeyName(KeyRole.CANTEEN_READ, UID, epoch), KeyCipher.AES) for epoch in (1, 2)]
        assert keys[0].value() != keys[1].value()  # type: ignore[union-attr]

    def test_a_leaked_till_key_is_replaced_without_touching_a_door(self, opened_file: OpenedFile) -> None:
        service = at_epoch(opened_file, KeyRole.CANTEEN_READ, 2)
        assert service.newest_epoch(SITE, KeyRole.CANTEEN_READ) == 2
        assert service.newest_epoch(SITE, KeyRole.GATE_READ) == 1

    def test_the_factory_key_is_the_known_one(self, service: KeyService) -> None:
        key = service.custody(SITE).card_key(KeyName(KeyRole.CARD_MASTER, UID, 0), KeyCipher.AES)
        assert key.value() == bytes(16)  # type: ignore[union-attr]

    def test_another_site_has_no_key_here(self, service: KeyService) -> None:
        answer = service.custody(OTHER_SITE).card_key(KeyName(KeyRole.GATE_READ, UID, 1), KeyCipher.AES)
        assert isinstance(answer, KeyRefused)

    @pytest.mark.parametrize("uid", [b"", bytes(3), bytes(8), bytes(10)])
    def test_a_serial_number_of_no_card_is_refused(self, service: KeyService, uid: bytes) -> None:
        answer = service.custody(SITE).card_key(KeyName(KeyRole.GATE_READ, uid, 1), KeyCipher.AES)
        assert isinstance(answer, KeyRefused)
        assert answer.refusal is KeyRefusal.BAD_REQUEST

    def test_locked_keys_say_so(self) -> None:
        locked = KeyService(None)
        answer = locked.custody(SITE).card_key(KeyName(KeyRole.GATE_READ, UID, 1), KeyCipher.AES)
        assert isinstance(answer, KeyRefused)
        assert answer.refusal is KeyRefusal.UNAVAILABLE
        assert isinstance(locked.sign_credential(SITE, b"content"), KeyRefused)
        assert not locked.is_open


def test_a_credential_is_signed_for_its_site_alone(service: KeyService) -> None:
    signature = service.sign_credential(SITE, b"content")
    assert isinstance(signature, bytes)
    issuer = service.issuer(SITE)
    assert issuer is not None
    assert signed_by(issuer, signature, b"content")
    assert not signed_by(issuer, signature, b"other content")
    assert isinstance(service.sign_credential(OTHER_SITE, b"content"), KeyRefused)
    assert service.issuer(OTHER_SITE) is None


def begin(role: KeyRole, purpose: KeyPurpose, uid: bytes = UID, epoch: int = 1) -> BeginAuthentication:
    return BeginAuthentication(CardMethod.EV2_FIRST, KeyName(role, uid, epoch), purpose, bytes(16))


def allowed_roles(asker: Asker, purpose: KeyPurpose) -> set[KeyRole]:
    return {role for role in KeyRole if refused(asker, begin(role, purpose)) is None}


class TestPermission:
    def test_a_stolen_till_opens_no_door(self) -> None:
        till = Asker(DEVICE, SITE, frozenset({Purpose.TILL}))
        assert allowed_roles(till, KeyPurpose.READ) == {KeyRole.CANTEEN_READ}
        assert allowed_roles(till, KeyPurpose.ISSUE) == set()

    def test_a_lane_reads_no_canteen_credential(self) -> None:
        lane = Asker(DEVICE, SITE, frozenset({Purpose.GATE}))
        assert allowed_roles(lane, KeyPurpose.READ) == {KeyRole.GATE_READ}
        assert allowed_roles(lane, KeyPurpose.ISSUE) == set()

    def test_a_station_issues_the_card_of_its_job_and_no_other(self) -> None:
        station = Asker(DEVICE, SITE, frozenset(), issuing_uid=UID)
        assert allowed_roles(station, KeyPurpose.ISSUE) == set(KeyRole) - {KeyRole.TRANSACTION_MAC}
        assert allowed_roles(station, KeyPurpose.READ) == READ_BACK_ROLES
        other = begin(KeyRole.CARD_MASTER, KeyPurpose.ISSUE, uid=UID[::-1])
        assert refused(station, other) is KeyRefusal.NOT_ALLOWED

    def test_nobody_asks_with_an_empty_serial_number(self) -> None:
        idle = Asker(DEVICE, SITE, frozenset({Purpose.GATE}))
        assert refused(idle, begin(KeyRole.CARD_MASTER, KeyPurpose.ISSUE, uid=b"")) is KeyRefusal.NOT_ALLOWED

    def test_the_factory_key_is_no_key_to_read_with(self) -> None:
        lane = Asker(DEVICE, SITE, frozenset({Purpose.GATE}))
        assert refused(lane, begin(KeyRole.GATE_READ, KeyPurpose.READ, epoch=0)) is KeyRefusal.NOT_ALLOWED


class TestSecrecy:
    """No key in a log, a traceback, a `repr` or a core dump."""

    def secrets(self, opened: OpenedFile, key: CardKey) -> list[bytes]:
        return [*opened.secret.masters.values(), *opened.secret.issuers.values(), opened.file_key, key.value()]

    def test_no_key_shows(self, opened_file: OpenedFile, service: KeyService) -> None:
        custody = service.custody(SITE)
        key = custody.card_key(KeyName(KeyRole.GATE_READ, UID, 1), KeyCipher.AES)
        assert not isinstance(key, KeyRefused)
        stream = io.StringIO()
        configure_logs("debug", "json", stream)
        things = [opened_file, opened_file.secret, service, service._vault, custody, key, key.encrypt]
        shown = ""
        try:
            key.encrypt(b"short", b"data of no whole block")
        except ValueError:
            structlog.get_logger("test").exception("card_key_fault", service=service, key=key, file=opened_file)
            shown = traceback.format_exc()
        logging.getLogger("test").warning("%r %r", key, opened_file)
        shown += stream.getvalue() + "".join(repr(thing) + str(thing) for thing in things)
        assert "card_key_fault" in shown
        for secret in self.secrets(opened_file, key):
            assert secret.hex() not in shown.lower()
            assert repr(secret)[2:-1] not in shown

    def test_an_open_key_service_writes_no_core_dump(self, service: KeyService) -> None:
        assert service.is_open
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)

    def test_masters_lie_on_a_page_that_is_not_dumped(self, service: KeyService) -> None:
        page = service._vault._page._page  # type: ignore[union-attr]
        assert page[:16] != bytes(16)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        (flags,) = [flags for start, end, flags in mappings() if start <= address < end]
        assert "dd" in flags  # "do not dump", proc(5)


def mappings() -> Iterator[tuple[int, int, list[str]]]:
    """Yield first and last address and the flags of each mapping of this process."""
    start = end = 0
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if "-" in words[0]:
            start, end = (int(number, 16) for number in words[0].split("-"))
        elif words[0] == "VmFlags:":
            yield start, end, words[1:]
