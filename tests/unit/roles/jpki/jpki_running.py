"""Registry, numbering authority, certification authority and responder, running over real mutual TLS and plain HTTP."""

from __future__ import annotations

import base64
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from free_ports import free_port
from jpki_parts import hanako, key
from kumihimo.country.keys import PartyPlan, Root, write_directory, write_random_secret
from kumihimo.domain.jpki import CaName, Document, Profile, possession_statement, public_bytes, sign
from kumihimo.domain.kernel import (
    FourItems,
    Institution,
    InstitutionId,
    PartyId,
    Problem,
    SystemClock,
    SystemRandomness,
)
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import b64, from_b64
from kumihimo.plumbing.wire.messages.cards import (
    ApplyForCertificates,
    CertificatesIssued,
    IdentityCheck,
    KeyToCertify,
    Occasion,
)
from kumihimo.plumbing.wire.messages.residents import (
    FourItemsPart,
    RegisterEvent,
    RegisterEventAccepted,
    RegisterEventKind,
    ResidentSnapshot,
)
from kumihimo.plumbing.wire.server import server
from kumihimo.plumbing.wire.settings import RoleSettings
from kumihimo.roles.jpki import api as authority_api
from kumihimo.roles.jpki import responder_api
from kumihimo.roles.jpki.ceremony import Ceremony, hold_ceremony
from kumihimo.roles.jpki.keystore import FileKeys
from kumihimo.roles.jpki.settings import ResponderSettings, Settings, TokenSettings
from kumihimo.roles.jpki.token_keys import TokenKeys
from kumihimo.roles.numbering import api as numbering_api
from kumihimo.roles.numbering.settings import Settings as NumberingSettings
from kumihimo.roles.registry import api as registry_api
from kumihimo.roles.registry.settings import Settings as RegistrySettings

NUMBERING, REGISTRY = PartyId("numbering/authority"), PartyId("registry/network")
AUTHORITY, RESPONDER = PartyId("jpki/authority"), PartyId("jpki/responder")
OPERATORS = PartyId("hub-1/operator"), PartyId("hub-2/operator")
LEDGER, PENSION, PORTAL = PartyId("x-city/ledger"), PartyId("pension/ledger"), PartyId("portal/portal")
OVERSIGHT = PartyId("oversight/body")
SERVICES = (NUMBERING, REGISTRY, AUTHORITY, RESPONDER)
CALLERS = (*OPERATORS, LEDGER, PENSION, PORTAL, OVERSIGHT)
DOORS: dict[PartyId, Any] = {
    NUMBERING: numbering_api,
    REGISTRY: registry_api,
    AUTHORITY: authority_api,
    RESPONDER: responder_api,
}
PATIENCE = 10.0


@contextmanager
def running(app: FastAPI, edge: Edge) -> Iterator[None]:
    ready = threading.Event()
    url = edge.directory.party(edge.party).url or ""
    service = server(app, edge.identity, "127.0.0.1", int(url.rpartition(":")[2]), ready.set)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        assert ready.wait(30)
        yield
    finally:
        service.should_exit = True
        thread.join(30)


@dataclass
class Running:
    """A small country that is up."""

    folder: Path
    settings: dict[PartyId, RoleSettings]
    public: str
    ups: dict[PartyId, ExitStack] = field(default_factory=dict)

    def edge(self, party: PartyId) -> Edge:
        return self.settings[party].edge(SystemClock())

    def start(self, party: PartyId) -> None:
        stack = ExitStack()
        stack.enter_context(running(DOORS[party].build(self.settings[party]), self.edge(party)))
        self.ups[party] = stack

    def stop(self, party: PartyId) -> None:
        self.ups.pop(party).close()

    def say(self, party: PartyId, to: PartyId, path: str, kind: Any, reply: Any, **fields: Any) -> Any:
        """Send one message as a party; what comes back. Raises Problem."""
        edge = self.edge(party)
        client = PeerClient(edge)
        try:
            return client.send(path, edge.message(kind, to, **fields), reply).value
        finally:
            client.close()

    def look(self, party: PartyId, at: PartyId, path: str) -> tuple[int, bytes]:
        client = PeerClient(self.edge(party))
        try:
            answered = client.look(at, path)
            return answered.status_code, answered.content
        finally:
            client.close()

    def get(self, path: str) -> bytes:
        """Fetch something from the public door, as anybody may."""
        with urllib.request.urlopen(f"{self.public}{path}", timeout=10) as response:  # noqa: S310 - our own address
            content: bytes = response.read()
        return content

    def ocsp(self, request: bytes) -> bytes:
        """What the responder answers, asked by GET as RFC 6960 A.1 has it."""
        return self.get(f"/ocsp/{urllib.parse.quote(base64.b64encode(request), safe='')}")

    def born(self, items: FourItems) -> ResidentSnapshot:
        fields = {"event": RegisterEventKind.BIRTH, "on": date(2020, 1, 1), "four_items": FourItemsPart.of(items)}
        found = self.say(LEDGER, REGISTRY, "/events", RegisterEvent, RegisterEventAccepted, **fields).resident
        assert isinstance(found, ResidentSnapshot)
        return found

    def happens(self, event: RegisterEventKind, code: str, items: FourItems | None = None) -> None:
        fields = {"event": event, "on": date(2020, 1, 2), "resident_code": code}
        part = FourItemsPart.of(items) if items is not None else None
        self.say(LEDGER, REGISTRY, "/events", RegisterEvent, RegisterEventAccepted, four_items=part, **fields)

    def issued(self, card: str, given: str = "花子") -> tuple[str, dict[Profile, Path]]:
        """Somebody new with both certificates on a new card: resident code, and PEM files as openssl reads them."""
        code = self.born(hanako(given)).resident_code or ""
        reply = self.say(
            LEDGER, AUTHORITY, "/certificates", ApplyForCertificates, CertificatesIssued, **asked(code, card)
        )
        found = {}
        for one in reply.certificates:
            path = self.folder / f"{card}-{one.profile}.der"
            path.write_bytes(from_b64(one.certificate, "certificate"))
            found[one.profile] = path
        return code, found

    def authority_file(self, ca: CaName) -> Path:
        """An authority's certificate, fetched from the public door."""
        path = self.folder / f"fetched-{ca}.cer"
        path.write_bytes(self.get(f"/ca/{ca}.cer"))
        return path


