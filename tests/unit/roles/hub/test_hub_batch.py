"""A chunk of a batch at the two operators: every person is ruled on, logged and told to the portal as if asked about alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from hub_country import HUB_1, HUB_2, OVERSIGHT, PORTAL, Caller, HubCountry, X, Y, code_of
from sqlalchemy import func, select

from kumihimo.domain.codes import decrypt, encrypt, public_key, random_scalar
from kumihimo.domain.kernel import Problem, institution_of
from kumihimo.domain.sealing import commit
from kumihimo.plumbing.wire.chunks import (
    PersonOf,
    RecordForm,
    check_logged_records,
    packed,
    permit_for_person,
    person_transaction,
    positions_in,
    ranges,
    refusals_by_position,
    unpacked,
)
from kumihimo.plumbing.wire.envelope import Envelope, b64
from kumihimo.plumbing.wire.messages.batch import (
    ChunkDecision,
    ChunkPermit,
    ChunkRequest,
    LogPromises,
    OutcomesLogged,
    OversightRecords,
    PortalAccesses,
    PortalOutcomes,
    ReportOutcomes,
)
from kumihimo.plumbing.wire.messages.inquiry import EntryKind, LogRecord, Outcome
from kumihimo.plumbing.wire.messages.provision import ReportOutcome
from kumihimo.roles.hub.service.chunk_hops import ChunkTranslation, Line
from kumihimo.roles.hub.store import RECORDS_KIND, HopSeeds
from kumihimo.roles.hub.store.tables import marks

NAMES = [f"person {number}" for number in range(40)]


def chunk(caller: Caller, codes: list[bytes], **changes: Any) -> ChunkRequest:
    """A lawful question to Y City about the holders of these codes."""
    key = public_key(caller.link_key())
    fields: dict[str, Any] = {
        "transaction": random_scalar().hex()[:32],
        "requester": institution_of(caller.edge.party),
        "provider": "y-city",
        "affair": "child-allowance.payment",
        "items": ("local-tax",),
        "case_reference_hash": "0" * 64,
        "subjects": packed(encrypt(code, key, random_scalar()) for code in codes),
    }
    message: ChunkRequest = caller.message(ChunkRequest, **{**fields, **changes})
    return message


def ask(caller: Caller, request: ChunkRequest) -> ChunkDecision:
    return caller.wire.send("/chunks", request, ChunkDecision).value


def report(country: HubCountry, by: Any, permit: Envelope, outcomes: str, **changes: Any) -> OutcomesLogged:
    caller = country.party(by)
    said = caller.edge.read(permit, ChunkPermit).value
    fields: dict[str, Any] = {
        "transaction": said.transaction,
        "requester": said.requester,
        "provider": said.provider,
        "outcomes": outcomes,
        "payload_hash": "a" * 64,
        "permit": permit,
    }
    message = caller.message(ReportOutcomes, **{**fields, **changes})
    return caller.wire.send("/outcomes-of-chunks", message, OutcomesLogged).value


@pytest.fixture
def codes(country: HubCountry) -> list[bytes]:
    return country.issue("x-city", NAMES)


def requests(country: HubCountry) -> list[LogRecord]:
    return [one for one in country.log() if one.entry is EntryKind.REQUEST]


def told(country: HubCountry, kind: str) -> list[dict[str, Any]]:
    return [one.body for one in country.party(PORTAL).feed(HUB_2) if one.kind == kind]


def test_everybody_of_a_chunk_has_an_entry_a_ciphertext_for_the_provider_and_one_for_the_portal(
    country: HubCountry, codes: list[bytes]
) -> None:
    at_y, at_portal = country.issue("y-city", NAMES), country.issue("portal", NAMES)
    caller = country.party(X)
    request = chunk(caller, codes)
    decision = ask(caller, request)
    assert decision.permit is not None
    permit = caller.edge.read(decision.permit, ChunkPermit, HUB_1, HUB_2).value
    assert permit.positions == ((0, 39),)
    key = country.party(Y).link_key()
    assert [decrypt(one, key) for one in unpacked(decision.subjects, 64, "subjects")] == at_y
    promise = caller.edge.read(decision.promise, LogPromises, HUB_1).value
    entries = country.log()
    sent = unpacked(request.subjects, 64, "subjects")
    for position, index in enumerate(promise.indexes):
        record = entries[index]
        assert record.transaction == person_transaction(request.transaction, position)
        assert record.subject_hash == hashlib.sha256(sent[position]).hexdigest()
        assert record.granted
    (item,) = told(country, "accesses")
    access = PortalAccesses.model_validate(item)
    portal_key = country.party(PORTAL).link_key()
    assert [decrypt(one, portal_key) for one in unpacked(access.subjects, 64, "subjects")] == at_portal


def test_a_person_of_a_chunk_gets_the_record_and_the_permit_a_single_inquiry_would_get(
    country: HubCountry, codes: list[bytes]
) -> None:
    caller = country.party(X)
    single = caller.inquire(codes[0])
    decision = ask(caller, chunk(caller, codes[:2]))
    assert decision.permit is not None
    one, first, _ = requests(country)
    apart = {"transaction": None, "subject_hash": None, "request_hash": None, "logged_at": None, "requested_at": None}
    assert one.model_copy(update=apart) == first.model_copy(update=apart)
    assert single.permit is not None
    permit = caller.edge.read(decision.permit, ChunkPermit).value
    of_person = permit_for_person(permit, 0, first.subject_hash or "", 0)
    assert (of_person.rules, of_person.articles, of_person.rule_book) == (one.rules, one.articles, one.rule_book)


def test_the_overseer_hears_every_entry_of_a_chunk_and_every_promise(country: HubCountry, codes: list[bytes]) -> None:
    caller = country.party(X)
    before = len(country.log())
    ask(caller, chunk(caller, codes))
    overseer = country.party(OVERSIGHT)
    (item,) = [one for one in overseer.feed(HUB_1) if one.kind == RECORDS_KIND]
    opened = OversightRecords.model_validate(item.body)
    promise = overseer.edge.read(opened.promise, LogPromises, HUB_1).value
    assert promise.indexes == tuple(range(before, before + 40))
    salts, entries = unpacked(opened.salts, 32, "salts"), unpacked(promise.entries, 32, "entries")
    assert [commit(salt, text.encode()) for salt, text in zip(salts, opened.records, strict=True)] == entries
    (seen,) = [one for one in overseer.feed(HUB_2) if one.kind == "promises"]
    assert overseer.edge.read(Envelope.model_validate(seen.body["promise"]), LogPromises, HUB_1)


def test_the_same_chunk_again_gets_the_same_permit_and_no_second_entry(country: HubCountry, codes: list[bytes]) -> None:
    caller = country.party(X)
    request = chunk(caller, codes)
    first = ask(caller, request)
    entries = len(country.log())
    again = ask(caller, request)
    assert (again.permit, again.subjects) == (first.permit, first.subjects)
    assert again.promise == first.promise
    assert len(country.log()) == entries
    assert len(told(country, "accesses")) == 1


def test_another_chunk_under_a_used_number_is_refused_for_everybody(country: HubCountry, codes: list[bytes]) -> None:
    caller = country.party(X)
    request = chunk(caller, codes)
    ask(caller, request)
    other = ask(caller, chunk(caller, codes, transaction=request.transaction))
    assert other.permit is None
    assert {one.code for one in refusals_by_position(other.refused, 40).values()} == {"message.replayed"}
    assert len(requests(country)) == 80


def test_what_the_law_does_not_allow_is_refused_logged_and_told_for_each_person(
    country: HubCountry, codes: list[bytes]
) -> None:
    caller = country.party(X)
    decision = ask(caller, chunk(caller, codes, affair="library.cards"))
    assert decision.permit is None
    assert decision.subjects == ""
    refused = refusals_by_position(decision.refused, 40)
    assert {one.code for one in refused.values()} == {"affair.unknown"}
    assert len(refused) == 40
    assert all(not one.granted and one.refusal for one in requests(country))
    (item,) = told(country, "accesses")
    assert len(unpacked(PortalAccesses.model_validate(item).subjects, 64, "subjects")) == 40


def test_what_is_no_ciphertext_is_refused_alone(country: HubCountry, codes: list[bytes]) -> None:
    caller = country.party(X)
    request = chunk(caller, codes)
    subjects = unpacked(request.subjects, 64, "subjects")
    subjects[3], subjects[7] = bytes(64), b"\xff" * 64
    decision = ask(caller, request.model_copy(update={"subjects": packed(subjects)}))
    refused = refusals_by_position(decision.refused, 40)
    assert {at: one.code for at, one in refused.items()} == {3: "codes.identity_point", 7: "codes.not_a_point"}
    assert decision.permit is not None
    permit = caller.edge.read(decision.permit, ChunkPermit).value
    assert permit.positions == ((0, 2), (4, 6), (8, 39))
    (item,) = told(country, "accesses")
    access = PortalAccesses.model_validate(item)
    assert access.logged.positions == permit.positions


def test_the_quota_counts_every_person_and_lets_those_below_it_pass(hub_keys: Any, tmp_path: Any) -> None:
    country = HubCountry(hub_keys, tmp_path, overrides={1: {"requests_per_minute": 25}, 2: {"requests_per_minute": 20}})
    caller = country.party(X)
    decision = ask(caller, chunk(caller, country.issue("x-city", NAMES)))
    refused = refusals_by_position(decision.refused, 40)
    assert {one.code for one in refused.values()} == {"quota.exceeded"}
    assert sorted(refused) == list(range(20, 40))
    entries = country.log()
    promise = caller.edge.read(decision.promise, LogPromises, HUB_1).value
    assert [entries[index].granted for index in promise.indexes] == [True] * 20 + [False] * 20
    with country.engine(HUB_2).connect() as conn:
        counted = conn.scalar(select(func.count()).select_from(marks).where(marks.c.requester == "x-city"))
    assert counted == 25 - 5


def test_a_provider_that_is_in_no_list_is_refused_for_everybody(country: HubCountry, codes: list[bytes]) -> None:
    caller = country.party(X)
    request = chunk(caller, codes, provider="nowhere")
    decision = ask(caller, request)
    assert {one.code for one in refusals_by_position(decision.refused, 40).values()} == {"institution.unknown"}


def test_without_operator_2_everybody_is_refused_in_the_log_and_the_portal_hears_of_it_later(
    country: HubCountry, codes: list[bytes]
) -> None:
    at_portal = country.issue("portal", NAMES)
    caller = country.party(X)
    caller.link_key()
    request = chunk(caller, codes)
    country.down.add(HUB_2)
    with pytest.raises(Problem) as caught:
        ask(caller, request)
    assert caught.value.code == "operator.unreachable"
    assert [one.granted for one in requests(country)] == [True] * 40 + [False] * 40
    country.down.clear()
    relay = refusal_relay(country)
    assert relay.send_all() == 0
    assert relay.send_all() == 0
    (item,) = told(country, "accesses")
    access = PortalAccesses.model_validate(item)
    key = country.party(PORTAL).link_key()
    assert [decrypt(one, key) for one in unpacked(access.subjects, 64, "subjects")] == at_portal
    assert all(record.refusal is not None for record in access.logged.records)
    again = ask(caller, request)
    assert again.permit is not None, "the same request goes on where it broke off"


def refusal_relay(country: HubCountry) -> Any:
    from kumihimo.roles.hub.service.batch_refusals import ChunkRefusals
    from kumihimo.roles.hub.service.chunk_journal import ChunkJournal
    from kumihimo.roles.hub.service.refusals import RefusalRelay
    from kumihimo.roles.hub.store import LogStore

    operator = country.operators[HUB_1]
    edge = operator.edge
    store = LogStore(operator.engine, edge.answer, OVERSIGHT)
    entries = ChunkJournal(store, lambda: None)
    chunks = ChunkRefusals(edge, entries, operator.chunk_translation(), operator.client)
    return RefusalRelay(edge, store, operator.translator, operator.seeds, operator.client, operator.domains, chunks)


def test_every_outcome_of_a_chunk_is_logged_once_and_told_to_the_portal(
    country: HubCountry, codes: list[bytes]
) -> None:
    caller = country.party(X)
    decision = ask(caller, chunk(caller, codes))
    assert decision.permit is not None
    outcomes = "PNWH" * 10
    logged = report(country, Y, decision.permit, outcomes)
    found = [one for one in country.log() if one.entry is EntryKind.OUTCOME]
    by_letter = {"P": Outcome.PROVIDED, "N": Outcome.NONE, "W": Outcome.WITHHELD, "H": Outcome.PENDING}
    assert [one.outcome for one in found] == [by_letter[letter] for letter in outcomes]
    assert [one.payload_hash is not None for one in found] == [letter == "P" for letter in outcomes]
    again = report(country, Y, decision.permit, outcomes)
    assert again.promise == logged.promise
    assert len([one for one in country.log() if one.entry is EntryKind.OUTCOME]) == 40
    (item,) = told(country, "outcomes")
    kept = PortalOutcomes.model_validate(item)
    edge = country.party(PORTAL).edge
    persons = [PersonOf(person_transaction(kept.transaction, at)) for at in positions_in(kept.logged.positions, 1000)]
    assert len(check_logged_records(edge, kept.logged, persons).entries) == 40
    with pytest.raises(Problem) as caught:
        report(country, Y, decision.permit, "N" * 40)
    assert caught.value.code == "message.replayed"


def test_a_pending_person_of_a_chunk_is_reported_singly_in_the_end(country: HubCountry, codes: list[bytes]) -> None:
    caller = country.party(X)
    request = chunk(caller, codes)
    decision = ask(caller, request)
    assert decision.permit is not None
    report(country, Y, decision.permit, "H" + "P" * 39)
    provider = country.party(Y)
    fields: dict[str, Any] = {
        "requester": "x-city",
        "provider": "y-city",
        "permit": decision.permit,
        "payload_hash": "b" * 64,
    }
    final = provider.message(
        ReportOutcome,
        transaction=person_transaction(request.transaction, 0),
        outcome=Outcome.PROVIDED,
        **fields,
    )
    provider.tell(final)
    assert country.log()[-1].outcome is Outcome.PROVIDED
    stranger = provider.message(ReportOutcome, transaction="f" * 32, outcome=Outcome.NONE, **fields)
    with pytest.raises(Problem) as caught:
        provider.tell(stranger)
    assert caught.value.code == "message.malformed"
    twice = provider.message(
        ReportOutcome, transaction=person_transaction(request.transaction, 1), outcome=Outcome.NONE, **fields
    )
    with pytest.raises(Problem) as caught:
        provider.tell(twice)
    assert caught.value.code == "message.replayed"


def test_only_the_provider_of_the_permit_reports_what_it_provided(country: HubCountry, codes: list[bytes]) -> None:
    caller = country.party(X)
    decision = ask(caller, chunk(caller, codes))
    assert decision.permit is not None
    with pytest.raises(Problem) as caught:
        report(country, X, decision.permit, "P" * 40)
    assert caught.value.code == "peer.not_allowed"
    report(country, X, decision.permit, "U" * 40, payload_hash=None)


def test_an_operator_that_translates_one_person_of_a_chunk_falsely_is_found(
    country: HubCountry, codes: list[bytes]
) -> None:
    caller = country.party(X)
    request = chunk(caller, codes)
    translator = country.operators[HUB_1].translator
    honest = translator.hop_each

    def false(ciphertexts: Any, source: str, target: str, seeds: Any, fresh: Any = None) -> list[bytes]:
        translated = honest(ciphertexts, source, target, seeds, fresh)
        if target.startswith("y-city"):
            translated[5] = encrypt(codes[7], public_key(country.party(Y).link_key()), random_scalar())
        return translated

    translator.hop_each = false  # type: ignore[method-assign]
    with pytest.raises(Problem) as caught:
        ask(caller, request)
    assert caught.value.code == "codes.proof_invalid"
    items = [one for one in country.party(OVERSIGHT).feed(HUB_2) if one.kind == "unproven"]
    assert len(items) == 1
    told = {items[0].body["transaction"], items[0].body["target"]}
    assert told <= {*(person_transaction(request.transaction, at) for at in (5, 37)), items[0].body["target"]}


@pytest.mark.parametrize("subjects", ["", b64(b"x" * 63), b64(b"x" * 64 * 1001)])
def test_a_chunk_about_nobody_or_too_many_is_rejected_and_logged_as_such(
    country: HubCountry, codes: list[bytes], subjects: str
) -> None:
    caller = country.party(X)
    request = chunk(caller, codes)
    if len(subjects) > 85_400:
        request = request.model_construct(**{**dict(request), "subjects": subjects})
    else:
        request = request.model_copy(update={"subjects": subjects})
    problem = caller.post("/chunks", caller.edge.answer(request).model_dump_json().encode())
    assert code_of(problem) == "message.malformed"
    assert country.log()[-1].entry is EntryKind.REJECTED
    assert not requests(country)


def test_a_chunk_signed_for_another_institution_or_an_old_one_is_rejected(
    country: HubCountry, codes: list[bytes]
) -> None:
    caller = country.party(X)
    problem = caller.post(
        "/chunks", caller.edge.answer(chunk(caller, codes, requester="y-city")).model_dump_json().encode()
    )
    assert code_of(problem) == "message.wrong_signer"
    old = chunk(caller, codes)
    stale = old.model_copy(update={"sent_at": old.sent_at - timedelta(minutes=6)})
    problem = caller.post("/chunks", caller.edge.answer(stale).model_dump_json().encode())
    assert code_of(problem) == "message.stale"
    assert not requests(country)


def test_neither_wire_nor_stores_of_the_hub_show_two_persons_of_two_chunks_as_one(
    country: HubCountry, codes: list[bytes]
) -> None:
    caller = country.party(X)
    first, second = chunk(caller, codes), chunk(caller, codes)
    for request in (first, second):
        ask(caller, request)
    seen = [unpacked(request.subjects, 64, "subjects") for request in (first, second)]
    for _, path, sent, _ in country.carried:
        if path == "/relayed-chunks":
            payload = json.loads(Envelope.model_validate_json(sent).payload_bytes())
            seen.append(unpacked(payload["for_provider"], 64, "for_provider"))
            seen.append(unpacked(payload["for_portal"], 64, "for_portal"))
    flat = [one for many in seen for one in many]
    assert len(flat) == len(set(flat)) == 6 * 40


def test_the_record_form_writes_what_the_record_itself_would() -> None:
    record = LogRecord(
        entry=EntryKind.REQUEST,
        logged_at="2026-11-02T03:00:00Z",
        requester="x-city",
        affair='with "quotes"',
        items=("local-tax",),
    )
    for person in (PersonOf("ab" * 16, "cd" * 32), PersonOf("ef" * 16)):
        form = RecordForm(record)
        assert form.written(person) == form.record(person).to_bytes()


@pytest.mark.parametrize(
    ("positions", "runs"), [([], ()), ([0], ((0, 0),)), ([0, 1, 2, 5, 7, 8], ((0, 2), (5, 5), (7, 8)))]
)
def test_positions_go_as_runs_and_come_back(positions: list[int], runs: Any) -> None:
    assert ranges(positions) == runs
    assert positions_in(runs, 9) == positions


@pytest.mark.parametrize("runs", [((3, 2),), ((0, 4), (4, 5)), ((0, 10),), ((-1, 3),)])
def test_positions_out_of_order_or_of_nobody_are_refused(runs: Any) -> None:
    with pytest.raises(Problem):
        positions_in(runs, 10)


class NotedSeeds(HopSeeds):
    """The operator's seeds, which note in what order they are asked for."""

    asked: list[str]

    def seeds(self, transactions: Sequence[str], at: datetime) -> list[bytes]:
        self.asked.append(transactions[0])
        return super().seeds(transactions, at)


def test_a_chunk_is_translated_whole_before_the_next_is_begun(country: HubCountry, codes: list[bytes]) -> None:
    caller, operator = country.party(X), country.operators[HUB_1]
    key = public_key(caller.link_key())
    seeds = NotedSeeds(operator.engine)
    seeds.asked = []
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(3) as desks:
        translation = ChunkTranslation(operator.translator, seeds, pool, operator.domains)

        def lines(number: str) -> list[Line]:
            items = [(number * 32, encrypt(code, key, random_scalar())) for code in codes]
            return [Line(items, "x-city#1", target) for target in ("y-city#1", "portal#1")]

        chunks = [desks.submit(translation.hops, lines(number), caller.edge.clock.now()) for number in "abc"]
        done = [one.result() for one in chunks]
    assert [[len(line) for line in one] for one in done] == [[len(codes)] * 2] * 3
    assert [seeds.asked[place] for place in (0, 2, 4)] == [seeds.asked[place] for place in (1, 3, 5)]
    assert sorted(seeds.asked) == [number * 32 for number in "aabbcc"]
