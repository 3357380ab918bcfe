"""Vitals (稼働状態): whether a service is ready, and what a scraper reads of it.

`/health` says that the process answers; `/ready` whether it could do its work now, check by check; `/metrics` how it has been
doing. Any party may ask the first two; the third tells how much passes between institutions, so only the oversight body's
people, the party's own institution and the stand-in of the miniature may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol, runtime_checkable

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import Engine, text

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of
from kumihimo.plumbing.storage import empty_wal, read_secret, require_current
from kumihimo.plumbing.wire.directory_updates import keep_directory
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.feeds import FeedDesk, FeedReader
from kumihimo.plumbing.wire.meters import Meters, Reading
from kumihimo.plumbing.wire.repeating import Repeating
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.tls import client_context, fingerprint

PULL_SECONDS: Final = 30.0  # a feed answers within five; six rounds without one are a fault
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SOON: Final = timedelta(days=30)  # as ops/prometheus-alerts.yml
RESIDENT: Final = PartyId("portal/resident")
log = structlog.get_logger()


class Vital(Protocol):
    """One thing a service watches about itself."""

    name: str

    def fault(self) -> str | None:
        """What does not hold, without any value of a case; None when all is well. May raise instead."""
        ...

    def readings(self) -> Iterable[Reading]:
        """The gauges it has."""
        ...


@runtime_checkable
class Remarking(Protocol):
    """A vital with something to say about a service that can do its work all the same."""

    def remark(self) -> str | None:
        """What somebody should look at, or what will not hold soon, without any value of a case; None: nothing."""
        ...


class Checked(BaseModel):
    """One check: what was looked at, whether it holds, and what is wrong; where it holds, what is to be looked at."""

    name: str
    holds: bool
    says: str | None = None


class Readiness(BaseModel):
    """What `/ready` answers."""

    party: str
    ready: bool
    checks: tuple[Checked, ...]


class StoreVital:
    """The store can be reached and has the schema of this version."""

    name = "store"

    def __init__(self, engine: Engine, package: str) -> None:
        self.engine = engine
        self._package = package

    def fault(self) -> str | None:
        require_current(self.engine, self._package)
        return None

    def readings(self) -> Iterable[Reading]:
        if self.engine.dialect.name == "postgresql":
            size = "SELECT pg_database_size(current_database())"
        else:
            size = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        with self.engine.connect() as conn:
            yield Reading("store_bytes", float(conn.execute(text(size)).scalar_one()))


class KeysVital:
    """The party's keys can be read by it and by nobody else, and its certificate has not ended."""

    name = "keys"

    def __init__(self, edge: Edge, secrets: Sequence[str] = ()) -> None:
        self._edge = edge
        self._secrets = ("sign.key", "tls.key", *secrets)

    def fault(self) -> str | None:
        for name in self._secrets:
            read_secret(self._edge.identity.folder / name)
        client_context(self._edge.identity)  # certificate and key belong together
        ends = self._certificate_ends()
        return f"the certificate ended on {ends:%Y-%m-%d}" if ends <= self._edge.clock.now() else None

    def remark(self) -> str | None:
        """That the certificate ends soon."""
        ends = self._certificate_ends()
        left = ends - self._edge.clock.now()
        return f"the certificate ends on {ends:%Y-%m-%d}, in {left.days} days" if left < SOON else None

    def readings(self) -> Iterable[Reading]:
        yield Reading("certificate_expires_timestamp_seconds", self._certificate_ends().timestamp())

    def _certificate_ends(self) -> datetime:
        """As the certificate says, or as the directory does where that is sooner."""
        pem = self._edge.identity.certificate_file.read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        stated = certificate.not_valid_after_utc
        name = fingerprint(certificate.public_bytes(serialization.Encoding.DER))
        ended = self._edge.directory.certificate_ends(self._edge.party, name)
        return min(stated, ended) if ended is not None else stated


class DirectoryVital:
    """Which directory is in use: everybody's version can be compared in the metrics."""

    name = "directory"

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def fault(self) -> str | None:
        self._edge.directory.party(self._edge.party)
        return None

    def readings(self) -> Iterable[Reading]:
        yield Reading("directory_version", float(self._edge.directory.version))


