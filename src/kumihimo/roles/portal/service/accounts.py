"""Accounts (利用者口座): opened by a municipality for somebody at its counter, known here by a random number only."""

from __future__ import annotations

import hashlib
from typing import Final

from kumihimo.domain.kernel import Clock, Problem, RandomSource
from kumihimo.plumbing.wire.envelope import from_b64
from kumihimo.roles.portal.store import PortalStore, Transaction
from kumihimo.roles.portal.store_site import CardRows

TICKET_BYTES: Final = 32
CARD: Final = "card"  # who opened an account, where no municipality did
ACCOUNT_BYTES: Final = 16


def ticket_hash(ticket: str) -> str:
    """SHA-256 of a ticket (32 bytes in base64), hex. Raises Problem(message.malformed)."""
    secret = from_b64(ticket, "ticket")
    if len(secret) != TICKET_BYTES:
        raise Problem("message.malformed", f"a ticket of {len(secret)} bytes", "ticket", f"{TICKET_BYTES} bytes")
    return hashlib.sha256(secret).hexdigest()


def give_code(transaction: Transaction, account: str, link_code: bytes, epoch: int) -> None:
    """The link code of an account has come.

    An account that a card opened, of somebody who has one already (opened at a counter, or with an earlier card), goes on as that
    one: its holder finds there whatever was there.
    """
    older = transaction.account_with(link_code, epoch)
    if older is None or older == account or transaction.opened_by(account) != CARD:
        transaction.give_code(account, link_code, epoch)
        return
    CardRows(transaction.conn).merge(account, older)
    transaction.remove_account(account)


class Accounts:
    """Opens accounts."""

    def __init__(self, store: PortalStore, randomness: RandomSource, clock: Clock) -> None:
        self._store = store
        self._randomness = randomness
        self._clock = clock

    def open(self, ticket: str, municipality: str) -> str:
        """A new account whose link code will come under the ticket: 32 hex digits. Asked again, the same account.

        Raises Problem(message.malformed), and message.replayed for a ticket that another municipality has brought.
        """
        hashed = ticket_hash(ticket)
        with self._store.transaction() as transaction:
            awaiting = transaction.account_awaiting(hashed)
            if awaiting is None:
                name = self._randomness.token_bytes(ACCOUNT_BYTES).hex()
                transaction.open_account(name, hashed, municipality, self._clock.now())
                return name
            if transaction.opened_by(awaiting) != municipality:
                raise Problem("message.replayed", "the ticket was brought by another municipality", where="ticket")
            return awaiting
