"""The permit of a chunk (一括照会の許可): what both operators sign, made from what was logged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.wire.chunks import persons_hash, ranges
from kumihimo.plumbing.wire.messages.batch import ChunkPermit
from kumihimo.plumbing.wire.messages.inquiry import LogRecord


def chunk_permit_of(
    record: LogRecord,
    transaction: str,
    persons: Sequence[tuple[int, bytes, int]],
    issued_at: datetime,
    expires_at: datetime,
    epoch: int | None,
) -> ChunkPermit:
    """The permit for the logged requests of a chunk. `persons`: position, the provider's ciphertext, log index;
    `epoch` is the one of the provider's domain in which the ciphertexts can be opened.

    `record` is the record of one of them: all have it alike. Raises Problem(value.invalid).
    """
    if None in (record.requester, record.provider, record.affair, record.rule_book):
        raise Problem("value.invalid", "a record that lacks what a permit says", where="record")
    return ChunkPermit(
        transaction=transaction,
        requester=record.requester or "",
        provider=record.provider or "",
        affair=record.affair or "",
        items=record.items,
        period=record.period,
        rules=record.rules,
        articles=record.articles,
        rule_book=record.rule_book or "",
        positions=ranges([position for position, _, _ in persons]),
        persons_hash=persons_hash(persons),
        issued_at=issued_at,
        expires_at=expires_at,
        epoch=epoch,
    )
