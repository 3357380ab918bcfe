"""A country around two cities' gateways: real hub, registry, numbering, keys, stores and signatures; only TLS is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import Engine

from kumihimo.country import topology
from kumihimo.country.keys import PartyPlan, Root, write_directory, write_random_secret
from kumihimo.domain.codes import encrypt, random_scalar
from kumihimo.domain.kernel import (
    Address,
    AddresseeNumber,
    FixedClock,
    FourItems,
    PartyId,
    PersonName,
    Problem,
    Sex,
    SystemRandomness,
    institution_of,
)
from kumihimo.plumbing.storage import open_engine
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.envelope import Envelope, Message, b64
from kumihimo.plumbing.wire.feeds import FeedReader
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.messages.inquiry import InquiryDecision, InquiryRequest, Period
from kumihimo.plumbing.wire.messages.ledger import (
    Addressee,
    Addressees,
    CodesRequested,
    IssueMissingCodes,
    PortalAccountOpened,
    PortalTicket,
    TakeIn,
)
from kumihimo.plumbing.wire.messages.provision import (
    CopiesPlaced,
    CopyOf,
    DatedItem,
    Inquire,
    Inquired,
    ProvisionAnswer,
    ProvisionRequest,
    PutCopies,
)
from kumihimo.plumbing.wire.messages.residents import (
    FourItemsPart,
    RegisterEvent,
    RegisterEventAccepted,
    RegisterEventKind,
    ResidentSnapshot,
)
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.tls import PEER
from kumihimo.roles.gateway.api import exchange as exchange_api
from kumihimo.roles.gateway.api import ledger as ledger_api
from kumihimo.roles.gateway.api.services import Services
from kumihimo.roles.gateway.settings import ExchangeSettings, LedgerSettings
from kumihimo.roles.gateway.store.addressees import LedgerStore
from kumihimo.roles.gateway.store.commits import OneByOne
from kumihimo.roles.gateway.store.exchange import feed_cursor as exchange_cursor
from kumihimo.roles.gateway.store.inquiries import InquiryStore
from kumihimo.roles.gateway.store.ledger import feed_cursor as ledger_cursor
from kumihimo.roles.hub import api as hub_api
from kumihimo.roles.hub.settings import Settings as HubSettings
from kumihimo.roles.numbering import api as numbering_api
from kumihimo.roles.numbering.settings import Settings as NumberingSettings
from kumihimo.roles.registry import api as registry_api
from kumihimo.roles.registry.settings import Settings as RegistrySettings

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)  # noon in Japan
HUB_1, HUB_2, REGISTRY, NUMBERING, PORTAL = (
    topology.HUB_1, topology.HUB_2, topology.REGISTRY, topology.NUMBERING, topology.PORTAL,
)  # fmt: skip
CITIES = ("x-city", "y-city", "z-town", "pension-service")
SERVICES = ("ledger", "exchange", "desk")
AFFAIR, ITEM, CLERK = "child-allowance.payment", "local-tax", "tanaka"
TAX_2025: dict[str, Any] = {
    "assessed_on": "2025-01-01",
    "salary_gross": 4_200_000,
    "salary_income": 2_920_000,
    "business_income": 0,
    "pension_gross": 0,
    "pension_income": 0,
    "total_income": 2_920_000,
    "deductions": 1_060_000,
    "taxable_income": 1_860_000,
    "income_levy": 183_500,
    "per_capita_levy": 5_000,
    "tax_total": 188_500,
    "spouse_supported": False,
    "dependants": 1,
    "dependants_under_16": 1,
}
FISCAL_2025 = Period(since=date(2025, 4, 1), until=date(2026, 3, 31))


def found(folder: Path) -> None:
    """Make all keys and the directory of the country below `folder`."""
    root = Root(folder / "root", datetime.now(UTC))
    services = [PartyId(f"{city}/{service}") for city in CITIES for service in SERVICES]
    parties = (HUB_1, HUB_2, REGISTRY, NUMBERING, PORTAL, topology.OVERSIGHT, *services)
    plans = tuple(
        PartyPlan(party, folder / party, None if party.endswith("/desk") else f"https://{party}") for party in parties
    )
    entries = tuple(root.equip(plan) for plan in plans)
    institutions = (*topology.institutions().values(), *topology.central().values())
    write_directory(folder / "directory.json", institutions, entries, plans)
    for hub in (HUB_1, HUB_2):
        for name in ("reshuffle.seed", "rekey.seed"):
            write_random_secret(folder / hub / name)
    write_random_secret(folder / HUB_1 / "log.key")
    write_random_secret(folder / REGISTRY / "person.key")
    for city in CITIES:
        write_random_secret(folder / f"{city}/exchange" / exchange_api.AUDIT_KEY)


def hanako(town: str = "中央1丁目2番3号", given: str = "花子") -> FourItems:
    return FourItems(
        PersonName("総務", given, "ソウム", "ハナコ"),
        Address("甲県", "X市", town),
        date(1975, 1, 1),
        Sex.FEMALE,
    )


@dataclass
class GatewayCountry:
    """Everybody who takes part in an inquiry.

    `down` are parties that cannot be reached; `altered` changes what a party answers on a path on its way back.
    """

    keys: Path
    stores: Path
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    down: set[PartyId] = field(default_factory=set)
    carried: list[tuple[PartyId, PartyId, str, bytes, bytes]] = field(default_factory=list)
    altered: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    accounts: list[PortalTicket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.apps: dict[PartyId, FastAPI] = {}
        self.engines: dict[PartyId, Engine] = {}

    def prepare(self) -> None:
        """Make every store, empty and migrated."""
        for module, settings in self._programs():
            module.prepare(settings)

    def app(self, party: PartyId) -> FastAPI:
        """The application of a party, started on its own store when it is first called."""
        if party not in self.apps:
            self.apps[party] = self._portal() if party == PORTAL else self._build(party)
        return self.apps[party]

    def _build(self, party: PartyId) -> FastAPI:
        module, settings = next(one for one in self._programs() if one[1].party == party)
        app: FastAPI = module.build(settings, self.clock)
        return app

    def _programs(self) -> Iterator[tuple[Any, Any]]:
        for number, party in ((1, HUB_1), (2, HUB_2)):
            yield hub_api, HubSettings(**self._common(party), operator=number, witnesses=())
        yield numbering_api, NumberingSettings(**self._common(NUMBERING))
        yield registry_api, RegistrySettings(**self._common(REGISTRY))
        for city in CITIES:
            yield ledger_api, LedgerSettings(**self._common(PartyId(f"{city}/ledger")))
            yield exchange_api, self.exchange_settings(city)

    def exchange_settings(self, city: str) -> ExchangeSettings:
        return ExchangeSettings(**self._common(PartyId(f"{city}/exchange")))

    def _common(self, party: PartyId) -> dict[str, Any]:
        return {
            "party": party,
            "keys": self.keys / party,
            "directory": self.keys / "directory.json",
            "store": f"sqlite:///{self.stores}/{party.replace('/', '-')}.db",
            "port": 1,
        }

    def _portal(self) -> FastAPI:
        """Stands in for the portal: notes the ticket and opens an account."""
        edge = self.edge(PORTAL)
        app = application("portal")

        @app.post("/accounts")
        def open_account(envelope: Envelope, peer: Peer) -> Envelope:
            message = edge.open(envelope, PortalTicket, peer, lambda party: party.endswith("/ledger")).value
            self.accounts.append(message)
            return edge.answer(PortalAccountOpened(in_reply_to=message.message_id, account=f"acc{len(self.accounts)}"))

        return app

    def edge(self, party: PartyId) -> Edge:
        identity = Identity(party, self.keys / party)
        return Edge(identity, Directory.load(self.keys / "directory.json", identity.anchors()), self.clock)

    def engine(self, party: PartyId) -> Engine:
        """The store of a party, opened beside its process."""
        if party not in self.engines:
            self.engines[party] = open_engine(self._common(party)["store"])
        return self.engines[party]

    def carry(self, me: PartyId, party: PartyId, method: str, path: str, content: Any, params: Any) -> httpx.Response:
        """What a connection does: the other side sees the party that the certificate would name."""
        if party in self.down:
            raise Problem("peer.unreachable", f"{party} (down)")
        app = self.app(party)

        async def secured(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})[PEER] = me
            await app(scope, receive, send)

        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(secured, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="https://country") as client:
                headers = {"content-type": "application/json"}
                return await client.request(method, path, content=content, params=params, headers=headers)

        response = asyncio.run(exchange())
        body = response.content
        alter = self.altered.get(f"{party}{path}")
        if alter and response.status_code == 200:
            body = alter(body)
        sent = content.encode() if isinstance(content, str) else content or b""
        self.carried.append((me, party, path, sent, body))
        return httpx.Response(response.status_code, content=body)

    def desk(self, city: str) -> Desk:
        return Desk(self, city)

    def stop(self) -> None:
        for engine in self.engines.values():
            engine.dispose()


@dataclass
class Desk:
    """The staff of one institution at their business systems."""

    country: GatewayCountry
    city: str

    def __post_init__(self) -> None:
        self.edge = self.country.edge(PartyId(f"{self.city}/desk"))
        self.client = PeerClient(self.edge)
        self.ledger, self.exchange = PartyId(f"{self.city}/ledger"), PartyId(f"{self.city}/exchange")

    def message(self, kind: type[Message], audience: PartyId, **fields: Any) -> Any:
        return self.edge.message(kind, audience, **fields)

    def register(self, items: FourItems) -> ResidentSnapshot:
        """Report somebody who moves in for the first time to the registry."""
        message = self.message(
            RegisterEvent,
            REGISTRY,
            event=RegisterEventKind.MOVE_IN,
            on=date(2020, 4, 1),
            four_items=FourItemsPart.of(items),
        )
        return self.client.send("/events", message, RegisterEventAccepted).value.resident

    def event(self, kind: RegisterEventKind, resident: ResidentSnapshot, **fields: Any) -> ResidentSnapshot:
        message = self.message(
            RegisterEvent,
            REGISTRY,
            event=kind,
            on=date(2026, 11, 1),
            resident_code=resident.resident_code,
            **fields,
        )
        return self.client.send("/events", message, RegisterEventAccepted).value.resident

    def take_in(self, resident: ResidentSnapshot) -> Addressee:
        return self._taken_in(resident.individual_number)

    def take_in_by(self, number: str) -> str:
        """Take somebody in by their number alone; the addressee number."""
        return self._taken_in(number).addressee_number

    def _taken_in(self, number: str) -> Addressee:
        message = self.message(TakeIn, self.ledger, basis="child-allowance", individual_number=number)
        (addressee,) = self.client.send("/take-ins", message, Addressees).value.addressees
        return addressee

    def follow_registry(self) -> int:
        """Let the ledger read the registry's feed once."""
        edge = self.country.edge(self.ledger)
        engine = self.country.engine(self.ledger)
        apply = ledger_api.following(LedgerStore(engine, self.city), self.country.clock)
        return FeedReader(PeerClient(edge), edge, REGISTRY, engine, ledger_cursor, apply).pull()

    def services(self) -> Services:
        """The exchange's services on its own store, for what its edge does not offer."""
        edge, engine = self.country.edge(self.exchange), self.country.engine(self.exchange)
        settings = self.country.exchange_settings(self.city)
        return exchange_api.wire(settings, edge, engine, PeerClient(edge), OneByOne(engine))

    def receive_codes(self) -> int:
        """Let the exchange read operator 2's feed once."""
        edge = self.country.edge(self.exchange)
        services = self.services()
        engine = self.country.engine(self.exchange)
        return FeedReader(PeerClient(edge), edge, HUB_2, engine, exchange_cursor, services.receive_codes).pull()

    def ask_for_codes(self) -> CodesRequested:
        message = self.message(IssueMissingCodes, self.ledger, basis="number-act-21")
        return self.client.send("/code-issues", message, CodesRequested).value

    def with_code(self, resident: ResidentSnapshot) -> str:
        """Take somebody in and get their link code; the addressee number."""
        number = self.take_in(resident).addressee_number
        self.ask_for_codes()
        self.receive_codes()
        return number

    def grant(self, staff: str = CLERK, affair: str = "*") -> None:
        InquiryStore(self.country.engine(self.exchange), self.city).grant(staff, affair, "子育て支援課")

    def put(self, *copies: CopyOf) -> CopiesPlaced:
        message = self.message(PutCopies, self.exchange, copies=copies)
        return self.client.send("/copies", message, CopiesPlaced).value

    def put_tax(self, number: str, **changes: Any) -> CopiesPlaced:
        return self.put(tax_copy(number, **changes))

    def inquire(self, number: str, **changes: Any) -> Inquired:
        fields: dict[str, Any] = {
            "staff": CLERK,
            "case_reference": "児手-2026-0001",
            "addressee_number": number,
            "provider": "y-city",
            "affair": AFFAIR,
            "items": (ITEM,),
            "period": FISCAL_2025,
        }
        message = self.message(Inquire, self.exchange, **{**fields, **changes})
        return self.client.send("/inquiries", message, Inquired).value

    def institution(self) -> str:
        return institution_of(self.edge.party)


