"""What both operators serve (共通の窓口): key shares and published points, and what lives and ends with the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Annotated, TypeVar

from anyio import to_thread
from fastapi import Depends, FastAPI, Request
from sqlalchemy import Engine

from kumihimo.domain.codes import OperatorSecrets, Translator
from kumihimo.domain.kernel.randomness import SystemRandomness
from kumihimo.domain.law import RuleBook
from kumihimo.plumbing.storage import open_engine, read_secret, require_current
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Background, Edge, Peer
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.plumbing.wire.messages.oversight import Quota
from kumihimo.roles.hub.service.chunk_hops import ChunkTranslation
from kumihimo.roles.hub.service.codes import CodeHop
from kumihimo.roles.hub.service.keys import KeyDesk, PeerPoints
from kumihimo.roles.hub.service.ports import Notify
from kumihimo.roles.hub.service.proofs import ProofCheck, ProofDesk
from kumihimo.roles.hub.service.quotas import DAY, Quotas
from kumihimo.roles.hub.service.rulings import Bench
from kumihimo.roles.hub.settings import Settings
from kumihimo.roles.hub.store import MIGRATIONS, HopSeeds, Notices, Standings, requests_logged, requests_passed

TRANSLATION_THREADS = 2
R = TypeVar("R")


async def _whole_body(request: Request) -> bytes:
    return await request.body()


# For messages whose rejection must be logged: the desk parses them itself, so that nothing is refused before it.
Body = Annotated[bytes, Depends(_whole_body)]


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
    pool: ThreadPoolExecutor
    orders_pool: ThreadPoolExecutor
    chunks_pool: ThreadPoolExecutor

    @classmethod
    def open(cls, settings: Settings, edge: Edge, client: PeerClient) -> Operator:
        """Open store, keys and rule books. Raises Problem where one is missing or not to be trusted."""
        engine = open_engine(settings.store)
        require_current(engine, MIGRATIONS)
        standings = Standings(engine)
        secrets = OperatorSecrets(
            read_secret(settings.keys / "reshuffle.seed"), read_secret(settings.keys / "rekey.seed")
        )
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
            KeyDesk(edge, secrets, standings.require_active),
            ThreadPoolExecutor(TRANSLATION_THREADS, thread_name_prefix="translation"),
            ThreadPoolExecutor(1, thread_name_prefix="orders"),
            # One thread: the chunks under way keep both operators busy, and threads that wait for one another's lock between
            # calls of 50 µs cost more than they bring.
            ThreadPoolExecutor(1, thread_name_prefix="chunks"),
        )

    def bench(self) -> Bench:
        return Bench(self.edge.directory, self.book, self.standings.require_active, self.quotas.take)

    def hop(self) -> CodeHop:
        return CodeHop(self.edge, self.translator, self.standings.require_active, self.pool)

    def chunk_translation(self) -> ChunkTranslation:
        return ChunkTranslation(self.translator, self.seeds, self.chunks_pool)

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
    """Sets the number of threads when the application starts, and closes everything when it stops."""

    def __init__(self, operator: Operator, finish: Callable[[], None]) -> None:
        self._operator = operator
        self._finish = finish

    def start(self) -> None:
        # Most of a request's time at operator 1 is waiting for the commit and for operator 2.
        to_thread.current_default_thread_limiter().total_tokens = self._operator.settings.threads

    def stop(self) -> None:
        self._finish()
        self._operator.pool.shutdown()
        self._operator.orders_pool.shutdown()
        self._operator.chunks_pool.shutdown()
        self._operator.client.close()
        self._operator.engine.dispose()


async def run_in(pool: Executor, work: Callable[[], R]) -> R:
    """Do something in a thread of `pool`, apart from the threads that all other requests share."""
    return await asyncio.get_running_loop().run_in_executor(pool, work)


def mount_keys(app: FastAPI, operator: Operator) -> None:
    """Add the routes of key shares, points and proofs."""
    edge, desk = operator.edge, operator.keys
    proofs = ProofDesk(edge, operator.translator, operator.seeds)

    @app.post("/proofs")
    async def prove(envelope: Envelope, peer: Peer) -> Envelope:
        """ProveHops → HopsProven. In a translation thread: all others may be waiting for an operator that waits for this."""
        return edge.answer(await run_in(operator.pool, partial(proofs.prove, envelope, peer)))

    @app.post("/proofs-of-many")
    async def prove_many(envelope: Envelope, peer: Peer) -> Envelope:
        """ProveHopsOfMany → HopsProven. In a translation thread, as `/proofs`."""
        return edge.answer(await run_in(operator.pool, partial(proofs.prove_many, envelope, peer)))

    @app.post("/key-shares")
    def key_shares(envelope: Envelope, peer: Peer) -> Envelope:
        """ShareOfKey → KeyShare."""
        return edge.answer(desk.share(envelope, peer))

    @app.post("/points")
    async def points(envelope: Envelope, peer: Peer) -> Envelope:
        """PointsOf → Points. Not in a thread: all threads may be waiting for an operator that waits for this answer."""
        return edge.answer(desk.points(envelope, peer))
