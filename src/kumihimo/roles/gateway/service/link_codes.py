"""Receiving link codes (符号の受領): the exchange's part of the ticket protocol.

The exchange is told which ticket stands for which addressee and opens what arrives under that ticket; it never learns the
Individual Number. Nobody else can open the code: the key is assembled here from the shares of both operators.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Final, Protocol

import structlog
from pydantic import ValidationError

from kumihimo.domain.codes import SecretKey, decrypt, public_key
from kumihimo.domain.codes.group import Point
from kumihimo.domain.kernel import AddresseeNumber, Problem, institution_of
from kumihimo.plumbing.storage import FeedItem
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import from_b64, malformed
from kumihimo.plumbing.wire.messages.codes import CodesIssued, TicketFor
from kumihimo.roles.gateway.store.link_codes import LinkCodeStore

ISSUED_CODES: Final = "codes"
TICKET_BYTES: Final = 32
log = structlog.get_logger()


class Keys(Protocol):
    """Whatever has the decryption keys of our domains: `LinkKeys`."""

    def secret(self, label: str) -> bytes:
        """Raises Problem(operator.unreachable, sealing.cannot_open)."""
        ...


@dataclass(frozen=True)
class Domain:
    """Our domain of link codes in its present epoch."""

    label: str
    epoch: int
    public: bytes
    secret: SecretKey = field(repr=False)


class OwnDomain:
    """The keys of our domain, fetched once and kept ready."""

    def __init__(self, edge: Edge, keys: Keys) -> None:
        self._edge = edge
        self._keys = keys
        self._assembled = lru_cache(16)(self._assemble)

    @property
    def epoch(self) -> int:
        """The present epoch, as the directory has it."""
        return _epoch_of(self._label)

    def present(self) -> Domain:
        """The domain of the directory's epoch. Raises Problem(operator.unreachable, sealing.cannot_open)."""
        return self._assembled(self._label)

    def of_epoch(self, epoch: int) -> Domain:
        """An earlier domain, for what was encrypted then. Raises Problem as `present`."""
        return self._assembled(f"{institution_of(self._edge.party)}#{epoch}")

    def _assemble(self, label: str) -> Domain:
        secret = SecretKey(self._keys.secret(label))
        return Domain(label, _epoch_of(label), public_key(secret), secret)

    @property
    def _label(self) -> str:
        return self._edge.directory.label(institution_of(self._edge.party))


def _epoch_of(label: str) -> int:
    return int(label.rpartition("#")[2])


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

    def opened(self, item: FeedItem) -> dict[bytes, bytes] | None:
        """Codes by ticket hash out of an item of operator 2's feed; None for an item of another kind.

        One that does not open is left out and told in the program log: it must not hold up the others. Raises
        Problem(message.malformed, operator.unreachable).
        """
        issued = _issued(item)
        if issued is None:
            return None
        secret = self.domain.present().secret
        opened: dict[bytes, bytes] = {}
        for blind in issued.codes:
            if blind.replaces is not None:
                continue
            try:
                raw = from_b64(blind.ticket, "ticket")
                opened[ticket_hash(raw)] = decrypt(from_b64(blind.ciphertext, "ciphertext"), secret)
            except Problem as problem:
                log.warning("codes.unreadable", code=problem.code)
        return opened

    def replaced(self, item: FeedItem) -> list[tuple[bytes, bytes]]:
        """Pairs of an old and a new code after a re-coding, out of the same items. Raises Problem as `opened`."""
        issued = _issued(item)
        pairs: list[tuple[bytes, bytes]] = []
        for blind in issued.codes if issued is not None else ():
            if blind.replaces is None:
                continue
            secret = self.domain.present().secret
            try:
                old = decrypt(from_b64(blind.replaces, "replaces"), secret)
                pairs.append((old, decrypt(from_b64(blind.ciphertext, "ciphertext"), secret)))
            except Problem as problem:
                log.warning("codes.unreadable", code=problem.code)
        return pairs

    def code_of(self, number: AddresseeNumber) -> Point:
        """The addressee's link code in the present domain. Raises Problem(addressee.no_code)."""
        found = self.store.code_of(number)
        if found is None or found.epoch != self.domain.epoch:
            raise Problem(
                "addressee.no_code",
                f"addressee {number}",
                where="addressee_number",
                expected="an addressee whose link code has arrived",
                advice="Let the ledger ask for missing codes, and inquire again once they have arrived.",
            )
        return Point(found.code)


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