@dataclass(frozen=True)
class Shown:
    """What the requester shows the provider: a permit with the ciphertext it binds."""

    permit: Envelope
    subject: str


@dataclass
class Case:
    """総務花子 lives in X市 and moved there from Y市, which knows her income; both have her link code."""

    country: GatewayCountry
    x: Desk
    y: Desk
    at_x: str
    at_y: str


def permit_for(desk: Desk, number: str, provider: str = "y-city", **changes: Any) -> Shown:
    """A permit as the platform gives it to an exchange, without showing it to anybody yet."""
    codes = desk.services().codes
    edge = desk.country.edge(desk.exchange)
    held = codes.code_of(AddresseeNumber(number))
    fields: dict[str, Any] = {
        "transaction": SystemRandomness().token_bytes(16).hex(),
        "requester": desk.city,
        "provider": provider,
        "affair": AFFAIR,
        "items": (ITEM,),
        "period": FISCAL_2025,
        "case_reference_hash": "0" * 64,
        "subject": b64(encrypt(held.code, codes.domain.of_epoch(held.epoch).public, random_scalar())),
        "epoch": held.epoch,
    }
    message = edge.message(InquiryRequest, HUB_1, **{**fields, **changes})
    decision = PeerClient(edge).send("/inquiries", message, InquiryDecision).value
    assert decision.permit is not None, decision.refusal
    assert decision.subject is not None
    return Shown(decision.permit, decision.subject)


def show(country: GatewayCountry, shown: Shown, *, by: str = "x-city", to: str = "y-city") -> ProvisionAnswer:
    """One exchange shows a permit to another one."""
    edge = country.edge(PartyId(f"{by}/exchange"))
    message = edge.message(ProvisionRequest, PartyId(f"{to}/exchange"), permit=shown.permit, subject=shown.subject)
    return PeerClient(edge).send("/provisions", message, ProvisionAnswer).value


def tax_copy(number: str, year: int = 2025, **changes: Any) -> CopyOf:
    """The local-tax copy of one fiscal year."""
    item = DatedItem(
        item=ITEM, valid_from=date(year, 4, 1), valid_until=date(year + 1, 3, 31), body={**TAX_2025, **changes}
    )
    return CopyOf(addressee_number=number, item=item)
