"""Every message of the device link, in the order a session meets them.

    server                          daemon
    Challenge            ->
                         <-         Hello            (signed with the device key over the challenge)
    Welcome | Goodbye    ->                          (signed with the server key over the daemon's nonce)
    Deny                 ->                          deny list first, before anything else (P14)
    StateBegin Part.. End ->                         policy snapshot or delta, installed whole or not at all
                         <-         StateInstalled
                         <-         Tap              live, with a deadline; overtakes uploads (P11)
    TapDecision          ->
                         <-         Upload           backlog and outcomes, in seq order, within the credit granted
    UploadAck            ->                          after commit: cumulative mark and a status a record (P5, P6)
    Command              ->                          typed, once, expires 1 s after it was given (P13)
                         <-         CommandDone
                         <-         Health           every few seconds
                         <-         KeyAsk           a card's challenge, for the key service (relay, two a tap)
    KeyTold              ->
                         <-         AuditWitness     what the daemon has seen of the audit log, first of all its own
    AuditCheckpoint      ->                          where the log stands, with the proof from there
    EncoderOpen, Encode  ->                          make a card, where a station has one
                         <-         EncoderCard, EncoderStep, EncoderDone, CardShown
    Ping                 <->        Pong             clock skew, liveness

Rules for change (P21): fields are only added, with a default; a message type that the peer does not know is ignored
and counted. `WIRE_VERSION` rises with the first change that an older peer could misread.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from cardcore.card_keys.asks import KeyAnswer, KeyRequest
from cardcore.ids import CredentialKey
from cardcore.journal import Record

WIRE_VERSION = 1
OLDEST_WIRE_VERSION = 1
"""The oldest version that is still spoken (N-1 once there is one)."""

MAX_FRAME_BYTES = 64 * 1024
MAX_UPLOAD_RECORDS = 500
UPLOAD_GATHER_MS = 50
"""A daemon's uploads begin at least this far apart while they are small: outcomes hurry nobody, and each upload costs a
signature, a check of it and a share of a commit."""
LARGE_UPLOAD_RECORDS = 64
"""An upload of so many records waits for no others."""
MAX_RETURNED_CARDS = 300
"""Refused cards of one frame that a daemon returns."""
MAX_STATE_PART_BYTES = 48 * 1024
COMMAND_LIFE_MS = 1_000
"""A command is dead this long after it was given (I8)."""


class GoodbyeCode(StrEnum):
    """Why the server ends a session."""

    UNKNOWN_DEVICE = "unknown_device"
    WRONG_KEY = "wrong_key"
    REVOKED = "revoked"
    VERSION = "version"
    DUPLICATE = "duplicate"
    PROTOCOL = "protocol"
    BUSY = "busy"
    RESTARTING = "restarting"


class RecordStatus(StrEnum):
    """What the server did with an uploaded record. None of these lets a device delete or resend it by itself."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    """The key is known with other content: quarantined, a person decides."""
    QUARANTINED = "quarantined"
    """Authentic framing, but the content cannot be used: kept for a person."""


class CommandKind(StrEnum):
    """What a server may ask a daemon to do."""

    OPEN_LANE = "open_lane"
    IDENTIFY = "identify"
    """Blink a reader so that an installer finds it."""
    INSTALL_READER_KEY = "install_reader_key"
    """Let a reader on the public default key have its first key, for `Command.minutes`; two people decided it."""
    ROLL_READER_KEY = "roll_reader_key"
    CONFIRM_READER = "confirm_reader"
    """Use the device that answers in a reader's place. The box draws keys itself: none crosses the link."""


class Challenge(Struct, frozen=True, tag_field="t", tag="challenge"):
    """First frame of a session."""

    nonce: bytes
    wire_version: int
    site: str
    """Empty where one server serves several sites; the server's key, pinned at enrolment, is what identifies it."""
    server_time_ms: int


class Hello(Struct, frozen=True, tag_field="t", tag="hello"):
    """Who the daemon is, where its journal and its policy stand."""

    device: str
    wire_version: int
    software: str
    nonce: bytes
    epoch: int
    last_seq: int
    acked_through: int
    generation: str
    """The server generation the daemon last knew; empty at first."""
    policy_version: int
    content_hash: bytes
    deny_version: int
    signature: bytes = b""
    """Ed25519 of the device key over `cardcore.wire.signing.hello_bytes`."""


