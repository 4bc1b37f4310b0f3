"""The commands of DESFire EV1, EV2 and EV3 as dialogues over a channel; one function a command, nothing decided.

Numbers on the wire are least significant byte first. Commands that change the card return a `WriteOutcome`; all
others the answer in clear, `Rejected` with the card's status, or a `CardFailure`. Source: DESFire public data sheets.
"""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.card_keys.asks import CardMethod, CommandToSeal, CommMode, SealKeyChange
from reader_daemon.protocols.card.desfire_channel import DesfireChannel, Rejected
from reader_daemon.protocols.card.desfire_files import AccessRights, mode_byte
from reader_daemon.protocols.card.outcome import CardFailure, Dialogue, WriteOutcome

Reply = bytes | Rejected | CardFailure

AES_KEYS = 0x80
"""In the number of keys of a new application: all of them AES."""
KEY_SETS_FOLLOW = 0x10
KEY_BYTES = 16
RETURN_TRANSACTION_MAC = b"\x01"
_VALUE_BYTES = 4


def _number(value: int, size: int = 3) -> bytes:
    return value.to_bytes(size, "little", signed=value < 0)


def _native_chaining(channel: DesfireChannel) -> bool:
    return channel.method in (None, CardMethod.EV1_AES)


# --- the card ------------------------------------------------------------------------------------------------


def select_application(channel: DesfireChannel, aid: bytes) -> Dialogue[Reply]:
    """Select by AID (most significant byte first here); ends any authentication."""
    return (yield from channel.run(CommandToSeal(0x5A, aid[::-1], mode=CommMode.PLAIN)))


def get_version(channel: DesfireChannel) -> Dialogue[Reply]:
    """Read hardware 7, software 7, and serial number 7, batch 5, week, year: 28 bytes (29 on newer cards)."""
    return (yield from channel.run(CommandToSeal(0x60)))


def get_application_ids(channel: DesfireChannel) -> Dialogue[Reply]:
    """List the applications, 3 bytes each."""
    return (yield from channel.run(CommandToSeal(0x6A)))


def get_free_memory(channel: DesfireChannel) -> Dialogue[Reply]:
    """Read the free bytes, 3."""
    return (yield from channel.run(CommandToSeal(0x6E)))


def get_card_uid(channel: DesfireChannel) -> Dialogue[Reply]:
    """Read the real serial number, encrypted; needs an authentication."""
    return (yield from channel.run(CommandToSeal(0x51, answer_mode=CommMode.FULL, answer_bytes=7)))


@dataclass(frozen=True, slots=True)
class KeySets:
    """Several key sets for a new application (EV2): version of the active one, how many, and who may roll."""

    active_version: int
    count: int
    roll_key: int


def create_application(
    channel: DesfireChannel, aid: bytes, settings: int, keys: int, key_sets: KeySets | None = None
) -> Dialogue[WriteOutcome]:
    """Create an application with `keys` AES keys, all zero; `settings` is KeySettings1."""
    header = aid[::-1] + bytes([settings, keys | AES_KEYS])
    if key_sets is not None:
        header = aid[::-1] + bytes([settings, keys | AES_KEYS | KEY_SETS_FOLLOW, 1])
        header += bytes([key_sets.active_version, key_sets.count, KEY_BYTES, key_sets.roll_key])
    return (yield from channel.write(CommandToSeal(0xCA, header)))


def delete_application(channel: DesfireChannel, aid: bytes) -> Dialogue[WriteOutcome]:
    """Delete an application with everything in it."""
    return (yield from channel.write(CommandToSeal(0xDA, aid[::-1])))


# --- keys ----------------------------------------------------------------------------------------------------


def get_key_settings(channel: DesfireChannel) -> Dialogue[Reply]:
    """Read KeySettings1 and the number of keys with their type."""
    return (yield from channel.run(CommandToSeal(0x45)))


def get_key_version(channel: DesfireChannel, number: int) -> Dialogue[Reply]:
    """Read a key's version, 1 byte: the key epoch."""
    return (yield from channel.run(CommandToSeal(0x64, bytes([number]))))


