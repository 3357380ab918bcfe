"""`kumihimo card …`, what a card is used for: numbers verified, documents signed, logging in, ordinance applications."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli.card import STAFF, CountryFolder, Municipality, Staff, asked
from kumihimo.cli.problems import writing
from kumihimo.cli.progress import console
from kumihimo.country import card_slot
from kumihimo.country.card_office import CardOffice
from kumihimo.country.card_reading import connected, sign_document
from kumihimo.country.check_page import check_page
from kumihimo.country.layout import Country
from kumihimo.domain.identity_check import KINDS, Printed, WhyNoPhoto
from kumihimo.domain.kernel import JAPAN, Problem, SystemClock, SystemRandomness
from kumihimo.plumbing.wire.messages.identity import DocumentShown, IdentityChecks
from kumihimo.roles.card.check_site.running import run_check_site
from kumihimo.roles.card.host.installing import Place, install_browser, remove_browser
from kumihimo.roles.card.host.settings import HostSettings
from kumihimo.roles.card.number_verification import Counter
from kumihimo.roles.card.ordinance import CATALOGUE
from kumihimo.roles.card.terminal import CardTerminal

ordinance = typer.Typer(no_args_is_help=True)
identity = typer.Typer(no_args_is_help=True)

About = Annotated[str, typer.Option(help="Addressee number in the ledger of that municipality.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Such as library-card; see `kumihimo card ordinance list`.")]
Values = Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A field; may be given again.")]
WithPin = Annotated[bool, typer.Option("--pin", help="The holder enters a PIN: it is asked for.")]


@identity.command("card")
def by_card(
    municipality: Municipality, about: About, staff: Staff = STAFF, country: CountryFolder = Path(".demo")
) -> None:
    """Verify number and four items by the card in the reader.

    番号法第十六条. The PIN for texts is asked for; the office's proof and the card's own are checked without a network and
    compared with the addressee, and the check is recorded.
    """
    here = Country.open(country)
    office = CardOffice.of(here, municipality)
    counter = Counter(office.office_key.authority, staff, SystemClock(), SystemRandomness())
    with connected(here) as transmit:
        verified = counter.verify(transmit, asked("PIN for texts"))
    _print_checks(office.check_by_card(about, verified))


@identity.command("documents")
def by_documents(
    municipality: Municipality,
    about: About,
    document: Annotated[
        list[str],
        typer.Option(metavar="KIND[:expires=DAY][:issued=DAY]", help=f"What was shown: {', '.join(KINDS)}."),
    ],
    staff: Staff = STAFF,
    why_no_photo: Annotated[WhyNoPhoto | None, typer.Option(help="Why none with a photo could be shown.")] = None,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Record a check by documents, for somebody without a card.

    番号法施行規則第一条・第二条. One proves the number, one with a photo or two others the person. Only kinds are taken down.
    """
    shown = tuple(_document(one) for one in document)
    _print_checks(
        CardOffice.of(Country.open(country), municipality).check_by_documents(about, staff, shown, why_no_photo)
    )


@identity.command("show")
def show_checks(municipality: Municipality, about: About, country: CountryFolder = Path(".demo")) -> None:
    """The identity checks made of an addressee."""
    _print_checks(CardOffice.of(Country.open(country), municipality).checks(about))