class Welcome(Struct, frozen=True, tag_field="t", tag="welcome"):
    """The session is open. A mark below the daemon's own, or another generation, means: resend from the mark (P10)."""

    generation: str
    acked_through: int
    head_hash: bytes
    """Hash of the last record of the contiguous run, for the daemon to compare with its own."""
    wire_version: int
    server_time_ms: int
    credit: int
    """Records the daemon may have in flight."""
    new_epoch_wanted: bool = False
    """The server knows a higher seq than the daemon: its journal was rolled back (P2)."""
    state_wanted: bool = False
    """The server was restored and has forgotten the newest policy: return what you refuse, in `StateInstalled`."""
    signature: bytes = b""
    """Ed25519 of the server key over `cardcore.wire.signing.welcome_bytes`."""


class Goodbye(Struct, frozen=True, tag_field="t", tag="goodbye"):
    """The server ends the session and says what to do."""

    code: GoodbyeCode
    advice: str
    retry_after_ms: int = 0


class Deny(Struct, frozen=True, tag_field="t", tag="deny"):
    """Credentials that are refused from now on, whatever the snapshot says, until a snapshot >= `version` is in."""

    version: int
    entries: tuple[tuple[CredentialKey, str], ...]
    """Credential and the reason to refuse it for."""
    signature: bytes = b""


class StateBegin(Struct, frozen=True, tag_field="t", tag="state_begin"):
    """A transfer of policy: full when `base_version` is 0, else a delta on exactly that version."""

    base_version: int
    version: int
    items: int
    content_hash: bytes
    signature: bytes
    """Ed25519 of the server key over `cardcore.wire.signing.state_bytes`."""


class StatePart(Struct, frozen=True, tag_field="t", tag="state_part"):
    """Some items of the transfer, in order: key and JSON; an empty body removes the key."""

    version: int
    index: int
    items: tuple[tuple[str, bytes], ...]


class StateEnd(Struct, frozen=True, tag_field="t", tag="state_end"):
    """All parts were sent; the daemon verifies and installs, or keeps what it has and asks for a full snapshot."""

    version: int


class StateInstalled(Struct, frozen=True, tag_field="t", tag="state_installed"):
    """What the daemon now decides by. `problem` is set when a transfer was refused."""

    version: int
    content_hash: bytes
    deny_version: int = 0
    problem: str = ""
    refused: tuple[tuple[CredentialKey, str], ...] = ()
    """A part of the cards that the daemon refuses, each with its reason: what a restored server has to learn again."""
    parts_left: int = -1
    """Parts of that list still to come; 0 = this is the last; -1 = nobody asked for the list."""


class StateCurrent(Struct, frozen=True, tag_field="t", tag="state_current"):
    """Nothing has changed: the daemon's version is the newest. Renews the age of the snapshot."""

    version: int


class Tap(Struct, frozen=True, tag_field="t", tag="tap", omit_defaults=True):
    """A live tap: an intent record, already durable at the edge, waiting for a decision."""

    epoch: int
    record: Record
    pin: str = ""
    """What the holder keyed to pass a limit (C15): only in this message, in no record and no log."""


class TapDecision(Struct, frozen=True, tag_field="t", tag="tap_decision", omit_defaults=True):
    """The stored decision of a tap; a repeat of the tap gets the same again."""

    epoch: int
    seq: int
    status: RecordStatus
    granted: bool
    reason: str
    policy_version: int
    acked_through: int
    amount: int = 0
    balance_after: int = 0
    meal: str = ""
    holder: str = ""
    """Display name for a till; empty for gates."""
    discount: int = 0
    surcharge: int = 0
    rights: int = 0
    credit: str = ""
    subsidy: int = 0
    """As in `cardcore.journal.Verdict`, which the till writes down with its outcome."""


class Upload(Struct, frozen=True, tag_field="t", tag="upload"):
    """Records in seq order. The signature covers the last record's hash and thereby all before it (P4)."""

    epoch: int
    records: tuple[Record, ...]
    signature: bytes


class UploadAck(Struct, frozen=True, tag_field="t", tag="upload_ack"):
    """Sent after commit. Everything up to `acked_through` is durable at the server."""

    epoch: int
    acked_through: int
    statuses: tuple[tuple[int, RecordStatus], ...]
    credit: int


class Command(Struct, frozen=True, tag_field="t", tag="command"):
    """An order for one lane or reader; never queued across a session, never repeated."""

    nonce: str
    kind: CommandKind
    place: str
    issued_at_ms: int
    actor: str
    reason: str
    minutes: int = 0


class CommandDone(Struct, frozen=True, tag_field="t", tag="command_done"):
    """How a command ended: done / refused / expired / unknown."""

    nonce: str
    result: str
    detail: str = ""


class ReaderHealth(Struct, frozen=True):
    """One reader as its daemon sees it."""

    name: str
    place: str
    online: bool
    secure: bool
    detail: str = ""
    encoder: bool = False
    """It makes cards; the server may give it jobs."""
    key: str = ""
    """How its OSDP key stands: none, installing, own, rolling, or heard (as its own, but others may know it)."""


