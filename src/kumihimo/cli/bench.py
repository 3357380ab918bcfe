"""`kumihimo bench …` (計測): one JSON line per figure; status 1 when a figure does not keep what is promised of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from kumihimo.country.benches import appends, enrolment, numbering, proofs, rules, seal, translate
from kumihimo.country.benches import batch as batch_bench
from kumihimo.country.benches import costs as costs_bench
from kumihimo.country.benches import inquiry as inquiry_bench
from kumihimo.country.benches.figures import Effort, Measured, judged
from kumihimo.country.benches.reaches import REACHES
from kumihimo.country.layout import Country

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
    """What one more inquiry or person costs each party, for `kumihimo scale`.

    Processor time, disk and memory on a running country, with what follows by itself.
    """
    _finish(_print(costs_bench.measure(Country.open(country), _effort(quick))))


@app.command("all")
def every(
    country: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A country that is up, for the inquiries.")
    ] = None,
    quick: Quick = False,
) -> None:
    """Every bench, one after the other."""
    effort = _effort(quick)
    failed = [name for bench, _ in BENCHES.values() for name in _print(bench(effort))]
    if country is None:
        for name in ("inquiry", "batch", "costs"):
            typer.echo(f"{name}: NOT MEASURED, it needs a country that is up: --country DIR", err=True)
    else:
        failed += _print(inquiry_bench.measure(Country.open(country), effort))
        failed += _print(batch_bench.measure(Country.open(country), effort))
        failed += _print(costs_bench.measure(Country.open(country), effort))
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


def _finish(failed: list[str]) -> None:
    if failed:
        typer.echo(f"not held: {', '.join(failed)}", err=True)
        raise typer.Exit(1)
