"""What an append to the transparency log costs (監査台帳への記入): through the hub's own store, on SQLite and PostgreSQL.

Each append is record, commitment, mark against replay and the overseer's feed item. Four callers hand over their entries
one by one and have many under way, as a request about many persons does; each entry is acknowledged by itself, with its
index, after the commit that holds it is durable. The bench groups nothing: which entries share a commit is up to the
store. `answered` are single requests of 64 callers, each of whom waits for the signed promise before the next one. The
reference are plain rows handed to the same writer by the same callers in the same way. The stores lie in the system's
temporary folder (TMPDIR): measure on the disk you mean.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Final, Self, TypeVar

from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Table

from kumihimo.country import topology
from kumihimo.country.benches.cluster import postgresql
from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.country.benches.timing import WARM_UP, paired
from kumihimo.domain.kernel import PartyId, SystemClock
from kumihimo.domain.sealing import SALT_BYTES, SigningKey
from kumihimo.plumbing.storage import Answer, GroupCommitWriter, migrate, open_engine
from kumihimo.plumbing.wire.envelope import seal_envelope
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogRecord
from kumihimo.roles.hub.store import MIGRATIONS, MOST_AT_ONCE, Append, LogStore

T = TypeVar("T")
R = TypeVar("R")
_CALLERS: Final = 64
_DESKS: Final = 4
_PLAIN: Final = Table("plain", MetaData(), Column("seq", Integer, primary_key=True), Column("body", LargeBinary))


def measure(effort: Effort) -> Iterator[Measured]:
    """Durable appends a second, on SQLite and, where a server is installed, on PostgreSQL; then answered ones."""
    with TemporaryDirectory() as folder, _Stores(f"sqlite:///{folder}/hub.db", f"sqlite:///{folder}/rows.db") as stores:
        yield from _entered(stores, "append", effort)
        yield from _answered(stores, "answered", effort)
    with postgresql() as url:
        if url is not None:
            with _Stores(url, url) as stores:
                yield from _entered(stores, "append_postgresql", effort)
                yield from _answered(stores, "answered_postgresql", effort)


class _Stores:
    """A log and a table of plain rows, each with a group-commit writer."""

    def __init__(self, hub: str, rows: str) -> None:
        self._engines = open_engine(hub), open_engine(rows)
        migrate(self._engines[0], MIGRATIONS)
        _PLAIN.metadata.create_all(self._engines[1])
        signer = _Operator(topology.HUB_1, SigningKey.generate())
        self.log = LogStore(self._engines[0], lambda promise: seal_envelope(promise, signer), topology.OVERSIGHT)
        self.plain: GroupCommitWriter[bytes, None] = GroupCommitWriter(
            self._engines[1], _write_plain, max_batch=MOST_AT_ONCE, name="plain"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.log.close()
        self.plain.close()
        for engine in self._engines:
            engine.dispose()


def _entered(stores: _Stores, figure: str, effort: Effort) -> Iterator[Measured]:
    each, rounds = effort.pick(quick=1_024, full=10_000), effort.pick(quick=3, full=7)
    works = iter([[_items(each) for _ in range(_DESKS)] for _ in range(WARM_UP + rounds)])
    bodies = [[one.record.to_bytes() for one in _items(each)]] * _DESKS
    with ThreadPoolExecutor(_DESKS) as callers:
        found = paired(
            lambda: _under_way(callers, stores.log.enter, next(works)),
            lambda: _under_way(callers, stores.plain.hand_over, bodies),
            rounds,
        )
    count = each * _DESKS
    reference = Reference("plain rows through the same writer", count / found.reference_seconds)
    yield Measured("log", figure, count / found.seconds, "entries/s", reference, found.rate_ratio)


def _under_way(
    callers: ThreadPoolExecutor, hand_over: Callable[[T], Answer[R]], works: Sequence[Sequence[T]]
) -> list[list[R]]:
    """Each caller hands over its items one by one, then looks at the answer to each; the answers, by caller."""

    def work(items: Sequence[T]) -> list[R]:
        answers = [hand_over(item) for item in items]
        return [answer.result() for answer in answers]

    return list(callers.map(work, works))


def _answered(stores: _Stores, figure: str, effort: Effort) -> Iterator[Measured]:
    count, rounds = effort.pick(quick=640, full=3_200), effort.pick(quick=3, full=7)
    works = iter([_items(count) for _ in range(WARM_UP + rounds)])
    bodies = [item.record.to_bytes() for item in _items(count)]
    with ThreadPoolExecutor(_CALLERS) as callers:
        found = paired(
            lambda: _by_many(callers, stores.log.append, next(works)),
            lambda: _by_many(callers, stores.plain.submit, bodies),
            rounds,
        )
    reference = Reference("plain rows through the same writer", count / found.reference_seconds)
    yield Measured("log", figure, count / found.seconds, "entries/s", reference, found.rate_ratio)


@dataclass(frozen=True)
class _Operator:
    """Signs promises."""

    party: PartyId
    signing_key: SigningKey


def _items(count: int) -> list[Append]:
    return [_item() for _ in range(count)]


def _item() -> Append:
    """A granted request as the permit desk writes it."""
    transaction = secrets.token_hex(16)
    record = LogRecord(
        entry=EntryKind.REQUEST,
        logged_at=SystemClock().now(),
        transaction=transaction,
        requester="x-city",
        provider="y-city",
        affair="child-allowance.payment",
        items=("local-tax",),
        case_reference_hash=secrets.token_hex(32),
        subject_hash=secrets.token_hex(32),
        request_hash=secrets.token_hex(32),
        requested_at=SystemClock().now(),
        granted=True,
        rules=("act-2016/74/169",),
        articles=("番号法 別表第二 74の項",),
        rule_book=secrets.token_hex(32),
    )
    return Append(record, secrets.token_bytes(SALT_BYTES), mark=transaction)


def _by_many(callers: ThreadPoolExecutor, append: Callable[[T], object], items: Sequence[T]) -> None:
    def share(first: int) -> None:
        for item in items[first::_CALLERS]:
            append(item)

    for _ in callers.map(share, range(_CALLERS)):
        pass


def _write_plain(conn: Connection, bodies: Sequence[bytes]) -> list[None]:
    conn.execute(_PLAIN.insert(), [{"body": body} for body in bodies])
    return [None] * len(bodies)
