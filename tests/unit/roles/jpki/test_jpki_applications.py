"""Certificates are issued to whoever a window has identified, once for each key, and never against the registry."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from cryptography import x509
from jpki_bureau import NOW, Bureau, identity, to_certify
from registry_country import items_of
from sqlalchemy import select

from jpki_parts import hanako
from kumihimo.domain.jpki import Algorithm, Document, Holder, Profile
from kumihimo.domain.kernel import Problem
from kumihimo.plumbing.wire.messages.cards import CardEvent, HolderSnapshot, Occasion
from kumihimo.plumbing.wire.messages.residents import RegisterEventKind as Kind
from kumihimo.roles.jpki.store import metadata
from kumihimo.roles.jpki.store.tables import application


def refused(bureau: Bureau, code: str, card: str, occasion: Occasion = Occasion.FIRST, **options: object) -> str:
    with pytest.raises(Problem) as caught:
        bureau.x_city.apply(code, card, occasion, **options)  # type: ignore[arg-type]
    return caught.value.code


def dump(bureau: Bureau) -> dict[str, list[tuple[object, ...]]]:
    with bureau.store.engine.connect() as conn:
        return {table.name: [tuple(row) for row in conn.execute(select(table))] for table in metadata.sorted_tables}


def test_a_resident_gets_two_certificates_and_what_was_checked_is_recorded(bureau: Bureau) -> None:
    items = hanako()
    code = bureau.born(items)
    issued = bureau.x_city.apply(code, "KC-0001")
    assert [one.profile for one in issued.certificates] == [Profile.AUTHENTICATION, Profile.SIGNATURE]
    assert issued.card.card_until == date(2036, 1, 1)
    signature = x509.load_der_x509_certificate(issued.certificates[1].der)
    assert Holder.read(signature) == Holder.of(items)
    assert bureau.states("KC-0001") == {"authentication": ("good", "issued"), "signature": ("good", "issued")}
    with bureau.store.engine.connect() as conn:
        (row,) = conn.execute(select(application)).all()
    checked = json.loads(row.identity)
    assert (checked["documents"], checked["checked_by"]) == (["driving-licence"], "窓口 1")
    assert (row.municipality, row.occasion) == ("x-city", "first")


def test_no_number_is_in_the_authoritys_store(bureau: Bureau) -> None:
    code = bureau.born(hanako())
    bureau.x_city.apply(code, "KC-0001")
    bureau.happens(Kind.DEATH, code)
    with bureau.registry.store.transaction() as transaction:
        found = transaction.by_code(code)
    assert found is not None
    assert found.individual_number not in repr(dump(bureau))


def test_the_same_keys_again_are_answered_with_the_same_certificates(bureau: Bureau) -> None:
    code = bureau.born(hanako())
    first = bureau.x_city.apply(code, "KC-0001")
    before = dump(bureau)
    again = bureau.x_city.apply(code, "KC-0001")
    assert [one.der for one in again.certificates] == [one.der for one in first.certificates]
    assert dump(bureau) == before
    assert bureau.looked_up == [code]


def test_two_windows_at_once_issue_once(bureau: Bureau) -> None:
    code = bureau.born(hanako())
    message = bureau.x_city.application(code, "KC-0001")
    inner: list[object] = []
    asked = bureau.holders.find

    def meanwhile(found: str) -> HolderSnapshot | None:
        if not inner:
            inner.append(None)
            inner[0] = bureau.applications.apply("x-city", message)
        return asked(found)

    bureau.applications._holder_of = meanwhile
    outer = bureau.applications.apply("x-city", message)
    assert outer == inner[0]


def test_without_enough_documents_nothing_is_issued(bureau: Bureau) -> None:
    code = bureau.born(hanako())
    for documents in ((), (Document.PENSION_BOOK,), (Document.PENSION_BOOK, Document.PENSION_BOOK)):
        assert refused(bureau, code, "KC-0001", identity=identity(*documents)) == "jpki.identity_unproven"
    bureau.x_city.apply(code, "KC-0001", identity=identity(Document.PENSION_BOOK, Document.STUDENT_CARD))


def test_a_child_of_fourteen_gets_the_authentication_certificate_alone(bureau: Bureau) -> None:
    code = bureau.born(hanako(birth=date(2012, 5, 5)))
    assert refused(bureau, code, "KC-0001") == "jpki.underage"
    issued = bureau.x_city.apply(code, "KC-0001", profiles=[Profile.AUTHENTICATION])
    assert issued.card.card_until == date(2031, 5, 5)


def test_only_the_municipality_of_residence_applies_and_only_for_the_living(bureau: Bureau) -> None:
    code = bureau.born(hanako())
    with pytest.raises(Problem) as caught:
        bureau.y_city.apply(code, "KC-0001")
    assert caught.value.code == "jpki.not_entitled"
    bureau.happens(Kind.DEATH, code)
    assert refused(bureau, code, "KC-0001") == "jpki.not_alive"
    unknown = "1" * 10
    assert refused(bureau, unknown, "KC-0001").startswith("resident_code.")


def test_an_event_that_comes_between_look_up_and_issuing_is_not_overtaken(bureau: Bureau) -> None:
    code = bureau.born(hanako())
    stale = bureau.holders.find(code)
    assert stale is not None
    answers = [stale]

    def slow(found: str) -> HolderSnapshot | None:
        if answers:
            bureau.happens(Kind.DEATH, code)
            return answers.pop()
        return bureau.holders.find(found)

    bureau.applications._holder_of = slow
    assert refused(bureau, code, "KC-0001") == "jpki.not_alive"
    with bureau.store.engine.connect() as conn:
        assert conn.execute(select(application)).all() == []


def test_a_key_is_certified_for_one_card_and_purpose(bureau: Bureau) -> None:
    hers, his = bureau.born(hanako()), bureau.born(items_of(2))
    bureau.x_city.apply(hers, "KC-0001")
    stolen = tuple(to_certify("KC-0002", one, f"KC-0001 {one} first") for one in Profile)
    message = bureau.x_city.application(his, "KC-0002").model_copy(update={"keys": stolen})
    with pytest.raises(Problem) as caught:
        bureau.applications.apply("x-city", message)
    assert caught.value.code == "jpki.key_refused"
    twice = tuple(to_certify("KC-0002", Profile.SIGNATURE, label) for label in ("a", "b"))
    with pytest.raises(Problem, match="twice"):
        bureau.applications.apply("x-city", message.model_copy(update={"keys": twice}))
    wrong_card = (to_certify("KC-0009", Profile.SIGNATURE, "a"),)
    with pytest.raises(Problem) as caught:
        bureau.applications.apply("x-city", message.model_copy(update={"keys": wrong_card}))
    assert caught.value.code == "jpki.no_possession"


def test_a_card_of_the_next_generation_has_p_384_keys(bureau: Bureau) -> None:
    code = bureau.born(hanako())
    keys = tuple(to_certify("KC-0001", one, f"next {one}", Algorithm.P_384) for one in Profile)
    message = bureau.x_city.application(code, "KC-0001").model_copy(update={"keys": keys})
    issued = bureau.applications.apply("x-city", message)
    for one in issued.certificates:
        assert Algorithm.of(x509.load_der_x509_certificate(one.der).public_key()) is Algorithm.P_384


def test_a_renewal_supersedes_and_the_former_keys_are_not_certified_again(bureau: Bureau) -> None:
    code = bureau.born(hanako())
    first = bureau.x_city.apply(code, "KC-0001")
    assert refused(bureau, code, "KC-0001", Occasion.FIRST, keys="second") == "jpki.card_state"
    bureau.clock.at = NOW + timedelta(days=1)
    second = bureau.x_city.apply(code, "KC-0001", Occasion.RENEWAL, keys="second")
    assert second.card.card_until == first.card.card_until
    (shown,) = bureau.standings.show(None, "KC-0001")
    assert [(one.state, one.cause) for one in shown.certificates] == [("good", "issued")] * 2 + [
        ("revoked", "superseded")
    ] * 2
    assert refused(bureau, code, "KC-0001", Occasion.RENEWAL) == "jpki.key_refused"


def test_the_signature_certificate_alone_is_renewed_after_a_move(bureau: Bureau) -> None:
    items = hanako()
    code = bureau.born(items)
    first = bureau.x_city.apply(code, "KC-0001")
    after = replace(items, address=replace(items.address, lines="東2番"))
    bureau.happens(Kind.MOVE, code, after)
    second = bureau.x_city.apply(code, "KC-0001", Occasion.RENEWAL, profiles=[Profile.SIGNATURE], keys="second")
    assert Holder.read(x509.load_der_x509_certificate(second.certificates[0].der)) == Holder.of(after)
    stands = bureau.stands("KC-0001")
    assert stands[Profile.AUTHENTICATION].serial == first.certificates[0].serial
    assert stands[Profile.AUTHENTICATION].state == "good"


def test_a_new_card_ends_the_one_before(bureau: Bureau) -> None:
    code = bureau.born(hanako())
    bureau.x_city.apply(code, "KC-0001")
    assert refused(bureau, code, "KC-0002", Occasion.FIRST) == "jpki.card_state"
    bureau.clock.at = NOW + timedelta(days=1)
    bureau.x_city.apply(code, "KC-0002", Occasion.NEW_CARD)
    assert bureau.states("KC-0001") == dict.fromkeys(("authentication", "signature"), ("revoked", "new_card"))
    newest, before = bureau.standings.show(code, None)
    assert (newest.card_serial, newest.in_use, before.in_use) == ("KC-0002", True, False)
    assert refused(bureau, code, "KC-0001", Occasion.RENEWAL, keys="again") == "jpki.card_state"


def test_a_card_of_somebody_else_or_a_lost_one_is_not_renewed(bureau: Bureau) -> None:
    hers, his = bureau.born(hanako()), bureau.born(items_of(2))
    bureau.x_city.apply(hers, "KC-0001")
    assert refused(bureau, his, "KC-0001", Occasion.RENEWAL, keys="his") == "jpki.card_unknown"
    assert refused(bureau, his, "KC-0001", Occasion.FIRST, keys="his") == "jpki.card_state"
    bureau.x_city.report("KC-0001", CardEvent.LOST)
    assert refused(bureau, hers, "KC-0001", Occasion.RENEWAL, keys="second") == "jpki.card_state"


def test_a_short_stay_shortens_the_card_and_its_certificates(bureau: Bureau) -> None:
    code = bureau.born(hanako())
    assert refused(bureau, code, "KC-0001", card_until=date(2040, 1, 1)) == "value.invalid"
    issued = bureau.x_city.apply(code, "KC-0001", card_until=date(2027, 3, 31))
    assert issued.card.card_until == date(2027, 3, 31)
    assert {one.valid_until.date() for one in issued.certificates} == {date(2027, 3, 31)}
