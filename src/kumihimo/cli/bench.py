"""`kumihimo bench …` (計測): one JSON line per figure; status 1 when a figure does not keep what is promised of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from kumihimo.country.benches import appends, card, enrolment, login_stage, numbering, proofs, rules, seal, translate
from kumihimo.country.benches import batch as batch_bench
from kumihimo.country.benches import costs as costs_bench
from kumihimo.country.benches import inquiry as inquiry_bench
from kumihimo.country.benches import login as login_bench
from kumihimo.country.benches import notices as notices_bench
from kumihimo.country.benches import portal as portal_bench
from kumihimo.country.benches.figures import Effort, Measured, judged
from kumihimo.country.benches.reaches import REACHES
from kumihimo.country.layout import Country
from kumihimo.domain.kernel import Problem

app = typer.Typer(no_args_is_help=True)

Bench = Callable[[Effort], Iterator[Measured]]
Quick = Annotated[bool, typer.Option("--quick", help="Small counts: shows that it works; the figures are rough.")]
CountryFolder = Annotated[Path, typer.Option("--country", metavar="DIR", help="The folder of a country that is up.")]


def _log(effort: Effort) -> Iterator[Measured]:
    yield from appends.measure(effort)
    yield from proofs.measure(effort)


BENCHES: dict[str, tuple[Bench, str]] = {
    "rules": (rules.measure, "One decision with all rules loaded."),
    "translate": (translate.measure, "One operator's translation of link codes."),
    "seal": (seal.measure, "Sealing, opening, signing, verifying."),
    "log": (_log, "Durable appends and inclusion proofs of the transparency log."),
    "numbering": (numbering.measure, "Bulk assignment of Individual Numbers, stored."),
    "country": (enrolment.measure, "A million residents registered and numbered."),
    "card": (card.measure, "An exchange with a card through the real PC/SC."),
}


def _command(bench: Bench) -> Callable[[Quick], None]:
    def run(quick: Quick = False) -> None:
        _finish(_print(bench(_effort(quick))))

    return run


for _name, (_bench, _help) in BENCHES.items():
    app.command(_name, help=_help)(_command(_bench))


@app.command()
def inquiry(country: CountryFolder = Path(".demo"), quick: Quick = False) -> None:
    """The eight steps of an inquiry on a running country.

    Alone, and with 16 callers at once.
    """
    _finish(_print(inquiry_bench.measure(Country.open(country), _effort(quick))))


@app.command()
def batch(country: CountryFolder = Path(".demo"), quick: Quick = False) -> None:
    """10,000 persons asked about in batches on a running country.

    Until everybody is answered, and until the portal shows every outcome.
    """
    _finish(_print(batch_bench.measure(Country.open(country), _effort(quick))))


@app.command()
def costs(country: CountryFolder = Path(".demo"), quick: Quick = False) -> None:
    """What one more inquiry costs each party.

    Processor time, disk and memory on a running country, of single inquiries and of batches: what kumihimo scale counts up.
    """
    _finish(_print(costs_bench.measure(Country.open(country), _effort(quick))))


@app.command()
def login(country: CountryFolder = Path(".demo"), quick: Quick = False) -> None:
    """Logging in with the card in a real Chromium.

    From the click to the authenticated page, on a running country; a stand-in gives the PIN at once, so that nobody's typing is
    counted. It issues 総務太郎 of X市 a new card.
    """
    _finish(_print(_login(Country.open(country), _effort(quick))))


def _login(country: Country, effort: Effort) -> Iterator[Measured]:
    with login_stage.set_up(country) as stage:
        yield from login_bench.measure(stage, effort)


@app.command()
def notices(country: CountryFolder = Path(".demo"), quick: Quick = False) -> None:
    """Notices to people on a running country, and inboxes.

    From a business system's call to the portal's store.
    """
    _finish(_print(notices_bench.measure(Country.open(country), _effort(quick))))


@app.command()
def portal(country: CountryFolder = Path(".demo"), quick: Quick = False) -> None:
    """Pages of My Portal on a running country.

    As a browser asks for them, logged in with 総務花子's card, which is issued where she has none.
    """
    _finish(_print(portal_bench.measure(Country.open(country), _effort(quick))))


@app.command("all")
def every(
    country: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A country that is up, for the inquiries.")
    ] = None,
    quick: Quick = False,
) -> None:
    """Every bench, one after the other."""
    effort = _effort(quick)
    failed = [name for bench, _ in BENCHES.values() for name in _where_cards_work(bench(effort))]
    if country is None:
        for name in ("inquiry", "batch", "costs", "portal", "notices", "login"):
            typer.echo(f"{name}: NOT MEASURED, it needs a country that is up: --country DIR", err=True)
    else:
        failed += _print(inquiry_bench.measure(Country.open(country), effort))
        failed += _print(batch_bench.measure(Country.open(country), effort))
        failed += _print(costs_bench.measure(Country.open(country), effort))
        failed += _print(portal_bench.measure(Country.open(country), effort))
        failed += _print(notices_bench.measure(Country.open(country), effort))
        failed += _where_cards_work(_login(Country.open(country), effort))
    _finish(failed)


def _effort(quick: bool) -> Effort:
    return Effort.QUICK if quick else Effort.FULL


def _print(measured: Iterable[Measured]) -> list[str]:
    """Print each figure as it comes; the names of those that do not hold."""
    failed = []
    for one in measured:
        figure = judged(one, REACHES)
        typer.echo(figure.line())
        if figure.holds is False:
            failed.append(one.name)
    return failed


def _where_cards_work(measured: Iterable[Measured]) -> list[str]:
    """As `_print`; on a machine without readers or browser it says so and goes on."""
    try:
        return _print(measured)
    except Problem as problem:
        if problem.code not in ("card.unavailable", "drill.impossible"):
            raise
        typer.echo(f"NOT MEASURED: {problem}", err=True)
        return []


def _finish(failed: list[str]) -> None:
    if failed:
        typer.echo(f"not held: {', '.join(failed)}", err=True)
        raise typer.Exit(1)
