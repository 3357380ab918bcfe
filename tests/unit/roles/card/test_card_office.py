"""The office and the card: who proves what to whom, what goes sealed, and what each municipality may write."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from card_country import CardCountry
from power_disk import PowerDisk

from kumihimo.domain.jpki import require_possession
from kumihimo.domain.kernel import Problem
from kumihimo.roles.card.chip import Access, Algorithm, Card, Key, Pin, ordinance_aid
from kumihimo.roles.card.chip.apdu import parse
from kumihimo.roles.card.chip.authentication import DYNAMIC, POINT_TAG
from kumihimo.roles.card.chip.handshake import Transcript, sign
from kumihimo.roles.card.chip.layout import CARD_CERTIFICATE
from kumihimo.roles.card.chip.signing import CERTIFICATE_TAG, SIGNATURE_TAG
from kumihimo.roles.card.chip.tlv import one_each, only, tlv
from kumihimo.roles.card.terminal import CardTerminal, OfficeKey, OfficeSession, OrdinanceSpec
from kumihimo.roles.card.terminal.specimen import ITEMS, NUMBER, PINS, WRITTEN_ON, Applicant, SpecimenAuthority

P_384 = Applicant(Algorithm.P_384)
MOVED = replace(ITEMS, address="甲県X市北2丁目")


def test_a_blank_card_shows_its_serial_and_nothing_else(country: CardCountry) -> None:
    card = country.authority.blank(PowerDisk())
    terminal = CardTerminal(card.transmit)
    assert terminal.is_blank()
    assert terminal.card_serial().startswith("SPECIMEN")
    assert refusal(terminal.authentication_certificate) == "card.unknown"


def test_a_card_is_personalised_once(card: Card, country: CardCountry) -> None:
    session = OfficeSession(card.transmit, country.x_city)
    contents = country.authority.contents(session, P_384)
    assert refusal(lambda: session.personalise(contents)) == "card.state"


def test_a_certificate_for_a_key_the_card_did_not_make_is_not_taken(country: CardCountry) -> None:
    card = country.authority.blank(PowerDisk())
    session = OfficeSession(card.transmit, country.x_city)
    contents = country.authority.contents(session, P_384)
    session.generate_key(Key.AUTHENTICATION, Algorithm.P_384)  # another one by now
    assert refusal(lambda: session.personalise(contents)) == "card.refused"
    assert session.terminal.is_blank()


def test_more_than_a_command_carries_or_a_file_holds_is_not_written(country: CardCountry) -> None:
    card = country.authority.blank(PowerDisk())
    session = OfficeSession(card.transmit, country.x_city)
    contents = country.authority.contents(session, P_384)
    for portrait in (bytes(33_000), bytes(65_000), bytes(70_000)):
        assert (
            refusal(lambda portrait=portrait: session.personalise(replace(contents, portrait=portrait))) == "card.full"
        )
    session.personalise(replace(contents, portrait=bytes(32_000)))
    terminal = CardTerminal(card.transmit)
    terminal.verify(Pin.VISUAL_B, PINS[Pin.VISUAL_B])
    assert terminal.visual_entries().portrait == bytes(32_000)


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("key", list(Key))
def test_a_new_key_proves_that_it_is_on_this_card_and_signs_nothing_else(
    country: CardCountry, algorithm: Algorithm, key: Key
) -> None:
    card = country.authority.blank(PowerDisk())
    session = OfficeSession(card.transmit, country.x_city)
    made = session.new_key(key, algorithm)
    require_possession(session.card_serial, key.name.lower(), made.public, made.proof)
    with pytest.raises(Problem, match="possession"):
        require_possession("SPECIMEN99999999", key.name.lower(), made.public, made.proof)
    assert refusal(lambda: session.terminal.sign(key, bytes(48))) == "card.unknown"


def test_the_desk_may_come_back_with_the_certificates_later(country: CardCountry) -> None:
    card = country.authority.blank(PowerDisk())
    contents = country.authority.contents(OfficeSession(card.transmit, country.x_city), P_384)
    card.reset()
    OfficeSession(card.transmit, country.x_city).personalise(contents)
    assert not CardTerminal(card.transmit).is_blank()


def test_a_pin_of_the_wrong_form_is_found_before_anything_is_written(country: CardCountry) -> None:
    card = country.authority.blank(PowerDisk())
    session = OfficeSession(card.transmit, country.x_city)
    contents = replace(country.authority.contents(session, P_384), signature_pin="short")
    assert refusal(lambda: session.personalise(contents)) == "card.pin_format"
    assert session.terminal.is_blank()


def test_certificates_are_renewed_while_the_old_ones_still_serve(card: Card, country: CardCountry) -> None:
    terminal = CardTerminal(card.transmit)
    old = terminal.authentication_certificate()
    session = OfficeSession(card.transmit, country.x_city)
    new = country.authority.certificate("NEW", session.generate_key(Key.AUTHENTICATION, Algorithm.P_384))
    card.reset()
    terminal.verify(Pin.AUTHENTICATION, PINS[Pin.AUTHENTICATION])
    assert terminal.sign(Key.AUTHENTICATION, bytes(48))
    assert terminal.authentication_certificate() == old
    OfficeSession(card.transmit, country.x_city).renew_certificates(authentication=new)
    assert terminal.authentication_certificate() == new


def test_the_office_writes_a_new_address_with_a_new_proof(card: Card, country: CardCountry) -> None:
    OfficeSession(card.transmit, country.x_city).update_text(NUMBER, MOVED, WRITTEN_ON)
    terminal = CardTerminal(card.transmit)
    terminal.verify(Pin.TEXT, PINS[Pin.TEXT])
    assert terminal.text_proof().check(country.authority.public_key) == "011002"
    assert terminal.four_items() == terminal.text_proof().four_items == MOVED


def test_a_new_number_is_the_new_printed_pin(card: Card, country: CardCountry) -> None:
    OfficeSession(card.transmit, country.x_city).update_text("987654321012", ITEMS, WRITTEN_ON)
    terminal = CardTerminal(card.transmit)
    terminal.verify(Pin.VISUAL_A, "987654321012")
    assert terminal.visual_number() == "987654321012"


def test_another_municipality_writes_nothing(card: Card, country: CardCountry) -> None:
    y_city = OfficeSession(card.transmit, country.y_city)
    own = ordinance_aid("131016", 1)
    for deed in (
        lambda: y_city.update_text(NUMBER, MOVED, WRITTEN_ON),
        lambda: y_city.generate_key(Key.AUTHENTICATION, Algorithm.P_384),
        lambda: y_city.renew_certificates(authentication=b"0"),
        lambda: y_city.create_ordinance(OrdinanceSpec(own, Access.FREE), b"key"),
    ):
        assert refusal(deed) == "card.not_allowed"


def test_the_municipality_one_moved_to_takes_the_card_over_with_the_residents_pin(
    card: Card, country: CardCountry
) -> None:
    y_city = OfficeSession(card.transmit, country.y_city)
    assert refusal(lambda: y_city.take_over("0000")) == "card.pin_wrong"
    y_city.take_over(PINS[Pin.REGISTER])
    y_city.update_text(NUMBER, MOVED, WRITTEN_ON)
    x_city = OfficeSession(card.transmit, country.x_city)
    assert refusal(lambda: x_city.update_text(NUMBER, ITEMS, WRITTEN_ON)) == "card.not_allowed"


def test_what_an_office_does_is_refused_in_clear(card: Card, country: CardCountry) -> None:
    for raw in (
        "00DA01030100",
        "00DA010401" + "00",
        "00460000060001",
        "00E00000024F00",
        "00E40000024F00",
        "002C028001",
    ):
        assert card.transmit(bytes.fromhex(raw))[-2:] in (b"\x69\x82", b"\x67\x00")


def test_a_stranger_is_no_office(card: Card, country: CardCountry) -> None:
    elsewhere = SpecimenAuthority()
    stranger = replace(elsewhere.office("011002"), authority=country.authority.public_key)
    assert refusal(lambda: OfficeSession(card.transmit, stranger)) == "card.not_allowed"


def test_a_cards_or_a_citizens_certificate_makes_no_office(card: Card, country: CardCountry) -> None:
    office = country.x_city
    for name, usage in (("011002", None), ("City hall", None)):
        key = office.private_key.public_key()
        posing = replace(office, certificate=country.authority.certificate(name, key, usage))
        assert refusal(lambda posing=posing: OfficeSession(card.transmit, posing)) == "card.not_allowed"


def test_an_office_with_another_ones_certificate_is_refused(card: Card, country: CardCountry) -> None:
    thief = OfficeKey(country.y_city.private_key, country.x_city.certificate, country.authority.public_key)
    assert refusal(lambda: OfficeSession(card.transmit, thief)) == "card.not_allowed"


def test_an_office_does_not_speak_to_a_card_of_another_authority(country: CardCountry) -> None:
    elsewhere = SpecimenAuthority()
    card = elsewhere.blank(PowerDisk())
    office = replace(elsewhere.office("011002"), authority=country.authority.public_key)
    assert refusal(lambda: OfficeSession(card.transmit, office)) == "card.not_genuine"


def test_a_card_that_has_seen_a_later_day_refuses_a_certificate_that_ended_before(
    card: Card, country: CardCountry
) -> None:
    ended = country.authority.office("011002", date(2026, 1, 1), timedelta(days=90))
    OfficeSession(card.transmit, ended)  # the card has no clock and has not seen a later day
    OfficeSession(card.transmit, country.authority.office("131016", date(2026, 10, 1)))
    card.reset()
    assert refusal(lambda: OfficeSession(card.transmit, ended)) == "card.not_allowed"


def test_a_command_in_clear_ends_the_session(card: Card, country: CardCountry) -> None:
    session = OfficeSession(card.transmit, country.x_city)
    CardTerminal(card.transmit).card_serial()
    assert refusal(session.free_space) == "card.channel"


def test_a_reset_ends_the_session(card: Card, country: CardCountry) -> None:
    session = OfficeSession(card.transmit, country.x_city)
    card.reset()
    assert refusal(session.free_space) == "card.channel"


@pytest.mark.parametrize("bit", range(0, 8 * 40, 7))
def test_a_bit_changed_on_the_way_ends_the_session(card: Card, country: CardCountry, bit: int) -> None:
    changing = False

    def wire(raw: bytes) -> bytes:
        if changing:
            at = min(bit // 8, len(raw) - 3)
            raw = raw[:at] + bytes((raw[at] ^ 1 << bit % 8,)) + raw[at + 1 :]
        return card.transmit(raw)

    session = OfficeSession(wire, country.x_city)
    changing = True
    assert refusal(lambda: session.unlock(Pin.TEXT, "8888")).startswith("card.")
    changing = False
    card.reset()
    CardTerminal(card.transmit).verify(Pin.TEXT, PINS[Pin.TEXT])


def test_a_command_repeated_or_left_out_ends_the_session(card: Card, country: CardCountry) -> None:
    heard: list[bytes] = []

    def wire(raw: bytes) -> bytes:
        heard.append(raw)
        return card.transmit(raw)

    session = OfficeSession(wire, country.x_city)
    session.free_space()
    assert card.transmit(heard[-1]) == bytes.fromhex("6988")
    assert refusal(session.free_space) == "card.channel"


def test_an_answer_changed_on_the_way_is_noticed(card: Card, country: CardCountry) -> None:
    changing = False

    def wire(raw: bytes) -> bytes:
        answer = card.transmit(raw)
        return bytes((answer[0], answer[1], answer[2], answer[3] ^ 1)) + answer[4:] if changing else answer

    session = OfficeSession(wire, country.x_city)
    changing = True
    assert refusal(session.free_space) == "card.channel"


def test_who_signs_in_place_of_a_card_with_the_key_of_another_genuine_one_gets_no_session(country: CardCountry) -> None:
    """A terminal in between that has taken apart a card of its own: the office believes to write that one, but cannot."""
    victim, own = (country.authority.blank(PowerDisk()) for _ in range(2))
    assert own._inside is not None
    own_key, own_certificate = own._inside.card_key, own._inside.state.contents[CARD_CERTIFICATE]
    points: list[bytes] = []

    def between(raw: bytes) -> bytes:
        answer = victim.transmit(raw)
        if raw[:4] == bytes.fromhex("00860001"):
            points.append(one_each(only(answer[:-2], DYNAMIC))[POINT_TAG])
        if raw[:4] == bytes.fromhex("00860002"):
            found = one_each(only(parse(raw).data, DYNAMIC))
            office = (found[POINT_TAG], found[CERTIFICATE_TAG], found[SIGNATURE_TAG])
            said = Transcript(points[0], *office, card_certificate=own_certificate)
            body = tlv(CERTIFICATE_TAG, own_certificate) + tlv(SIGNATURE_TAG, sign(own_key, said.for_card))
            return tlv(DYNAMIC, body) + b"\x90\x00"
        return answer

    session = OfficeSession(between, country.x_city)
    assert session.card_serial == CardTerminal(own.transmit).card_serial()
    assert refusal(session.free_space) == "card.channel"
    assert CardTerminal(victim.transmit).is_blank()


def test_nothing_personal_goes_in_clear_over_the_wire(country: CardCountry) -> None:
    card = country.authority.blank(PowerDisk())
    heard = bytearray()

    def wire(raw: bytes) -> bytes:
        answer = card.transmit(raw)
        heard.extend(raw + answer)
        return answer

    session = OfficeSession(wire, country.x_city)
    session.personalise(country.authority.contents(session, P_384))
    for secret in (NUMBER, ITEMS.name, ITEMS.address, *(PINS[pin] for pin in (Pin.SIGNATURE, Pin.VISUAL_B))):
        assert secret.encode() not in heard


def test_sealed_commands_may_come_in_parts(card: Card, country: CardCountry) -> None:
    """A reader that knows short commands only: the sealed command is cut, the answer fetched in pieces."""

    def short(raw: bytes) -> bytes:
        if len(raw) < 7 or raw[4] or raw[0] & 0x0C != 0x0C:
            return card.transmit(raw)
        length = int.from_bytes(raw[5:7], "big")
        data = raw[7 : 7 + length]
        pieces = [data[at : at + 200] for at in range(0, length, 200)]
        for piece in pieces[:-1]:
            assert card.transmit(bytes((raw[0] | 0x10, *raw[1:4], len(piece))) + piece) == b"\x90\x00"
        return card.transmit(raw[:4] + bytes((len(pieces[-1]),)) + pieces[-1] + b"\x00")

    session = OfficeSession(short, country.x_city)
    session.update_text(NUMBER, MOVED, WRITTEN_ON)
    aid = ordinance_aid("011002", 1)
    session.create_ordinance(OrdinanceSpec(aid, Access.FREE), b"x" * 2_000)
    assert session.read_ordinance(aid) == b"x" * 2_000


def refusal(do: object) -> str:
    assert callable(do)
    with pytest.raises(Problem) as refused:
        do()
    return refused.value.code
