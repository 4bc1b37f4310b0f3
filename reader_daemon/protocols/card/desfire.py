"""The tap of a DESFire card: select the application, prove its key both ways, read and verify the credential file.

Exchanges with an EV2 card: SELECT, serial number (the reader answers it), key version, two of authentication, one
read. Questions to the key source: two. A card that carries our application and fails is refused, never asked for
something weaker; D40, DES and ISO authentication (0x0A, 0x1A) are not spoken at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.card_keys.asks import CardMethod, CommMode, KeyName, KeyPurpose
from cardcore.card_keys.roles import (
    DEFAULT_LAYOUT,
    FACTORY_EPOCH,
    KEY_PLACES,
    UID_BYTES,
    CardApplication,
    CardLayout,
    KeyRole,
)
from cardcore.credential import CREDENTIAL_FILE_BYTES, Credential, CredentialProblem, verified_credential
from cardcore.ids import credential_key
from cardcore.issuer import IssuerKey
from cardcore.reasons import Reason
from reader_daemon.protocols.card.apdu import command_apdu, exchange
from reader_daemon.protocols.card.desfire_channel import DesfireChannel, Rejected
from reader_daemon.protocols.card.desfire_commands import get_key_version, get_version, read_data
from reader_daemon.protocols.card.native import DesfireStatus, NativeAnswer, NotNative, native_frame
from reader_daemon.protocols.card.outcome import (
    Assertion,
    Assurance,
    CardFailure,
    Dialogue,
    NotThisScheme,
    SchemeOutcome,
)

SCHEME = "desfire"
SELECT_APPLICATION = 0x5A
_VERSION_UID = slice(14, 21)
_PROBLEM_REASONS = {
    CredentialProblem.MALFORMED: Reason.CARD_UNREADABLE,
    CredentialProblem.UNKNOWN_ISSUER: Reason.CARD_OF_OTHER_SITE,
    CredentialProblem.WRONG_SIGNATURE: Reason.CARD_NOT_GENUINE,
}


@dataclass(frozen=True, slots=True)
class DesfireReader:
    """What one reader looks for on DESFire cards."""

    role: KeyRole
    """A reading role: says application and key number too."""
    issuers: tuple[IssuerKey, ...]
    layout: CardLayout = DEFAULT_LAYOUT
    accept_ev1: bool = True

    @property
    def application(self) -> CardApplication:
        """The application the role's key stands in."""
        return KEY_PLACES[self.role][0]

    @property
    def aid(self) -> bytes:
        """Its AID."""
        return self.layout.aid(self.application)


def desfire_dialogue(reader: DesfireReader) -> Dialogue[SchemeOutcome]:
    """Run the tap; see the module."""
    absent = yield from _select(reader.aid)
    if absent is not None:
        return absent
    uid = yield from card_uid()
    if isinstance(uid, CardFailure):
        return uid
    channel = DesfireChannel()
    number = KEY_PLACES[reader.role][1]
    version = yield from get_key_version(channel, number)
    if isinstance(version, CardFailure):
        return version
    if isinstance(version, Rejected) or len(version) != 1 or version[0] == FACTORY_EPOCH:
        return CardFailure(Reason.CARD_INCOMPLETE, f"key {number} of {reader.application} was never set")
    key = KeyName(reader.role, uid, version[0])
    failure = yield from authenticate_as(channel, key, KeyPurpose.READ, accept_ev1=reader.accept_ev1)
    if failure is not None:
        return failure
    # the file of a role bears the number of its key, since a file of EV1 has one reading key only
    file = yield from read_data(channel, number, 0, CREDENTIAL_FILE_BYTES, CommMode.FULL)
    if isinstance(file, CardFailure):
        return file
    if isinstance(file, Rejected) or not any(file):
        return CardFailure(Reason.CARD_INCOMPLETE, f"no credential in {reader.application}: {file!r}")
    credential = believed(file, reader.aid, reader.application, uid, reader.issuers)
    if isinstance(credential, CardFailure):
        return credential
    assert channel.method is not None, "a file was read in full mode, so there was an authentication"
    return Assertion(
        SCHEME,
        credential_key(f"{SCHEME}:{credential.credential_id.hex()}"),
        Assurance.HIGH,
        f"{channel.method} with {reader.role} of epoch {version[0]}",
        issue_number=credential.issue_number,
    )


