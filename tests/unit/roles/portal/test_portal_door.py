"""Who may open an account at the portal, and who may read its access records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Message, parse_envelope
from kumihimo.plumbing.wire.messages.ledger import Accesses, PortalAccountOpened, PortalTicket, ShowAccesses
from kumihimo.plumbing.wire.tls import PEER
from kumihimo.roles.portal.api import build, prepare
from kumihimo.roles.portal.settings import Settings

PORTAL = PartyId("portal/portal")


class As:
    """The application as a peer with a certificate reaches it."""

    def __init__(self, app: Any, peer: str) -> None:
        self._app = app
        self._peer = PartyId(peer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[PEER] = self._peer
        await self._app(scope, receive, send)


@pytest.fixture
def settings(country: Path, operators: Any, tmp_path: Path) -> Settings:
    made = Settings(
        party=PORTAL,
        keys=country / "portal/portal/keys",
        directory=country / "directory.json",
        store=f"sqlite:///{tmp_path}/portal.db",
        port=1,
        log_key=str(operators.log_key.verifier_key),
        witness_keys=(str(operators.witness.witness_key),),
    )
    prepare(made)
    return made


@pytest.fixture
def ask(settings: Settings, clock: Any, edge_of: Callable[[str], Edge]) -> Callable[..., Any]:
    """Send a message as a party and return the HTTP answer."""
    app = build(settings, clock)

    def asked(peer: str, path: str, kind: type[Message], **fields: Any) -> Any:
        edge = edge_of(peer)
        envelope = edge.answer(edge.message(kind, PORTAL, **fields))
        return TestClient(As(app, peer)).post(path, json=envelope.model_dump(mode="json"))

    return asked


def test_a_municipality_opens_an_account_and_the_resident_finds_it_empty(
    ask: Callable[..., Any], edge_of: Callable[[str], Edge], ticket_of: Callable[[int], str]
) -> None:
    resident = edge_of("portal/resident")
    answer = ask("x-city/ledger", "/accounts", PortalTicket, ticket=ticket_of(1))
    account = resident.read(parse_envelope(answer.content), PortalAccountOpened, PORTAL).value.account
    answer = ask("portal/resident", "/accesses", ShowAccesses, account=account)
    shown = resident.read(parse_envelope(answer.content), Accesses, PORTAL).value
    assert (shown.account, shown.accesses) == (account, ())


@pytest.mark.parametrize("peer", ["tax-office/ledger", "x-city/desk", "portal/resident"])
def test_nobody_but_a_municipality_opens_accounts(
    ask: Callable[..., Any], ticket_of: Callable[[int], str], peer: str
) -> None:
    answer = ask(peer, "/accounts", PortalTicket, ticket=ticket_of(1))
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:kumihimo:problem:peer.not_allowed")


@pytest.mark.parametrize("peer", ["x-city/ledger", "x-city/desk", "hub-1/operator"])
def test_no_institution_reads_access_records(
    ask: Callable[..., Any], edge_of: Callable[[str], Edge], ticket_of: Callable[[int], str], peer: str
) -> None:
    opened = ask("x-city/ledger", "/accounts", PortalTicket, ticket=ticket_of(1))
    account = edge_of(peer).read(parse_envelope(opened.content), PortalAccountOpened, PORTAL).value.account
    answer = ask(peer, "/accesses", ShowAccesses, account=account)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:kumihimo:problem:peer.not_allowed")


def test_an_account_nobody_opened_is_unknown_at_the_door_too(ask: Callable[..., Any]) -> None:
    answer = ask("portal/resident", "/accesses", ShowAccesses, account="0" * 32)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:kumihimo:problem:account.unknown")
