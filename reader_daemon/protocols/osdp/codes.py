"""The numbers of OSDP 2.2: command, reply, NAK, security block and capability codes.

Only names for what is on the wire (SIA OSDP 2.2, annex A); no behaviour.
"""

from __future__ import annotations

from enum import IntEnum

BROADCAST_ADDRESS = 0x7F
MAX_READER_ADDRESS = 0x7E


class CommandCode(IntEnum):
    """What a control panel may ask. The deprecated RMODE 0x6C and TDSET 0x6D have no name on purpose."""

    POLL = 0x60
    ID = 0x61
    CAP = 0x62
    LSTAT = 0x64
    ISTAT = 0x65
    OSTAT = 0x66
    RSTAT = 0x67
    OUT = 0x68
    LED = 0x69
    BUZ = 0x6A
    TEXT = 0x6B
    COMSET = 0x6E
    KEYSET = 0x75
    CHLNG = 0x76
    SCRYPT = 0x77
    ACURXSIZE = 0x7B
    FILETRANSFER = 0x7C
    MFG = 0x80
    XWR = 0xA1
    ABORT = 0xA2
    KEEPACTIVE = 0xA7


class ReplyCode(IntEnum):
    """What a reader may answer."""

    ACK = 0x40
    NAK = 0x41
    PDID = 0x45
    PDCAP = 0x46
    LSTATR = 0x48
    ISTATR = 0x49
    OSTATR = 0x4A
    RSTATR = 0x4B
    RAW = 0x50
    FMT = 0x51
    KEYPAD = 0x53
    COM = 0x54
    CCRYPT = 0x76
    RMAC_I = 0x78
    BUSY = 0x79
    FTSTAT = 0x7A
    PIVDATAR = 0x80
    GENAUTHR = 0x81
    CRAUTHR = 0x82
    MFGSTATR = 0x83
    MFGERRR = 0x84
    MFGREP = 0x90
    XRD = 0xB1


class NakReason(IntEnum):
    """Why a reader refused a command (first data byte of NAK)."""

    CHECK_BYTES = 1
    COMMAND_LENGTH = 2
    UNKNOWN_COMMAND = 3
    SEQUENCE = 4
    SECURE_CHANNEL_UNSUPPORTED = 5
    SECURITY_CONDITIONS = 6
    BIOMETRIC_TYPE = 7
    BIOMETRIC_FORMAT = 8
    RECORD = 9


class SecurityBlock(IntEnum):
    """Type byte of a security control block (SCB)."""

    SCS_11 = 0x11
    """Panel to reader: CHLNG."""
    SCS_12 = 0x12
    """Reader to panel: CCRYPT."""
    SCS_13 = 0x13
    """Panel to reader: SCRYPT."""
    SCS_14 = 0x14
    """Reader to panel: RMAC_I."""
    SCS_15 = 0x15
    """Panel to reader, MAC only."""
    SCS_16 = 0x16
    """Reader to panel, MAC only."""
    SCS_17 = 0x17
    """Panel to reader, MAC and encrypted data."""
    SCS_18 = 0x18
    """Reader to panel, MAC and encrypted data."""


SECURED_BLOCKS = frozenset({SecurityBlock.SCS_15, SecurityBlock.SCS_16, SecurityBlock.SCS_17, SecurityBlock.SCS_18})
"""The block types under which a frame carries a MAC."""

KEY_DEFAULT = 0x00
"""SCB data of SCS_11..13: the public default key SCBK-D."""
KEY_OWN = 0x01
"""SCB data of SCS_11..13: the reader's own key SCBK. In SCS_14: server cryptogram accepted."""


class OutputControl(IntEnum):
    """Control codes of OUT."""

    NONE = 0
    OFF = 1
    ON = 2
    OFF_AFTER_TIMER = 3
    ON_AFTER_TIMER = 4
    ON_FOR_TIME = 5
    OFF_FOR_TIME = 6


class BuzzerTone(IntEnum):
    """Tone codes of BUZ."""

    NONE = 0
    OFF = 1
    DEFAULT = 2


class TextMode(IntEnum):
    """Modes of TEXT."""

    PERMANENT = 1
    PERMANENT_WRAPPED = 2
    TEMPORARY = 3
    TEMPORARY_WRAPPED = 4


class Capability(IntEnum):
    """Function codes of PDCAP."""

    INPUTS = 1
    OUTPUTS = 2
    CARD_FORMAT = 3
    LED = 4
    BUZZER = 5
    TEXT = 6
    TIME = 7
    CHECK = 8
    SECURITY = 9
    RECEIVE_BUFFER = 10
    COMBINED_MESSAGE = 11
    SMART_CARD = 12
    READERS = 13
    BIOMETRICS = 14
    SECURE_PIN = 15
    VERSION = 16