class FeedVital:
    """A feed that is read here is not stuck."""

    def __init__(self, reader: FeedReader, edge: Edge) -> None:
        self.name = f"feed of {reader.source}"
        self._reader = reader
        self._edge = edge

    def fault(self) -> str | None:
        if self._reader.pulled_at is None:
            return "not read since the start"
        age = self._age(self._reader.pulled_at)
        return f"last read {age:.0f} s ago, expected within {PULL_SECONDS:.0f} s" if age > PULL_SECONDS else None

    def readings(self) -> Iterable[Reading]:
        yield Reading("feed_position", float(self._reader.position()), (self._reader.source,))
        if self._reader.pulled_at is not None:
            yield Reading("feed_pull_age_seconds", self._age(self._reader.pulled_at), (self._reader.source,))

    def _age(self, at: datetime) -> float:
        return (self._edge.clock.now() - at).total_seconds()


class FeedDeskVital:
    """How far the readers of this service's feed are behind; that is their trouble, so it is never a fault here."""

    name = "feed"

    def __init__(self, desk: FeedDesk, edge: Edge) -> None:
        self._desk = desk
        self._edge = edge

    def fault(self) -> str | None:
        return None

    def readings(self) -> Iterable[Reading]:
        now = self._edge.clock.now()
        for audience, asked in self._desk.asked().items():
            yield Reading("feed_asked_age_seconds", (now - asked.at).total_seconds(), (audience,))
            yield Reading("feed_lag_items", float(self._desk.waiting_after(audience, asked.after)), (audience,))


def examine(party: PartyId, vitals: Iterable[Vital]) -> Readiness:
    """Look at every vital; one whose look fails does not hold, and says with which code."""
    checks = tuple(_checked(vital) for vital in vitals)
    return Readiness(party=party, ready=all(check.holds for check in checks), checks=checks)


def _checked(vital: Vital) -> Checked:
    remark = None
    try:
        fault = vital.fault()
        if fault is None and isinstance(vital, Remarking):
            remark = vital.remark()
    except Problem as problem:
        fault = problem.code
    except Exception as error:  # whatever it is, the service could not do its work with it
        log.warning("check failed", kind=type(error).__name__)
        fault = type(error).__name__
    return Checked(name=vital.name, holds=fault is None, says=fault or remark)


def may_scrape(party: PartyId) -> Callable[[PartyId], bool]:
    """Who may read the metrics of `party`."""
    own = institution_of(party)
    return lambda peer: peer == RESIDENT or institution_of(peer) in (own, "oversight")


def meters_of(app: FastAPI) -> Meters:
    """The meters of an application that `edge.application` made."""
    meters: Meters = app.state.meters
    return meters


def _keep_wal_short(engine: Engine) -> int:
    empty_wal(engine)
    return 0  # what is left waits for the next round


def watch(app: FastAPI, edge: Edge, *vitals: Vital) -> None:
    """Add `/ready` and `/metrics` over these vitals, and keep the directory new."""
    app.state.edge = edge
    keep_directory(app, edge)
    for vital in vitals:
        if isinstance(vital, StoreVital):
            app.state.works.append(Repeating("checkpoints", partial(_keep_wal_short, vital.engine)))
    vitals = (*vitals, DirectoryVital(edge))
    meters, allowed = meters_of(app), may_scrape(edge.party)
    for vital in vitals:
        meters.read_from(vital.readings)
    meters.read_from(lambda: (Reading("ready", float(examine(edge.party, vitals).ready)),))

    @app.get("/ready")
    def ready(_peer: Peer) -> Response:
        """200 when every check holds, 503 otherwise, with the checks by name."""
        found = examine(edge.party, vitals)
        return JSONResponse(found.model_dump(exclude_none=True), status_code=200 if found.ready else 503)

    @app.get("/metrics")
    def metrics(peer: Peer) -> Response:
        """Prometheus's text format."""
        if not allowed(peer):
            raise Problem("peer.not_allowed", f"{peer} may not read the metrics of {edge.party}")
        return Response(meters.exposition(), media_type=CONTENT_TYPE)
