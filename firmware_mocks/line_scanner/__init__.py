"""A serial line scanner: QR codes and 125 kHz numbers as text lines ended by CR LF, one way."""

from firmware_mocks.line_scanner.scanner import LineFault, LineScanner, low_frequency_line

__all__ = ["LineFault", "LineScanner", "low_frequency_line"]
