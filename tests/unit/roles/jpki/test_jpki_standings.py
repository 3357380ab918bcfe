"""What is reported and what the register tells decides how certificates stand; what is done once is done."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from jpki_bureau import LICENCE, NOW, Bureau, moved
from registry_country import items_of
from sqlalchemy import select

from jpki_parts import authorities, hanako, is_current, key, learnt, listed, question
from kumihimo.domain.jpki import (
    GOOD,
    CaName,
    Profile,
    Reason,
    Refusal,
    State,
    Status,
    possession_statement,
    public_bytes,
    refuse,
)
from kumihimo.domain.jpki.algorithms import Algorithm, sign
from kumihimo.domain.kernel import PersonName, Problem
from kumihimo.plumbing.storage import open_engine
from kumihimo.plumbing.wire.envelope import b64
from kumihimo.plumbing.wire.messages.cards import CardEvent, HolderEvent
from kumihimo.plumbing.wire.messages.residents import FourItemsPart
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind as Kind
from kumihimo.roles.jpki.service.certifying import Shown
from kumihimo.roles.jpki.store.tables import change
from kumihimo.roles.registry.service.holders import holder

GONE = ("revoked", "death")
KEPT = ("good", "issued")


def changes(bureau: Bureau) -> int:
    with bureau.store.engine.connect() as conn:
        return len(conn.execute(select(change)).all())


def ocsp(bureau: Bureau, profile: Profile, card: str = "KC-0001") -> Status:
    """What a relying party reads of the responder's answer."""
    with bureau.store.reading() as transaction:
        (one, *_) = [o for o in transaction.certificates_on(card) if o.profile is profile]
    issuer = authorities().issuing[profile.ca].certificate
    certificate = x509.load_der_x509_certificate(one.der)
    return learnt(certificate, issuer, bureau.responding.answer, bureau.clock.now())


@pytest.fixture
def code(bureau: Bureau) -> str:
    """総務花子 with a card."""
    found = bureau.born(hanako())
    bureau.x_city.apply(found, "KC-0001")
    return found


@pytest.mark.parametrize(
    ("event", "items", "authentication", "signature"),
    [
        (Kind.DEATH, None, GONE, GONE),
        (Kind.MOVE, moved(hanako(), "東2番"), KEPT, ("revoked", "items_changed")),
        (Kind.MOVE, hanako(), KEPT, KEPT),
        (Kind.CORRECTION, hanako(birth=date(1975, 1, 2)), KEPT, ("revoked", "items_changed")),
    ],
)
def test_an_event_of_the_register_ends_what_is_no_longer_so(
    bureau: Bureau,
    code: str,
    event: Kind,
    items: object,
    authentication: tuple[str, str],
    signature: tuple[str, str],
) -> None:
    bureau.happens(event, code, items)  # type: ignore[arg-type]
    assert bureau.states("KC-0001") == {"authentication": authentication, "signature": signature}


def test_a_change_of_name_ends_the_signature_certificate(bureau: Bureau, code: str) -> None:
    items = hanako()
    name = PersonName("田中", "花子", "タナカ", "ハナコ")
    bureau.happens(Kind.NAME_CHANGE, code, type(items)(name, items.address, items.birth, items.sex))
    assert bureau.states("KC-0001") == {"authentication": KEPT, "signature": ("revoked", "items_changed")}
    assert ocsp(bureau, Profile.SIGNATURE).reason is Reason.AFFILIATION_CHANGED
    assert ocsp(bureau, Profile.AUTHENTICATION) == GOOD


def test_a_merge_ends_the_certificates_of_the_registration_that_is_gone(bureau: Bureau, code: str) -> None:
    other = bureau.born(items_of(2))
    with bureau.registry.store.transaction() as transaction:
        gone = transaction.by_code(code)
    assert gone is not None
    bureau.happens(Kind.MERGE, other, other_number=gone.individual_number)
    assert bureau.states("KC-0001") == dict.fromkeys(("authentication", "signature"), ("revoked", "erased"))


def test_a_split_ends_both_since_nobody_knows_yet_who_has_the_card(bureau: Bureau, code: str) -> None:
    bureau.happens(Kind.SPLIT, code, items_of(3))
    assert bureau.states("KC-0001") == dict.fromkeys(("authentication", "signature"), ("revoked", "erased"))


