"""A line scanner sends lines, and spoils the next ones on command."""

from __future__ import annotations

import random

import pytest

from firmware_mocks.line_scanner import LineFault, LineScanner, low_frequency_line


def scanned(fault: LineFault | None, text: str = "VISIT-7KQ2") -> bytes:
    scanner = LineScanner("r01-qr", random.Random(1).randbytes)
    if fault is not None:
        scanner.set_fault(fault, 1)
    scanner.scan(text, 0)
    return scanner.advance(0)


def test_a_scan_is_one_line() -> None:
    assert scanned(None) == b"VISIT-7KQ2\r\n"
    assert scanned(None, "来访") == "来访\r\n".encode()


def test_each_fault_spoils_the_line_its_own_way() -> None:
    assert scanned(LineFault.CUT) == b"VISIT"
    assert scanned(LineFault.UNTERMINATED) == b"VISIT-7KQ2"
    assert scanned(LineFault.LF_ONLY) == b"VISIT-7KQ2\n"
    assert scanned(LineFault.DROP) == b""
    noisy = scanned(LineFault.NOISE)
    assert noisy.endswith(b"VISIT-7KQ2\r\n")
    assert len(noisy) == 24 + 12
    assert len(scanned(LineFault.OVERSIZE)) > 16_000


def test_a_fault_heals_after_its_count() -> None:
    scanner = LineScanner("r01-qr", random.Random(1).randbytes)
    scanner.set_fault(LineFault.DROP, 2)
    for _ in range(3):
        scanner.scan("A", 0)
    assert scanner.advance(0) == b"A\r\n"
    assert scanner.next_due_ms() is None


@pytest.mark.parametrize("text", ["", "A\nB", "A\r", "x" * 2_049])
def test_text_no_code_can_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a code holds"):
        scanned(None, text)


def test_a_transponder_number_is_ten_digits_of_its_low_32_bits() -> None:
    assert low_frequency_line(0x12_3456_789A) == f"{0x3456789A:010d}"
    with pytest.raises(ValueError, match="40 bits"):
        low_frequency_line(2**40)


def test_what_the_host_sends_is_ignored() -> None:
    scanner = LineScanner("r01-qr", random.Random(1).randbytes)
    assert scanner.feed(b"\x16T\r", 0) == b""
