"""The doors of registry and numbering authority, over real mutual TLS: who may knock at which, and what comes through."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from registry_office import hanako

from free_ports import free_port
from kumihimo.country.keys import PartyPlan, Root, write_directory, write_random_secret
from kumihimo.domain.codes import OperatorSecrets, assemble_key, decrypt, person_point
from kumihimo.domain.kernel import Institution, InstitutionId, PartyId, Problem, ResidentCode, SystemClock
from kumihimo.domain.sealing import seal
from kumihimo.plumbing.wire.client import PeerClient
from kumihimo.plumbing.wire.edge import Edge, application
from kumihimo.plumbing.wire.envelope import Envelope, b64, from_b64, parse_envelope
from kumihimo.plumbing.wire.feeds import FeedPage
from kumihimo.plumbing.wire.link_keys import share_binding
from kumihimo.plumbing.wire.messages.codes import (
    BlindCode,
    CodesTranslated,
    CodesUnderWay,
    IssueCodes,
    KeyShare,
    ShareOfKey,
    TicketOf,
    TranslateCodes,
)
from kumihimo.plumbing.wire.messages.residents import (
    AssignCorporateNumber,
    AssignNumbers,
    CorporateNumberAssigned,
    FourItemsPart,
    LookUp,
    LookUpResult,
    NumbersAssigned,
    RegisterEvent,
    RegisterEventAccepted,
    RegisterEventKind,
    ResidentEvent,
    ResidentSnapshot,
)
from kumihimo.plumbing.wire.routes import Peer
from kumihimo.plumbing.wire.server import server
from kumihimo.plumbing.wire.settings import RoleSettings
from kumihimo.roles.numbering import api as numbering_api
from kumihimo.roles.numbering.settings import Settings as NumberingSettings
from kumihimo.roles.registry import api as registry_api
from kumihimo.roles.registry.settings import Settings as RegistrySettings

NUMBERING, REGISTRY = PartyId("numbering/authority"), PartyId("registry/network")
OPERATORS = HUB_1, HUB_2 = PartyId("hub-1/operator"), PartyId("hub-2/operator")
LEDGER, DESK, EXCHANGE = PartyId("x-city/ledger"), PartyId("x-city/desk"), PartyId("x-city/exchange")
PENSION, PENSION_DESK = PartyId("pension/ledger"), PartyId("pension/desk")
SERVICES = (NUMBERING, REGISTRY, *OPERATORS)
TAX_DESK = PartyId("tax-office/desk")
CALLERS = (LEDGER, DESK, EXCHANGE, PENSION, PENSION_DESK, TAX_DESK)
DOORS: dict[PartyId, Any] = {NUMBERING: numbering_api, REGISTRY: registry_api}
SECRETS = {operator: OperatorSecrets.generate() for operator in OPERATORS}


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


def operator(edge: Edge, batches: list[TranslateCodes]) -> FastAPI:
    """The part of an operator that the registry meets."""
    app = application("operator")

    @app.post("/key-shares")
    def share(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, ShareOfKey, peer, lambda party: party == REGISTRY).value
        binding = share_binding(peer, message.label, edge.party)
        sealed = seal(SECRETS[edge.party].key_share(message.label), edge.directory.seal_key(peer), binding)
        return edge.answer(KeyShare(in_reply_to=message.message_id, label=message.label, sealed=b64(sealed)))

    @app.post("/code-batches")
    def translate(envelope: Envelope, peer: Peer) -> Envelope:
        message = edge.open(envelope, TranslateCodes, peer, lambda party: party == REGISTRY).value
        batches.append(message)
        return edge.answer(CodesTranslated(in_reply_to=message.message_id, count=len(message.codes)))

    return app


@dataclass
class Country:
    """Registry, numbering authority and two operators, running; `run` starts the operators."""

    folder: Path
    settings: dict[PartyId, RoleSettings]
    batches: list[TranslateCodes]
    run: Callable[[FastAPI, Edge], None]

    def edge(self, party: PartyId) -> Edge:
        return self.settings[party].edge(SystemClock())

    def operators(self) -> None:
        for one in OPERATORS:
            self.run(operator(self.edge(one), self.batches), self.edge(one))

    def say(self, party: PartyId, to: PartyId, path: str, kind: Any, reply: Any, **fields: Any) -> Any:
        """Send one message as a party; what comes back."""
        edge = self.edge(party)
        client = PeerClient(edge)
        try:
            return client.send(path, edge.message(kind, to, **fields), reply).value
        finally:
            client.close()

    def born(self, by: PartyId = LEDGER) -> ResidentSnapshot:
        items = FourItemsPart.of(hanako())
        fields = {"event": RegisterEventKind.BIRTH, "on": date(2020, 1, 1), "four_items": items}
        found = self.say(by, REGISTRY, "/events", RegisterEvent, RegisterEventAccepted, **fields).resident
        assert isinstance(found, ResidentSnapshot)
        return found


@pytest.fixture
def country(tmp_path: Path) -> Iterator[Country]:
    root = Root(tmp_path / "root", datetime.now(UTC))
    parties = (*SERVICES, *CALLERS)
    urls = {party: f"https://127.0.0.1:{free_port()}" for party in SERVICES}
    plans = tuple(PartyPlan(party, tmp_path / party / "keys", urls.get(party)) for party in parties)
    names = {party.split("/")[0]: {"municipality"} if party == LEDGER else {"other"} for party in parties[::-1]}
    names |= {"x-city": {"municipality"}, "tax-office": {"tax-office"}}
    institutions = tuple(Institution(InstitutionId(n), n, n, frozenset(c)) for n, c in names.items())
    write_directory(tmp_path / "directory.json", institutions, tuple(root.equip(plan) for plan in plans), plans)
    write_random_secret(tmp_path / REGISTRY / "keys" / "person.key")
    kinds: dict[PartyId, type[RoleSettings]] = {NUMBERING: NumberingSettings, REGISTRY: RegistrySettings}
    settings: dict[PartyId, RoleSettings] = {
        plan.party: kinds.get(plan.party, RoleSettings)(
            party=plan.party, keys=plan.folder, directory=tmp_path / "directory.json",
            store=f"sqlite:///{tmp_path}/{plan.party}/store.db", port=1,
        )
        for plan in plans
    }  # fmt: skip
    with ExitStack() as stack:
        made = Country(tmp_path, settings, [], lambda app, edge: stack.enter_context(running(app, edge)))
        for party, api in DOORS.items():
            api.prepare(settings[party])
            made.run(api.build(settings[party]), made.edge(party))
        yield made


def refusal(act: Callable[..., object], *arguments: Any, **fields: Any) -> str:
    """The code of the problem with which an act is refused."""
    with pytest.raises(Problem) as caught:
        act(*arguments, **fields)
    return caught.value.code


def test_a_birth_reported_at_the_desk_reaches_the_ledger_by_the_feed(country: Country) -> None:
    resident = country.born(DESK)
    edge = country.edge(LEDGER)
    client = PeerClient(edge)
    page = edge.read(parse_envelope(client.get(REGISTRY, "/feed", {"wait": 5})), FeedPage, REGISTRY).value
    client.close()
    (entry,) = page.entries
    assert (entry.kind, ResidentEvent.model_validate(entry.body).resident) == ("resident", resident)


def test_who_keeps_no_register_reports_nothing(country: Country) -> None:
    for party in (EXCHANGE, PENSION, PENSION_DESK):
        assert refusal(country.born, party) == "peer.not_allowed"


def test_a_field_that_is_wrong_is_named_and_nothing_of_it_is_repeated(country: Country) -> None:
    items = FourItemsPart.of(hanako()).model_copy(update={"sex": "unknown621498320257"})
    with pytest.raises(Problem) as caught:
        country.say(
            LEDGER, REGISTRY, "/events", RegisterEvent, RegisterEventAccepted,
            event=RegisterEventKind.BIRTH, on=date(2020, 1, 1), four_items=items,
        )  # fmt: skip
    assert (caught.value.code, caught.value.where) == ("sex.unknown", "sex")


def test_ledgers_look_up_and_nobody_else(country: Country) -> None:
    number = country.born().individual_number
    fields = {"basis": "番号法第十四条第二項", "individual_number": number}
    found = country.say(PENSION, REGISTRY, "/look-ups", LookUp, LookUpResult, **fields).residents
    assert [(one.individual_number, one.resident_code) for one in found] == [(number, None)]
    by_items = {"basis": "番号法", "four_items": FourItemsPart.of(hanako())}
    assert len(country.say(LEDGER, REGISTRY, "/look-ups", LookUp, LookUpResult, **by_items).residents) == 1
    for party in (DESK, EXCHANGE, NUMBERING):
        refused = refusal(country.say, party, REGISTRY, "/look-ups", LookUp, LookUpResult, **fields)
        assert refused == "peer.not_allowed"


def tickets(*residents: ResidentSnapshot) -> tuple[TicketOf, ...]:
    return tuple(
        TicketOf(ticket=b64(secrets.token_bytes(32)), individual_number=one.individual_number) for one in residents
    )


def issue(country: Country, party: PartyId, institution: str, wanted: tuple[TicketOf, ...]) -> CodesUnderWay:
    reply = country.say(
        party, REGISTRY, "/code-issues", IssueCodes, CodesUnderWay,
        institution=institution, basis="番号法第二十一条第二項", tickets=wanted,
    )  # fmt: skip
    assert isinstance(reply, CodesUnderWay)
    return reply


def test_a_code_goes_to_operator_1_under_the_registry_s_own_key_and_not_to_the_asker(country: Country) -> None:
    country.operators()
    resident = country.born()
    unknown = TicketOf(ticket=b64(secrets.token_bytes(32)), individual_number="621498320257")
    wanted = (*tickets(resident), unknown)
    reply = issue(country, PENSION, "pension", wanted)
    assert (reply.accepted, [one.code for one in reply.refused]) == (1, ["number.unknown"])
    (batch,) = country.batches
    code: BlindCode
    (code,) = batch.codes
    assert (batch.institution, code.ticket) == ("pension", wanted[0].ticket)
    key = assemble_key(SECRETS[HUB_1].key_share("registry#1"), SECRETS[HUB_2].key_share("registry#1"))
    person_key = (country.folder / REGISTRY / "keys" / "person.key").read_bytes()
    point = person_point(person_key, resident.resident_code or "", 0)
    assert decrypt(from_b64(code.ciphertext, "code"), key) == point


def test_codes_of_others_are_refused_at_the_door(country: Country) -> None:
    wanted = tickets(country.born())
    assert refusal(issue, country, PENSION, "x-city", wanted) == "peer.not_allowed"
    assert refusal(issue, country, DESK, "x-city", wanted) == "peer.not_allowed"
    assert refusal(issue, country, PENSION, "portal", wanted) == "peer.not_allowed"


def test_without_the_operators_no_code_is_on_its_way(country: Country) -> None:
    wanted = tickets(country.born())
    assert refusal(issue, country, PENSION, "pension", wanted) == "operator.unreachable"
    assert country.batches == []


def test_only_the_registry_has_people_numbered(country: Country) -> None:
    codes = (ResidentCode.from_body("1234567890").digits,)
    fields: dict[str, object] = {"municipality": "x-city", "resident_codes": codes}
    path = "/assignments"
    first = country.say(REGISTRY, NUMBERING, path, AssignNumbers, NumbersAssigned, **fields).assignments
    again = country.say(REGISTRY, NUMBERING, path, AssignNumbers, NumbersAssigned, **fields).assignments
    assert (first[0].newly, again[0].newly) == (True, False)
    assert first[0].individual_number == again[0].individual_number
    for party in (LEDGER, DESK, EXCHANGE, HUB_1):
        refused = refusal(country.say, party, NUMBERING, path, AssignNumbers, NumbersAssigned, **fields)
        assert refused == "peer.not_allowed"
    fields["municipality"] = "z-town"
    refused = refusal(country.say, REGISTRY, NUMBERING, path, AssignNumbers, NumbersAssigned, **fields)
    assert refused == "institution.unknown"


def test_a_tax_office_gets_corporate_numbers_and_nobody_else_does(country: Country) -> None:
    fields = {"registered_name": "株式会社組紐", "seat": "甲県X市中央1-2-3"}
    path, kind, reply = "/corporate-numbers", AssignCorporateNumber, CorporateNumberAssigned
    first = country.say(TAX_DESK, NUMBERING, path, kind, reply, **fields)
    again = country.say(TAX_DESK, NUMBERING, path, kind, reply, **fields)
    assert (first.newly, again.newly) == (True, False)
    assert first.corporate_number == again.corporate_number
    for other in (DESK, PENSION_DESK, LEDGER):
        assert refusal(country.say, other, NUMBERING, path, kind, reply, **fields) == "peer.not_allowed"


def test_a_store_that_was_not_migrated_does_not_open(country: Country) -> None:
    for party, api in DOORS.items():
        fresh = country.settings[party].model_copy(update={"store": f"sqlite:///{country.folder}/fresh-{party[:3]}.db"})
        assert refusal(api.build, fresh) == "store.not_migrated"
