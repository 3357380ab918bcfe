"""The country in miniature is what architecture.md says it is."""

from __future__ import annotations

import pytest

from kumihimo.country import topology
from kumihimo.country.boundaries import BOUNDARIES, Role
from kumihimo.country.topology import Passes
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import institution_of
from kumihimo.domain.law.book import RuleBook


def test_the_country_has_ten_institutions_that_hold_information() -> None:
    assert list(topology.institutions()) == [
        "ko-pref",
        "x-city",
        "y-city",
        "z-town",
        "tax-office",
        "pension-service",
        "health-insurer",
        "late-elderly-union",
        "employment-office",
        "student-aid",
    ]
    assert topology.institutions()["x-city"].name_ja == "X市"


def test_people_live_in_two_cities_and_a_town() -> None:
    assert topology.municipalities() == ("x-city", "y-city", "z-town")


def test_the_town_has_no_welfare_office_so_the_prefecture_holds_public_assistance_for_it() -> None:
    assert "welfare-authority" not in topology.institution("z-town").classes
    assert "public-assistance" not in topology.items_provided("z-town")
    assert "public-assistance" in topology.items_provided("ko-pref")
    assert "public-assistance" in topology.items_provided("x-city")


def test_each_item_of_the_issue_is_held_by_somebody() -> None:
    held = {item for identifier in topology.institutions() for item in topology.items_provided(identifier)}
    assert held == {
        "health-check",
        "local-tax",
        "resident-record",
        "medical-insurance",
        "nursing-insurance",
        "pension",
        "child-allowance",
        "public-assistance",
        "disability-certificate",
        "employment-insurance",
        "student-aid",
        "child-care-fees",
        "vaccination",
    }


def test_every_institution_runs_a_ledger_and_an_exchange_apart() -> None:
    for identifier in topology.institutions():
        roles = {one.role for one in topology.services() if institution_of(one.party) == identifier}
        assert roles == {Role.LEDGER, Role.EXCHANGE}


def test_every_central_institution_runs_one_service_and_jpki_its_public_one_apart() -> None:
    owners = [institution_of(one.party) for one in topology.services() if one.role not in (Role.LEDGER, Role.EXCHANGE)]
    assert sorted(owners) == sorted([*topology.central(), "jpki"])


def test_the_certification_authority_is_asked_at_counters_by_its_responder_and_when_somebody_logs_in() -> None:
    counters = {topology.ledger_of(one) for one in topology.municipalities()}
    assert topology.callers_of(topology.JPKI) == counters | {topology.RESPONDER, topology.PORTAL}
    assert topology.callers_of(topology.RESPONDER) == frozenset()


def test_every_role_has_its_boundary_written_down() -> None:
    assert set(BOUNDARIES) == set(Role)
    # an outside witness is equipped in every country, and started by whoever runs it
    assert {one.role for one in topology.services()} == set(Role) - {Role.WITNESS}


def test_connections_run_only_between_known_parties_and_end_at_a_service() -> None:
    serving = {one.party for one in topology.services()}
    known = serving | set(topology.desks())
    for line in topology.connections():
        assert line.caller in known
        assert line.callee in serving
        assert line.caller != line.callee


def test_no_two_connections_are_the_same() -> None:
    pairs = [(line.caller, line.callee) for line in topology.connections()]
    assert len(pairs) == len(set(pairs))


def test_the_number_never_goes_to_a_hub_an_exchange_or_the_portal() -> None:
    may_hold = {Role.NUMBERING, Role.REGISTRY, Role.LEDGER}
    for line in topology.connections():
        if line.passes is Passes.NUMBER:
            assert topology.service(line.callee).role in may_hold


def test_no_ledger_reaches_a_hub_and_no_exchange_reaches_the_registry() -> None:
    assert not any(caller.endswith("/ledger") for caller in topology.callers_of(topology.HUB_1))
    assert not any(caller.endswith("/ledger") for caller in topology.callers_of(topology.HUB_2))
    assert not any(caller.endswith("/exchange") for caller in topology.callers_of(topology.REGISTRY))


def test_every_exchange_can_fetch_an_answer_from_every_other_exchange() -> None:
    callers = topology.callers_of(topology.exchange_of("y-city"))
    assert {caller for caller in callers if caller.endswith("/exchange")} == {
        topology.exchange_of(identifier) for identifier in topology.institutions() if identifier != "y-city"
    }


def test_the_codes_of_our_local_bodies_belong_to_no_real_prefecture() -> None:
    codes = [topology.local_government_code(one) for one in ("ko-pref", "x-city", "y-city", "z-town")]
    assert len(set(codes)) == 4
    assert all(code.startswith("99") and len(code) == 6 for code in codes)


def test_what_is_no_part_of_the_country_is_refused_by_name() -> None:
    with pytest.raises(Problem, match=r"'atlantis'") as caught:
        topology.institution("atlantis")
    assert caught.value.code == "institution.unknown"
    with pytest.raises(Problem):
        topology.local_government_code("tax-office")
    with pytest.raises(Problem):
        topology.service("x-city/desk")
    with pytest.raises(Problem):
        topology.items_provided("atlantis")


def test_the_rule_book_knows_every_class_and_item_of_the_country() -> None:
    book = RuleBook.load()
    for one in topology.institutions().values():
        assert one.classes <= set(book.institution_classes)
        assert set(topology.items_provided(one.id)) <= set(book.information_classes)


def test_somebody_may_lawfully_ask_each_provider_for_each_item_unless_it_is_kept_for_ordinances() -> None:
    book = RuleBook.load()
    for one in topology.institutions().values():
        named = {item for rule in book.rules if rule.providers & book.classes_of(one) for item in rule.items}
        assert set(topology.items_provided(one.id)) - named <= {"student-aid", "child-care-fees", "vaccination"}
