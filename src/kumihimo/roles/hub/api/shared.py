"""What both operators serve (共通の窓口): key shares and published points, and what lives and ends with the process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated

import anyio.to_thread
from fastapi import Depends, FastAPI, Request
from sqlalchemy import Engine

from kumihimo.domain.codes import OperatorSecrets, Translator
from kumihimo.domain.law import RuleBook
from kumihimo.plumbing.storage import open_engine, read_secret, require_current
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Background, Edge, Peer
from kumihimo.plumbing.wire.envelope import Envelope
from kumihimo.roles.hub.service.codes import CodeHop
from kumihimo.roles.hub.service.keys import KeyDesk, PeerPoints
from kumihimo.roles.hub.service.rulings import Bench
from kumihimo.roles.hub.settings import Settings
from kumihimo.roles.hub.store import MIGRATIONS, Standings

TRANSLATION_THREADS = 2


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
    translator: Translator
    keys: KeyDesk
    pool: ThreadPoolExecutor

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
        return cls(
            settings,
            edge,
            engine,
            client,
            RuleBook.load(*settings.rule_books),
            standings,
            Translator(secrets, settings.operator, points),
            KeyDesk(edge, secrets, standings.require_active),
            ThreadPoolExecutor(TRANSLATION_THREADS, thread_name_prefix="translation"),
        )

    def bench(self) -> Bench:
        return Bench(self.edge.directory, self.book, self.standings.require_active)

    def hop(self) -> CodeHop:
        return CodeHop(self.edge, self.translator, self.standings.require_active, self.pool)

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
        anyio.to_thread.current_default_thread_limiter().total_tokens = self._operator.settings.threads

    def stop(self) -> None:
        self._finish()
        self._operator.pool.shutdown()
        self._operator.client.close()
        self._operator.engine.dispose()


def mount_keys(app: FastAPI, operator: Operator) -> None:
    """Add the routes of key shares and points."""
    edge, desk = operator.edge, operator.keys

    @app.post("/key-shares")
    def key_shares(envelope: Envelope, peer: Peer) -> Envelope:
        """ShareOfKey → KeyShare."""
        return edge.answer(desk.share(envelope, peer))

    @app.post("/points")
    async def points(envelope: Envelope, peer: Peer) -> Envelope:
        """PointsOf → Points. Not in a thread: all threads may be waiting for an operator that waits for this answer."""
        return edge.answer(desk.points(envelope, peer))
