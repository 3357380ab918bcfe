"""The hub's invariants: nothing unlogged leaves (I5), no permit without rule (I4), two requests cannot be joined (I3)."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from hub_country import HUB_1, HUB_2, PORTAL, HubCountry, X, Y, code_of, commits_refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kumihimo.domain.codes import decrypt
from kumihimo.domain.kernel.clock import legal_day
from kumihimo.domain.law import Permission, Question
from kumihimo.plumbing.wire.envelope import from_b64
from kumihimo.plumbing.wire.messages.inquiry import EntryKind


def test_without_a_durable_entry_there_is_no_answer(country: HubCountry) -> None:
    """I5: the disk fails at the commit; nothing was passed to operator 2, nothing told to anybody."""
    (hanako,) = country.issue("x-city", ["hanako"])
    x = country.party(X)
    body = x.edge.answer(x.request(hanako)).model_dump_json().encode()
    before, told = country.log(), len(country.overseen())
    country.carried.clear()

    with commits_refused(country.engine(HUB_1)):
        answer = x.post("/inquiries", body)
    assert code_of(answer) == "internal"
    assert [path for _, path, _, _ in country.carried] == ["/inquiries"]
    assert (country.log(), len(country.overseen())) == (before, told)
    assert "payload" in x.post("/inquiries", body), "the same request is taken once the disk is there again"


def test_when_operator_2_cannot_write_down_what_it_passes_there_is_no_permit(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    x = country.party(X)
    body = x.edge.answer(x.request(hanako)).model_dump_json().encode()
    with commits_refused(country.engine(HUB_2)):
        answer = x.post("/inquiries", body)
    assert code_of(answer) == "internal"
    record = country.log()[-1]
    assert record.granted is False
    assert country.party(PORTAL).feed(HUB_2) == ()


def test_every_answer_points_to_an_entry_that_was_there_before_it_left(country: HubCountry) -> None:
    (hanako,) = country.issue("x-city", ["hanako"])
    x = country.party(X)
    seen: list[int] = []
    carry = country.carry

    def watching(me: Any, party: Any, method: str, path: str, content: Any, params: Any) -> Any:
        if path == "/relayed-inquiries":
            seen.append(sum(record.entry is EntryKind.REQUEST for record in country.log()))
        return carry(me, party, method, path, content, params)

    country.carry = watching  # type: ignore[method-assign]
    x.inquire(hanako)
    x.inquire(hanako, items=("horoscope",))
    assert seen == [1, 2]


AFFAIRS = st.sampled_from(
    ["child-allowance.payment", "vaccination.benefits-and-charges", "public-assistance.decision", "library.cards"]
)
ITEMS = st.lists(
    st.sampled_from(["local-tax", "resident-record", "pension", "child-allowance", "horoscope"]),
    min_size=1,
    max_size=3,
    unique=True,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(affair=AFFAIRS, items=ITEMS, provider=st.sampled_from(["y-city", "pension-service", "ko-pref"]))
def test_a_permit_exists_exactly_where_the_rule_book_says_yes(
    country: HubCountry, affair: str, items: list[str], provider: str
) -> None:
    """I4."""
    (hanako,) = country.issue("x-city", ["hanako"])
    decision = country.party(X).inquire(hanako, affair=affair, items=tuple(items), provider=provider)
    directory, book = country.edge(X).directory, country.operators[HUB_1].book
    ends = directory.institution("x-city"), directory.institution(provider)
    answer = book.ask(Question(*ends, affair, tuple(items), legal_day(country.clock.now())))
    assert (decision.permit is not None) == isinstance(answer, Permission)
    assert (decision.refusal is None) == isinstance(answer, Permission)


def test_operators_with_different_rule_books_permit_nothing(hub_keys: Path, tmp_path: Path) -> None:
    ordinance = Path("src/kumihimo/domain/law/books/ordinance_example.toml")
    country = HubCountry(hub_keys, tmp_path, overrides={2: {"rule_books": (ordinance.resolve(),)}})
    (hanako,) = country.issue("x-city", ["hanako"])
    x = country.party(X)
    answer = x.post("/inquiries", x.edge.answer(x.request(hanako)).model_dump_json().encode())
    assert code_of(answer) == "rules.books_differ"
    assert country.party(PORTAL).feed(HUB_2) == ()
    record = country.log()[-1]
    assert record.granted is False


def shared_runs(left: bytes, right: bytes, length: int = 16) -> set[bytes]:
    """Byte strings of `length` that stand in both."""
    runs = {left[at : at + length] for at in range(len(left) - length + 1)}
    return {right[at : at + length] for at in range(len(right) - length + 1)} & runs


def ciphertexts(view: Any) -> bytes:
    """All decoded base64 of 64 bytes anywhere in what somebody saw, unpacking signed payloads."""
    found = b""
    match view:
        case dict():
            found += b"".join(ciphertexts(value) for value in view.values())
        case list():
            found += b"".join(ciphertexts(value) for value in view)
        case str() if re.fullmatch(r"[A-Za-z0-9+/]{80,}={0,2}", view):
            data = base64.b64decode(view)
            # By length first: one random ciphertext in 256 begins with a brace.
            found += data if len(data) == 64 else ciphertexts(json.loads(data)) if data.startswith(b"{") else b""
    return found


def test_neither_operator_can_tell_that_two_requests_concern_one_person(country: HubCountry) -> None:
    """I3: what the operators see of two requests about 花子 shares no byte string that says anything of her."""
    (hanako,) = country.issue("x-city", ["hanako"])
    views: dict[str, list[bytes]] = {HUB_1: [], HUB_2: []}
    decisions = []
    for _ in range(2):
        country.carried.clear()
        decisions.append(country.party(X).inquire(hanako))
        for hub, path in ((HUB_1, "/inquiries"), (HUB_2, "/relayed-inquiries")):
            (seen,) = [sent + b"\n" + back for to, at, sent, back in country.carried if (to, at) == (hub, path)]
            views[hub].append(b"".join(ciphertexts(json.loads(part)) for part in seen.split(b"\n")))
    for hub in (HUB_1, HUB_2):
        first, second = views[hub]
        assert len(first) >= 3 * 64
        assert shared_runs(first, second) == set()
    subjects = [from_b64(decision.subject or "", "subject") for decision in decisions]
    codes = {decrypt(subject, country.party(Y).link_key()) for subject in subjects}
    assert len(codes) == 1
    assert all(code not in view for code in codes | {hanako} for seen in views.values() for view in seen)


def test_no_store_of_the_hub_keeps_a_person_s_code(country: HubCountry) -> None:
    """I2 and the trust boundary: only the log's hashes, tickets-free, and feeds that others empty."""
    (at_x,) = country.issue("x-city", ["hanako"])
    (at_y,) = country.issue("y-city", ["hanako"])
    country.party(X).inquire(at_x)
    for hub in (1, 2):
        files = [path.read_bytes() for path in country.stores.glob(f"hub-{hub}.db*")]
        for code in (at_x, at_y):
            spellings = (code, code.hex().encode(), base64.b64encode(code))
            assert not any(spelling in data for data in files for spelling in spellings)