def change_key_settings(channel: DesfireChannel, settings: int) -> Dialogue[WriteOutcome]:
    """Change KeySettings1."""
    return (yield from channel.write(CommandToSeal(0x54, b"", bytes([settings]), CommMode.FULL)))


def change_key(channel: DesfireChannel, change: SealKeyChange) -> Dialogue[WriteOutcome]:
    """Change a key (ChangeKey, or ChangeKeyEV2 with a key set); the key source fills the new key in."""
    return (yield from channel.change_key(change))


def initialize_key_set(channel: DesfireChannel, number: int) -> Dialogue[WriteOutcome]:
    """Prepare key set `number` with AES keys, all zero."""
    return (yield from channel.write(CommandToSeal(0x56, bytes([number, 2]))))


def finalize_key_set(channel: DesfireChannel, number: int, version: int) -> Dialogue[WriteOutcome]:
    """Make key set `number` ready under a version."""
    return (yield from channel.write(CommandToSeal(0x57, bytes([number, version]))))


def roll_key_set(channel: DesfireChannel, number: int) -> Dialogue[WriteOutcome]:
    """Make key set `number` the active one, all keys at once; the session ends."""
    outcome = yield from channel.write(CommandToSeal(0x55, bytes([number]), answer_mode=CommMode.PLAIN))
    channel.dead = True
    return outcome


# --- files ---------------------------------------------------------------------------------------------------


def get_file_ids(channel: DesfireChannel) -> Dialogue[Reply]:
    """List the files, 1 byte each."""
    return (yield from channel.run(CommandToSeal(0x6F)))


def get_file_settings(channel: DesfireChannel, file: int) -> Dialogue[Reply]:
    """Read a file's settings; see `desfire_files.read_file_settings`."""
    return (yield from channel.run(CommandToSeal(0xF5, bytes([file]))))


def change_file_settings(
    channel: DesfireChannel, file: int, mode: CommMode, rights: AccessRights
) -> Dialogue[WriteOutcome]:
    """Change mode and rights of a file."""
    data = bytes([mode_byte(mode)]) + rights.encoded()
    return (yield from channel.write(CommandToSeal(0x5F, bytes([file]), data, CommMode.FULL)))


def delete_file(channel: DesfireChannel, file: int) -> Dialogue[WriteOutcome]:
    """Delete a file."""
    return (yield from channel.write(CommandToSeal(0xDF, bytes([file]))))


def create_data_file(
    channel: DesfireChannel, file: int, mode: CommMode, rights: AccessRights, size: int, *, backup: bool = False
) -> Dialogue[WriteOutcome]:
    """Create a standard data file, or a backup file, whose writes wait for the commit."""
    header = bytes([file, mode_byte(mode)]) + rights.encoded() + _number(size)
    return (yield from channel.write(CommandToSeal(0xCB if backup else 0xCD, header)))


def create_value_file(
    channel: DesfireChannel, file: int, mode: CommMode, rights: AccessRights, limits: tuple[int, int, int]
) -> Dialogue[WriteOutcome]:
    """Create a value file; `limits` are lower, upper and the value to begin with."""
    body = b"".join(_number(value, _VALUE_BYTES) for value in limits)
    header = bytes([file, mode_byte(mode)]) + rights.encoded() + body + b"\0"
    return (yield from channel.write(CommandToSeal(0xCC, header)))


def create_record_file(
    channel: DesfireChannel, file: int, mode: CommMode, rights: AccessRights, record: tuple[int, int], *, cyclic: bool
) -> Dialogue[WriteOutcome]:
    """Create a record file; `record` is the bytes of one and how many (a cyclic file holds one less)."""
    header = bytes([file, mode_byte(mode)]) + rights.encoded() + _number(record[0]) + _number(record[1])
    return (yield from channel.write(CommandToSeal(0xC0 if cyclic else 0xC1, header)))


def create_transaction_mac_file(
    channel: DesfireChannel, file: int, rights: AccessRights, key: bytes, version: int
) -> Dialogue[WriteOutcome]:
    """Create the transaction MAC file with its AES key. Only where the caller holds that key."""
    header = bytes([file, 0]) + rights.encoded() + b"\x02"
    return (yield from channel.write(CommandToSeal(0xCE, header, key + bytes([version]), CommMode.FULL)))


