"""A small country around the two operators: real keys, stores, signatures and rule book; only TLS is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import Column, Connection, Engine, ForeignKey, MetaData, Table, event, insert, select

from kumihimo.country import topology
from kumihimo.country.keys import PartyPlan, Root, write_directory, write_random_secret
from kumihimo.domain.codes import decrypt, encrypt, person_point, public_key, random_scalar
from kumihimo.domain.kernel.clock import FixedClock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId, institution_of
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Envelope, Message, b64, from_b64, parse_envelope
from kumihimo.plumbing.wire.feeds import FeedEntry, FeedPage
from kumihimo.plumbing.wire.identity import Identity
from kumihimo.plumbing.wire.link_keys import LinkKeys
from kumihimo.plumbing.wire.messages.codes import BlindCode, CodesIssued, CodesTranslated, TranslateCodes
from kumihimo.plumbing.wire.messages.inquiry import (
    InquiryDecision,
    InquiryRequest,
    LogRecord,
    Outcome,
    OversightRecord,
    Permit,
)
from kumihimo.plumbing.wire.messages.provision import OutcomesTaken, OutcomeTaken, ReportOutcome, ReportsOfOutcomes
from kumihimo.plumbing.wire.tls import PEER
from kumihimo.roles.hub.api import prepare
from kumihimo.roles.hub.api.first import build_first
from kumihimo.roles.hub.api.second import build_second
from kumihimo.roles.hub.api.shared import Operator
from kumihimo.roles.hub.settings import Settings
from kumihimo.roles.hub.store import Standings
from kumihimo.roles.hub.store.tables import entries, standings

NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)  # noon in Japan
HUB_1, HUB_2, REGISTRY = topology.HUB_1, topology.HUB_2, topology.REGISTRY
PORTAL, OVERSIGHT = topology.PORTAL, topology.OVERSIGHT
X, Y, Z = (PartyId(f"{city}/exchange") for city in ("x-city", "y-city", "z-town"))
PENSION = PartyId("pension-service/exchange")
CALLERS = (REGISTRY, PORTAL, OVERSIGHT, X, Y, Z, PENSION, PartyId("x-city/ledger"))
AFFAIR, ITEM = "child-allowance.payment", "local-tax"


def found(folder: Path, url: Callable[[PartyId], str | None] = lambda party: f"https://{party}") -> None:
    """Make all keys and the directory of the country below `folder`."""
    root = Root(folder / "root", datetime.now(UTC))
    plans = tuple(PartyPlan(party, folder / party, url(party)) for party in (HUB_1, HUB_2, *CALLERS))
    entries = tuple(root.equip(plan) for plan in plans)
    institutions = (*topology.institutions().values(), *topology.central().values())
    write_directory(folder / "directory.json", institutions, entries, plans)
    for hub in (HUB_1, HUB_2):
        for name in ("reshuffle.seed", "rekey.seed"):
            write_random_secret(folder / hub / name)
    write_random_secret(folder / HUB_1 / "log.key")


def operator_settings(keys: Path, store: Path, number: int, **fields: Any) -> Settings:
    """Settings of operator 1 or 2."""
    party = (HUB_1, HUB_2)[number - 1]
    values = {
        "party": party,
        "keys": keys / party,
        "directory": keys / "directory.json",
        "store": f"sqlite:///{store}/hub-{number}.db",
        "port": 1,
        "operator": number,
        "witnesses": (),
        "proof_share": 1.0,  # every translation of the tests is proven
    }
    return Settings(**{**values, **fields})


class Wire(PeerClient):
    """A client whose connections go straight to the other application, which sees the party a certificate would name."""

    def __init__(self, edge: Edge, country: HubCountry) -> None:
        super().__init__(edge)
        self._country = country
        self._me = edge.party

    def _exchange(self, method: str, party: PartyId, path: str, content=None, params=None, timeout=None, repeat=True):
        return self._country.carry(self._me, party, method, path, content, params)


@dataclass
class HubCountry:
    """Both operators, and everybody who calls them. `down` are parties that cannot be reached."""

    keys: Path
    stores: Path
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    down: set[PartyId] = field(default_factory=set)
    carried: list[tuple[PartyId, str, bytes, bytes]] = field(default_factory=list)
    overrides: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.operators: dict[PartyId, Operator] = {}
        self.apps: dict[PartyId, FastAPI] = {}
        for number, party, build in ((1, HUB_1, build_first), (2, HUB_2, build_second)):
            settings = operator_settings(self.keys, self.stores, number, **self.overrides.get(number, {}))
            prepare(settings)
            edge = self.edge(party)
            self.operators[party] = Operator.open(settings, edge, Wire(edge, self))
            self.apps[party] = build(self.operators[party])

    def edge(self, party: PartyId) -> Edge:
        identity = Identity(party, self.keys / party)
        return Edge(identity, Directory.load(self.keys / "directory.json", identity.anchors()), self.clock)

    def carry(self, me: PartyId, party: PartyId, method: str, path: str, content: Any, params: Any) -> httpx.Response:
        if party in self.down:
            raise Problem("peer.unreachable", f"{party} (down)")
        app = self.apps[party]

        async def secured(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})[PEER] = me
            await app(scope, receive, send)

        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(secured, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="https://hub") as client:
                headers = {"content-type": "application/json"}
                return await client.request(method, path, content=content, params=params, headers=headers)

        response = asyncio.run(exchange())
        sent = content.encode() if isinstance(content, str) else content or b""
        self.carried.append((party, path, sent, response.content))
        return response

    def party(self, party: PartyId) -> Caller:
        return Caller(self, self.edge(party))

    def engine(self, hub: PartyId) -> Engine:
        return self.operators[hub].engine

    def standings(self, hub: PartyId) -> Standings:
        return self.operators[hub].standings

    def log(self) -> list[LogRecord]:
        """Every record of the log, in order."""
        with self.engine(HUB_1).connect() as conn:
            rows = conn.execute(select(entries.c.record).order_by(entries.c.entry_index)).scalars().all()
        return [LogRecord.model_validate_json(row) for row in rows]

    def overseen(self) -> list[OversightRecord]:
        """What operator 1 told the oversight body."""
        return [OversightRecord.model_validate(item.body) for item in self.party(OVERSIGHT).feed(HUB_1)]

    def issue(self, institution: str, people: list[str]) -> list[bytes]:
        """Let an institution obtain its codes of these people, through registry and both operators; in order."""
        registry, holder = self.party(REGISTRY), self.party(holder_of(institution))
        key = public_key(registry.link_key())
        batch = [
            BlindCode(ticket=f"{institution}:{name}", ciphertext=b64(encrypt(point_of(name), key, random_scalar())))
            for name in people
        ]
        registry.translate(institution, batch)
        codes: dict[str, bytes] = {}
        for item in holder.feed(HUB_2):
            if item.kind == "codes":
                for code in CodesIssued.model_validate(item.body).codes:
                    codes[code.ticket] = decrypt(from_b64(code.ciphertext, "code"), holder.link_key())
        return [codes[code.ticket] for code in batch]


@dataclass
class Caller:
    """A party that calls the operators."""

    country: HubCountry
    edge: Edge

    def __post_init__(self) -> None:
        self.wire = Wire(self.edge, self.country)

    def link_key(self) -> bytes:
        return LinkKeys(self.edge, self.wire).secret(f"{institution_of(self.edge.party)}#1")

    def message(self, kind: type[Message], audience: PartyId = HUB_1, **fields: Any) -> Any:
        return self.edge.message(kind, audience, **fields)

    def request(self, code: bytes, **changes: Any) -> InquiryRequest:
        """An inquiry about the holder of one of our codes; by default a lawful one to Y City."""
        sent = encrypt(code, public_key(self.link_key()), random_scalar())
        fields: dict[str, Any] = {
            "transaction": random_scalar().hex()[:32],
            "requester": institution_of(self.edge.party),
            "provider": "y-city",
            "affair": AFFAIR,
            "items": (ITEM,),
            "case_reference_hash": "0" * 64,
            "subject": b64(sent),
        }
        return self.message(InquiryRequest, **{**fields, **changes})

    def send(self, request: InquiryRequest) -> InquiryDecision:
        return self.wire.send("/inquiries", request, InquiryDecision).value

    def inquire(self, code: bytes, **changes: Any) -> InquiryDecision:
        return self.send(self.request(code, **changes))

    def translate(self, institution: str, codes: list[BlindCode]) -> int:
        message = self.message(TranslateCodes, institution=institution, codes=tuple(codes))
        return self.wire.send("/code-batches", message, CodesTranslated).value.count

    def report(self, permit: Envelope, outcome: Outcome, payload_hash: str | None = None) -> OutcomeTaken:
        said = self.edge.read(permit, Permit).value
        message = self.message(
            ReportOutcome,
            transaction=said.transaction,
            requester=said.requester,
            provider=said.provider,
            outcome=outcome,
            payload_hash=payload_hash,
            permit=permit,
        )
        return self.tell(message)

    def tell(self, *reports: ReportOutcome) -> OutcomeTaken:
        """Report outcomes in one message; what became of the first. Raises Problem with the code of the first one wrong."""
        envelopes = tuple(self.edge.answer(report) for report in reports)
        message = self.message(ReportsOfOutcomes, reports=envelopes)
        taken = self.wire.send("/outcomes", message, OutcomesTaken).value.taken
        for one in taken:
            if one.problem is not None:
                raise Problem(one.problem, "a report was not taken")
        return taken[0]

    def post(self, path: str, body: bytes, to: PartyId = HUB_1) -> dict[str, Any]:
        """Send bytes as they are; the problem document or envelope that comes back."""
        document: dict[str, Any] = self.country.carry(self.edge.party, to, "POST", path, body, None).json()
        return document

    def feed(self, source: PartyId, after: int = 0) -> tuple[FeedEntry, ...]:
        page = self.wire.get(source, "/feed", {"after": after, "limit": 500})
        return self.edge.read(parse_envelope(page), FeedPage, source).value.entries


@contextmanager
def commits_refused(engine: Engine) -> Iterator[None]:
    """Inside, the database itself refuses every commit of a writing transaction: a constraint checked at the commit."""
    of = ForeignKey(standings.c.institution, deferrable=True, initially="DEFERRED")
    claims = Table("claim", MetaData(), Column("of", of, primary_key=True))
    claims.create(engine, checkfirst=True)

    def claim_something(conn: Connection) -> None:
        conn.execute(insert(claims).values(of="nobody"))

    event.listen(engine, "commit", claim_something)
    yield
    event.remove(engine, "commit", claim_something)


def holder_of(institution: str) -> PartyId:
    return PORTAL if institution == "portal" else PartyId(f"{institution}/exchange")


def point_of(name: str) -> bytes:
    """The base point of a person the registry calls `name`."""
    resident_code = str(int.from_bytes(name.encode(), "big") % 10**11).zfill(11)
    return person_point(b"r" * 32, resident_code, 0)


def code_of(problem: dict[str, Any]) -> str:
    """The stable code of a problem document."""
    return str(problem["type"]).removeprefix("urn:kumihimo:problem:")
