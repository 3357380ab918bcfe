"""What an append to the transparency log costs (監査台帳への記入): through the hub's own store, from many callers at once.

As with requests, each append is record, commitment, signed promise and the overseer's feed item, on SQLite, and its caller
is answered after the commit. The reference are plain rows through the same writer by the same callers. The stores lie
in the system's temporary folder (TMPDIR): measure on the disk you mean.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Table

from kumihimo.country import topology
from kumihimo.country.benches.figures import Effort, Measured, Reference
from kumihimo.country.benches.timing import paired
from kumihimo.domain.kernel import PartyId, SystemClock
from kumihimo.domain.sealing import SALT_BYTES, SigningKey
from kumihimo.plumbing.storage import GroupCommitWriter, migrate, open_engine
from kumihimo.plumbing.wire.envelope import seal_envelope
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogRecord
from kumihimo.roles.hub.store import MIGRATIONS, Append, LogStore

T = TypeVar("T")
_CALLERS: Final = 64
_PLAIN: Final = Table("plain", MetaData(), Column("seq", Integer, primary_key=True), Column("body", LargeBinary))


def measure(effort: Effort) -> Iterator[Measured]:
    """Durable appends a second by 64 callers."""
    count, rounds = effort.pick(quick=640, full=3_200), effort.pick(quick=3, full=7)
    signer = _Operator(topology.HUB_1, SigningKey.generate())
    items = [_item() for _ in range(count)]
    bodies = [item.record.to_bytes() for item in items]
    with TemporaryDirectory() as folder, ThreadPoolExecutor(_CALLERS) as callers:
        hub, rows = open_engine(f"sqlite:///{folder}/hub.db"), open_engine(f"sqlite:///{folder}/plain.db")
        migrate(hub, MIGRATIONS)
        _PLAIN.metadata.create_all(rows)
        log = LogStore(hub, lambda promise: seal_envelope(promise, signer), topology.OVERSIGHT)
        plain: GroupCommitWriter[bytes, None] = GroupCommitWriter(rows, _write_plain, name="plain")
        found = paired(
            partial(_by_many, callers, log.append, items), partial(_by_many, callers, plain.submit, bodies), rounds
        )
        for open_ in (log, plain):
            open_.close()
        for engine in (hub, rows):
            engine.dispose()
    reference = Reference("plain rows through the same writer", count / found.reference_seconds)
    yield Measured("log", "append", count / found.seconds, "entries/s", reference, found.rate_ratio)


@dataclass(frozen=True)
class _Operator:
    """Signs promises."""

    party: PartyId
    signing_key: SigningKey


def _item() -> Append:
    """A granted request as the permit desk writes it, without mark."""
    record = LogRecord(
        entry=EntryKind.REQUEST,
        logged_at=SystemClock().now(),
        transaction=secrets.token_hex(16),
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
    return Append(record, secrets.token_bytes(SALT_BYTES))


def _by_many(callers: ThreadPoolExecutor, append: Callable[[T], object], items: Sequence[T]) -> None:
    def share(first: int) -> None:
        for item in items[first::_CALLERS]:
            append(item)

    for _ in callers.map(share, range(_CALLERS)):
        pass


def _write_plain(conn: Connection, bodies: Sequence[bytes]) -> list[None]:
    conn.execute(_PLAIN.insert(), [{"body": body} for body in bodies])
    return [None] * len(bodies)
