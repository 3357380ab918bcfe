"""One municipality's ordinance applications in one folder (条例利用の窓口): all that its counters need, office and readers alike.

issuer.key       the key it signs with (mode 0600)
trusted.json     whose word its readers take: its own key, and others' entries that were added
issued.db        which token stands on which card
ledgers/*.db     the services' own ledgers of method 1, one for each application
revocations/*    other municipalities' revocation lists, as they came
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Self

from kumihimo.domain.kernel import Clock, Problem, RandomSource, legal_day
from kumihimo.plumbing.storage.keyfiles import write_public
from kumihimo.roles.card.ordinance.books import AccessLedger, IssueBook
from kumihimo.roles.card.ordinance.catalogue import CATALOGUE, Method, OrdinanceApplication, Value, application
from kumihimo.roles.card.ordinance.issuers import Issuer, IssuerEntry, TrustedIssuers
from kumihimo.roles.card.ordinance.office import OrdinanceOffice, Placed
from kumihimo.roles.card.ordinance.readers import Counter
from kumihimo.roles.card.ordinance.revocations import RevocationList, Revocations, revocation_list
from kumihimo.roles.card.terminal import CardTerminal, OfficeKey, Transmit

_KEY_LASTS = timedelta(days=5 * 365)


@dataclass(frozen=True, repr=False)
class Reading:
    """What a counter gets: the service's own record (method 1) or the fields it asked for (method 2), with cautions."""

    values: Mapping[str, Value]
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Municipality:
    """The counters of one municipality. `open` makes the folder and the issuing key when they are not there yet."""

    folder: Path
    writing: OrdinanceOffice
    reading: Counter

    @classmethod
    def open(cls, folder: Path, code: str, office: OfficeKey, clock: Clock, randomness: RandomSource) -> Self:
        """The municipality with this six-digit code.

        Raises Problem(key.permissions|file.unreadable, ordinance.untrusted|malformed) for what the folder holds.
        """
        key, listed = folder / "issuer.key", folder / "trusted.json"
        if not key.exists():
            Issuer.new(code).save(key)
        issuer = Issuer.load(code, key)
        if not listed.exists():
            today = legal_day(clock.now())
            entry = IssuerEntry.of(issuer, office, today, today + _KEY_LASTS)
            write_public(listed, TrustedIssuers([entry], office.authority).to_bytes())
        trusted = TrustedIssuers.load(listed.read_bytes(), office.authority)
        lists = tuple(
            RevocationList.read(one.read_text(), trusted) for one in sorted((folder / "revocations").glob("*"))
        )
        writing = OrdinanceOffice(office, issuer, IssueBook(folder / "issued.db"), clock, randomness)
        reading = Counter(office.authority, trusted, clock, randomness, Revocations(lists), office)
        return cls(folder, writing, reading)

    @property
    def code(self) -> str:
        """Six-digit code."""
        return self.writing.issuer.municipality

    def add(self, transmit: Transmit, name: str, values: Mapping[str, str], pin: str | None = None) -> Placed:
        """Write an application. `values` as typed: the service's record for method 1, the declared fields for method 2.

        Raises as `OrdinanceOffice.add_key` and `add_attribute`.
        """
        what = application(name)
        if what.method is Method.KEY:
            return self.writing.add_key(transmit, name, self.ledger(name), values, pin)
        return self.writing.add_attribute(transmit, name, typed(what, values), pin)

    def update(self, transmit: Transmit, name: str, values: Mapping[str, str]) -> Placed:
        """Write an attribute anew. Raises as `OrdinanceOffice.update_attribute`."""
        return self.writing.update_attribute(transmit, name, typed(application(name), values))

    def read(
        self, transmit: Transmit, name: str, fields: Collection[str] = (), pin: str | None = None, of: str | None = None
    ) -> Reading:
        """Read an application of this municipality, or of another (`of`, its code); no fields means all that are declared.

        Raises as `Counter.look_up` and `read_attribute`.
        """
        what = application(name)
        if what.method is Method.KEY:
            return Reading(self.reading.look_up(transmit, name, of or self.code, self.ledger(name), pin))
        wanted = fields or [one.name for one in what.fields]
        found = self._with_own_list().read_attribute(transmit, name, of or self.code, wanted, pin)
        return Reading(found.attribute.values, found.cautions)

    def remove(self, transmit: Transmit, name: str, pin: str | None = None) -> int:
        """Take an application off the card; the bytes free then. Raises as `OrdinanceOffice.remove`.

        The entry of a key is closed where the key can be read, with the holder's PIN where it asks for one; else the
        ledger's own rule on retention closes it.
        """
        what = application(name)
        if what.method is Method.KEY and (not what.needs_pin or pin is not None):
            key = self.reading.read_key(transmit, name, self.code, pin)
            return self.writing.remove(transmit, name, self.ledger(name), key)
        return self.writing.remove(transmit, name)

    def listed(self, transmit: Transmit) -> tuple[tuple[str, str], ...]:
        """What is on the card: (municipality's code, application's id or its AID where it is not in the catalogue)."""
        known = {one.number: one.id for one in CATALOGUE.values()}
        entries = CardTerminal(transmit).ordinance_applications()
        return tuple((one.municipality, known.get(int(one.aid[-2:].hex()), one.aid.hex())) for one in entries)

    def trust(self, listed: bytes) -> Self:
        """These counters, taking the word of those in another list too, from now on. Raises as `TrustedIssuers.load`."""
        office = self.writing.office
        merged = self.reading.trusted.with_those_of(TrustedIssuers.load(listed, office.authority))
        write_public(self.folder / "trusted.json", merged.to_bytes())
        return self._opened_again()

    def renew_key(self) -> Self:
        """These counters with a new issuing key; what the old one signed counts as long as it would have."""
        fresh, office, today = Issuer.new(self.code), self.writing.office, legal_day(self.writing.clock.now())
        entry = IssuerEntry.of(fresh, office, today, today + _KEY_LASTS)
        # Trusted first: a key that signs before anybody can check it would be worse than one that never signs.
        self.trust(TrustedIssuers([entry], office.authority).to_bytes())
        fresh.replace(self.folder / "issuer.key")
        return self._opened_again()

    def take_revocations(self, signed: str) -> Self:
        """These counters, with another municipality's revocation list. Raises Problem(ordinance.malformed|untrusted)."""
        said = RevocationList.read(signed, self.reading.trusted)
        name = f"{said.issuer.rpartition(':')[2]}-{int(said.made_at.timestamp())}.jwt"
        write_public(self.folder / "revocations" / name, signed.encode("ascii"))
        return self._opened_again()

    def _opened_again(self) -> Self:
        writing = self.writing
        return self.open(self.folder, self.code, writing.office, writing.clock, writing.randomness)

    def ledger(self, name: str) -> AccessLedger:
        """The ledger of the service behind an application of method 1."""
        return AccessLedger(self.folder / "ledgers" / f"{application(name).id}.db")

    def revocation_list(self) -> str:
        """The municipality's signed list as of now: for other municipalities, clinics and shelters."""
        now = self.writing.clock.now()
        return revocation_list(self.writing.issuer, self.writing.book.revoked(now), now)

    def _with_own_list(self) -> Counter:
        """The counter with the municipality's own list of this moment."""
        own = RevocationList.read(self.revocation_list(), self.reading.trusted)
        return replace(self.reading, revocations=Revocations((*self.reading.revocations.lists, own)))


def typed(what: OrdinanceApplication, values: Mapping[str, str]) -> dict[str, Value]:
    """Fields as people type them. Raises Problem(value.invalid): whole numbers, `yes` or `no`, days as YYYY-MM-DD are text."""
    kinds = {one.name: one.holds for one in what.fields}
    found: dict[str, Value] = {}
    for name, text in values.items():
        if kinds.get(name) == "whole":
            if not text.isascii() or not text.isdigit():
                raise Problem("value.invalid", repr(text), f"{what.id}.{name}", "a whole number")
            found[name] = int(text)
        elif kinds.get(name) == "yes-no":
            if text not in ("yes", "no"):
                raise Problem("value.invalid", repr(text), f"{what.id}.{name}", "yes or no")
            found[name] = text == "yes"
        else:
            found[name] = text
    what.require(found)
    return found
