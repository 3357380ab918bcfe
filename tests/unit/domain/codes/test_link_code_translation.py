"""Translation: institutions understand one another about a person, and nobody else does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from link_code_hub import REGISTRY, Hub

from kumihimo.domain.codes import (
    OperatorSecrets,
    Translator,
    assemble_key,
    check_share,
    decrypt,
    domain_label,
    person_point,
    public_key,
)
from kumihimo.domain.kernel.errors import Problem

X_CITY, Y_CITY, PENSION, PORTAL = "x-city#1", "y-city#1", "pension#1", "portal#1"
people = st.integers(min_value=0, max_value=10**11 - 1)
labels = st.builds(
    domain_label, st.from_regex(r"[a-z][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True), st.integers(1, 999_999_999)
)


@given(person=people, route=st.lists(labels, min_size=2, max_size=4, unique=True))
@settings(max_examples=40, deadline=None)
def test_whatever_the_route_a_code_arrives_as_the_same_code(hub: Hub, person: int, route: list[str]) -> None:
    start, *stops = route
    code = first = hub.code(person, start)
    for here, there in zip(route, stops, strict=False):
        code = hub.carry(code, here, there)
    assert code == hub.carry(first, start, stops[-1])
    assert code == hub.code(person, stops[-1])
    assert hub.carry(code, stops[-1], start) == first


@given(person=people, other=people, label=labels)
@settings(max_examples=30, deadline=None)
def test_two_persons_never_share_a_code_and_one_person_has_one(hub: Hub, person: int, other: int, label: str) -> None:
    assert (hub.code(person, label) == hub.code(other, label)) == (person == other)


@given(person=people)
@settings(max_examples=20, deadline=None)
def test_no_two_ciphertexts_are_equal(hub: Hub, person: int) -> None:
    code = hub.code(person, X_CITY)
    asked = [hub.encrypt(code, X_CITY) for _ in range(2)]
    asked.append(asked[0])  # even the very same ciphertext comes out different each time
    between = hub.operator1.hop(asked, X_CITY, Y_CITY)
    arrived = hub.operator2.hop(between, X_CITY, Y_CITY)
    seen = [asked[0], asked[1], *between, *arrived]
    halves = [half for item in seen for half in (item[:32], item[32:])]
    assert len(set(halves)) == len(halves) == 16
    assert {decrypt(item, hub.key(Y_CITY)) for item in arrived} == {hub.code(person, Y_CITY)}


@given(person=people)
@settings(max_examples=20, deadline=None)
def test_a_stolen_code_matches_nothing_in_another_institution(hub: Hub, person: int) -> None:
    stolen = hub.code(person, X_CITY)
    held_elsewhere = {hub.code(person, label) for label in (Y_CITY, PENSION, PORTAL)} | {hub.person(person)}
    assert len(held_elsewhere) == 4
    assert stolen not in held_elsewhere
    # A thief who passes it off as a code of his own institution reaches nobody's record.
    assert hub.carry(stolen, PENSION, Y_CITY) not in held_elsewhere


def test_with_one_operator_alone_nobody_can_decrypt_a_translation(hub: Hub) -> None:
    code, wanted = hub.code(1, X_CITY), hub.code(1, Y_CITY)
    ciphertext = hub.encrypt(code, X_CITY)
    keys = [
        hub.key(X_CITY),
        hub.key(Y_CITY),
        *(secrets.key_share(label) for secrets in (hub.secrets1, hub.secrets2) for label in (X_CITY, Y_CITY)),
    ]
    for operator in (hub.operator1, hub.operator2):
        half_done = operator.hop([ciphertext], X_CITY, Y_CITY)[0]
        twice = operator.hop([half_done], X_CITY, Y_CITY)[0]
        found = {decrypt(item, key) for item in (half_done, twice) for key in keys}
        assert found.isdisjoint({code, wanted, hub.person(1)})


def test_operators_of_another_country_cannot_stand_in(hub: Hub, other_hub: Hub) -> None:
    half_done = hub.operator1.hop([hub.encrypt(hub.code(1, X_CITY), X_CITY)], X_CITY, Y_CITY)
    foreign = other_hub.operator2.hop(half_done, X_CITY, Y_CITY)[0]
    assert decrypt(foreign, hub.key(Y_CITY)) != hub.code(1, Y_CITY)


@given(person=people)
@settings(max_examples=15, deadline=None)
def test_rotating_an_institution_keeps_its_links(hub: Hub, person: int) -> None:
    old = hub.code(person, "x-city#1")
    new = hub.carry(old, "x-city#1", "x-city#2")
    assert new != old
    assert new == hub.code(person, "x-city#2")
    # In the overlap both epochs reach the same record, in both directions.
    assert hub.carry(new, "x-city#2", Y_CITY) == hub.carry(old, "x-city#1", Y_CITY)
    assert hub.carry(hub.code(person, Y_CITY), Y_CITY, "x-city#2") == new


def test_a_person_recoded_after_a_leak_has_new_codes_everywhere(hub: Hub) -> None:
    pair = [hub.encrypt(hub.person(7, counter), REGISTRY) for counter in (0, 1)]
    old, new = (decrypt(item, hub.key(X_CITY)) for item in hub.translate(pair, REGISTRY, X_CITY))
    assert old == hub.code(7, X_CITY)
    assert new != old
    assert hub.carry(new, X_CITY, Y_CITY) == hub.carry(hub.person(7, 1), REGISTRY, Y_CITY)


def test_a_batch_on_two_threads_is_the_same_batch_in_the_same_order(hub: Hub) -> None:
    codes = [hub.code(person, X_CITY) for person in range(70)]
    asked = [hub.encrypt(code, X_CITY) for code in codes]
    seed = bytes(range(32))
    with ThreadPoolExecutor(2) as pool:
        threaded = hub.operator1.hop(asked, X_CITY, Y_CITY, seed=seed, pool=pool)
    assert threaded == hub.operator1.hop(asked, X_CITY, Y_CITY, seed=seed)
    arrived = hub.operator2.hop(threaded, X_CITY, Y_CITY)
    assert [decrypt(item, hub.key(Y_CITY)) for item in arrived] == [hub.code(person, Y_CITY) for person in range(70)]


def test_an_empty_batch_translates_to_nothing(hub: Hub) -> None:
    assert hub.operator1.hop([], X_CITY, Y_CITY) == []


@pytest.mark.parametrize("number", [1, 2])
def test_identity_points_are_refused_by_both_operators(hub: Hub, number: int) -> None:
    operator = hub.operator1 if number == 1 else hub.operator2
    good = hub.encrypt(hub.code(1, X_CITY), X_CITY)
    for bad in (bytes(32) + good[32:], good[:32] + bytes(32), bytes(64)):
        with pytest.raises(Problem) as caught:
            operator.hop([good, good, bad], X_CITY, Y_CITY)
        assert caught.value.code == "codes.identity_point"
        assert caught.value.where == "ciphertext 2"


@given(position=st.integers(0, 1), junk=st.binary(min_size=32, max_size=32))
@settings(max_examples=60, deadline=None)
def test_bytes_that_are_no_point_are_refused_wherever_they_stand(hub: Hub, position: int, junk: bytes) -> None:
    odd = bytes([junk[0] | 1]) + junk[1:]  # a negative field element: never a canonical encoding
    good = hub.encrypt(hub.code(1, X_CITY), X_CITY)
    bad = odd + good[32:] if position == 0 else good[:32] + odd
    with pytest.raises(Problem) as caught:
        hub.operator1.hop([bad], X_CITY, Y_CITY)
    assert caught.value.code == "codes.not_a_point"
    assert odd.hex() not in str(caught.value)


@pytest.mark.parametrize("length", [0, 31, 32, 63, 65, 128])
def test_a_ciphertext_of_another_length_is_refused(hub: Hub, length: int) -> None:
    with pytest.raises(Problem, match=r"codes\.not_a_point"):
        hub.operator1.hop([b"\x02" * length], X_CITY, Y_CITY)


def test_a_code_that_decrypts_to_the_identity_is_refused(hub: Hub) -> None:
    key = hub.key(X_CITY)
    with pytest.raises(Problem, match=r"codes\.identity_point"):
        # (G, key*G) encrypts the identity.
        decrypt(public_key((1).to_bytes(32, "little")) + public_key(key), key)


def test_the_factors_of_a_domain_differ_by_operator_purpose_and_epoch(hub: Hub) -> None:
    scalars = [
        derive(label)
        for secrets in (hub.secrets1, hub.secrets2)
        for derive in (secrets.reshuffle_factor, secrets.key_share)
        for label in ("x-city#1", "x-city#2", "y-city#1")
    ]
    assert len(set(scalars)) == 12


def test_an_institution_notices_a_share_that_is_not_the_published_one(hub: Hub) -> None:
    share, points = hub.secrets1.key_share(X_CITY), hub.secrets1.published(X_CITY)
    check_share(share, points)
    with pytest.raises(Problem, match=r"value\.invalid") as caught:
        check_share(hub.secrets2.key_share(X_CITY), points)
    assert share.hex() not in str(caught.value)


def test_both_operators_know_an_institutions_public_key_without_asking_it(hub: Hub) -> None:
    own = public_key(hub.key(X_CITY))
    assert hub.operator1.public_key_of(X_CITY) == hub.operator2.public_key_of(X_CITY) == own


@pytest.mark.parametrize(
    "label", ["x-city", "x-city#0", "x-city#01", "X#1", "x-city#1#2", "x-city# 1", "#1", "x-city#-1"]
)
def test_only_institution_and_epoch_name_a_domain(hub: Hub, label: str) -> None:
    with pytest.raises(Problem, match=r"institution\.format"):
        hub.secrets1.key_share(label)


def test_secrets_are_drawn_stored_and_never_printed() -> None:
    secrets = OperatorSecrets.generate()
    assert OperatorSecrets.from_bytes(secrets.to_bytes()) == secrets != OperatorSecrets.generate()
    assert repr(secrets) == "OperatorSecrets()"
    with pytest.raises(Problem, match=r"value\.invalid"):
        OperatorSecrets.from_bytes(secrets.to_bytes()[:-1])


def test_a_translator_draws_its_seeds_from_the_randomness_it_is_given(hub: Hub) -> None:
    fixed = Translator(hub.secrets1, 1, hub.secrets2.published, rng=lambda count: b"\x07" * count)
    asked = [hub.encrypt(hub.code(1, X_CITY), X_CITY)]
    assert fixed.hop(asked, X_CITY, Y_CITY) == hub.operator1.hop(asked, X_CITY, Y_CITY, seed=b"\x07" * 32)
    with pytest.raises(Problem, match=r"value\.invalid"):
        fixed.hop(asked, X_CITY, Y_CITY, seed=b"")


def test_a_base_point_depends_on_secret_person_and_counter(hub: Hub) -> None:
    points = [
        person_point(rho, code, counter)
        for rho in (hub.rho, bytes(32))
        for code in ("00000000000", "12345678901")
        for counter in (0, 1)
    ]
    assert len(set(points)) == 8


@pytest.mark.parametrize(
    ("rho", "code", "counter", "problem"),
    [
        (bytes(31), "12345678901", 0, "value.invalid"),
        (bytes(32), "1234567890", 0, "resident_code.format"),
        (bytes(32), "１２３４５６７８９０１", 0, "resident_code.format"),
        (bytes(32), "12345678901", -1, "value.invalid"),
        (bytes(32), "12345678901", 2**32, "value.invalid"),
    ],
)
def test_a_base_point_is_made_of_a_whole_resident_code_only(rho: bytes, code: str, counter: int, problem: str) -> None:
    with pytest.raises(Problem) as caught:
        person_point(rho, code, counter)
    assert caught.value.code == problem
    assert code not in str(caught.value)


def test_a_key_needs_both_shares(hub: Hub) -> None:
    share1, share2 = hub.secrets1.key_share(X_CITY), hub.secrets2.key_share(X_CITY)
    assert assemble_key(share1, share2) == assemble_key(share2, share1)
    assert assemble_key(share1, share2) not in {share1, share2}
    with pytest.raises(Problem, match=r"value\.invalid"):
        assemble_key(share1, bytes(32))
