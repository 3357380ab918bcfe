"""Who holds the keys of every party of a country, and sends with them what no party should."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from doors import Door, knocking

from kumihimo.country.desk import edge_of
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import PartyId
from kumihimo.domain.sealing import sign
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.envelope import Document, Envelope, b64
from kumihimo.plumbing.wire.problem import MEDIA_TYPE, from_document
from kumihimo.plumbing.wire.tls import client_context, host_name


@dataclass
class Attacker:
    """Holds the keys of everybody, and connections that stay open."""

    country: Country
    edges: dict[PartyId, Edge] = field(default_factory=dict)
    lines: dict[tuple[PartyId, PartyId], httpx.Client] = field(default_factory=dict)
    peers: dict[Door, PartyId] = field(default_factory=dict)
    answers: dict[int, int] = field(default_factory=dict)

    def edge(self, party: PartyId) -> Edge:
        return self.edges.setdefault(party, edge_of(self.country, party))

    def envelope(self, kind: type[Document], body: dict[str, Any], *signers: PartyId) -> Envelope:
        """Sign whatever was made, without a look at it."""
        return self.signed(kind, json.dumps(body).encode(), *signers)

    def signed(self, kind: type[Document], payload: bytes, *signers: PartyId) -> Envelope:
        """Sign bytes that need not be a document at all."""
        named = kind.payload_type()
        signatures = tuple(
            {"keyid": one, "sig": b64(sign(named, payload, self.edge(one).identity.signing_key))} for one in signers
        )
        return Envelope.model_validate({"payloadType": named, "payload": b64(payload), "signatures": signatures})

    def post(self, sender: PartyId, to: PartyId, path: str, body: str | bytes | Iterator[bytes]) -> httpx.Response:
        """Send bytes as they are, over the sender's own TLS connection."""
        answer = self._line(sender, to).post(
            f"{self.country.url(to)}{path}", content=body, headers={"content-type": "application/json"},
            extensions={"sni_hostname": host_name(to)},
        )  # fmt: skip
        self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1
        return answer

    def get(self, sender: PartyId, to: PartyId, path: str) -> httpx.Response:
        """Fetch something."""
        return self._line(sender, to).get(f"{self.country.url(to)}{path}", extensions={"sni_hostname": host_name(to)})

    def _line(self, sender: PartyId, to: PartyId) -> httpx.Client:
        if (sender, to) not in self.lines:
            verify = client_context(self.edge(sender).identity)
            self.lines[sender, to] = httpx.Client(verify=verify, trust_env=False, timeout=30)
        return self.lines[sender, to]

    def close(self) -> None:
        for line in self.lines.values():
            line.close()

    def header(self, door: Door) -> dict[str, Any]:
        """The fields without which a message is not looked at."""
        now = datetime.now(UTC).isoformat()
        return {"audience": door.service, "sent_at": now, "message_id": secrets.token_hex(16)}

    def peer(self, door: Door) -> PartyId:
        """Somebody who may send this kind there: found by asking."""
        if door not in self.peers:
            for one in knocking(door.service):
                sent = self.envelope(door.kind, self.header(door), one)
                answer = self.post(one, door.service, door.path, sent.model_dump_json())
                if answer.status_code < 300 or problem_of(answer) != "peer.not_allowed":
                    self.peers[door] = one
                    break
            else:
                raise AssertionError(f"nobody may knock at {door}")
        return self.peers[door]


def problem_of(answer: httpx.Response) -> str:
    """The code of a problem document; anything else with such a status is a failure."""
    assert answer.headers["content-type"] == MEDIA_TYPE, (answer.status_code, answer.text[:200])
    problem = from_document(answer.content, answer.status_code, "test")
    assert problem.code != "internal", answer.text[:500]
    assert answer.status_code == problem.status
    return problem.code
