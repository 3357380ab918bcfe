"""A database that somebody else holds, or that is gone: one clear problem within a bound, and all is well afterwards."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from doors import Asked, documents
from psycopg import sql
from structlog.testing import capture_logs

from kumihimo.country import programs, topology
from kumihimo.country.boundaries import Role
from kumihimo.country.desk import Desk, edge_of
from kumihimo.country.layout import Country
from kumihimo.country.people.hanako import hanako
from kumihimo.country.scenarios import first_case
from kumihimo.country.scenarios.waiting import until
from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.storage import engine as engines
from kumihimo.plumbing.wire.messages.inquiry import Outcome, Period
from kumihimo.plumbing.wire.messages.provision import Inquired
from kumihimo.plumbing.wire.problem import from_document
from throwaway_postgresql import Cluster

BOUND = engines.LOCK_WAIT_SECONDS + 5
TAX = topology.desk_of("tax-office")


@contextmanager
def held(country: Country, party: PartyId) -> Iterator[None]:
    """The store of a running service, locked by another process: this one."""
    with closing(sqlite3.connect(country.home(party) / "store.db", isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout = 5000")
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def ask(country: Country) -> Inquired:
    desk = Desk.of(country, "x-city")
    number = desk.find(hanako(country.founded).four_items).addressee_number
    return desk.inquire(
        staff=first_case.STAFF, case=first_case.CASE, addressee_number=number, provider="y-city", affair=first_case.AFFAIR,
        items=("local-tax",), period=Period(),
    )  # fmt: skip


@pytest.mark.parametrize("party", [topology.HUB_1, topology.exchange_of("y-city")])
def test_a_locked_store_is_told_within_a_bound(land: Country, party: PartyId) -> None:
    started = time.monotonic()
    with held(land, party), pytest.raises(Problem) as caught:
        ask(land)
    # Y市's exchange waits for as long as its asker has patience: whoever gives up first is right
    assert caught.value.code in ("store.busy", "provider.unreachable", "operator.unreachable")
    assert time.monotonic() - started < BOUND
    assert until(lambda: ask(land), 20, "an answer").outcome is Outcome.PROVIDED


class Numbering:
    """The numbering authority on PostgreSQL, in this process, asked for Corporate Numbers."""

    def __init__(self, country: Country, store: str) -> None:
        settings = programs.load_settings(Role.NUMBERING, country.settings(topology.NUMBERING))
        settings = settings.model_copy(update={"store": store})
        programs.prepare(Role.NUMBERING, settings)
        self._app = Asked(programs.build(Role.NUMBERING, settings))
        self._app.peer = TAX
        self._edge = edge_of(country, TAX)
        self._asked = 0

    def ask(self) -> str | None:
        """The code of the problem; None where a number was assigned."""
        self._asked += 1
        kind = documents()["AssignCorporateNumber"]
        message = self._edge.message(kind, topology.NUMBERING, registered_name=f"株式会社{self._asked}", seat="X市")  # type: ignore[type-var]
        response = self._app.post("/corporate-numbers", self._edge.answer(message).model_dump_json())
        if response.status_code == 200:
            return None
        return from_document(response.content, response.status_code, "test").code


@pytest.fixture(scope="module")
def numbering(founded: Country, postgresql_cluster: Cluster) -> Iterator[Numbering]:
    postgresql_cluster.administer(sql.SQL("CREATE DATABASE locked"))
    patience = pytest.MonkeyPatch()
    patience.setitem(engines._POSTGRESQL_SETTINGS, "lock_timeout", "1s")
    patience.setitem(engines._POSTGRESQL_SETTINGS, "statement_timeout", "2s")
    with capture_logs():  # a terminal's picture of an error takes seconds to draw
        yield Numbering(founded, postgresql_cluster.url("locked"))
    patience.undo()


def test_a_locked_table_is_told_within_a_bound(numbering: Numbering, postgresql_cluster: Cluster) -> None:
    assert numbering.ask() is None
    url = postgresql_cluster.url("locked").replace("+psycopg", "")
    with psycopg.connect(url) as other:
        tables = other.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            other.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
        started = time.monotonic()
        assert numbering.ask() == "store.busy"
        assert time.monotonic() - started < 5
        other.rollback()
    assert numbering.ask() is None


def test_a_server_that_was_restarted_is_used_again(numbering: Numbering, postgresql_cluster: Cluster) -> None:
    assert numbering.ask() is None
    postgresql_cluster.stop()
    try:
        started = time.monotonic()
        assert numbering.ask() == "store.unavailable"
        assert time.monotonic() - started < 10
    finally:
        postgresql_cluster.start()
    assert numbering.ask() is None


def test_connections_that_the_server_ends_are_replaced(numbering: Numbering, postgresql_cluster: Cluster) -> None:
    assert numbering.ask() is None
    postgresql_cluster.administer(
        sql.SQL(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'locked' AND pid <> pg_backend_pid()"
        )
    )
    assert numbering.ask() is None
