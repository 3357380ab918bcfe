"""A service says check by check whether it could do its work now, and how it has been doing, to those who may know."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from small_country import DESK, EXCHANGE, HUB_2, OTHER, SmallCountry
from sqlalchemy import MetaData

from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.storage import cursor_table, migrate, open_engine
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.feeds import FeedReader
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.meters import COUNTERS, GAUGES, PREFIX, Reading
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.vitals import (
    PULL_SECONDS,
    FeedVital,
    KeysVital,
    Readiness,
    StoreVital,
    examine,
    may_scrape,
    watch,
)

NOON = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
PACKAGE = "kumihimo.roles.gateway.migrations_exchange"
Run = Callable[[FastAPI, Edge], None]


@dataclass
class Watch:
    """A clock that a test sets."""

    at: datetime = NOON

    def now(self) -> datetime:
        return self.at


@dataclass
class Pulse:
    """A vital that a test sets."""

    name: str = "pulse"
    wrong: str | None = None

    def fault(self) -> str | None:
        return self.wrong

    def readings(self) -> list[Reading]:
        if self.wrong == "unreadable":
            raise OSError("the disk is gone")
        return [Reading("outbox_reports", 3.0)]


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Sample name and label values → value."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def pulse() -> Pulse:
    return Pulse()


@pytest.fixture
def exchange(country: SmallCountry, run: Run, pulse: Pulse) -> PeerClient:
    """X市's exchange, watched; what is returned is its own desk's line to it."""
    edge = country.edge(EXCHANGE)
    app = application("exchange")
    watch(app, edge, pulse)

    @app.get("/persons/{number}")
    def person(number: str, _peer: Peer) -> str:
        raise Problem("addressee.unknown", "no such addressee")

    run(app, edge)
    return PeerClient(country.edge(DESK))


def test_a_service_is_ready_while_every_check_holds_and_503_names_the_one_that_does_not(
    exchange: PeerClient, pulse: Pulse
) -> None:
    well = exchange.look(EXCHANGE, "/ready")
    assert (well.status_code, json.loads(well.content)) == (
        200,
        {"party": EXCHANGE, "ready": True, "checks": [{"name": "pulse", "holds": True}]},
    )
    pulse.wrong = "faint"
    ill = exchange.look(EXCHANGE, "/ready")
    assert ill.status_code == 503
    assert Readiness.model_validate_json(ill.content).checks[0].says == "faint"
    assert exchange.look(EXCHANGE, "/health").status_code == 200  # alive all the same


def test_requests_are_counted_by_the_path_of_the_route_and_never_by_what_stands_in_it(exchange: PeerClient) -> None:
    for path in ("/persons/102938475", "/persons/564738291", "/102938475"):
        assert exchange.look(EXCHANGE, path).status_code == 404
    text = exchange.look(EXCHANGE, "/metrics").text
    found = samples(text)
    assert found["kumihimo_requests_total", ("GET", "/persons/{number}", "404")] == 2
    assert found["kumihimo_requests_total", ("GET", "other", "404")] == 1
    assert found["kumihimo_problems_total", ("addressee.unknown",)] == 2
    assert found["kumihimo_request_seconds_count", ("/persons/{number}",)] == 2
    assert found["kumihimo_outbox_reports", ()] == 3
    assert found["kumihimo_ready", ()] == 1
    assert found["process_resident_memory_bytes", ()] > 1e6
    assert "102938475" not in text


def test_a_body_that_is_refused_before_it_is_read_is_counted_too(exchange: PeerClient) -> None:
    assert exchange.post(EXCHANGE, "/persons/1", b"x" * (8 * 1024 * 1024 + 1)).status_code == 413
    assert samples(exchange.look(EXCHANGE, "/metrics").text)["kumihimo_problems_total", ("message.too_large",)] == 1


def test_a_gauge_that_cannot_be_read_hides_no_other(exchange: PeerClient, pulse: Pulse) -> None:
    pulse.wrong = "unreadable"
    found = samples(exchange.look(EXCHANGE, "/metrics").text)
    assert ("kumihimo_outbox_reports", ()) not in found
    assert found["kumihimo_ready", ()] == 0
    again = samples(exchange.look(EXCHANGE, "/metrics").text)
    assert again["kumihimo_readings_failed_total", ()] >= 1


def test_another_city_may_ask_whether_a_service_is_ready_but_not_how_much_it_does(
    country: SmallCountry, exchange: PeerClient
) -> None:
    client = PeerClient(country.edge(OTHER))
    assert client.look(EXCHANGE, "/ready").status_code == 200
    with pytest.raises(Problem) as caught:
        client.get(EXCHANGE, "/metrics")
    assert caught.value.code == "peer.not_allowed"
    client.close()


@pytest.mark.parametrize(
    ("peer", "may"),
    [
        ("oversight/monitor", True),
        ("oversight/body", True),
        ("portal/resident", True),
        ("x-city/desk", True),
        ("x-city/ledger", True),
        ("y-city/desk", False),
        ("hub-1/operator", False),
        ("portal/portal", False),
    ],
)
def test_metrics_are_for_the_own_institution_and_the_oversight_body(peer: str, may: bool) -> None:
    assert may_scrape(EXCHANGE)(PartyId(peer)) is may


def test_a_store_of_another_schema_is_not_ready(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/store.db")
    vital = StoreVital(engine, PACKAGE)
    assert [check.says for check in examine(EXCHANGE, [vital]).checks] == ["store.not_migrated"]
    migrate(engine, PACKAGE)
    assert examine(EXCHANGE, [vital]).ready
    assert {reading.gauge: reading.value for reading in vital.readings()}["store_bytes"] > 4096
    engine.dispose()
    (tmp_path / "store.db").write_bytes(b"not a database any more" * 1000)
    broken = examine(EXCHANGE, [vital])
    assert (broken.ready, broken.checks[0].says) == (False, "DatabaseError")


def test_keys_that_others_could_read_and_a_certificate_that_has_ended_are_not_ready(
    country: SmallCountry, tmp_path: Path
) -> None:
    folder = tmp_path / "keys"
    shutil.copytree(country.identity(EXCHANGE).folder, folder)
    clock = Watch(datetime.now(UTC))
    edge = Edge(Identity(EXCHANGE, folder), country.edge(EXCHANGE).directory, clock)
    vital = KeysVital(edge, ("seal.key",))
    assert examine(EXCHANGE, [vital]).ready
    clock.at += timedelta(days=4 * 365)
    assert "the certificate ended" in str(examine(EXCHANGE, [vital]).checks[0].says)
    (folder / "seal.key").chmod(0o644)
    assert examine(EXCHANGE, [vital]).checks[0].says == "key.permissions"
    (folder / "seal.key").unlink()
    assert examine(EXCHANGE, [vital]).checks[0].says == "key.missing"


def test_a_feed_that_was_not_read_for_half_a_minute_is_not_ready(country: SmallCountry, tmp_path: Path) -> None:
    clock = Watch()
    edge = country.edge(EXCHANGE, clock)
    engine, metadata = open_engine(f"sqlite:///{tmp_path}/store.db"), MetaData()
    cursors = cursor_table(metadata)
    metadata.create_all(engine)
    reader = FeedReader(PeerClient(edge), edge, HUB_2, engine, cursors, lambda _conn, _item: None)
    vital = FeedVital(reader, edge)
    assert vital.fault() == "not read since the start"
    reader.pulled_at = NOON
    clock.at += timedelta(seconds=PULL_SECONDS)
    assert vital.fault() is None
    clock.at += timedelta(seconds=1)
    assert "31 s ago" in str(vital.fault())
    assert {(one.gauge, one.value, one.labels) for one in vital.readings()} == {
        ("feed_position", 0.0, (HUB_2,)),
        ("feed_pull_age_seconds", 31.0, (HUB_2,)),
    }
    engine.dispose()


def test_no_label_stands_for_a_person_or_a_case() -> None:
    named = {label for _, labels in (*GAUGES.values(), *COUNTERS.values()) for label in labels}
    assert named == {"audience", "source", "item", "kind", "path", "method", "status", "code", "institution"}
    assert PREFIX == "kumihimo_"