def read_data(channel: DesfireChannel, file: int, offset: int, length: int, mode: CommMode) -> Dialogue[Reply]:
    """Read `length` bytes from `offset`."""
    instruction = 0xBD if _native_chaining(channel) else 0xAD
    header = bytes([file]) + _number(offset) + _number(length)
    answer = yield from channel.run(CommandToSeal(instruction, header, b"", mode, mode, length))
    if isinstance(answer, bytes) and len(answer) != length:
        channel.dead = True
        return Rejected(0x7E)
    return answer


def write_data(channel: DesfireChannel, file: int, offset: int, data: bytes, mode: CommMode) -> Dialogue[WriteOutcome]:
    """Write; a backup file keeps it for the commit."""
    instruction = 0x3D if _native_chaining(channel) else 0x8D
    header = bytes([file]) + _number(offset) + _number(len(data))
    return (yield from channel.write(CommandToSeal(instruction, header, data, mode, _answered(mode))))


def get_value(channel: DesfireChannel, file: int, mode: CommMode) -> Dialogue[int | Rejected | CardFailure]:
    """Read a value file."""
    answer = yield from channel.run(CommandToSeal(0x6C, bytes([file]), b"", mode, mode, _VALUE_BYTES))
    if isinstance(answer, bytes):
        return int.from_bytes(answer, "little", signed=True) if len(answer) == _VALUE_BYTES else Rejected(0x7E)
    return answer


def credit(channel: DesfireChannel, file: int, amount: int, mode: CommMode) -> Dialogue[WriteOutcome]:
    """Add to a value file, in force from the commit on."""
    return (yield from _move(channel, 0x0C, file, amount, mode))


def debit(channel: DesfireChannel, file: int, amount: int, mode: CommMode) -> Dialogue[WriteOutcome]:
    """Take from a value file, in force from the commit on."""
    return (yield from _move(channel, 0xDC, file, amount, mode))


def _move(channel: DesfireChannel, instruction: int, file: int, amount: int, mode: CommMode) -> Dialogue[WriteOutcome]:
    data = _number(amount, _VALUE_BYTES)
    return (yield from channel.write(CommandToSeal(instruction, bytes([file]), data, mode, _answered(mode))))


def write_record(
    channel: DesfireChannel, file: int, offset: int, data: bytes, mode: CommMode
) -> Dialogue[WriteOutcome]:
    """Write into the record that the next commit adds."""
    instruction = 0x3B if _native_chaining(channel) else 0x8B
    header = bytes([file]) + _number(offset) + _number(len(data))
    return (yield from channel.write(CommandToSeal(instruction, header, data, mode, _answered(mode))))


def read_records(
    channel: DesfireChannel, file: int, newest: int, count: int, mode: CommMode, record_bytes: int
) -> Dialogue[Reply]:
    """Read `count` records that end at number `newest` (0 is the newest), oldest first."""
    instruction = 0xBB if _native_chaining(channel) else 0xAB
    header = bytes([file]) + _number(newest) + _number(count)
    command = CommandToSeal(instruction, header, b"", mode, mode, count * record_bytes)
    return (yield from channel.run(command))


def commit(channel: DesfireChannel, *, with_mac: bool = False) -> Dialogue[WriteOutcome]:
    """Put all writes since the last commit in force, at once; where the MAC is wanted, see `commit_with_mac`."""
    return (yield from channel.write(CommandToSeal(0xC7, RETURN_TRANSACTION_MAC if with_mac else b"")))


def commit_with_mac(channel: DesfireChannel) -> Dialogue[Reply]:
    """Commit and read the transaction counter 4 and MAC 8. No answer means that the outcome is unknown."""
    return (yield from channel.run(CommandToSeal(0xC7, RETURN_TRANSACTION_MAC)))


def abort(channel: DesfireChannel) -> Dialogue[WriteOutcome]:
    """Forget all writes since the last commit."""
    return (yield from channel.write(CommandToSeal(0xA7)))


def _answered(mode: CommMode) -> CommMode:
    """Return how a write is answered: never with data, so with a MAC where the mode has any protection."""
    return CommMode.PLAIN if mode is CommMode.PLAIN else CommMode.MAC
