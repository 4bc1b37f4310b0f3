"""What a leaf of the audit tree says, byte for byte: canonical JSON with sorted keys. Shared by sealer and export."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import RowMapping

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def audit_content(row: RowMapping) -> str:
    """Return the content of an audit row's leaf; the instant in whole microseconds."""
    values = {
        "kind": "audit",
        "id": str(row["id"]),
        "site": None if row["site_id"] is None else str(row["site_id"]),
        "actor": row["actor"],
        "action": row["action"],
        "object": row["object"],
        "before": row["before"],
        "after": row["after"],
        "reason": row["reason"],
        "at_us": (row["at"] - _EPOCH) // timedelta(microseconds=1),
    }
    if row["origin"] is not None:  # rows older than the column are sealed without it
        values["origin"] = row["origin"]
    return _canonical(values)


def journal_content(row: RowMapping) -> str:
    """Return the content of a leaf that pins a device's journal: with its last record every earlier one."""
    return _canonical(
        {
            "kind": "journal",
            "device": str(row["device_id"]),
            "epoch": str(row["epoch"]),
            "through": row["acked_through"],
            "hash": bytes(row["head_hash"]).hex(),
        }
    )


def _canonical(values: Mapping[str, Any]) -> str:
    return msgspec.json.encode(values, order="sorted").decode()
