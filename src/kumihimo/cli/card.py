"""`kumihimo card …`: cards at a municipality's window, cards in a reader, and what a resident does with one."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from kumihimo.cli.progress import console
from kumihimo.country import card_slot
from kumihimo.country.card_office import CardOffice, lying_in
from kumihimo.country.card_pins import CardPins
from kumihimo.country.card_reading import connected
from kumihimo.country.desk import not_to_be_said
from kumihimo.country.layout import Country
from kumihimo.domain.jpki import Document
from kumihimo.domain.kernel import JAPAN, Problem, SystemClock, SystemRandomness
from kumihimo.plumbing.wire.messages.cards import CardEvent, CardShown, CertificateState, IdentityCheck
from kumihimo.roles.card.terminal import CardTerminal, Pin

app = typer.Typer(no_args_is_help=True)

CountryFolder = Annotated[Path, typer.Option("--country", metavar="DIR", help="The folder of a country.")]
Municipality = Annotated[str, typer.Option("--in", help="The municipality at whose window it is, such as x-city.")]
Resident = Annotated[str, typer.Option("--resident", help="Addressee number of the holder; see `kumihimo find`.")]
Staff = Annotated[str, typer.Option(help="The member of staff who identified the holder.")]
Shown = Annotated[
    list[Document],
    typer.Option("--document", help="A document that was shown; may be given again. Recorded by kind only."),
]
Serial = Annotated[str, typer.Argument(metavar="SERIAL", help="The card, as `kumihimo card list` shows it.")]
Which = Annotated[str, typer.Option("--which", help="authentication, signature, text or register.")]

STAFF = "窓口 一郎"


@app.command()
def new(
    municipality: Municipality,
    resident: Resident,
    document: Shown,
    staff: Staff = STAFF,
    pins: Annotated[
        Path | None,
        typer.Option(help="TOML with the PINs the holder chose; otherwise they are drawn and printed, once."),
    ] = None,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Issue a card at a window (個人番号カードの交付).

    The resident was identified there. The card makes its keys, the authority issues the certificates, the office writes them
    with number and four items. A card that is in use ends with it. It is a software card, and says so.
    """
    chosen = CardPins.read(pins) if pins is not None else CardPins.drawn(SystemRandomness())
    office = CardOffice.of(Country.open(country), municipality)
    card = office.issue(resident, _identified(document, staff), chosen)
    console.print(
        f"{card.serial}  until {card.until}, security code {card.security_code}, in {card.folder}", markup=False
    )
    if not card.signs:
        console.print("Without a signature certificate: its holder is under fifteen.")
    if pins is None:
        signature = f", signature {chosen.signature}" if card.signs else ""
        console.print(f"PINs, shown this once: authentication, text and register {chosen.authentication}{signature}")


@app.command("list")
def list_cards(country: CountryFolder = Path(".demo")) -> None:
    """The software cards, and which of them is in the reader."""
    here = Country.open(country)
    inside = card_slot.inserted(here)
    for serial in lying_in(here):
        console.print(f"{serial}{'  in the reader' if serial == inside else ''}")
    console.print(f"{len(lying_in(here))} cards")


@app.command()
def show(municipality: Municipality, resident: Resident, country: CountryFolder = Path(".demo")) -> None:
    """The cards and certificates of a resident.

    As the certification authority has them.
    """
    _print(CardOffice.of(Country.open(country), municipality).cards(resident))


@app.command()
def insert(serial: Serial, country: CountryFolder = Path(".demo")) -> None:
    """Put a card into the country's virtual reader.

    The reader is a real pcscd with vpcd in a network of its own; it begins with the first card.
    """
    here = Country.open(country)
    card_slot.insert(here, serial)
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in card_slot.environment(here).items())
    console.print(f"{serial} is in the reader. For other programs: export {exports}", markup=False)


