"""Whatever a party of the country signs and sends, no service answers "something went wrong inside".

The attacker has the keys of every party: each message is signed by whoever may send its kind, so that what is in it is looked
at. Real processes, real TLS, payloads by chance; `--deep` sends many more.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from doors import SERVICES, Door, app_of, documents, doors
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from payloads import Payloads
from signing import Attacker, problem_of

from kumihimo.country import topology
from kumihimo.country.inspection import read_cell
from kumihimo.country.layout import Country
from kumihimo.country.people.hanako import hanako
from kumihimo.domain.kernel import PartyId
from kumihimo.plumbing.wire.envelope import Document, b64

INSIDE = frozenset({"InquiryRequest", "Permit", "Promise", "TranslateCodes", "ReportOutcome", "Order", "RelayCodes"})


@pytest.fixture(scope="module")
def words(land: Country) -> dict[str, list[str]]:
    """Real values by the names of fields."""
    number = read_cell(land, topology.ledger_of("x-city"), "SELECT individual_number FROM addressee LIMIT ?", "1")
    addressee = read_cell(land, topology.ledger_of("x-city"), "SELECT addressee_number FROM addressee LIMIT ?", "1")
    person = hanako(land.founded).four_items.to_dict()
    institutions = ["x-city", "y-city", "health-insurer", "portal", "nobody"]
    numbers, points = [number, "621498320257"], [b64(secrets.token_bytes(64)), b64(bytes(64)), b64(bytes(32))]
    return {
        "institution": institutions, "requester": institutions, "provider": institutions, "affair": ["child-allowance.payment"],
        "items": ["local-tax", "medical-insurance"], "item": ["local-tax", "vaccination"], "staff": ["kosodate-01"],
        "individual_number": numbers, "other_number": numbers, "former_numbers": numbers, "resident_code": ["12345678901"],
        "addressee_number": [addressee], "addressee_numbers": [addressee], "other_addressee_number": [addressee],
        "transaction": [secrets.token_hex(16), "0" * 32], "subject": points, "ciphertext": points, "replaces": points,
        "commitment": points, "salt": points, "ticket": [secrets.token_hex(16)], "tickets": [secrets.token_hex(16)],
        "case_reference_hash": ["0" * 64], "payload_hash": ["0" * 64], "label": ["x-city#0", "registry#0", "portal#0"],
        "case_reference": ["児童手当 2026-0001"], "basis": ["番号法"], "reason": ["転入"], "account": ["0" * 32],
        "sex": [person["sex"]], "family": [person["name"]["family"]], "given": [person["name"]["given"]],
        "family_kana": [person["name"]["family_kana"]], "given_kana": [person["name"]["given_kana"]],
        "prefecture": ["甲県"], "municipality": ["X市"], "lines": ["中央1-1"], "code": ["992011"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def payloads(attacker: Attacker, words: dict[str, list[str]]) -> Payloads:
    kinds = [kind for name, kind in documents().items() if name in INSIDE]
    signers = st.sampled_from(
        [(topology.HUB_2, topology.HUB_1), (topology.HUB_1,), (topology.HUB_2,), (topology.exchange_of("x-city"),), ()]
    )

    def envelopes() -> st.SearchStrategy[Any]:
        def signed(kind: type[Document]) -> st.SearchStrategy[Any]:
            shallow = Payloads(words, st.none).of(kind)
            return st.builds(
                lambda body, by: attacker.envelope(kind, body, *by).model_dump(mode="json"), shallow, signers
            )

        return st.sampled_from(kinds).flatmap(signed)

    return Payloads(words, envelopes)


ALL = [
    pytest.param(party, id=party.replace("/", "-"))
    for party in sorted(SERVICES, key=lambda one: one == topology.OVERSIGHT)  # whose orders would stop the others: last
]


@pytest.mark.parametrize("party", ALL)
def test_no_signed_message_makes_a_service_stumble(
    founded: Country, attacker: Attacker, payloads: Payloads, party: PartyId, examples: int
) -> None:
    routes = doors(app_of(founded, party), party)
    assert routes
    for door in routes:
        _pester(attacker, payloads, door, examples)


def test_some_of_these_messages_are_taken(attacker: Attacker) -> None:
    assert attacker.answers.get(200, 0) > 10, attacker.answers
    assert attacker.answers.get(400, 0) > 10, attacker.answers


def _pester(attacker: Attacker, payloads: Payloads, door: Door, examples: int) -> None:
    sender = attacker.peer(door)

    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate], derandomize=examples < 100,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def send(data: st.DataObject) -> None:
        body = data.draw(payloads.of(door.kind, attacker.header(door)))
        sent = attacker.envelope(door.kind, body, sender)
        answer = attacker.post(sender, door.service, door.path, sent.model_dump_json())
        if answer.status_code < 300:
            return
        try:
            problem_of(answer)
        except AssertionError as error:
            raise AssertionError(f"{door}: {json.dumps(body)[:1500]}") from error

    send()
