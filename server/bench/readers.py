"""A tap at an OSDP mock to the relay at the OSDP mock, through the real reader daemon. Not ready yet."""

from __future__ import annotations

from server.bench.figures import Report
from server.bench.rig import Rig


def run(rig: Rig, taps: int, report: Report) -> None:
    """Say that the case is missing."""
    del rig, taps
    report.notes.append("readers: not measured")
