"""A registry, a certification authority and its responder at work on real stores, without the wire between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from registry_country import NOW, RegistryCountry, prepare

from jpki_parts import authorities, key, serial
from kumihimo.domain.jpki import (
    Algorithm,
    CaName,
    Document,
    Places,
    Profile,
    certify_responder,
    possession_statement,
    public_bytes,
    sign,
)
from kumihimo.domain.kernel import FourItems, SeededRandomness
from kumihimo.plumbing.storage import get_cursor, migrate, open_engine, read_feed, set_cursor
from kumihimo.plumbing.wire.envelope import addressed, b64, from_b64
from kumihimo.plumbing.wire.messages.cards import (
    ApplyForCertificates,
    CardEvent,
    CardShown,
    CertificateShown,
    HolderEvent,
    HolderSnapshot,
    IdentityCheck,
    KeyToCertify,
    ListMade,
    Occasion,
    ReportCard,
    StatusChange,
)
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind
from kumihimo.roles.jpki.service.applications import Applications, Issued
from kumihimo.roles.jpki.service.certifying import Certifying
from kumihimo.roles.jpki.service.lists import Lists, Schedule
from kumihimo.roles.jpki.service.responding import Responding
from kumihimo.roles.jpki.service.standings import Standings
from kumihimo.roles.jpki.settings import Settings
from kumihimo.roles.jpki.store import MIGRATIONS, AuthorityStore, Transaction, feed, feed_cursor
from kumihimo.roles.jpki.store.responder import (
    DELTA,
    FULL,
    RESPONDER_MIGRATIONS,
    Credential,
    ResponderStore,
    responder_cursor,
    take_list,
    take_status,
)
from kumihimo.roles.registry.schema import feed as registry_feed
from kumihimo.roles.registry.service.holders import Holders
from kumihimo.roles.registry.service.residents import Reported

AUTHORITY, RESPONDER, REGISTRY = "jpki/authority", "jpki/responder", "registry/network"
LICENCE = (Document.DRIVING_LICENCE,)
PLACES = Places("http://127.0.0.1:8080")
SCHEDULE = Schedule(Settings.model_fields["full_list_every"].default, Settings.model_fields["delta_list_every"].default)


def identity(*documents: Document, at: datetime = NOW) -> IdentityCheck:
    return IdentityCheck(documents=documents, checked_by="窓口 1", checked_at=at)


def to_certify(card: str, profile: Profile, label: str, algorithm: Algorithm = Algorithm.RSA_2048) -> KeyToCertify:
    """A key of a card with its proof of possession."""
    own = key(label, algorithm)
    proof = sign(own, possession_statement(card, profile, own.public_key()))
    return KeyToCertify(profile=profile, public_key=b64(public_bytes(own.public_key())), proof=b64(proof))


@dataclass
class Clerk:
    """A window of a municipality."""

    bureau: Bureau
    municipality: str = "x-city"

    def application(
        self,
        code: str,
        card: str,
        occasion: Occasion = Occasion.FIRST,
        profiles: Sequence[Profile] = tuple(Profile),
        keys: str = "first",
        **changes: Any,
    ) -> ApplyForCertificates:
        certified = tuple(to_certify(card, one, f"{card} {one} {keys}") for one in profiles)
        fields = {"occasion": occasion, "resident_code": code, "card_serial": card, "identity": identity(*LICENCE)}
        return addressed(
            ApplyForCertificates, self.bureau.authority, self.bureau.clock, **(fields | {"keys": certified} | changes)
        )

    def apply(self, code: str, card: str, occasion: Occasion = Occasion.FIRST, **options: Any) -> Issued:
        """Apply, by default for both certificates of a first card."""
        done = self.bureau.applications.apply(self.municipality, self.application(code, card, occasion, **options))
        self.bureau.carry()
        return done

    def report(self, card: str, event: CardEvent, *documents: Document) -> CardShown:
        message = addressed(
            ReportCard, self.bureau.authority, self.bureau.clock, event=event, card_serial=card, reported_by="窓口 2",
            identity=identity(*documents) if documents else None,
        )  # fmt: skip
        (shown,) = self.bureau.standings.report(self.municipality, message)
        self.bureau.carry()
        return shown


class Bureau:
    """Everything that takes part; `carry` carries both feeds to their ends."""

    authority: Any = AUTHORITY

    def __init__(self, folder: Path, engine: Any = None) -> None:
        prepare(folder, [])
        self.registry = RegistryCountry(folder)
        self.clock = self.registry.clock
        self.holders = Holders(self.registry.store)
        self.looked_up: list[str] = []
        engine = engine or open_engine(f"sqlite:///{folder}/authority.db")
        migrate(engine, MIGRATIONS)
        self.store = AuthorityStore(engine)
        issuing, randomness = authorities().issuing, SeededRandomness("serials of the bureau")
        self.applications = Applications(self.store, issuing, PLACES, self._holder, randomness, self.clock)
        self.standings = Standings(self.store, self.clock)
        self.certifying = Certifying(self.store, issuing, lambda: {"x-city": "992011"}, randomness, self.clock)
        self.lists = Lists(self.store, issuing, PLACES, SCHEDULE, self.clock, lambda: None)
        public = open_engine(f"sqlite:///{folder}/responder.db")
        migrate(public, RESPONDER_MIGRATIONS)
        self.public = ResponderStore(public)
        self.read_at: datetime | None = None
        self.certified = 0
        own = key("responder")
        self.responding = Responding(self.public, own, self._certify, lambda: self.read_at, self.clock)
        self.responding.keep_certified()
        self.x_city, self.y_city = Clerk(self), Clerk(self, "y-city")

    def _holder(self, code: str) -> HolderSnapshot | None:
        self.looked_up.append(code)
        return self.holders.find(code)

    def _certify(self) -> dict[CaName, Credential]:
        self.certified += 1
        made = {}
        for one in Profile:
            ca = authorities().issuing[one.ca]
            responder = certify_responder(ca, key("responder").public_key(), serial(), self.clock.now())
            made[one.ca] = Credential(_der(ca.certificate), _der(responder))
        return made

    def born(self, items: FourItems) -> str:
        """Register somebody; their resident code."""
        reported = Reported(RegisterEventKind.BIRTH, date(2026, 6, 1), None, items, "")
        code = self.registry.residents.report("x-city", reported).resident_code
        assert code is not None
        return code

    def happens(
        self, event: RegisterEventKind, code: str, items: FourItems | None = None, by: str = "x-city", **more: Any
    ) -> None:
        """Something happens to a resident, and the authority hears of it."""
        reported = Reported(event, date(2026, 6, 1), code, items, "", **more)
        if event in (RegisterEventKind.MERGE, RegisterEventKind.SPLIT, RegisterEventKind.REVIVAL):
            self.registry.lives.report(by, reported)
        else:
            self.registry.residents.report(by, reported)
        self.carry()

    def carry(self) -> None:
        """Both feeds are read to their end, as the readers do it."""
        with self.registry.store.engine.connect() as conn:
            events = read_feed(conn, registry_feed, AUTHORITY, self._position(), 1_000)
        with self.store.engine.begin() as conn:
            for item in events:
                self.standings.hear(Transaction(conn), HolderEvent.model_validate(item.body))
                set_cursor(conn, feed_cursor, REGISTRY, item.seq)
        self.carry_to_responder()

    def carry_to_responder(self) -> None:
        with self.public.engine.connect() as conn:
            after = get_cursor(conn, responder_cursor, AUTHORITY)
        with self.store.engine.connect() as conn:
            items = read_feed(conn, feed, RESPONDER, after, 1_000)
        with self.public.engine.begin() as conn:
            for item in items:
                if item.kind == "status":
                    take_status(conn, StatusChange.model_validate(item.body))
                else:
                    told = ListMade.model_validate(item.body)
                    kind = FULL if told.base is None else DELTA
                    take_list(conn, told.ca, kind, told.number, from_b64(told.crl, "crl"))
                set_cursor(conn, responder_cursor, AUTHORITY, item.seq)
        self.read_at = self.clock.now()

    def _position(self) -> int:
        with self.store.engine.connect() as conn:
            return get_cursor(conn, feed_cursor, REGISTRY)

    def stands(self, card: str) -> dict[Profile, CertificateShown]:
        """The newest certificate of each profile on a card."""
        (shown,) = self.standings.show(None, card)
        return {one.profile: one for one in reversed(shown.certificates)}

    def states(self, card: str) -> dict[str, tuple[str, str]]:
        """The same as (state, cause)."""
        return {profile.value: (one.state.value, one.cause.value) for profile, one in self.stands(card).items()}


def moved(items: FourItems, lines: str) -> FourItems:
    return replace(items, address=replace(items.address, lines=lines))


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)
