"""Prometheus metrics: one object that the parts are given, with a registry of its own.

Labels are few and never personal. Reasons are `cardcore.reasons`; a word that is none counts as `other`, so that no
peer can grow the number of series.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from cardcore.reasons import Reason

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OTHER = "other"

_LATENCY_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 0.8, 2.0, 5.0)
"""Gates wait 0.3 s and tills 0.8 s before they decide alone: both are bounds here."""
_BATCH_TAPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

_REASONS = frozenset(str(reason) for reason in Reason)


class Metrics:
    """Every metric of a server process."""

    def __init__(self) -> None:
        """Register all of them in a fresh registry."""
        self.registry = registry = CollectorRegistry()
        self._taps = Counter(
            "onecard_taps_total", "Taps decided", ("purpose", "granted", "reason", "offline"), registry=registry
        )
        self._charged = Counter("onecard_charges_total", "Meals charged or reversed", ("kind",), registry=registry)
        self._charged_fen = Counter("onecard_charged_fen_total", "Money of them, in fen", ("kind",), registry=registry)
        self.decision_seconds = Histogram(
            "onecard_decision_seconds",
            "From a tap's frame to its answer, commit included",
            ("purpose",),
            buckets=_LATENCY_SECONDS,
            registry=registry,
        )
        self.batch_taps = Histogram("onecard_batch_taps", "Taps a commit", buckets=_BATCH_TAPS, registry=registry)
        self.records = Counter("onecard_records_total", "Journal records received", ("status",), registry=registry)
        self.bad_frames = Counter("onecard_bad_frames_total", "Frames of the link that are none", registry=registry)
        self.links = Gauge("onecard_links", "Open device links", registry=registry)
        self.links_refused = Counter("onecard_links_refused_total", "Links refused", ("code",), registry=registry)
        self.requests = Counter("onecard_requests_total", "HTTP requests", ("method", "status"), registry=registry)
        self.outbox_events = Counter("onecard_outbox_events_total", "Outbox events published", registry=registry)
        self.loop_lag_seconds = Gauge("onecard_loop_lag_seconds", "Worst recent event-loop lag", registry=registry)
        self.invariants_broken = Gauge(
            "onecard_invariants_broken", "Rows that break an invariant, as of the last sweep", ("invariant",),
            registry=registry,
        )  # fmt: skip
        self.backup_age_seconds = Gauge(
            "onecard_backup_age_seconds", "Age of the newest backup of `onecard backup`", registry=registry
        )
        self.sweeps = Counter("onecard_sweeps_total", "Sweeps of the books", ("result",), registry=registry)
        self.bus_up = Gauge("onecard_bus_up", "1 while Redis carries messages or none is configured", registry=registry)
        self.database_up = Gauge("onecard_database_up", "1 while the last check succeeded", registry=registry)

    def tap(self, purpose: str, reason: str, *, granted: bool, offline: bool, count: int = 1) -> None:
        """Count decisions of one kind."""
        word = reason if reason in _REASONS else OTHER
        self._taps.labels(purpose, str(granted).lower(), word, str(offline).lower()).inc(count)

    def charge(self, kind: str, amount_fen: int) -> None:
        """Count a charge or reversal (`kind`) of some fen."""
        self._charged.labels(kind).inc()
        self._charged_fen.labels(kind).inc(amount_fen)

    def render(self) -> bytes:
        """Return the exposition text, content type CONTENT_TYPE."""
        return generate_latest(self.registry)
