"""Meters (計測): what a service counts while it answers, and the form in which Prometheus reads it.

Counts, times and ages only. A label is a path of the program, a status, a code of the catalogue, a party, an institution or
an item of the rule book; never anything that stands for a person, nor for one case.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX: Final = "kumihimo_"
ELSEWHERE: Final = "other"  # a path that no route has: naming it would let anybody make series
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# Every gauge that a service may show: name without the prefix → what it tells, and its labels.
GAUGES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "certificate_expires_timestamp_seconds": ("When the party's certificate ends.", ()),
    "checkpoint_age_seconds": ("Since the newest checkpoint was published.", ()),
    "checkpoint_entries": ("Entries under the newest checkpoint.", ()),
    "checkpoint_missing_cosignatures": ("Witnesses that have not cosigned the newest checkpoint.", ()),
    "copies": ("Copies (副本) kept, by item.", ("item",)),
    "copies_delivered_age_seconds": ("Since the last whole delivery of the item.", ("item",)),
    "copies_due_seconds": ("Until the next whole delivery of the item is due; negative when late.", ("item",)),
    "copies_newest_age_seconds": ("Since a copy of the item was last placed.", ("item",)),
    "copies_waiting": ("Rows of the item that the business system still has to send.", ("item",)),
    "copy_alarms": ("What is wrong with copies: rows, persons or items, by kind and item.", ("kind", "item")),
    "conditions": (
        "Alarms that an institution has about its copies, as the oversight body heard.",
        ("kind", "institution"),
    ),
    "directory_version": ("Version of the directory in use.", ()),
    "feed_asked_age_seconds": ("Since this party last asked for its feed here.", ("audience",)),
    "feed_lag_items": ("Items after the place this party last asked from.", ("audience",)),
    "feed_position": ("Number of the last item applied from this party's feed.", ("source",)),
    "feed_pull_age_seconds": ("Since this party's feed was last read without a problem.", ("source",)),
    "link_codes": ("Addressees with a link code.", ()),
    "log_entries": ("Entries that are durable in the log.", ()),
    "outbox_reports": ("Reports of outcomes that operator 1 has not accepted yet.", ()),
    "ready": ("1 when the service is ready, 0 when one of its checks does not hold.", ()),
    "sequencer_round_age_seconds": ("Since the sequencer last ended a round without an error.", ()),
    "store_bytes": ("Size of the store on disk.", ()),
    "verified_entries": ("Entries of the log that the oversight body has verified.", ()),
    "alarms": ("Alarms of the oversight body, by kind.", ("kind",)),
}
COUNTERS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "requests": ("Requests answered.", ("path", "method", "status")),
    "problems": ("Problem documents sent, by code.", ("code",)),
    "codes_issued": ("Link codes sent on their way, by institution.", ("institution",)),
    "readings_failed": ("Gauges that could not be read.", ()),
}
REQUEST_SECONDS: Final = "request_seconds"
log = structlog.get_logger()


@dataclass(frozen=True)
class Reading:
    """The value of one gauge now; `labels` in the order of `GAUGES`."""

    gauge: str
    value: float
    labels: tuple[str, ...] = ()


class Meters:
    """The counters of one application, and the gauges that are read when somebody asks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._sources: list[Callable[[], Iterable[Reading]]] = []
        self._counters = {
            name: Counter(PREFIX + name, says, labels, registry=self.registry)
            for name, (says, labels) in COUNTERS.items()
        }
        self._seconds = Histogram(
            PREFIX + REQUEST_SECONDS, "Time to the last byte of an answer.", ("path",), buckets=BUCKETS,
            registry=self.registry,
        )  # fmt: skip
        self._answers: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        ProcessCollector(registry=self.registry)
        self.registry.register(_Gauges(self.readings))

    def answered(self, path: str, method: str, status: int, seconds: float) -> None:
        """One request was answered."""
        series = self._answers.get((path, method, status))
        if series is None:
            counter = self._counters["requests"].labels(path, method, str(status))
            series = self._answers[path, method, status] = counter, self._seconds.labels(path)
        series[0].inc()
        series[1].observe(seconds)

    def problem(self, code: str) -> None:
        """One problem document was sent."""
        self._counters["problems"].labels(code).inc()

    def codes_issued(self, institution: str, count: int) -> None:
        """So many link codes were sent on their way to an institution."""
        self._counters["codes_issued"].labels(institution).inc(count)

    def read_from(self, source: Callable[[], Iterable[Reading]]) -> None:
        """Have gauges read from `source` whenever somebody asks."""
        self._sources.append(source)

    def readings(self) -> Iterator[Reading]:
        """All gauges now. One that cannot be read is left out and counted: the others tell why."""
        for source in self._sources:
            try:
                yield from tuple(source())
            except Exception as error:
                self._counters["readings_failed"].inc()
                log.warning("reading failed", kind=type(error).__name__)

    def exposition(self) -> bytes:
        """Prometheus's text format 0.0.4."""
        return generate_latest(self.registry)


class _Gauges(Collector):
    def __init__(self, readings: Callable[[], Iterable[Reading]]) -> None:
        self._readings = readings

    def describe(self) -> Iterable[Metric]:
        """Nothing is read when the collector is registered."""
        return ()

    def collect(self) -> Iterable[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for reading in self._readings():
            says, labels = GAUGES[reading.gauge]
            family = families.setdefault(reading.gauge, GaugeMetricFamily(PREFIX + reading.gauge, says, labels=labels))
            family.add_metric(reading.labels, reading.value)
        return families.values()


class Measured:
    """ASGI middleware: counts and times every request by the path of its route, never by what stands in it."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            path = getattr(scope.get("route"), "path", ELSEWHERE)
            self._meters.answered(path, _method(scope["method"]), status, time.perf_counter() - begun)


def _method(method: str) -> str:
    return method if method in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH") else ELSEWHERE
