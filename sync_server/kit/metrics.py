"""What this process counts for Prometheus. Labels are routes, methods and names of jobs: never an
id, a path or a person.
"""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

REGISTRY: Final = CollectorRegistry()
"""One a process: several processes are several targets."""
PlatformCollector(REGISTRY)
ProcessCollector(registry=REGISTRY)

_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ANSWERS: Final = Counter(
    "zeraket_http_answers",
    "Requests that were answered, by route and status",
    ("method", "route", "status"),
    registry=REGISTRY,
)
_ANSWERING: Final = Histogram(
    "zeraket_http_answer_seconds",
    "How long answers took",
    ("method", "route"),
    buckets=_SECONDS,
    registry=REGISTRY,
)
_ATTEMPTS: Final = Histogram(
    "zeraket_job_attempt_seconds",
    "How long attempts at jobs took, by what became of them",
    ("job", "outcome"),
    buckets=(*_SECONDS, 60, 300),
    registry=REGISTRY,
)
CONNECTIONS_IN_USE: Final = Gauge(
    "zeraket_database_connections_in_use",
    "Connections of this process's pools that a transaction holds",
    ("pool",),
    registry=REGISTRY,
)
JOBS: Final = Gauge(
    "zeraket_jobs", "Jobs in the queue, of all processes", ("state",), registry=REGISTRY
)
ALARMS_OPEN: Final = Gauge(
    "zeraket_alarms_open", "Alarms that nobody has cleared, by kind", ("kind",), registry=REGISTRY
)


def count_answer(method: str, route: str | None, status: int | None, seconds: float) -> None:
    """Count an answer; a route or method that is none of ours makes no series of its own."""
    known = method if method in _METHODS else "other"
    place = route or "none"
    _ANSWERS.labels(known, place, str(status or "none")).inc()
    _ANSWERING.labels(known, place).observe(seconds)


def count_attempt(job: str, outcome: str, seconds: float) -> None:
    _ATTEMPTS.labels(job, outcome).observe(seconds)