def test_who_turns_out_to_be_alive_applies_anew(bureau: Bureau, code: str) -> None:
    bureau.happens(Kind.DEATH, code)
    bureau.happens(Kind.REVIVAL, code)
    assert set(bureau.states("KC-0001").values()) == {GONE}
    bureau.x_city.apply(code, "KC-0002")
    assert set(bureau.states("KC-0002").values()) == {KEPT}


def test_events_that_come_again_or_too_late_do_nothing(bureau: Bureau, code: str) -> None:
    items = hanako()
    bureau.happens(Kind.MOVE, code, moved(items, "東2番"))
    bureau.happens(Kind.MOVE, code, items)
    before = changes(bureau)
    with bureau.registry.store.transaction() as transaction:
        present = transaction.by_code(code)
        assert present is not None
        told = holder(transaction, present)
    late = told.model_copy(update={"version": 2, "alive": False, "four_items": FourItemsPart.of(items_of(9))})
    for snapshot in (told, late, told):
        event = HolderEvent(event=Kind.MOVE, on=date(2026, 6, 1), holder=snapshot)
        with bureau.store.transaction() as transaction:
            bureau.standings.hear(transaction, event)
    assert changes(bureau) == before
    assert bureau.states("KC-0001")["authentication"] == KEPT


def test_a_lost_card_is_suspended_by_any_city_and_released_where_its_holder_lives(bureau: Bureau, code: str) -> None:
    for _ in range(2):
        assert not bureau.y_city.report("KC-0001", CardEvent.LOST).in_use
    assert bureau.states("KC-0001") == dict.fromkeys(("authentication", "signature"), ("held", "lost"))
    assert ocsp(bureau, Profile.SIGNATURE).reason is Reason.CERTIFICATE_HOLD
    with pytest.raises(Problem) as refused:
        bureau.y_city.report("KC-0001", CardEvent.FOUND, *LICENCE)
    assert refused.value.code == "jpki.not_entitled"
    with pytest.raises(Problem) as refused:
        bureau.x_city.report("KC-0001", CardEvent.FOUND)
    assert refused.value.code == "jpki.identity_unproven"
    assert bureau.x_city.report("KC-0001", CardEvent.FOUND, *LICENCE).in_use
    assert ocsp(bureau, Profile.SIGNATURE) == GOOD
    assert code


def test_a_holder_locks_their_authentication_and_unlocks_it_with_the_signature(bureau: Bureau, code: str) -> None:
    with bureau.store.reading() as transaction:
        serials = {one.profile: one.serial for one in transaction.certificates_on("KC-0001")}
    for _ in range(2):
        bureau.standings.lock(serials[Profile.AUTHENTICATION], "portal/portal")
    bureau.carry()
    assert ocsp(bureau, Profile.AUTHENTICATION).reason is Reason.CERTIFICATE_HOLD
    assert ocsp(bureau, Profile.SIGNATURE) == GOOD
    for _ in range(2):
        bureau.standings.unlock(serials[Profile.SIGNATURE], "portal/portal")
    bureau.carry()
    assert ocsp(bureau, Profile.AUTHENTICATION) == GOOD
    with pytest.raises(Problem) as caught:
        bureau.standings.lock("00ff", "portal/portal")
    assert caught.value.code == "jpki.certificate_unknown"


def test_what_a_window_holds_or_ended_its_holder_does_not_unlock(bureau: Bureau, code: str) -> None:
    with bureau.store.reading() as transaction:
        serials = {one.profile: one.serial for one in transaction.certificates_on("KC-0001")}
    for event in (CardEvent.LOST, CardEvent.STOLEN):
        bureau.x_city.report("KC-0001", event)
        with pytest.raises(Problem) as caught:
            bureau.standings.unlock(serials[Profile.SIGNATURE], "portal/portal")
        assert caught.value.code == "jpki.card_state"
    with pytest.raises(Problem) as caught:
        bureau.standings.lock(serials[Profile.AUTHENTICATION], "portal/portal")
    assert caught.value.code == "jpki.card_state"
    assert ocsp(bureau, Profile.AUTHENTICATION) != GOOD


