"""At the municipal office (窓口での発行): an ordinance application is written, changed and removed in one sealed session.

Only the issuing municipality's office can: the card compares it with the code in the AID. The book is written before the
card, so that nothing stands on a card that no book knows; what the card then refused, or may have taken, opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from kumihimo.domain.kernel import Clock, Problem, RandomSource
from kumihimo.roles.card.chip import ORDINANCE_OVERHEAD
from kumihimo.roles.card.ordinance import attributes
from kumihimo.roles.card.ordinance.access_keys import AccessKey
from kumihimo.roles.card.ordinance.books import AccessLedger, IssueBook
from kumihimo.roles.card.ordinance.catalogue import Method, OrdinanceApplication, Value, application
from kumihimo.roles.card.ordinance.issuers import Issuer
from kumihimo.roles.card.ordinance.readers import proved_card
from kumihimo.roles.card.terminal import OfficeKey, OfficeSession, OrdinanceSpec, Transmit

R = TypeVar("R")


@dataclass(frozen=True)
class Placed:
    """What was written: the application's AID, the bytes it takes with its overhead, and the bytes left on the card."""

    aid: bytes
    takes: int
    free: int


@dataclass(frozen=True)
class OrdinanceOffice:
    """A municipality's office that writes ordinance applications. `book` is for attributes, ledgers are the services' own."""

    office: OfficeKey = field(repr=False)
    issuer: Issuer
    book: IssueBook
    clock: Clock
    randomness: RandomSource

    def add_key(
        self, transmit: Transmit, name: str, ledger: AccessLedger, record: Mapping[str, str], pin: str | None = None
    ) -> Placed:
        """Method 1: write a new access key to the card and open its entry in the service's ledger.

        Raises Problem(ordinance.unknown, value.invalid, card.exists, card.full, card.not_allowed, card.not_genuine).
        """
        what = _of(name, Method.KEY, pin)
        session, card = self._begin(transmit)
        access = AccessKey.new(self.issuer, self._aid(what), card, self.clock.now(), self.randomness)
        ledger.enter(access.key, record, self.clock.now())
        return _or_undo(lambda: self._create(session, what, access.content, pin), lambda: ledger.close(access.key))

    def add_attribute(
        self, transmit: Transmit, name: str, values: Mapping[str, Value], pin: str | None = None
    ) -> Placed:
        """Method 2: write the attribute itself, as a token for this very card. Raises as `add_key`."""
        what = _of(name, Method.ATTRIBUTE, pin)
        session, card = self._begin(transmit)
        token, identity = self._issue(what, values, card)
        return _or_undo(
            lambda: self._create(session, what, token.encode("ascii"), pin),
            lambda: self.book.revoke_token(identity, self.clock.now()),
        )

    def update_attribute(self, transmit: Transmit, name: str, values: Mapping[str, Value]) -> Placed:
        """Replace an attribute; PIN and tries stay, and the token before counts no more. Raises Problem(card.unknown) too."""
        what = _of(name, Method.ATTRIBUTE, None, new=False)
        session, card = self._begin(transmit)
        token, identity = self._issue(what, values, card)
        aid, content = self._aid(what), token.encode("ascii")
        _or_undo(
            lambda: session.update_ordinance(aid, content),
            lambda: self.book.revoke_token(identity, self.clock.now()),
        )
        self.book.revoke(card, what.id, self.clock.now(), keep=identity)
        return Placed(aid, len(content) + ORDINANCE_OVERHEAD, session.free_space())

    def remove(
        self, transmit: Transmit, name: str, ledger: AccessLedger | None = None, key: bytes | None = None
    ) -> int:
        """Take an application off the card, and out of the books; the bytes free then.

        For method 1 the service names its ledger and the key it read. Raises Problem(card.unknown, card.not_allowed).
        """
        what = application(name)
        session, card = self._begin(transmit)
        session.delete_ordinance(self._aid(what))
        self.book.revoke(card, what.id, self.clock.now())
        if ledger is not None and key is not None:
            ledger.close(key)
        return session.free_space()

    def free_space(self, transmit: Transmit) -> int:
        """The bytes left on a card for ordinance applications, each of which takes an overhead besides its content."""
        session, _ = self._begin(transmit)
        return session.free_space()

    def _begin(self, transmit: Transmit) -> tuple[OfficeSession, str]:
        session = OfficeSession(transmit, self.office)
        return session, proved_card(session.terminal, self.office.authority, self.randomness)

    def _aid(self, what: OrdinanceApplication) -> bytes:
        return what.aid(self.issuer.municipality)

    def _issue(self, what: OrdinanceApplication, values: Mapping[str, Value], card: str) -> tuple[str, str]:
        now = self.clock.now()
        token, identity = attributes.issue(self.issuer, what, values, card, now, self.randomness)
        self.book.enter(identity, what.id, card, now + what.valid)
        return token, identity

    def _create(self, session: OfficeSession, what: OrdinanceApplication, content: bytes, pin: str | None) -> Placed:
        aid, free = self._aid(what), session.free_space()
        takes = len(content) + ORDINANCE_OVERHEAD
        if takes > free:
            raise Problem(
                "card.full",
                f"{what.id} takes {takes} bytes, {free} are free",
                aid.hex(),
                advice="Remove an application that is not used.",
            )
        session.create_ordinance(OrdinanceSpec(aid, what.access, pin), content)
        return Placed(aid, takes, session.free_space())


def _of(name: str, method: Method, pin: str | None, new: bool = True) -> OrdinanceApplication:
    what = application(name)
    if what.method is not method:
        raise Problem(
            "ordinance.unknown", f"{name} goes by method {what.method.value}", expected=f"method {method.value}"
        )
    if new and what.needs_pin != (pin is not None):
        found, expected = ("a PIN", "none") if pin is not None else ("no PIN", "one the holder chooses, 4 to 8 digits")
        raise Problem("card.pin_format", found, name, expected)
    return what


def _or_undo(write: Callable[[], R], undo: Callable[[], object]) -> R:
    try:
        return write()
    except BaseException:
        undo()
        raise
