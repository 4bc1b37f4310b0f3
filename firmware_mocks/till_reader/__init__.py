"""A mock till reader: card, keypad, display, lamp and buzzer on OSDP."""

from firmware_mocks.till_reader.till import TillReader

__all__ = ["TillReader"]
