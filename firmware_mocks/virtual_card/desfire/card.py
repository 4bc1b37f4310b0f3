"""The DESFire card itself: frames, authentication state and its commands, as any reader may send them.

Not for speed. What a real chip does and this one does not: ISO 7816 file commands, delegated applications, DES keys
in applications, random serial numbers, proximity check.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware_mocks.virtual_card.card import (
    SHORTEST_COMMAND_BYTES,
    STATUS_CLASS,
    STATUS_INSTRUCTION,
    STATUS_NOT_FOUND,
    STATUS_OK,
    STATUS_WRONG_LENGTH,
)
from firmware_mocks.virtual_card.desfire import filing
from firmware_mocks.virtual_card.desfire.arithmetic import checksum, mixed
from firmware_mocks.virtual_card.desfire.factory import FactoryKey
from firmware_mocks.virtual_card.desfire.memory import Application, CardError, File, Key
from firmware_mocks.virtual_card.desfire.proving import Chance, Proving
from firmware_mocks.virtual_card.desfire.sessions import (
    FULL,
    MAC,
    CardSession,
    CountedSession,
    Ev1CardSession,
)
from firmware_mocks.virtual_card.desfire.shapes import FILE_COMMANDS, LISTING, SIZES, VALUE_MOVES, WHOLE_ANSWERS

ATR_DESFIRE = bytes.fromhex("3B8180018080")
UID_BYTES = 7
FRAME_BYTES = 59
MORE = 0xAF
_GET_UID = bytes.fromhex("FFCA000000")


class DesfireCard:
    """A card with 7-byte serial number `uid`. `generation` 1 knows EV1 only; `lrp` demands LRP.

    `factory` is a card whose master key is still DES: "iso" takes both DES methods, "native" only 0x0A.
    """

    def __init__(self, uid: bytes, *, generation: int = 2, lrp: bool = False, factory: str = "") -> None:
        """Make a blank card: no application, an AES master key of zeros unless `factory` says DES."""
        if len(uid) != UID_BYTES:
            msg = f"a DESFire serial number has {UID_BYTES} bytes, not {len(uid)}"
            raise ValueError(msg)
        self.uid = uid
        self.atr = ATR_DESFIRE
        self.applications: dict[bytes, Application] = {bytes(3): Application()}
        self._generation = generation
        self._lrp = lrp
        self._chance = Chance(b"virtual desfire" + uid)
        self._factory = FactoryKey(bytes(8), self._chance.draw, knows_iso=factory == "iso") if factory else None
        self.power_on()

    def power_on(self) -> None:
        """Select the card itself, without authentication."""
        self._aid = bytes(3)
        self._des_begun = False
        self._session: CardSession | None = None
        self._proving: Proving | None = None
        self._outgoing: list[bytes] = []
        self._incoming: tuple[int, bytes, int] | None = None
        self._transaction = filing.Transaction(self._application)

    def answer(self, command: bytes) -> bytes:
        """Answer an APDU."""
        if len(command) < SHORTEST_COMMAND_BYTES:
            return STATUS_WRONG_LENGTH
        if command == _GET_UID:
            return self.uid + STATUS_OK
        if command[0] != 0x90:  # noqa: PLR2004 - DESFire's own class
            if command[0] == 0 and command[1] == 0xA4:  # noqa: PLR2004 - SELECT
                return STATUS_NOT_FOUND
            return STATUS_INSTRUCTION if command[0] == 0 else STATUS_CLASS
        size = command[4] if len(command) > SHORTEST_COMMAND_BYTES + 1 else 0
        if len(command) != SHORTEST_COMMAND_BYTES + 1 + (size + 1 if size else 0):
            return STATUS_WRONG_LENGTH
        try:
            status, data = self._frame(command[1], command[5 : 5 + size])
        except CardError as error:
            self._session = self._proving = self._incoming = None
            self._outgoing = []
            self._transaction.abort()
            status, data = error.status, b""
        return data + bytes([0x91, status])

    # --- frames ------------------------------------------------------------------------------------------------

    @property
    def _application(self) -> Application:
        return self.applications[self._aid]

    def _frame(self, instruction: int, data: bytes) -> tuple[int, bytes]:
        if instruction == MORE:
            return self._continue(data)
        self._proving, self._incoming, self._outgoing = None, None, []
        if self._factory is not None and self._aid == bytes(3) and instruction in (0x1A, 0x0A, 0xC4, 0x71, 0x77, 0xAA):
            return self._from_factory(self._factory, instruction, data)
        match instruction:
            case 0x71 | 0x77 | 0xAA:
                return self._begin_proof(instruction, data)
            case 0x5A:
                return self._select(data)
            case 0xC4 | 0xC6:
                return 0, self._change_key(instruction, data)
        wanted = self._wanted(instruction, data)
        if len(data) < wanted:
            self._incoming = (instruction, data, wanted)
            return MORE, b""
        return self._run(instruction, data)

    def _from_factory(self, factory: FactoryKey, instruction: int, data: bytes) -> tuple[int, bytes]:
        """Serve the card level while its key is DES."""
        if instruction in (0x1A, 0x0A):
            self._des_begun = True
            return MORE, factory.begin(instruction)
        if instruction != 0xC4:  # noqa: PLR2004 - ChangeKey
            raise CardError(0xAE)
        master = self._application.keys[0]
        master.value, master.version = factory.new_aes_key(data)
        self._factory = None
        return 0, b""

    def _continue(self, data: bytes) -> tuple[int, bytes]:
        if self._des_begun and self._factory is not None:
            self._des_begun = False
            return 0, self._factory.finish(data)
        if self._proving is not None:
            proving, self._proving = self._proving, None
            proof, self._session = proving.finish(data, self._chance)
            return 0, proof
        if self._incoming is not None:
            instruction, before, wanted = self._incoming
            data = before + data
            if len(data) < wanted:
                self._incoming = (instruction, data, wanted)
                return MORE, b""
            self._incoming = None
            return self._run(instruction, data)
        if self._outgoing:
            part = self._outgoing.pop(0)
            return (MORE if self._outgoing else 0), part
        raise CardError(0x1C)

    def _wanted(self, instruction: int, data: bytes) -> int:
        """Return how many bytes a write announces, so that the card waits for the frames still to come."""
        if instruction not in (0x3D, 0x3B):
            return 0
        header, _, mode, _ = self._shape(instruction, data)
        body = filing.number(data[4:7])
        return header + body if self._session is None else self._session.wire_length(header, body, mode)

    def _run(self, instruction: int, data: bytes) -> tuple[int, bytes]:
        header_bytes, body_bytes, mode, answer_mode = self._shape(instruction, data)
        session = self._session
        if session is None:
            if len(data) != header_bytes + body_bytes:
                raise CardError(0x7E)
            header, body = data[:header_bytes], data[header_bytes:]
        else:
            header, body = session.receive(instruction, data, header_bytes, body_bytes, mode)
        clear = self._do(instruction, header, body)
        if self._session is not None:
            clear = self._session.reply(clear, answer_mode)
        first = 7 if instruction == 0x60 else FRAME_BYTES  # noqa: PLR2004 - GetVersion comes in three parts
        if instruction in WHOLE_ANSWERS or len(clear) <= first:
            return 0, clear
        step = 14 if instruction == 0x60 else FRAME_BYTES  # noqa: PLR2004
        rest = clear[7:14] if instruction == 0x60 else clear[first : first + step]  # noqa: PLR2004
        at = first + len(rest)
        self._outgoing = [rest, *(clear[place : place + FRAME_BYTES] for place in range(at, len(clear), FRAME_BYTES))]
        return MORE, clear[:first]

    def _shape(self, instruction: int, data: bytes) -> tuple[int, int, int, int]:
        """Return the sizes and protections of a command, as the selected file and its rights say."""
        if instruction in SIZES:
            return SIZES[instruction]
        if instruction == 0xCA:  # noqa: PLR2004 - create application
            return (5 if len(data) < 6 or not data[4] & 0x10 else 10), 0, MAC, MAC  # noqa: PLR2004
        if instruction == 0xC7:  # noqa: PLR2004 - commit
            protected = 8 if isinstance(self._session, CountedSession) else 0
            return (1 if len(data) > protected else 0), 0, MAC, MAC
        if instruction not in FILE_COMMANDS or self._aid == bytes(3):
            raise CardError(0x1C)
        header, sized, rights, answers = FILE_COMMANDS[instruction]
        if len(data) < header:
            raise CardError(0x7E)
        mode = filing.mode_for(self._application.file(data[0]), self._session, *rights)
        body = filing.number(data[4:7]) if sized else 4 if instruction in VALUE_MOVES else 0
        return header, body, mode, mode if answers else min(mode, MAC)

    # --- authentication and keys ---------------------------------------------------------------------------------

    def _begin_proof(self, instruction: int, data: bytes) -> tuple[int, bytes]:
        if not data:
            raise CardError(0x7E)
        key = self._application.key(data[0])
        if instruction == 0xAA:  # noqa: PLR2004 - EV1
            self._session = None
            method = "ev1"
        elif self._generation == 1:
            raise CardError(0x1C)
        else:
            asks_lrp = len(data) > 2 and data[2] & 2 if instruction == 0x71 else self._lrp  # noqa: PLR2004
            if bool(asks_lrp) != self._lrp:
                raise CardError(0x9D)
            method = "lrp" if self._lrp else "ev2"
        before: CountedSession | None = None
        if instruction == 0x77:  # noqa: PLR2004 - following
            if not isinstance(self._session, CountedSession):
                raise CardError(0x9D)
            before = self._session
        self._session = None
        self._proving = Proving.begin(method, data[0], key.value, self._chance, before)
        return MORE, self._proving.challenge

    def _select(self, data: bytes) -> tuple[int, bytes]:
        self._session = None
        if len(data) != 3:  # noqa: PLR2004 - an AID
            raise CardError(0x7E)
        if data not in self.applications:
            raise CardError(0xA0)
        self._aid = data
        self._transaction = filing.Transaction(self._application)
        return 0, b""

    def _change_key(self, instruction: int, data: bytes) -> bytes:
        session, application = self._session, self._application
        if session is None:
            raise CardError(0xAE)
        header = 1 if instruction == 0xC4 else 2  # noqa: PLR2004
        if len(data) < header:
            raise CardError(0x7E)
        number = data[header - 1] & 0x3F if self._aid == bytes(3) else data[header - 1]
        key_set = data[0] if header == 2 else application.active  # noqa: PLR2004
        if key_set >= len(application.key_sets) or number >= len(application.key_sets[key_set]):
            raise CardError(0x40)
        if session.key_number != 0:
            raise CardError(0x9D)
        own = number == session.key_number and key_set == application.active
        target = application.key_sets[key_set][number]
        value, version = self._new_key(session, instruction, data, header, None if own else target.value)
        target.value, target.version = value, version
        if own:
            self._session = None
            return b""
        return session.reply(b"", MAC)

    @staticmethod
    def _new_key(
        session: CardSession, instruction: int, data: bytes, header: int, old: bytes | None
    ) -> tuple[bytes, int]:
        """Take the cryptogram apart and check its checksums."""
        if isinstance(session, Ev1CardSession):
            clear = session.key_change(data[header:], 21 if old is None else 25)
            if clear[17:21] != checksum(bytes([instruction]) + data[:header] + clear[:17]):
                raise CardError(0x1E)
            clear = clear[:17] + clear[21:]
        else:
            _, clear = session.receive(instruction, data, header, 17 if old is None else 21, FULL)
        value = clear[:16] if old is None else mixed(clear[:16], old)
        if old is not None and clear[17:] != checksum(value):
            raise CardError(0x1E)
        return value, clear[16]

    # --- commands ------------------------------------------------------------------------------------------------

    def _master_only(self, free_bit: int = 0) -> None:
        """Raise unless the master key of the selected level is authenticated, or the settings leave it free."""
        if self._application.settings & free_bit:
            return
        if self._session is None or self._session.key_number != 0:
            raise CardError(0xAE if self._session is None else 0x9D)

    def _do(self, instruction: int, header: bytes, body: bytes) -> bytes:
        if instruction in LISTING:
            self._master_only(0x02)
        if instruction in FILE_COMMANDS:
            return self._file_command(instruction, header, body)
        handlers: dict[int, Callable[[bytes, bytes], bytes]] = {
            0x45: self._key_settings,
            0x51: lambda _h, _b: self.uid,
            0x54: self._change_settings,
            0x55: self._roll_key_set,
            0x56: self._initialize_key_set,
            0x57: self._finalize_key_set,
            0x5F: self._change_file_settings,
            0x60: lambda _h, _b: self._version(),
            0x64: lambda h, _b: bytes([self._application.key(h[0]).version]),
            0x6A: lambda _h, _b: b"".join(aid for aid in self.applications if any(aid)),
            0x6E: lambda _h, _b: (7_936).to_bytes(3, "little"),
            0x6F: lambda _h, _b: bytes(sorted(self._application.files)),
            0xA7: self._abort,
            0xC7: self._commit,
            0xCA: self._create_application,
            0xCE: self._create_mac_file,
            0xDA: self._delete_application,
            0xDF: self._delete_file,
            0xF5: lambda h, _b: self._application.file(h[0]).settings(),
            0xFC: self._format,
        }
        if instruction in handlers:
            return handlers[instruction](header, body)
        return self._create_file(instruction, header)

    def _key_settings(self, _header: bytes, _body: bytes) -> bytes:
        kind = 0 if self._factory is not None and self._aid == bytes(3) else 0x80
        return bytes([self._application.settings, len(self._application.keys) | kind])

    def _version(self) -> bytes:
        major = {1: 0x01, 2: 0x12, 3: 0x33}[self._generation]
        part = bytes([4, 1, 1, major, 0, 0x18, 5])
        return part + part + self.uid + bytes.fromhex("BA53654020") + b"\x10\x24"

    def _change_settings(self, _header: bytes, body: bytes) -> bytes:
        self._master_only()
        self._application.settings = body[0]
        return b""

    def _create_application(self, header: bytes, _body: bytes) -> bytes:
        if self._aid != bytes(3):
            raise CardError(0x9D)
        self._master_only(0x04)
        aid, settings, count = header[:3], header[3], header[4] & 0x0F
        if aid in self.applications:
            raise CardError(0xDE)
        if not header[4] & 0x80 or not any(aid) or count == 0:
            raise CardError(0x9E)
        made = Application(settings, [[Key() for _ in range(count)]])
        if len(header) > 5 and self._generation > 1:  # noqa: PLR2004 - key sets follow
            made.set_versions, made.most_sets, made.roll_key = [header[6]], header[7], header[9]
        self.applications[aid] = made
        return b""

    def _delete_application(self, header: bytes, _body: bytes) -> bytes:
        """Delete with the card's or the application's master key, however free creating is."""
        self._master_only()
        if header not in self.applications or not any(header) or self._aid not in (bytes(3), header):
            raise CardError(0xA0)
        del self.applications[header]
        if self._aid == header:
            self._aid, self._session = bytes(3), None
        return b""

    def _format(self, _header: bytes, _body: bytes) -> bytes:
        self._master_only()
        self.applications = {bytes(3): self.applications[bytes(3)]}
        return b""

    def _initialize_key_set(self, header: bytes, _body: bytes) -> bytes:
        self._master_only()
        application = self._application
        if not 0 < header[0] < application.most_sets or header[0] > len(application.key_sets):
            raise CardError(0x9E)
        blank = [Key() for _ in application.keys]
        application.key_sets[header[0] :] = [blank]
        application.set_versions[header[0] :] = [0]
        return b""

    def _finalize_key_set(self, header: bytes, _body: bytes) -> bytes:
        self._master_only()
        if header[0] >= len(self._application.key_sets):
            raise CardError(0x9E)
        self._application.set_versions[header[0]] = header[1]
        return b""

    def _roll_key_set(self, header: bytes, _body: bytes) -> bytes:
        application = self._application
        if self._session is None or self._session.key_number != application.roll_key:
            raise CardError(0x9D)
        if header[0] >= len(application.key_sets) or not application.set_versions[header[0]]:
            raise CardError(0x9E)
        application.active = header[0]
        self._session = None
        return b""

    def _create_file(self, instruction: int, header: bytes) -> bytes:
        self._master_only(0x04)
        self._application.add_file(header[0], filing.create(instruction, header))
        return b""

    def _create_mac_file(self, header: bytes, body: bytes) -> bytes:
        self._master_only()
        if self._generation == 1:
            raise CardError(0x1C)
        rights = filing.number(header[2:4])
        self._application.add_file(header[0], File(5, header[1], rights, 12, key=Key(body[:16], body[16])))
        return b""

    def _change_file_settings(self, header: bytes, body: bytes) -> bytes:
        file = self._application.file(header[0])
        filing.mode_for(file, self._session, "change")
        file.mode, file.rights = body[0], filing.number(body[1:3])
        return b""

    def _delete_file(self, header: bytes, _body: bytes) -> bytes:
        self._master_only(0x04)
        self._application.file(header[0])
        del self._application.files[header[0]]
        return b""

    def _abort(self, _header: bytes, _body: bytes) -> bytes:
        self._transaction.abort()
        return b""

    def _commit(self, header: bytes, _body: bytes) -> bytes:
        sealed = self._transaction.commit(self.uid)
        return sealed if header[:1] == b"\x01" else b""

    def _file_command(self, instruction: int, header: bytes, body: bytes) -> bytes:
        file_number, offset, length = header[0], filing.number(header[1:4]), filing.number(header[4:7])
        stored = self._application.file(file_number)
        match instruction:
            case 0xBD | 0xAD:
                return filing.read(stored, offset, length)
            case 0xBB | 0xAB:
                return filing.read_records(stored, offset, length)
            case 0x6C:
                return stored.value.to_bytes(4, "little", signed=True)
        file = self._transaction.changing(file_number)
        match instruction:
            case 0x3D | 0x8D:
                filing.write(file, offset, body)
            case 0x3B | 0x8B:
                filing.add_record(file, offset, body)
            case 0xEB:
                file.records = []
            case _:
                filing.move(file, instruction, int.from_bytes(body, "little", signed=True))
        self._transaction.covers(instruction, header, body)
        return b""
