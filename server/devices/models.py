"""What a device is to the server: its identity for the link, its enrolment, its state for the pages. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from cardcore.ids import DeviceId, SiteId
from cardcore.journal import Purpose

SILENT_AFTER = timedelta(seconds=15)
"""A daemon reports health every few seconds; one that missed three reports is not connected, whatever the row says."""


class DeviceState(StrEnum):
    """Whether a device may speak."""

    ACTIVE = "active"
    REVOKED = "revoked"


class EnrolmentProblem(StrEnum):
    """Why an enrolment was refused; keys of `server.problem.PROBLEMS`."""

    CODE_UNKNOWN = "enrolment_code_unknown"
    CODE_EXPIRED = "enrolment_code_expired"
    CODE_USED = "enrolment_code_used"
    KEY_UNUSABLE = "device_key_unusable"
    KEY_KNOWN = "device_key_known"


class CodeProblem(StrEnum):
    """Why no code was made."""

    SITE_UNKNOWN = "site_unknown"
    NAME_UNUSABLE = "device_name_unusable"
    NAME_IN_USE = "device_name_in_use"
    PURPOSES_MISSING = "device_purposes_missing"


@dataclass(frozen=True, slots=True)
class EnrolmentCode:
    """A fresh code; shown once, stored as a hash."""

    code: str = field(repr=False)
    name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class EnrolledDevice:
    """What the daemon keeps after its enrolment."""

    device: DeviceId
    site: SiteId
    """As text it is what signatures of policy are bound to (`cardcore.wire.signing.state_bytes`)."""
    name: str
    server_key: bytes
    """Ed25519 public key of this installation, for the daemon to pin."""
    is_repeat: bool = False
    """The same request came before and its answer was lost."""


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A device as pages, doctor and command line show it."""

    id: DeviceId
    name: str
    purposes: tuple[Purpose, ...]
    state: DeviceState
    enrolled_at: datetime
    last_seen_at: datetime | None
    is_connected: bool
    policy_version: int
    deny_version: int
    software: str
    problem: str
    health: dict[str, Any]
    """The last `cardcore.wire.messages.Health` as JSON; empty before the first."""