class Health(Struct, frozen=True, tag_field="t", tag="health"):
    """How a daemon feels; sent on change and every few seconds."""

    at_ms: int
    uptime_ms: int
    last_seq: int
    pending: int
    """Records not yet acknowledged."""
    journal_fill_percent: int
    policy_version: int
    deny_version: int
    clock_skew_ms: int
    memory_bytes: int
    readers: tuple[ReaderHealth, ...]
    sync_p95_us: int = 0
    """95th percentile of a durable write, microseconds."""


class KeyAsk(Struct, frozen=True, tag_field="t", tag="key_ask"):
    """A card dialogue's question to the key service; live like a tap, never queued across a session."""

    id: int
    """The daemon's own number of the question, unique in the session."""
    reader: str
    request: KeyRequest


class KeyTold(Struct, frozen=True, tag_field="t", tag="key_told"):
    """The key service's answer to the question numbered `id`."""

    id: int
    answer: KeyAnswer


class AuditCheckpoint(Struct, frozen=True, tag_field="t", tag="audit_checkpoint"):
    """Where the audit log stands; sent only to a daemon that said what it has seen."""

    note: str
    """A signed `cardcore.checkpoint.Checkpoint`."""
    old_size: int
    """The size that the proof begins at: what the daemon has seen, or what a restore went back to."""
    proof: tuple[bytes, ...] = ()
    restore: str = ""
    """The statement of two officers, where the log became shorter."""


class AuditWitness(Struct, frozen=True, tag_field="t", tag="audit_witness"):
    """What a daemon has seen of the audit log, and what it made of the last checkpoint."""

    size: int
    root: bytes
    cosignature: str = ""
    """A note over the checkpoint's text, signed with the device key, when one was accepted."""
    problem: str = ""
    """A `cardcore.witness.WitnessRefusal`, or `unreadable`; then nothing was accepted."""


class EncoderOpen(Struct, frozen=True, tag_field="t", tag="encoder_open"):
    """Wait for a card on an encoder, for this job; sent again after a reconnection."""

    job: str
    reader: str


class EncoderClose(Struct, frozen=True, tag_field="t", tag="encoder_close"):
    """No job waits on this encoder any more."""

    reader: str


class EncoderCard(Struct, frozen=True, tag_field="t", tag="encoder_card"):
    """A card lies on the encoder."""

    job: str
    uid: bytes


class Encode(Struct, frozen=True, tag_field="t", tag="encode"):
    """Make that card: signed credential files by application, key epochs by role; `refusal` is set instead of them."""

    job: str
    uid: bytes
    credentials: tuple[tuple[str, bytes], ...] = ()
    epochs: tuple[tuple[str, int], ...] = ()
    overwrite: bool = False
    refusal: str = ""


class EncoderStep(Struct, frozen=True, tag_field="t", tag="encoder_step"):
    """How far the making of a card has come, for whoever watches."""

    job: str
    step: str


class EncoderDone(Struct, frozen=True, tag_field="t", tag="encoder_done"):
    """How it ended: `made`, or a reason; `verified` names the roles that read the credential back."""

    job: str
    uid: bytes
    result: str
    detail: str = ""
    verified: tuple[str, ...] = ()
    was_torn: bool = False


class CardShown(Struct, frozen=True, tag_field="t", tag="card_shown"):
    """A card was laid on an encoder where no job waits: whose is it? `problem` is a reason when it proved nothing."""

    reader: str
    credential: str
    problem: str = ""


class Ping(Struct, frozen=True, tag_field="t", tag="ping"):
    """Liveness and clock skew; either side may ask. `sent_ms` is a clock of the asker's own choice, and comes back."""

    id: int
    sent_ms: int


class Pong(Struct, frozen=True, tag_field="t", tag="pong"):
    """Answer to a ping, with the answering side's wall clock."""

    id: int
    sent_ms: int
    answered_ms: int


ToDaemon = (
    Challenge
    | Welcome
    | Goodbye
    | Deny
    | StateBegin
    | StatePart
    | StateEnd
    | StateCurrent
    | TapDecision
    | UploadAck
    | Command
    | KeyTold
    | AuditCheckpoint
    | EncoderOpen
    | EncoderClose
    | Encode
    | Ping
    | Pong
)
ToServer = (
    Hello
    | StateInstalled
    | Tap
    | Upload
    | CommandDone
    | Health
    | KeyAsk
    | AuditWitness
    | EncoderCard
    | EncoderStep
    | EncoderDone
    | CardShown
    | Ping
    | Pong
)