def asked(code: str, card: str, occasion: Occasion = Occasion.FIRST) -> dict[str, Any]:
    """The fields of an application for both certificates."""
    keys = []
    for profile in Profile:
        own = key(f"{card} {profile}")
        proof = sign(own, possession_statement(card, profile, own.public_key()))
        shown = KeyToCertify(profile=profile, public_key=b64(public_bytes(own.public_key())), proof=b64(proof))
        keys.append(shown)
    checked = IdentityCheck(documents=(Document.PASSPORT,), checked_by="窓口 1", checked_at=datetime.now(UTC))
    return {
        "occasion": occasion, "resident_code": code, "card_serial": card, "identity": checked, "keys": tuple(keys),
    }  # fmt: skip


def until(met: Callable[[], bool], patience: float = PATIENCE) -> float:
    """Ask again until it is so; how many seconds that took."""
    begun = time.monotonic()
    while not met():
        assert time.monotonic() - begun < patience, "it never came about"
    return time.monotonic() - begun


def refusal(act: Callable[[], object]) -> str:
    """The code of the problem with which an act is refused."""
    try:
        act()
    except Problem as problem:
        return problem.code
    return "not refused"


@contextmanager
def small_country(folder: Path, token: TokenSettings | None = None) -> Iterator[Running]:
    """Found it, start it, and end it afterwards; the authorities' keys in files, or in a token."""
    root = Root(folder / "root", datetime.now(UTC))
    parties = (*SERVICES, *CALLERS)
    plans = tuple(
        PartyPlan(party, folder / party / "keys", f"https://127.0.0.1:{free_port()}" if party in SERVICES else None)
        for party in parties
    )
    names = {party.split("/")[0]: {"municipality"} if party == LEDGER else {"other"} for party in parties}
    institutions = tuple(Institution(InstitutionId(n), n, n, frozenset(c)) for n, c in names.items())
    write_directory(folder / "directory.json", institutions, tuple(root.equip(plan) for plan in plans), plans)
    write_random_secret(folder / REGISTRY / "keys" / "person.key")
    public_port = free_port()
    public, ca = f"http://127.0.0.1:{public_port}", folder / AUTHORITY / "ca"
    hold_ceremony(
        Ceremony(ca, TokenKeys(token) if token else FileKeys(ca), FileKeys(folder / "root"), public),
        SystemRandomness(),
        datetime.now(UTC),
    )
    kinds: dict[PartyId, type[RoleSettings]] = {
        NUMBERING: NumberingSettings, REGISTRY: RegistrySettings, AUTHORITY: Settings, RESPONDER: ResponderSettings,
    }  # fmt: skip
    more: dict[PartyId, dict[str, Any]] = {
        AUTHORITY: {
            "ca": ca,
            "public_url": public,
            "token": token,
            "entitled": (PORTAL,),
            "offices": {"x-city": "992011"},
        },
        RESPONDER: {"public_port": public_port},
    }
    settings: dict[PartyId, RoleSettings] = {
        plan.party: kinds.get(plan.party, RoleSettings)(
            party=plan.party, keys=plan.folder, directory=folder / "directory.json",
            store=f"sqlite:///{folder}/{plan.party}/store.db", port=1, **more.get(plan.party, {}),
        )
        for plan in plans
    }  # fmt: skip
    made = Running(folder, settings, public)
    try:
        for party in SERVICES:
            DOORS[party].prepare(settings[party])
            made.start(party)
        yield made
    finally:
        for party in list(made.ups)[::-1]:
            made.stop(party)
