"""What is plugged into this box: serial ports by their stable names, PC/SC readers; only lists, opens nothing."""

from __future__ import annotations

from pathlib import Path

from serial.tools import list_ports

from reader_daemon.transports.pcsc_scard import INSTALL_ADVICE

_BY_ID = Path("/dev/serial/by-id")


def serial_ports() -> list[str]:
    """Return a line a port: the name that follows the adapter by its serial number, where there is one, and a text."""
    return [f"{_stable_name(port.device)}  {port.description}" for port in sorted(list_ports.comports())]


def pcsc_readers() -> list[str]:
    """Return the names of the PC/SC readers, or one line that says why there are none."""
    try:
        from smartcard.System import readers  # noqa: PLC0415 - an extra that a box without contactless readers lacks
    except ImportError:
        return [INSTALL_ADVICE]
    try:
        return [str(reader) for reader in readers()]
    except Exception as error:  # noqa: BLE001 - pyscard raises its own for "no service"; any of them only means none
        return [f"no service: {error}"]


def _stable_name(device: str) -> str:
    links = sorted(_BY_ID.iterdir()) if _BY_ID.is_dir() else []
    return next((str(link) for link in links if link.resolve() == Path(device).resolve()), device)