def test_what_is_revoked_stays_so(bureau: Bureau, code: str) -> None:
    bureau.x_city.report("KC-0001", CardEvent.STOLEN)
    before = changes(bureau)
    bureau.x_city.report("KC-0001", CardEvent.STOLEN)
    bureau.x_city.report("KC-0001", CardEvent.ENDED)
    bureau.happens(Kind.DEATH, code)
    assert changes(bureau) == before
    for event in (CardEvent.LOST, CardEvent.FOUND):
        with pytest.raises(Problem) as refused:
            bureau.x_city.report("KC-0001", event, *LICENCE)
        assert refused.value.code == "jpki.card_state"
    assert ocsp(bureau, Profile.SIGNATURE) == Status(State.REVOKED, NOW, Reason.KEY_COMPROMISE)


def test_a_lost_card_gives_way_to_a_new_one(bureau: Bureau, code: str) -> None:
    bureau.x_city.report("KC-0001", CardEvent.LOST)
    bureau.x_city.apply(code, "KC-0002")
    assert set(bureau.states("KC-0001").values()) == {("revoked", "new_card")}


def test_nobody_is_told_publicly_that_somebody_died(bureau: Bureau, code: str) -> None:
    bureau.happens(Kind.DEATH, code)
    died = ocsp(bureau, Profile.AUTHENTICATION)
    other = bureau.born(items_of(2))
    bureau.x_city.apply(other, "KC-0002")
    bureau.x_city.report("KC-0002", CardEvent.ENDED)
    assert ocsp(bureau, Profile.AUTHENTICATION, "KC-0002").reason == died.reason == Reason.CESSATION_OF_OPERATION


def test_a_card_nobody_was_issued_is_unknown(bureau: Bureau) -> None:
    for act in (
        lambda: bureau.x_city.report("KC-none", CardEvent.LOST),
        lambda: bureau.standings.show(None, "KC-none"),
    ):
        with pytest.raises(Problem) as refused:
            act()
        assert refused.value.code == "jpki.card_unknown"
    with pytest.raises(Problem, match="either"):
        bureau.standings.show(None, None)


# --- lists ---


def lists(bureau: Bureau) -> tuple[x509.CertificateRevocationList, x509.CertificateRevocationList]:
    """The full and the delta list for authentication, as the public fetches them."""
    bureau.carry_to_responder()
    full, delta = (bureau.public.crl(CaName.AUTHENTICATION, kind) for kind in ("full", "delta"))
    assert full is not None
    assert delta is not None
    return x509.load_der_x509_crl(full), x509.load_der_x509_crl(delta)


def number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_lists_are_made_when_due_full_by_the_day_and_delta_by_the_hour(bureau: Bureau, code: str) -> None:
    assert bureau.lists.make_due() == 4
    assert bureau.lists.make_due() == 0
    full, delta = lists(bureau)
    assert (number(full), number(delta)) == (1, 1)
    for one in (full, delta):
        assert is_current(one, authorities().issuing[CaName.AUTHENTICATION].certificate, NOW)
    bureau.x_city.report("KC-0001", CardEvent.LOST)
    bureau.clock.at = NOW + timedelta(hours=1)
    assert bureau.lists.make_due() == 2
    full, delta = lists(bureau)
    assert (number(full), number(delta)) == (1, 2)
    serial = int(bureau.stands("KC-0001")[Profile.AUTHENTICATION].serial, 16)
    assert listed(serial, full) is None
    assert listed(serial, delta) is x509.ReasonFlags.certificate_hold
    bureau.clock.at = NOW + timedelta(days=1)
    assert bureau.lists.make_due() == 4
    full, delta = lists(bureau)
    assert (number(full), number(delta)) == (3, 3)
    assert listed(serial, full) is x509.ReasonFlags.certificate_hold
    bureau.x_city.report("KC-0001", CardEvent.FOUND, *LICENCE)
    bureau.clock.at = NOW + timedelta(days=1, hours=1)
    bureau.lists.make_due()
    full, delta = lists(bureau)
    assert listed(serial, delta) is x509.ReasonFlags.remove_from_crl
    assert code


def test_lists_on_demand_know_everything_and_what_has_ended_leaves_them(bureau: Bureau, code: str) -> None:
    serial = int(bureau.stands("KC-0001")[Profile.AUTHENTICATION].serial, 16)
    bureau.x_city.report("KC-0001", CardEvent.ENDED)
    assert bureau.lists.make_all() == 4
    full, _ = lists(bureau)
    assert listed(serial, full) is x509.ReasonFlags.cessation_of_operation
    bureau.clock.at = bureau.stands("KC-0001")[Profile.AUTHENTICATION].valid_until + timedelta(days=1)
    bureau.lists.make_all()
    assert len(lists(bureau)[0]) == 1  # once more after its end
    bureau.clock.at += timedelta(days=2)
    bureau.lists.make_all()
    assert len(lists(bureau)[0]) == 0
    assert code


