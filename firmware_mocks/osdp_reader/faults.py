"""How a mock reader can misbehave, and for how many replies.

A fault is armed with a count and used up reply by reply, so that a test knows exactly what went wrong and when.
"""

from __future__ import annotations

from enum import StrEnum

FOREVER = -1
"""A count that never runs out."""
MAX_COUNT = 1_000_000
MAX_DELAY_MS = 60_000


class Fault(StrEnum):
    """Every way to misbehave; the values are used on the control socket."""

    # The wire, after the command was executed.
    DROP = "drop"
    """The reply is lost."""
    CORRUPT = "corrupt"
    """One bit of the reply is flipped."""
    DELAY = "delay"
    """The reply comes `delay_ms` late."""
    DUPLICATE = "duplicate"
    """The reply comes twice."""
    TRUNCATE = "truncate"
    """The second half of the reply is missing."""
    ECHO = "echo"
    """The command comes back before the reply, as from a badly wired line."""
    BABBLE = "babble"
    """Random bytes before the reply."""
    OVERSIZE = "oversize"
    """The reply's length field says 2,000."""
    WRONG_SQN = "wrong_sqn"
    WRONG_ADDRESS = "wrong_address"
    BAD_MAC = "bad_mac"
    """In a session: the MAC is wrong, the CRC right."""
    CLEAR_REPLY = "clear_reply"
    """In a session: the reply comes in clear text."""

    # Instead of executing the command.
    DEAF = "deaf"
    """The command is not heard: no reply, nothing executed."""
    BUSY = "busy"
    NAK_1 = "nak_1"
    NAK_2 = "nak_2"
    NAK_3 = "nak_3"
    NAK_4 = "nak_4"
    NAK_5 = "nak_5"
    NAK_6 = "nak_6"
    NAK_7 = "nak_7"
    NAK_8 = "nak_8"
    NAK_9 = "nak_9"
    NAK_POLL = "nak_poll"
    """NAK 3, and only to POLL."""
    FMT = "fmt"
    """POLL is answered by a card as characters (deprecated reply FMT)."""
    UNKNOWN_REPLY = "unknown_reply"
    """POLL is answered by a reply code nobody defined."""
    CLEAR_CARD = "clear_card"
    """In a session: POLL is answered by a card read in clear text."""
    MAC_ONLY_CARD = "mac_only_card"
    """In a session: POLL is answered by a card read under SCS_16, authenticated but not encrypted."""

    # Identity and keys.
    DEFAULT_KEY = "default_key"
    """The handshake is answered under SCBK-D whatever was asked."""
    LYING_CAP = "lying_cap"
    """PDCAP without AES and without CRC."""
    CHANGED_ID = "changed_id"
    """PDID with another serial number."""


NAK_REASONS: dict[Fault, int] = {
    Fault.NAK_1: 1,
    Fault.NAK_2: 2,
    Fault.NAK_3: 3,
    Fault.NAK_4: 4,
    Fault.NAK_5: 5,
    Fault.NAK_6: 6,
    Fault.NAK_7: 7,
    Fault.NAK_8: 8,
    Fault.NAK_9: 9,
}


class FaultBox:
    """The armed faults of one reader."""

    def __init__(self) -> None:
        """Begin with none."""
        self._remaining: dict[Fault, int] = {}
        self.delay_ms = 0

    def arm(self, fault: Fault, count: int = 1, delay_ms: int = 0) -> None:
        """Arm a fault for `count` uses (FOREVER: until cleared; 0: clear). Raises ValueError out of range."""
        if not FOREVER <= count <= MAX_COUNT:
            msg = f"count must be {FOREVER} (for ever) .. {MAX_COUNT}, got {count}"
            raise ValueError(msg)
        if not 0 <= delay_ms <= MAX_DELAY_MS or (fault is Fault.DELAY and count and not delay_ms):
            msg = f"delay_ms must be 1..{MAX_DELAY_MS} for a delay, got {delay_ms}"
            raise ValueError(msg)
        if fault is Fault.DELAY:
            self.delay_ms = delay_ms
        if count == 0:
            self._remaining.pop(fault, None)
        else:
            self._remaining[fault] = count

    def clear(self) -> None:
        """Heal everything."""
        self._remaining.clear()

    def armed(self) -> dict[str, int]:
        """Return what is armed, for status displays."""
        return {fault.value: count for fault, count in self._remaining.items()}

    def take(self, fault: Fault) -> bool:
        """Use the fault once if it is armed; say whether it was."""
        if not self._remaining:
            return False
        left = self._remaining.get(fault, 0)
        if left == 0:
            return False
        if left == 1:
            del self._remaining[fault]
        elif left > 0:
            self._remaining[fault] = left - 1
        return True

    def take_nak(self) -> int | None:
        """Use one armed NAK fault and return its reason, or None."""
        if not self._remaining:
            return None
        return next((reason for fault, reason in NAK_REASONS.items() if self.take(fault)), None)
