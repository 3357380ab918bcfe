"""The books behind the cards (業務側の台帳): a service's own ledger, and the municipality's book of attributes.

`AccessLedger` is the other database of method 1: an entry for each access key, under a digest of it, with what the service
itself wrote there. `IssueBook` knows which token stands on which card, for revocation. Neither holds a name, a number or a
serial out of the card.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kumihimo.domain.kernel import Problem

_ACCESS = "CREATE TABLE IF NOT EXISTS entry (digest TEXT PRIMARY KEY, record TEXT NOT NULL, used_at TEXT NOT NULL)"
_ISSUED = (
    "CREATE TABLE IF NOT EXISTS token (id TEXT PRIMARY KEY, application TEXT NOT NULL, card TEXT NOT NULL,"
    " expires_at TEXT NOT NULL, revoked_at TEXT)"
)


@dataclass(frozen=True)
class AccessLedger:
    """One service's ledger in a file of its own."""

    path: Path

    def enter(self, key: bytes, record: Mapping[str, str], now: datetime) -> None:
        """Open an entry. `record` is the service's own, such as its reader's number."""
        with _open(self.path, _ACCESS) as book:
            row = (_digest(key), json.dumps(record, ensure_ascii=False), now.isoformat())
            book.execute("INSERT INTO entry VALUES (?, ?, ?)", row)

    def look_up(self, key: bytes, now: datetime) -> dict[str, str]:
        """The record under a key. Raises Problem(ordinance.no_entry)."""
        with _open(self.path, _ACCESS) as book:
            row = book.execute("SELECT record FROM entry WHERE digest = ?", (_digest(key),)).fetchone()
            if row is None:
                raise Problem(
                    "ordinance.no_entry",
                    "no entry belongs to this card",
                    self.path.name,
                    "a card that was registered here",
                    "Register it anew, or look the person up by the service's own means.",
                )
            book.execute("UPDATE entry SET used_at = ? WHERE digest = ?", (now.isoformat(), _digest(key)))
        record: dict[str, str] = json.loads(row[0])
        return record

    def close(self, key: bytes) -> bool:
        """Close an entry: its key opens nothing any more. Whether there was one."""
        with _open(self.path, _ACCESS) as book:
            return book.execute("DELETE FROM entry WHERE digest = ?", (_digest(key),)).rowcount == 1

    def forget_unused(self, before: datetime) -> int:
        """Close the entries that nobody has used since, as the catalogue's rule on retention says; how many."""
        with _open(self.path, _ACCESS) as book:
            return book.execute("DELETE FROM entry WHERE used_at < ?", (before.isoformat(),)).rowcount


@dataclass(frozen=True)
class IssueBook:
    """A municipality's book of the tokens it wrote on cards."""

    path: Path

    def enter(self, token: str, application: str, card: str, expires_at: datetime) -> None:
        """Note a token before it is written to a card."""
        with _open(self.path, _ISSUED) as book:
            book.execute(
                "INSERT INTO token VALUES (?, ?, ?, ?, NULL)", (token, application, card, expires_at.isoformat())
            )

    def revoke(self, card: str, application: str, now: datetime, keep: str | None = None) -> int:
        """Revoke the tokens of an application on a card, but not the one to `keep`; how many."""
        with _open(self.path, _ISSUED) as book:
            return book.execute(
                "UPDATE token SET revoked_at = ? WHERE card = ? AND application = ? AND revoked_at IS NULL AND id != ?",
                (now.isoformat(), card, application, keep or ""),
            ).rowcount

    def revoke_token(self, token: str, now: datetime) -> None:
        """Revoke one, of which nobody knows whether it came to stand on a card."""
        with _open(self.path, _ISSUED) as book:
            book.execute(
                "UPDATE token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (now.isoformat(), token)
            )

    def revoked(self, now: datetime) -> list[str]:
        """The ids that a revocation list must name: revoked, and not over by themselves."""
        with _open(self.path, _ISSUED) as book:
            query = "SELECT id FROM token WHERE revoked_at IS NOT NULL AND expires_at > ? ORDER BY id"
            return [row[0] for row in book.execute(query, (now.isoformat(),))]


@contextmanager
def _open(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """The book, for one transaction that is durable when the block ends well."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(path)) as book, book:
        book.execute("PRAGMA synchronous=FULL")
        book.execute(schema)
        yield book


def _digest(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()
