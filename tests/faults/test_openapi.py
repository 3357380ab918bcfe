"""What a role says of its own routes (OpenAPI) is tried out by schemathesis: no 500, and every error a problem document.

Through the application in this process, with the peer that the TLS layer would name; what gets past a signature is tried in
`test_signed_payloads.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from doors import SERVICES, Asked, app_of, knocking
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.transport import Response

from kumihimo.country.layout import Country
from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.wire.edge import close
from kumihimo.plumbing.wire.problem import MEDIA_TYPE, from_document

ALL = [pytest.param(party, id=party.replace("/", "-")) for party in SERVICES]


def hold(response: Response, what: str) -> None:
    """No accident inside, and whatever is an error says so in a problem document."""
    assert response.status_code != 500, (what, response.text[:300])
    if response.status_code == 204:  # nothing newer, and so no content
        return
    media = response.headers["content-type"][0].split(";")[0]
    if response.status_code < 400:
        return
    if what.startswith(
        ("POST /witness/", "GET /ready ")
    ):  # C2SP has words for it; readiness is an answer, not an error
        assert media in (MEDIA_TYPE, "text/plain", "application/json"), what
        return
    assert media == MEDIA_TYPE, what
    problem = from_document(response.content, response.status_code, "test")
    assert problem.status == response.status_code, (what, response.text[:300])


@pytest.mark.parametrize("party", ALL)
def test_no_request_that_fits_the_description_makes_a_service_stumble(
    founded: Country, party: PartyId, examples: int
) -> None:
    app = app_of(founded, party)
    close(app)  # nobody waits at the feed for what never comes
    asked = Asked(app)
    schema = schemathesis.openapi.from_asgi("/openapi.json", asked)
    peers = st.sampled_from([*knocking(party), None])
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=examples, deadline=None, database=None, phases=[Phase.generate], derandomize=examples < 100,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(), peer=peers)
        def ask(case: Any, peer: PartyId | None) -> None:
            asked.peer = peer
            hold(case.call(), f"{case.method} {case.path} by {peer}")

        ask()
        tried += 1
    assert tried == sum(len(methods) for methods in app.openapi()["paths"].values())


@pytest.mark.parametrize("party", ALL)
def test_what_is_not_described_is_refused(founded: Country, party: PartyId) -> None:
    asked = Asked(app_of(founded, party))
    asked.peer = knocking(party)[0]
    schema = schemathesis.openapi.from_asgi("/openapi.json", asked)
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations:
        described = {other.method.upper() for other in operations if other.path == operation.path}
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - described:
            response = operation.Case(
                method=method, path_parameters={"place": "0/000", "reference": "1", "number": "1"}
            ).call()
            assert response.status_code == 405, (method, operation.path)
            assert response.headers["content-type"][0] == MEDIA_TYPE
