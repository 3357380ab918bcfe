"""Cards in a country that is up: issued at a window, ended by what happens to their holders, asked about by everybody."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from card_programs import needs
from kumihimo.cli.main import app
from kumihimo.country import card_office, card_slot, topology
from kumihimo.country.card_office import CardOffice, folder_of
from kumihimo.country.card_pins import CardPins
from kumihimo.country.inspection import cells, read_cell
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.waiting import until
from kumihimo.domain.jpki import Document, Profile
from kumihimo.domain.kernel import Problem, SystemClock, SystemRandomness
from kumihimo.domain.web_eid import Standing
from kumihimo.plumbing.wire.messages.cards import CardEvent, CertificateState, IdentityCheck
from kumihimo.plumbing.wire.ocsp_client import OcspClient
from kumihimo.roles.card.chip import Card, FolderDisk
from kumihimo.roles.card.terminal import CardTerminal, OfficeSession, Pin

SECONDS = 30.0
PINS = CardPins("1357", "1357", "2468", "ABC123")
NUMBER = "SELECT individual_number FROM addressee WHERE addressee_number = ?"
IDENTITY = IdentityCheck(documents=(Document.PASSPORT,), checked_by="窓口 一郎", checked_at=datetime.now(UTC))


@dataclass(frozen=True)
class Holder:
    """Somebody of X市 with a card."""

    country: Country
    addressee: str
    serial: str

    @property
    def office(self) -> CardOffice:
        return CardOffice.of(self.country, "x-city")

    def states(self) -> dict[Profile, CertificateState]:
        """How the certificates of the newest card stand at the authority."""
        card = next(one for one in self.office.cards(self.addressee) if one.card_serial == self.serial)
        return {one.profile: one.state for one in card.certificates}

    def asked(self) -> dict[Profile, Standing]:
        """What the responder tells everybody who asks by plain HTTP."""
        ask = OcspClient(SystemRandomness(), SystemClock())
        disk = FolderDisk(folder_of(self.country, self.serial))
        try:
            card = Card(disk)
            card.power_on()
            terminal = CardTerminal(card.transmit)
            ends = (terminal.authentication_certificate(), terminal.signature_certificate("ABC123"))
            issuers = terminal.ca_certificates()
        finally:
            disk.close()
        pairs = zip(Profile, ends, issuers, strict=True)
        read = x509.load_der_x509_certificate
        return {profile: ask(read(end), read(issuer)).standing for profile, end, issuer in pairs}


def happens(look: Callable[[], bool], seconds: float, what: str) -> None:
    until(lambda: True if look() else None, seconds, what)


def register(country: Country, *words: str) -> str:
    """What `kumihimo register …` prints; raises the Problem it ends with."""
    result = CliRunner().invoke(app, ["register", *words, "--in", "x-city", "--country", str(country.folder)])
    if isinstance(result.exception, Problem):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def somebody(country: Country, given: str, birth: str = "1990-05-06") -> str:
    """A new resident of X市; their addressee number there."""
    printed = register(
        country, "birth", "--family", "券面", "--given", given, "--family-kana", "ケンメン", "--given-kana", "カナ",
        "--birth", birth, "--sex", "女", "--lines", f"中央9丁目{given}番",
    )  # fmt: skip
    return printed.splitlines()[-1].split()[0]


def holder(country: Country, given: str) -> Holder:
    addressee = somebody(country, given)
    return Holder(country, addressee, CardOffice.of(country, "x-city").issue(addressee, IDENTITY, PINS).serial)


@pytest.fixture(scope="module")
def hana(country: Country) -> Holder:
    return holder(country, "花")


def test_the_certificates_of_a_new_card_are_good_for_everybody_who_asks(hana: Holder) -> None:
    happens(lambda: set(hana.asked().values()) == {Standing.GOOD}, SECONDS, "good answers")
    assert set(hana.states().values()) == {CertificateState.GOOD}


def test_the_card_says_what_the_register_says(hana: Holder) -> None:
    disk = FolderDisk(folder_of(hana.country, hana.serial))
    try:
        card = Card(disk)
        card.power_on()
        terminal = CardTerminal(card.transmit)
        terminal.verify(Pin.TEXT, "1357")
        number, items = terminal.number(), terminal.four_items()
        municipality = terminal.text_proof().check(hana.office.office_key.authority)
    finally:
        disk.close()
    assert number == read_cell(hana.country, topology.ledger_of("x-city"), NUMBER, hana.addressee)
    assert (items.name, items.birth) == ("券面　花", date(1990, 5, 6))
    assert municipality == topology.local_government_code("x-city")


def test_a_lost_card_is_held_within_a_second_and_good_again_when_it_is_found(country: Country) -> None:
    one = holder(country, "紛")
    happens(lambda: set(one.asked().values()) == {Standing.GOOD}, SECONDS, "good answers")
    one.office.tell(CardEvent.LOST, one.serial, "窓口 一郎")
    happens(lambda: set(one.asked().values()) == {Standing.REVOKED}, 1.0, "suspended")
    one.office.tell(CardEvent.FOUND, one.serial, "窓口 一郎", IDENTITY)
    happens(lambda: set(one.asked().values()) == {Standing.GOOD}, SECONDS, "good again")


def test_a_new_address_ends_the_signature_certificate_alone(country: Country) -> None:
    one = holder(country, "移")
    register(country, "move", "--about", one.addressee, "--lines", "港町1丁目1番1号")
    wanted = {Profile.AUTHENTICATION: Standing.GOOD, Profile.SIGNATURE: Standing.REVOKED}
    happens(lambda: one.asked() == wanted, SECONDS, "the registry's event")


def test_a_death_ends_both(country: Country) -> None:
    one = holder(country, "逝")
    register(country, "death", "--about", one.addressee)
    happens(lambda: set(one.asked().values()) == {Standing.REVOKED}, SECONDS, "the registry's event")


def test_another_card_ends_the_one_before(country: Country) -> None:
    one = holder(country, "再")
    again = one.office.issue(one.addressee, IDENTITY, PINS)
    assert set(one.states().values()) == {CertificateState.REVOKED}
    newest, before = one.office.cards(one.addressee)
    assert (newest.card_serial, newest.in_use) == (again.serial, True)
    assert (before.card_serial, before.in_use) == (one.serial, False)


def test_a_child_gets_no_signature_certificate(country: Country) -> None:
    addressee = somebody(country, "幼", "2019-04-01")
    card = CardOffice.of(country, "x-city").issue(addressee, IDENTITY, PINS)
    (shown,) = CardOffice.of(country, "x-city").cards(addressee)
    assert not card.signs
    assert [one.profile for one in shown.certificates] == [Profile.AUTHENTICATION]


def test_nobody_gets_a_card_who_was_not_identified_and_nothing_is_left(country: Country) -> None:
    addressee = somebody(country, "疑")
    before = sorted((country.folder / "cards").iterdir())
    weak = IDENTITY.model_copy(update={"documents": (Document.BANK_BOOK,)})
    with pytest.raises(Problem) as caught:
        CardOffice.of(country, "x-city").issue(addressee, weak, PINS)
    assert caught.value.code == "jpki.identity_unproven"
    assert sorted((country.folder / "cards").iterdir()) == before


def test_an_institution_that_is_no_municipality_has_no_card_window(country: Country) -> None:
    with pytest.raises(Problem) as caught:
        _ = CardOffice.of(country, "tax-office").office_key
    assert caught.value.code == "peer.not_allowed"


def test_a_pin_the_card_would_not_take_is_refused_before_anything_is_made(country: Country) -> None:
    addressee = somebody(country, "桁")
    with pytest.raises(Problem) as caught:
        CardOffice.of(country, "x-city").issue(addressee, IDENTITY, CardPins("12", "12", "12", "ABC123"))
    assert (caught.value.code, caught.value.where) == ("card.pin_format", "authentication")


def test_the_authority_and_its_responder_never_learn_a_number(country: Country, hana: Holder) -> None:
    numbers = {
        f"{value:012d}"
        for place, value in cells(country, topology.NUMBERING)
        if place == "used_number.number" and isinstance(value, int)
    }
    assert numbers
    for party in (topology.JPKI, topology.RESPONDER):
        held = {str(value) for _, value in cells(country, party)}
        held |= {f"{value:012d}" for _, value in cells(country, party) if isinstance(value, int)}
        text = " ".join(held)
        assert not numbers & set(re.findall(r"(?<!\d)\d{12}(?!\d)", text)), party


def test_the_responder_knows_serials_and_nobody(country: Country, hana: Holder) -> None:
    codes = {str(value) for place, value in cells(country, topology.REGISTRY) if place == "resident.resident_code"}
    text = " ".join(str(value) for _, value in cells(country, topology.RESPONDER))
    assert codes
    assert not codes & set(re.findall(r"\d{11}", text))
    assert hana.serial not in text
    assert "券面" not in text


@needs("virtual-reader", "python:smartcard")
def test_a_card_is_put_into_the_reader_used_and_pulled_by_command(
    country: Country, hana: Holder, tmp_path: Path
) -> None:
    def card(*words: str, said: str = "", status: int = 0) -> str:
        """A process of its own, like everybody's: PC/SC reads once where its reader is."""
        command = [sys.executable, "-c", "from kumihimo.cli.main import main; main()", "card", *words]
        ended = subprocess.run(
            [*command, "--country", str(country.folder)], input=said, capture_output=True, text=True, timeout=120
        )
        assert ended.returncode == status, ended.stderr
        return ended.stdout + ended.stderr

    try:
        assert hana.serial in card("insert", hana.serial)
        assert f"{hana.serial}  in the reader" in card("list")
        assert "card.pin_wrong" in card("change-pin", "--which", "text", said="9999\n1111\n", status=1)
        assert "text            2 of 3" in card("pins")
        card("unlock", "--in", "y-city", "--which", "text", "--document", "passport", said="1357\n")
        assert "text            3 of 3" in card("pins")
        assert hana.serial in card("eject", "--reader")
    finally:
        card_slot.put_away(country)
    with pytest.raises(Problem) as caught:
        card_slot.environment(country)
    assert caught.value.code == "card.no_reader"


