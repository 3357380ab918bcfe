"""Receiving link codes (符号の受領): the exchange's part of the ticket protocol.

The exchange is told which ticket stands for which addressee and opens what arrives under that ticket; it never learns the
Individual Number. Nobody else can open the code: the key is assembled here from the shares of both operators.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Final, Protocol

import structlog
from pydantic import ValidationError

from kumihimo.domain.codes import SecretKey, decrypt, domain_label, public_key
from kumihimo.domain.kernel import AddresseeNumber, Problem, institution_of
from kumihimo.plumbing.storage import FeedItem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import from_b64, malformed
from kumihimo.plumbing.wire.messages.codes import CodesIssued, TicketFor
from kumihimo.roles.gateway.store.link_codes import LinkCode, LinkCodeStore

ISSUED_CODES: Final = "codes"
TICKET_BYTES: Final = 32
log = structlog.get_logger()


class Keys(Protocol):
    """Whatever has the decryption keys of our domains: `LinkKeys`."""

    def secret(self, label: str) -> bytes:
        """Raises Problem(operator.unreachable, sealing.cannot_open, peer.not_allowed)."""
        ...

    def destroy(self, label: str) -> None: ...


@dataclass(frozen=True)
class Domain:
    """Our domain of link codes in one epoch."""

    label: str
    epoch: int
    public: bytes
    secret: SecretKey = field(repr=False)


class OwnDomain:
    """The keys of our domain, fetched once and kept ready. `present_epoch` says which epoch is the present one."""

    def __init__(self, edge: Edge, keys: Keys, present_epoch: Callable[[], int]) -> None:
        self._institution = institution_of(edge.party)
        self._keys = keys
        self._present_epoch = present_epoch
        self._assembled = lru_cache(16)(self._assemble)

    @property
    def epoch(self) -> int:
        """The present epoch."""
        return self._present_epoch()

    def present(self) -> Domain:
        """The domain of the present epoch. Raises Problem(operator.unreachable, sealing.cannot_open)."""
        return self.of_epoch(self.epoch)

    def of_epoch(self, epoch: int | None) -> Domain:
        """The domain of an open epoch, of the present one when none is named.

        Raises Problem as `present`, and peer.not_allowed for one that is not open.
        """
        return self._assembled(self.epoch if epoch is None else epoch)

    def forget(self, epoch: int) -> None:
        """Destroy the key of a closed epoch, and keep it in no memory."""
        self._keys.destroy(domain_label(self._institution, epoch))
        self._assembled.cache_clear()

    def _assemble(self, epoch: int) -> Domain:
        label = domain_label(self._institution, epoch)
        secret = SecretKey(self._keys.secret(label))
        return Domain(label, epoch, public_key(secret), secret)


@dataclass(frozen=True)
class LinkCodes:
    """The service around an exchange's link codes."""

    store: LinkCodeStore
    edge: Edge
    domain: OwnDomain
    patience: timedelta

    def lacking(self, numbers: Sequence[str]) -> list[str]:
        """Which addressees have neither a code nor one under way for less than the patience."""
        return self.store.lacking(numbers, self.domain.epoch, self.edge.clock.now() - self.patience)

    def expect(self, tickets: Sequence[TicketFor]) -> int:
        """Remember whom the codes under these tickets will be for.

        The key is made ready first: who could not open codes must not ask for them. Raises Problem(message.malformed,
        addressee_number.format, addressee_number.check_digit, operator.unreachable).
        """
        expected: dict[bytes, str] = {}
        for position, ticket in enumerate(tickets):
            where = f"tickets.{position}"
            raw = from_b64(ticket.ticket, where)
            if len(raw) != TICKET_BYTES:
                raise Problem("message.malformed", f"a ticket of {len(raw)} bytes", where, f"{TICKET_BYTES} bytes")
            expected[ticket_hash(raw)] = AddresseeNumber.parse(ticket.addressee_number, where).digits
        if len(expected) != len(tickets):
            raise Problem("message.malformed", "the same ticket twice", "tickets", "a ticket for each addressee")
        self.domain.present()
        self.store.expect(expected, self.edge.clock.now())
        return len(expected)

    def opened(self, item: FeedItem) -> Opened | None:
        """What an item of operator 2's feed brings; None for an item of another kind.

        One that does not open is left out and told in the program log: it must not hold up the others. Raises
        Problem(message.malformed, operator.unreachable).
        """
        issued = _issued(item)
        if issued is None:
            return None
        domain = self.domain.of_epoch(issued.epoch)
        opened = Opened(domain.epoch)
        for blind in issued.codes:
            try:
                code = decrypt(from_b64(blind.ciphertext, "ciphertext"), domain.secret)
                if blind.replaces is None:
                    opened.codes[ticket_hash(from_b64(blind.ticket, "ticket"))] = code
                else:
                    opened.pairs.append((decrypt(from_b64(blind.replaces, "replaces"), domain.secret), code))
            except Problem as problem:
                log.warning("codes.unreadable", code=problem.code)
        return opened

    def code_of(self, number: AddresseeNumber) -> LinkCode:
        """The addressee's link code, in the present epoch or, where it has just come too late for a swap, in the one before.

        Raises Problem(addressee.no_code).
        """
        found = self.store.code_of(number, self.domain.epoch)
        if found is None:
            raise Problem(
                "addressee.no_code",
                f"addressee {number}",
                where="addressee_number",
                expected="an addressee whose link code has arrived",
                advice="Let the ledger ask for missing codes, and inquire again once they have arrived.",
            )
        return found


@dataclass(frozen=True)
class Opened:
    """Codes of one epoch as they arrived: by the hash of their ticket; and as pairs of old and new after a re-coding."""

    epoch: int
    codes: dict[bytes, bytes] = field(default_factory=dict, repr=False)
    pairs: list[tuple[bytes, bytes]] = field(default_factory=list, repr=False)


def _issued(item: FeedItem) -> CodesIssued | None:
    if item.kind != ISSUED_CODES:
        return None
    try:
        return CodesIssued.model_validate(item.body)
    except ValidationError as error:
        raise malformed(error, "CodesIssued") from None


def ticket_hash(ticket: bytes) -> bytes:
    """SHA-256: how a ticket is kept."""
    return hashlib.sha256(ticket).digest()