# --- responder ---


def test_the_responder_says_nothing_it_cannot_know(bureau: Bureau, code: str) -> None:
    certificate, issuer = authorities().certificate(), authorities().issuing[CaName.AUTHENTICATION].certificate
    request = question(certificate, issuer)
    later, malformed = refuse(Refusal.TRY_LATER), refuse(Refusal.MALFORMED)
    assert bureau.responding.answer(b"?") == malformed
    assert learnt(certificate, issuer, bureau.responding.answer, NOW).state is State.UNKNOWN
    bureau.clock.at = NOW + timedelta(minutes=61)
    assert bureau.responding.answer(request.der) == later
    bureau.read_at = None
    assert bureau.responding.answer(request.der) == later
    foreign = question(authorities().certificate(), authorities(Algorithm.P_384).root.certificate)
    bureau.carry()
    assert bureau.responding.answer(foreign.der) == refuse(Refusal.UNAUTHORISED)
    assert code


def test_the_responders_certificate_is_renewed_before_it_ends(bureau: Bureau, code: str) -> None:
    assert bureau.certified == 1
    bureau.clock.at = NOW + timedelta(days=19)
    bureau.responding.keep_certified()
    assert bureau.certified == 1
    bureau.clock.at = NOW + timedelta(days=21)
    bureau.responding.keep_certified()
    assert bureau.certified == 2
    bureau.clock.at = NOW + timedelta(days=40)
    bureau.carry()
    assert bureau.responding.fault() is None
    assert ocsp(bureau, Profile.AUTHENTICATION) == GOOD
    bureau.clock.at = NOW + timedelta(days=60)
    bureau.carry()
    assert "ended" in (bureau.responding.fault() or "")
    request = question(authorities().certificate(), authorities().issuing[CaName.AUTHENTICATION].certificate)
    assert bureau.responding.answer(request.der) == refuse(Refusal.TRY_LATER)
    assert code


def test_the_responders_store_names_nobody(bureau: Bureau, code: str, tmp_path: Path) -> None:
    bureau.x_city.report("KC-0001", CardEvent.STOLEN)
    held = (tmp_path / "responder.db").read_bytes() + (tmp_path / "responder.db-wal").read_bytes()
    for told in (code, "KC-0001", "総務", "stolen"):
        assert told.encode() not in held
    open_engine(f"sqlite:///{tmp_path}/responder.db").dispose()


# --- others ---


def test_whose_a_certificate_is_is_kept_with_every_question(bureau: Bureau, code: str) -> None:
    serial = bureau.stands("KC-0001")[Profile.SIGNATURE].serial
    found = bureau.certifying.whose(Profile.SIGNATURE, serial, "portal/portal", "基準")
    assert found.resident_code == code
    with pytest.raises(Problem) as refused:
        bureau.certifying.whose(Profile.AUTHENTICATION, serial, "portal/portal", "基準")
    assert refused.value.code == "jpki.certificate_unknown"
    with bureau.store.reading() as transaction:
        for profile in Profile:
            assert transaction.disclosures(profile, serial) == [("portal/portal", "基準")]


def test_a_card_has_one_key_and_an_office_as_many_as_it_needs(bureau: Bureau) -> None:
    def shown(label: str, name: str, purpose: str) -> Shown:
        own = key(label, Algorithm.P_256)
        proof = sign(own, possession_statement(name, purpose, own.public_key()))
        return Shown(b64(public_bytes(own.public_key())), b64(proof))

    first = bureau.certifying.card("KC-1", shown("one", "KC-1", "card"), "x-city/ledger")
    assert bureau.certifying.card("KC-1", shown("one", "KC-1", "card"), "x-city/ledger") == first
    with pytest.raises(Problem) as refused:
        bureau.certifying.card("KC-1", shown("two", "KC-1", "card"), "x-city/ledger")
    assert refused.value.code == "jpki.card_state"
    offices = {bureau.certifying.office("x-city", shown(one, "x-city", "office"), "x") for one in ("one", "two", "one")}
    assert len(offices) == 2
    with pytest.raises(Problem) as refused:
        bureau.certifying.office("y-city", shown("one", "y-city", "office"), "y")
    assert refused.value.code == "jpki.not_entitled"
