"""The PC/SC service through pyscard's raw `smartcard.scard`: a thin typed layer that decides nothing about cards.

Return codes become the exceptions of `pcsc_service`. pyscard is imported only when a PC/SC reader is configured.
"""

from __future__ import annotations

from typing import Any

from reader_daemon.protocols.card.apdu import ANSWER_BYTES
from reader_daemon.transports.pcsc_service import (
    CardChannel,
    CardMoved,
    CardMute,
    EstablishContext,
    Look,
    PcscFault,
    PcscMissing,
    ReaderGone,
    ServiceGone,
)

PNP_NAME = "\\\\?PnP?\\Notification"
"""The pseudo reader that reports plugging and unplugging (PC/SC part 5, pcsc-lite API)."""
ESCAPE_CODE = 3500
"""The vendor escape of CCID drivers, as an argument of SCARD_CTL_CODE (pcsc-lite ccid README)."""

_NO_READERS = 0x8010002E
_TIMED_OUT = 0x8010000A
_CANCELLED = 0x80100002
_PROTOCOL_MISMATCH = 0x8010000F
_SERVICE_GONE = {
    0x80100003: "invalid handle",
    0x80100012: "cancelled by the system",
    0x80100013: "communication error",
    0x80100018: "shutting down",
    0x8010001D: "not running",
    0x8010001E: "stopped",
}
_READER_GONE = {0x80100009: "unknown reader", 0x80100017: "reader unavailable"}
_CARD_MOVED = {
    0x8010000C: "no card",
    0x80100016: "not transacted",
    0x80100068: "card reset",
    0x80100069: "card removed",
}
_CARD_MUTE = {0x80100066: "card does not answer the reset", 0x80100067: "card has no power"}

INSTALL_ADVICE = (
    "PC/SC readers need pyscard and the PC/SC service: apt-get install pcscd libpcsclite-dev gcc python3-dev, "
    "then pip install pyscard into the daemon's own environment · PC/SC 读卡器需要 pyscard 和 PC/SC 服务：请执行 "
    "apt-get install pcscd libpcsclite-dev gcc python3-dev，然后在守护程序的环境里执行 pip install pyscard"
)


def pcsc_establish() -> EstablishContext:
    """Import pyscard and return how to reach the service; raises `PcscMissing` with the packages to install."""
    try:
        from smartcard import scard  # noqa: PLC0415 - an optional extra with a C library behind it
    except ImportError as error:
        raise PcscMissing(INSTALL_ADVICE) from error
    return lambda: ScardContext(scard)


def _check(code: int, scard: Any) -> None:  # noqa: ANN401 - pyscard carries no types
    """Raise the exception that names return code `code`; return when it is success."""
    code &= 0xFFFFFFFF
    if code == 0:
        return
    for kind, names in (
        (ServiceGone, _SERVICE_GONE),
        (ReaderGone, _READER_GONE),
        (CardMoved, _CARD_MOVED),
        (CardMute, _CARD_MUTE),
    ):
        if code in names:
            raise kind(names[code])
    text = str(scard.SCardGetErrorMessage(code)).rstrip(".")
    msg = f"{text} (0x{code:08X})"
    raise PcscFault(msg)


class ScardContext:
    """`PcscContext` on pyscard's raw calls."""

    def __init__(self, scard: Any) -> None:  # noqa: ANN401 - pyscard carries no types
        """Establish; raises `ServiceGone`."""
        self._scard = scard
        code, self._handle = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        _check(code, scard)

    def readers(self) -> tuple[str, ...]:
        """See `PcscContext`."""
        code, names = self._scard.SCardListReaders(self._handle, [])
        if code & 0xFFFFFFFF == _NO_READERS:
            return ()
        _check(code, self._scard)
        return tuple(names)

    def wait(self, reader: str | None, known: Look, timeout_ms: int) -> Look | None:
        """See `PcscContext`."""
        asked = [] if reader is None else [(reader, known.state)]
        code, states = self._scard.SCardGetStatusChange(
            self._handle, timeout_ms, [*asked, (PNP_NAME, known.plug_state)]
        )
        if code & 0xFFFFFFFF in (_TIMED_OUT, _CANCELLED):
            return None
        _check(code, self._scard)
        scard = self._scard
        plug_state = int(states[-1][1]) & ~scard.SCARD_STATE_CHANGED
        if reader is None:
            return Look(present=False, gone=False, moves=0, state=0, plug_state=plug_state)
        state = int(states[0][1])
        return Look(
            present=bool(state & scard.SCARD_STATE_PRESENT),
            gone=bool(state & (scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE)),
            moves=state >> 16 & 0xFFFF,
            state=state & ~scard.SCARD_STATE_CHANGED,
            plug_state=plug_state,
        )

    def connect(self, reader: str) -> CardChannel:
        """See `PcscContext`. T=1 as contactless readers speak it; T=0 only where the driver refuses."""
        scard = self._scard
        code, handle, protocol = scard.SCardConnect(
            self._handle, reader, scard.SCARD_SHARE_EXCLUSIVE, scard.SCARD_PROTOCOL_T1
        )
        if code & 0xFFFFFFFF == _PROTOCOL_MISMATCH:
            both = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
            code, handle, protocol = scard.SCardConnect(self._handle, reader, scard.SCARD_SHARE_EXCLUSIVE, both)
        _check(code, scard)
        return ScardChannel(scard, handle, protocol)

    def control(self, reader: str, command: bytes) -> bytes:
        """See `PcscContext`."""
        scard = self._scard
        code, handle, _ = scard.SCardConnect(self._handle, reader, scard.SCARD_SHARE_DIRECT, 0)
        _check(code, scard)
        try:
            code, answer = scard.SCardControl(handle, scard.SCARD_CTL_CODE(ESCAPE_CODE), list(command))
            _check(code, scard)
            return bytes(answer)
        finally:
            scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)

    def cancel(self) -> None:
        """See `PcscContext`."""
        self._scard.SCardCancel(self._handle)

    def release(self) -> None:
        """See `PcscContext`."""
        self._scard.SCardReleaseContext(self._handle)


class ScardChannel:
    """`CardChannel` on pyscard's raw calls."""

    def __init__(self, scard: Any, handle: int, protocol: int) -> None:  # noqa: ANN401 - pyscard carries no types
        """`protocol` is the one the connection was made with."""
        self._scard = scard
        self._handle = handle
        self._send_as = scard.SCARD_PCI_T1 if protocol == scard.SCARD_PROTOCOL_T1 else scard.SCARD_PCI_T0

    def transmit(self, command: bytes) -> bytes:
        """See `CardChannel`. An answer beyond the short form is cut one byte after its limit: still refused."""
        code, answer = self._scard.SCardTransmit(self._handle, self._send_as, list(command))
        _check(code, self._scard)
        if not answer:  # no card can answer nothing; drivers report so a card that left in the exchange
            msg = "empty answer"
            raise CardMoved(msg)
        return bytes(answer[: ANSWER_BYTES + 1])

    def close(self) -> None:
        """See `CardChannel`. Powering the card off instead is slower and races with its removal."""
        self._scard.SCardDisconnect(self._handle, self._scard.SCARD_LEAVE_CARD)
