"""Scanned codes: a signed pass is verified with its hours, anything else is only a number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cardcore.ids import credential_key
from cardcore.qr_pass import QrPass, pass_text
from cardcore.reasons import Reason
from reader_daemon.messages import CardFailed, CardRead, CodeScanned
from reader_daemon.registration import read_of_code
from tests.cardcore.issuers import ISSUER_ID, ISSUERS, sign_ed25519

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
BEGIN = int(AT.timestamp()) - 60
PASS = QrPass(ISSUER_ID, bytes(range(16)), BEGIN, BEGIN + 3_600)
TEXT = pass_text(PASS, sign_ed25519)


def scanned(text: str, at: datetime = AT) -> CardRead | CardFailed:
    return read_of_code(CodeScanned("r01-qr", text, at, 5), "r01", ISSUERS)


def test_a_signed_pass_is_a_credential_of_its_own_scheme() -> None:
    assert scanned(f" {TEXT}\r") == CardRead("r01", PASS.credential, AT, 5)


def test_a_pass_out_of_hours_forged_or_cut_has_its_reason() -> None:
    for text, at, reason in (
        (TEXT, AT + timedelta(hours=1), Reason.CARD_EXPIRED),
        (TEXT, AT - timedelta(hours=1), Reason.CARD_NOT_YET_VALID),
        (pass_text(PASS, lambda _data: bytes(64)), AT, Reason.CARD_NOT_GENUINE),
        (TEXT[:-1], AT, Reason.CARD_UNREADABLE),
        (pass_text(QrPass(b"else", bytes(16), 0, 9), sign_ed25519), AT, Reason.CARD_OF_OTHER_SITE),
    ):
        failed = scanned(text, at)
        assert isinstance(failed, CardFailed)
        assert failed.reason == reason


def test_other_codes_are_numbers() -> None:
    assert scanned("ABCD1234") == CardRead("r01", credential_key("qr:abcd1234"), AT, 5)
    failed = scanned("no code at all")
    assert isinstance(failed, CardFailed)
    assert failed.reason == Reason.CARD_UNKNOWN_TYPE