def test_a_card_that_could_not_be_written_is_none_and_the_authority_knows(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    addressee = somebody(country, "壊")
    before = sorted((country.folder / "cards").iterdir())

    def broken(*_: object) -> None:
        raise Problem("card.failed", "the writer broke")

    monkeypatch.setattr(OfficeSession, "personalise", broken)
    with pytest.raises(Problem) as caught:
        CardOffice.of(country, "x-city").issue(addressee, IDENTITY, PINS)
    assert caught.value.code == "card.failed"
    (told,) = CardOffice.of(country, "x-city").cards(addressee)
    assert not told.in_use
    assert {one.state for one in told.certificates} == {CertificateState.REVOKED}
    assert sorted((country.folder / "cards").iterdir()) == before


def test_whoever_turned_fifteen_chooses_a_signature_pin_at_the_renewal(
    country: Country, monkeypatch: pytest.MonkeyPatch
) -> None:
    addressee, office = somebody(country, "若"), CardOffice.of(country, "x-city")
    with monkeypatch.context() as younger:
        younger.setattr(card_office, "may_sign", lambda *_: False)
        issued = office.issue(addressee, IDENTITY, PINS)
    disk = FolderDisk(issued.folder)
    try:
        card = Card(disk)
        card.power_on()
        office.renew(card.transmit, addressee, IDENTITY, lambda: "FIRST15")
        assert CardTerminal(card.transmit).signature_certificate("FIRST15")
        office.renew(card.transmit, addressee, IDENTITY, lambda: pytest.fail("the PIN is there already"))
    finally:
        disk.close()


def test_a_pin_is_not_unlocked_for_somebody_who_shows_too_little(country: Country) -> None:
    def nothing(_command: bytes) -> bytes:
        raise AssertionError("the card was asked")

    weak = IDENTITY.model_copy(update={"documents": (Document.BANK_BOOK,)})
    with pytest.raises(Problem) as caught:
        CardOffice.of(country, "x-city").unlock(nothing, Pin.TEXT, "1234", weak)
    assert caught.value.code == "jpki.identity_unproven"


def test_an_office_gets_another_key_in_time_and_cards_take_it(
    country: Country, hana: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = CardOffice.of(country, "x-city").office_key.certificate
    monkeypatch.setattr(card_office, "_RENEWED_BEFORE", timedelta(days=3 * 365))
    office = CardOffice.of(country, "x-city")
    assert office.office_key.certificate != before
    disk = FolderDisk(folder_of(country, hana.serial))
    try:
        card = Card(disk)
        card.power_on()
        office.unlock(card.transmit, Pin.TEXT, "1357", IDENTITY)
    finally:
        disk.close()
