"""What both operators serve (共通の窓口): key shares and published points, and what lives and ends with the process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from fastapi import FastAPI
from sqlalchemy import Engine

from kumihimo.domain.codes import Translator
from kumihimo.domain.kernel.randomness import SystemRandomness
from kumihimo.domain.law import RuleBook
from kumihimo.plumbing.storage import open_engine, require_current
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Background, Edge
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.oversight import Quota
from kumihimo.plumbing.wire.routes import Peer, in_thread
from kumihimo.roles.hub.service.chunk_hops import ChunkTranslation
from kumihimo.roles.hub.service.codes import CodeHop
from kumihimo.roles.hub.service.keys import DomainKeyDesk, KeyDesk, PeerPoints
from kumihimo.roles.hub.service.ports import Notify
from kumihimo.roles.hub.service.proofs import ProofCheck, ProofDesk
from kumihimo.roles.hub.service.quotas import DAY, Quotas
from kumihimo.roles.hub.service.rotation import RotationHop
from kumihimo.roles.hub.service.rulings import Bench
from kumihimo.roles.hub.settings import Settings
from kumihimo.roles.hub.store import (
    MIGRATIONS,
    Domains,
    HopSeeds,
    Notices,
    SeedStore,
    Standings,
    requests_logged,
    requests_passed,
)

TRANSLATION_THREADS = 2
R = TypeVar("R")


@dataclass(frozen=True)
class Operator:
    """What both operators are made of."""

    settings: Settings
    edge: Edge
    engine: Engine
    client: PeerClient
    book: RuleBook
    standings: Standings
    quotas: Quotas
    seeds: HopSeeds
    translator: Translator
    keys: KeyDesk
    domains: Domains
    seed_store: SeedStore
    pool: ThreadPoolExecutor
    orders_pool: ThreadPoolExecutor
    chunks_pool: ThreadPoolExecutor

    @classmethod
    def open(cls, settings: Settings, edge: Edge, client: PeerClient) -> Operator:
        """Open store, keys and rule books. Raises Problem where one is missing or not to be trusted."""
        engine = open_engine(settings.store)
        require_current(engine, MIGRATIONS)
        standings = Standings(engine)
        domains = Domains(engine, edge.directory.epoch)
        seed_store = SeedStore(engine, settings.keys)
        secrets = seed_store.factors()
        points = PeerPoints(edge, settings.other_operator, client)
        default = Quota(per_minute=settings.requests_per_minute, per_day=settings.requests_per_day)
        quotas = Quotas(default, standings.quota)
        requests = requests_logged if settings.operator == 1 else requests_passed
        quotas.recover(requests(engine, edge.clock.now() - DAY))
        return cls(
            settings,
            edge,
            engine,
            client,
            RuleBook.load(*settings.rule_books),
            standings,
            quotas,
            HopSeeds(engine),
            Translator(secrets, settings.operator, points),
            KeyDesk(edge, secrets, standings.require_active, domains),
            domains,
            seed_store,
            ThreadPoolExecutor(TRANSLATION_THREADS, thread_name_prefix="translation"),
            ThreadPoolExecutor(1, thread_name_prefix="orders"),
            # One thread: the chunks under way keep both operators busy, and threads that wait for one another's lock between
            # calls of 50 µs cost more than they bring. One after the other, so that chunks do not move in step.
            ThreadPoolExecutor(1, thread_name_prefix="chunks"),
        )

    def bench(self) -> Bench:
        return Bench(self.edge.directory, self.book, self.standings.require_active, self.quotas.admit, self.domains)

    def hop(self) -> CodeHop:
        return CodeHop(self.edge, self.translator, self.standings.require_active, self.pool, self.domains)

    def rotation_hop(self) -> RotationHop:
        return RotationHop(self.edge, self.translator, self.domains, self.seeds, self.standings.require_active)

    def chunk_translation(self) -> ChunkTranslation:
        return ChunkTranslation(self.translator, self.seeds, self.chunks_pool, self.domains)

    def proof_check(self, notify: Notify) -> ProofCheck:
        """The check of the other operator's translations; `notify` wakes the oversight body's reader."""
        return ProofCheck(
            self.edge,
            self.settings.other_operator,
            self.translator,
            self.client,
            self.settings.proof_share,
            SystemRandomness(),
            Notices(self.engine).tell,
            notify,
        )

    def lives(self, finish: Callable[[], None]) -> LifeOf:
        """Background that ends the operator: first what `finish` must still write, then connections and store."""
        return LifeOf(self, finish)


class LifeOf(Background):
    """Closes everything when the application stops."""

    def __init__(self, operator: Operator, finish: Callable[[], None]) -> None:
        self._operator = operator
        self._finish = finish

    def stop(self) -> None:
        self._finish()
        self._operator.pool.shutdown()
        self._operator.orders_pool.shutdown()
        self._operator.chunks_pool.shutdown()
        self._operator.client.close()
        self._operator.engine.dispose()


def mount_keys(app: FastAPI, operator: Operator) -> None:
    """Add the routes of key shares, points and proofs."""
    edge, desk = operator.edge, operator.keys
    proofs = ProofDesk(edge, operator.translator, operator.seeds)

    @app.post("/proofs")
    async def prove(envelope: Envelope, peer: Peer) -> Envelope:
        """ProveHops → HopsProven. In a translation thread: all others may be waiting for an operator that waits for this."""
        return edge.answer(await in_thread(partial(proofs.prove, envelope, peer), operator.pool))

    @app.post("/proofs-of-many")
    async def prove_many(envelope: Envelope, peer: Peer) -> Envelope:
        """ProveHopsOfMany → HopsProven. In a translation thread, as `/proofs`."""
        return edge.answer(await in_thread(partial(proofs.prove_many, envelope, peer), operator.pool))

    domain_keys = DomainKeyDesk(edge, operator.translator, operator.domains)

    @app.post("/domain-keys")
    def domain_key(envelope: Envelope, peer: Peer) -> Envelope:
        """KeyOf → DomainKey."""
        return edge.answer(domain_keys.key(envelope, peer))

    @app.post("/key-shares")
    def key_shares(envelope: Envelope, peer: Peer) -> Envelope:
        """ShareOfKey → KeyShare."""
        return edge.answer(desk.share(envelope, peer))

    @app.post("/points")
    async def points(envelope: Envelope, peer: Peer) -> Envelope:
        """PointsOf → Points. Not in a thread: all threads may be waiting for an operator that waits for this answer."""
        return edge.answer(desk.points(envelope, peer))
