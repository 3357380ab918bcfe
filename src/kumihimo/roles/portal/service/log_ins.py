"""Log-ins (ログイン): the account of whoever holds a certificate; a first log-in opens one, and its code comes under a ticket.

The portal knows a certificate's serial number while its holder is there, and keeps a keyed hash of it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

from kumihimo.domain.kernel import Clock, Problem, RandomSource
from kumihimo.plumbing.wire.envelope import b64
from kumihimo.roles.portal.service.accounts import ACCOUNT_BYTES, CARD, TICKET_BYTES, ticket_hash
from kumihimo.roles.portal.store import PortalStore
from kumihimo.roles.portal.store_site import CardRows

LOGIN_KEY: Final = "login.key"


class LogIns:
    """Finds and opens accounts. `issue(serial, ticket)` asks the authority; `key` (32 bytes) is for hashing serial numbers."""

    def __init__(
        self, store: PortalStore, key: bytes, issue: Callable[[str, str], None], randomness: RandomSource, clock: Clock
    ) -> None:
        self._store = store
        self._key = key
        self._issue = issue
        self._randomness = randomness
        self._clock = clock

    def account_of(self, serial: str) -> str:
        """The account of a certificate's holder, new where there was none.

        Raises Problem(jpki.certificate_unknown, login.revoked, peer.unreachable, store.busy); nothing is opened then.
        """
        hashed = hmac.digest(self._key, serial.encode(), "sha256")
        with self._store.reading() as reading:
            known = CardRows(reading.conn).account_of(hashed)
            if known is not None and reading.code_of(known) is not None:
                return known
        ticket = b64(self._randomness.token_bytes(TICKET_BYTES))
        with self._store.transaction() as transaction:
            if known is not None:  # an earlier code has not come: perhaps it was lost on the way
                transaction.await_code(known, ticket_hash(ticket))
                account = known
            else:
                account = self._randomness.token_bytes(ACCOUNT_BYTES).hex()
                transaction.open_account(account, ticket_hash(ticket), CARD, self._clock.now())
                CardRows(transaction.conn).add(hashed, account)
        try:
            self._issue(serial, ticket)
        except Problem:
            if known is None:
                with self._store.transaction() as transaction:
                    CardRows(transaction.conn).remove(hashed)
                    transaction.remove_account(account)
            raise
        return account