def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The document.")],
    out: Annotated[Path | None, typer.Option(help="Where the signature goes; FILE.p7s if not given.")] = None,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Sign a document with the card in the reader.

    The signature is CMS, detached, for `openssl cms -verify -binary -inform DER -content FILE`. The signature PIN is asked for.
    """
    try:
        document = file.read_bytes()
    except OSError as error:
        raise Problem("file.unreadable", error.strerror or str(error), where=str(file)) from None
    with connected(Country.open(country)) as transmit:
        signed = sign_document(CardTerminal(transmit), document, lambda: asked("Signature PIN"), SystemClock().now())
    place = out or file.with_name(f"{file.name}.p7s")
    with writing(place):
        place.write_bytes(signed)
    console.print(f"{place}: {len(signed)} bytes", markup=False)


def install(
    everybody: Annotated[bool, typer.Option("--everybody", help="For all accounts of this machine; as root.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take it away again.")] = False,
    development: Annotated[
        bool, typer.Option("--development", help="Also for pages of this machine without https.")
    ] = False,
    country: Annotated[
        Path | None, typer.Option("--country", metavar="DIR", help="Use that country's virtual reader.")
    ] = None,
) -> None:
    """Make browsers of this computer find the card.

    Installs the card program and the extension for Chromium, Chrome, Edge and Brave. Again changes nothing.
    """
    place = Place.system() if everybody else Place.home()
    if remove:
        done = remove_browser(place)
    else:
        socket = None if country is None else Path(card_slot.environment(Country.open(country))[card_slot.VARIABLE])
        done = install_browser(place, settings=HostSettings(development=development, pcsc_socket=socket))
    for path in done.changed:
        console.print(f"  {path}", markup=False)
    console.print(done.how if done.changed else f"Everything was as it should be. {done.how}", markup=False)


def check_site(
    port: Annotated[int, typer.Option(help="Where it listens, on this machine.")] = 8443,
    country: CountryFolder = Path(".demo"),
) -> None:
    """A page to try the card on (動作確認).

    Log in with card and browser, see what the certificate says, sign a text. The country is up; Ctrl-C stops the page.
    """
    settings = check_page(Country.open(country), port)
    console.print(f"{settings.origin}  (its certificate is its own: the browser will ask)")
    run_check_site(settings)


@ordinance.command("list")
def list_applications() -> None:
    """What municipalities may put on cards.

    By which article, and who reads it.
    """
    for one in CATALOGUE.values():
        fields = ", ".join(f"{field.name} ({field.name_ja})" for field in one.fields) or "an access key"
        console.print(
            f"{one.id:24} {one.name_ja}, method {one.method.value}, {one.access.name.lower()}: {one.article}\n  {fields}\n"
            f"  read by {one.readers}",
            markup=False,
        )


@ordinance.command()
def add(
    name: Name, municipality: Municipality, values: Values = None, pin: WithPin = False,
    country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """Put an application on the card in the reader.

    Method 1: an access key, and an entry with the fields in the service's own ledger. Method 2: the fields themselves, signed.
    """
    here = Country.open(country)
    counters, given = CardOffice.of(here, municipality).ordinance_counters(), _fields(values)
    chosen = asked(f"PIN for {name}", twice=True) if pin else None
    with connected(here) as transmit:
        done = counters.add(transmit, name, given, chosen)
    console.print(f"{name} is on the card: {done.takes} bytes, {done.free} are free.")


@ordinance.command()
def update(
    name: Name, municipality: Municipality, values: Values = None, country: CountryFolder = Path(".demo")
) -> None:
    """Replace an attribute on the card in the reader.

    The one before counts no more.
    """
    here = Country.open(country)
    counters, given = CardOffice.of(here, municipality).ordinance_counters(), _fields(values)
    with connected(here) as transmit:
        done = counters.update(transmit, name, given)
    console.print(f"{name} is replaced: {done.takes} bytes, {done.free} are free.")


@ordinance.command()
def read(
    name: Name,
    municipality: Municipality,
    field: Annotated[
        list[str] | None, typer.Option("--field", help="What the reader needs; may be given again.")
    ] = None,
    pin: WithPin = False,
    of: Annotated[str | None, typer.Option("--of", help="Another municipality, whose application it is.")] = None,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Read an application of the card in the reader.

    As a counter does that has no network. Whose word it takes: `kumihimo card ordinance trust`.
    """
    here = Country.open(country)
    counters = CardOffice.of(here, municipality).ordinance_counters()
    code = None if of is None else here.local_government_code(of)
    entered = asked(f"PIN for {name}") if pin else None
    with connected(here) as transmit:
        found = counters.read(transmit, name, field or (), entered, code)
    for key, value in found.values.items():
        console.print(f"{key}: {value}", markup=False)
    for caution in found.cautions:
        console.print(f"Caution: {caution}", markup=False)


@ordinance.command()
def remove(
    name: Name, municipality: Municipality, pin: WithPin = False, country: CountryFolder = Path(".demo")
) -> None:
    """Take an application off the card in the reader.

    And out of the books.
    """
    here = Country.open(country)
    counters = CardOffice.of(here, municipality).ordinance_counters()
    entered = asked(f"PIN for {name}") if pin else None
    with connected(here) as transmit:
        free = counters.remove(transmit, name, entered)
    console.print(f"{name} is off the card; {free} bytes are free.")


@ordinance.command()
def on(municipality: Municipality, country: CountryFolder = Path(".demo")) -> None:
    """What applications are on the card in the reader."""
    here = Country.open(country)
    counters = CardOffice.of(here, municipality).ordinance_counters()
    with connected(here) as transmit:
        listed = counters.listed(transmit)
    for code, name in listed:
        console.print(f"{code}  {name}")
    console.print(f"{len(listed)} applications")


@ordinance.command()
def trust(
    municipality: Municipality,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The municipality whose word counts, such as y-city.")],
    country: CountryFolder = Path(".demo"),
) -> None:
    """Take another municipality's word at these counters.

    Its issuing key, vouched for by its office, and what it has revoked until now.
    """
    here = Country.open(country)
    theirs = CardOffice.of(here, other).ordinance_counters()
    counters = CardOffice.of(here, municipality).ordinance_counters().trust(theirs.reading.trusted.to_bytes())
    counters.take_revocations(theirs.revocation_list())
    console.print(f"The counters of {municipality} take the word of {other}.")


def _fields(values: list[str] | None) -> dict[str, str]:
    """FIELD=VALUE as typed. Raises Problem(value.invalid)."""
    found: dict[str, str] = {}
    for text in values or []:
        field, separator, value = text.partition("=")
        if not separator:
            raise Problem("value.invalid", repr(text), where="--set", expected="FIELD=VALUE")
        found[field] = value
    return found


def _document(text: str) -> DocumentShown:
    """KIND with its days. What is printed on it agreed with the person, else it would not be given here."""
    kind, *parts = text.split(":")
    days: dict[str, date] = {}
    for part in parts:
        name, _, day = part.partition("=")
        try:
            if name not in ("expires", "issued"):
                raise ValueError(name)
            days[name] = date.fromisoformat(day)
        except ValueError:
            raise Problem(
                "value.invalid", repr(part), where="--document", expected="expires=YYYY-MM-DD or issued=YYYY-MM-DD"
            ) from None
    return DocumentShown(kind=kind, agrees=tuple(Printed), **days)


def _print_checks(checks: IdentityChecks) -> None:
    for one in checks.checks:
        console.print(
            f"{one.checked_at.astimezone(JAPAN):%Y-%m-%d %H:%M:%S}  {one.result}, by {one.method.value}"
            f" ({', '.join(one.documents)}), {one.staff}; {', '.join(one.articles)}",
            markup=False,
        )
    console.print(f"{len(checks.checks)} checks")