def _select(aid: bytes) -> Dialogue[NotThisScheme | CardFailure | None]:
    selected = yield from native_frame(SELECT_APPLICATION, aid[::-1])
    match selected:
        case CardFailure():
            return selected
        case NotNative(status=status):
            return NotThisScheme(f"class 90 answered {status:04X}")
        case NativeAnswer(status=DesfireStatus.DONE):
            return None
        case NativeAnswer(status=DesfireStatus.APPLICATION_NOT_FOUND):
            return NotThisScheme("DESFire without our application")
        case NativeAnswer(status=status):
            return CardFailure(Reason.CARD_UNREADABLE, f"SELECT application answered {status:02X}")


def card_uid() -> Dialogue[bytes | CardFailure]:
    """Read the serial number: from the reader, else from the card's version. Only an input of key derivation.

    A card set to show random numbers has none here: `card_unknown_type`.
    """
    told = yield from exchange(command_apdu(bytes.fromhex("FFCA0000")))
    if isinstance(told, CardFailure):
        return told
    if told.accepted and len(told.data) == UID_BYTES:
        return told.data
    version = yield from get_version(DesfireChannel())
    if isinstance(version, CardFailure):
        return version
    uid = version[_VERSION_UID] if isinstance(version, bytes) else b""
    if len(uid) != UID_BYTES or not any(uid):
        return CardFailure(Reason.CARD_UNKNOWN_TYPE, "the card shows no lasting serial number")
    return uid


def authenticate_as(
    channel: DesfireChannel, key: KeyName, purpose: KeyPurpose, *, accept_ev1: bool
) -> Dialogue[CardFailure | None]:
    """Authenticate with the best method the card takes: EV2, LRP where it demands that, EV1 where it is one.

    A weaker method is tried only after the one status that says so, not after any refusal.
    """
    number = KEY_PLACES[key.role][1]
    refused = yield from channel.authenticate(CardMethod.EV2_FIRST, number, key, purpose)
    if refused == Rejected(DesfireStatus.PERMISSION):
        refused = yield from channel.authenticate(CardMethod.LRP_FIRST, number, key, purpose)
    elif refused == Rejected(DesfireStatus.ILLEGAL_COMMAND) and accept_ev1:
        refused = yield from channel.authenticate(CardMethod.EV1_AES, number, key, purpose)
    if not isinstance(refused, Rejected):
        return refused
    match refused.status:
        case DesfireStatus.NO_SUCH_KEY:
            return CardFailure(Reason.CARD_INCOMPLETE, f"the application has no key {number}")
        case DesfireStatus.AUTHENTICATION | DesfireStatus.ILLEGAL_COMMAND | DesfireStatus.PERMISSION:
            return CardFailure(Reason.CARD_NOT_GENUINE, f"the card takes no method of ours: {refused.status:02X}")
        case _:
            return CardFailure(Reason.CARD_UNREADABLE, f"authentication answered {refused.status:02X}")


def believed(
    file: bytes, aid: bytes, application: CardApplication, uid: bytes, issuers: tuple[IssuerKey, ...]
) -> Credential | CardFailure:
    """Verify a credential file and that it is this card's own and this application's."""
    credential = verified_credential(file, aid, issuers)
    if isinstance(credential, CredentialProblem):
        return CardFailure(_PROBLEM_REASONS[credential], f"credential file: {credential}")
    if credential.uid != uid or credential.application is not application:
        return CardFailure(Reason.CARD_NOT_GENUINE, "the credential file is another card's")
    return credential
