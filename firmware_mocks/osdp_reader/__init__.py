"""A mock OSDP reader (peripheral device): bytes in, bytes out, and every way a real one misbehaves."""

from firmware_mocks.osdp_reader.bus import MultiDropBus
from firmware_mocks.osdp_reader.faults import FOREVER, Fault
from firmware_mocks.osdp_reader.reader import OsdpReader
from firmware_mocks.osdp_reader.settings import ReaderSettings

__all__ = ["FOREVER", "Fault", "MultiDropBus", "OsdpReader", "ReaderSettings"]