@app.command()
def eject(
    reader: Annotated[bool, typer.Option("--reader", help="End the virtual reader, too.")] = False,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Pull the card out of the country's virtual reader."""
    here = Country.open(country)
    serial = card_slot.eject(here)
    if reader:
        card_slot.put_away(here)
    console.print(f"{serial} is out." if serial else "No card was in the reader.")


@app.command()
def pins(
    country: CountryFolder = Path(".demo"),
) -> None:
    """How many tries each PIN of the card has left."""
    with _card(country) as terminal:
        for which in _PINS.values():
            left = terminal.tries_left(which)
            console.print(
                f"{which.name.lower():16}{left} of {which.rule.tries}{'' if left else '  locked, or not set'}"
            )


@app.command("change-pin")
def change_pin(which: Which, country: CountryFolder = Path(".demo")) -> None:
    """Change a PIN of the card in the reader.

    Old and new are asked for.
    """
    chosen = _pin(which)
    with _card(country) as terminal:
        terminal.change_pin(chosen, asked("Present PIN"), asked("New PIN", twice=True))
    console.print("Changed.")


@app.command()
def unlock(
    municipality: Municipality,
    which: Which,
    document: Shown,
    staff: Staff = STAFF,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Give a locked PIN a new value at a window (暗証番号の再設定).

    The card is in the reader, and its holder was identified.
    """
    here, chosen, identity = Country.open(country), _pin(which), _identified(document, staff)
    new = asked("New PIN", twice=True)
    with connected(here) as transmit:
        CardOffice.of(here, municipality).unlock(transmit, chosen, new, identity)
    console.print("Unlocked, with the new PIN.")


@app.command()
def renew(
    municipality: Municipality, resident: Resident, document: Shown, staff: Staff = STAFF,
    country: CountryFolder = Path(".demo"),
) -> None:  # fmt: skip
    """New keys, certificates and texts for a card.

    The card is in the reader: before its certificates end, or after a move or a change of name. Whoever turned fifteen is asked
    for a signature PIN.
    """
    here = Country.open(country)
    office = CardOffice.of(here, municipality)
    with connected(Country.open(country)) as transmit:
        first_pin = lambda: asked("First signature PIN", twice=True)  # noqa: E731
        until = office.renew(transmit, resident, _identified(document, staff), first_pin)
    console.print(f"Renewed; the card lasts until {until}.")


@app.command("take-over")
def take_over(municipality: Municipality, country: CountryFolder = Path(".demo")) -> None:
    """Take over the card of somebody who moved here (継続利用).

    The card is in the reader; the PIN for the register is asked for.
    """
    with connected(Country.open(country)) as transmit:
        CardOffice.of(Country.open(country), municipality).take_over(transmit, asked("PIN for the register"))
    console.print(f"The card is {municipality}'s from now on. Now `kumihimo card renew` writes the new address.")


@app.command()
def report(
    event: Annotated[CardEvent, typer.Argument(metavar="EVENT", help="lost, found, ended or stolen.")],
    serial: Serial,
    municipality: Municipality,
    document: Annotated[
        list[Document] | None, typer.Option("--document", help="What was shown; needed for found.")
    ] = None,
    staff: Staff = STAFF,
    country: CountryFolder = Path(".demo"),
) -> None:
    """Report a card lost, found again, ended or stolen.

    Its certificates are suspended, in force again, or end.
    """
    office = CardOffice.of(Country.open(country), municipality)
    _print(office.tell(event, serial, staff, _identified(document, staff) if document else None))


_PINS = {
    "authentication": Pin.AUTHENTICATION,
    "signature": Pin.SIGNATURE,
    "text": Pin.TEXT,
    "register": Pin.REGISTER,
}


def _pin(name: str) -> Pin:
    if name not in _PINS:
        raise Problem("value.invalid", repr(name), where="--which", expected=f"one of {', '.join(_PINS)}")
    return _PINS[name]


def asked(what: str, *, twice: bool = False) -> str:
    """A PIN as its holder enters it: unseen at a terminal, a line of standard input otherwise."""
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True, confirmation_prompt=twice))
    line = sys.stdin.readline()
    if not line:
        raise Problem("card.pin_format", "nothing was entered", where=what, expected="a PIN, on a line of its own")
    return line.rstrip("\n")


def _identified(documents: list[Document], staff: str) -> IdentityCheck:
    """Raises Problem(value.invalid), as for a member of staff without a name."""
    try:
        return IdentityCheck(documents=tuple(documents), checked_by=staff, checked_at=SystemClock().now())
    except ValidationError as error:
        raise not_to_be_said(error) from None


@contextmanager
def _card(country: Path) -> Iterator[CardTerminal]:
    with connected(Country.open(country)) as connection:
        yield CardTerminal(connection)


def _print(cards: tuple[CardShown, ...]) -> None:
    for card in cards:
        held = any(one.state is CertificateState.HELD for one in card.certificates)
        use = "in use" if card.in_use else "suspended" if held else "ended"
        console.print(
            f"{card.card_serial}  {use}, issued by {card.municipality}, until {card.card_until}", markup=False
        )
        for one in card.certificates:
            console.print(
                f"  {one.profile.value:15} {one.serial}  {one.state.value} ({one.cause.value})"
                f" since {one.since.astimezone(JAPAN):%Y-%m-%d %H:%M:%S}, until {one.valid_until.astimezone(JAPAN):%Y-%m-%d}",
                markup=False,
            )
    console.print(f"{len(cards)} cards")
