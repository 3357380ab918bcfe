"""`kumihimo rules` (規則表): list the rules, show one, and ask who may ask whom for what, with article and reason.

番号法 第十九条第七号・別表第二. No running country is needed: parties are the institutions of the demonstration country,
or classes of the rule book. Exit status of `ask`: 0 for yes, 1 for no, 2 for a question that cannot be understood.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kumihimo.cli.problems import print_problem
from kumihimo.country.topology import institutions
from kumihimo.domain.kernel.calendar import parse_date
from kumihimo.domain.kernel.clock import SystemClock, legal_day
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import Institution, InstitutionId, institution_id
from kumihimo.domain.law import (
    Affair,
    InformationClass,
    InstitutionClass,
    Permission,
    Question,
    Refusal,
    Rule,
    RuleBook,
)

app = typer.Typer(no_args_is_help=True, help="The rule book: who may ask whom for what, under which article.")

_WIDTH_OF_A_PIPE = 180
_PARTY = "An institution (x-city), classes of the rule book (municipality,welfare-authority), or both (q-city=city)."
Books = Annotated[
    list[Path] | None,
    typer.Option("--book", metavar="FILE", help="A file of rules to load beside the Act's; repeat for several."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_DATE = "such as 2026-04-01 or 令和8年4月1日"


@app.callback()
def rules() -> None:
    """The rule book: who may ask whom for what, under which article."""


@app.command("list")
def list_rules(
    affair: Annotated[str | None, typer.Option(help="Only this affair.")] = None,
    requester: Annotated[
        str | None, typer.Option(metavar="PARTY", help=f"Only rules it may ask under. {_PARTY}")
    ] = None,
    item: Annotated[str | None, typer.Option(help="Only rules with this information item.")] = None,
    day: Annotated[
        str | None, typer.Option("--date", metavar="DATE", help=f"Only rules in force on this day, {_DATE}.")
    ] = None,
    book: Books = None,
    as_json: AsJson = False,
) -> None:
    """List the rules.

    One for every row of the linkage table and of loaded ordinances.
    """
    with _Answering():
        loaded = RuleBook.load(*book or ())
        shown = list(loaded.rules)
        if affair is not None:
            _known(affair, loaded.affairs, "affair.unknown")
            shown = [rule for rule in shown if rule.affair == affair]
        if item is not None:
            _known(item, loaded.information_classes, "item.unknown")
            shown = [rule for rule in shown if item in rule.items]
        if requester is not None:
            asking = _party(requester, loaded)
            shown = [rule for rule in shown if loaded.may_ask_under(asking, rule)]
        if day is not None:
            on = parse_date(day, "--date")
            shown = [rule for rule in shown if rule.in_force(on)]
    if as_json:
        _print_json(
            {"book_sha256": loaded.sha256, "versions": list(loaded.version), "rules": [_plain(r) for r in shown]}
        )
        return
    console = _console()
    console.print(_table(loaded, shown))
    console.print(
        f"{len(shown)} of {len(loaded.rules)} rules · books {', '.join(loaded.version)} · SHA-256 {loaded.sha256}"
    )


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A rule (act-2016/74/169), an affair (child-allowance.payment), an item (local-tax), a class (city).",
        ),
    ],
    book: Books = None,
    as_json: AsJson = False,
) -> None:
    """Show a rule, an affair, an item or a class.

    With the rules that name it.
    """
    with _Answering():
        loaded = RuleBook.load(*book or ())
        entry, naming = _look_up(name, loaded)
    if as_json:
        _print_json({"book_sha256": loaded.sha256, **_entry(entry), "rules": [_plain(rule) for rule in naming]})
        return
    console = _console()
    for key, value in _entry(entry).items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        if value not in (None, [], ""):
            console.print(f"[bold]{key.replace('_', ' ')}[/bold]  {escape(text)}")
    if isinstance(entry, Rule):
        affair = loaded.affairs[entry.affair]
        console.print(f"\n{affair.ja} · {affair.en} · {', '.join(affair.laws)}")
    console.print(_table(loaded, naming) if naming else "No rule names it.")


@app.command()
def ask(
    requester: Annotated[str, typer.Option(metavar="PARTY", help=_PARTY)],
    provider: Annotated[str, typer.Option(metavar="PARTY", help="As for --requester.")],
    affair: Annotated[str, typer.Option(help="The affair, such as child-allowance.payment.")],
    item: Annotated[list[str], typer.Option(help="The information item, such as local-tax; repeat for several.")],
    day: Annotated[
        str | None, typer.Option("--date", metavar="DATE", help=f"The day in Japan, {_DATE}; today if left out.")
    ] = None,
    book: Books = None,
    as_json: AsJson = False,
) -> None:
    """May one institution ask another for this?

    Yes (status 0) or no (status 1), with the article and the reason; status 2 for a question that cannot be understood.
    """
    with _Answering():
        loaded = RuleBook.load(*book or ())
        _known(affair, loaded.affairs, "affair.unknown")
        for one in item:
            _known(one, loaded.information_classes, "item.unknown")
        on = parse_date(day, "--date") if day else legal_day(SystemClock().now())
        parties = _party(requester, loaded), _party(provider, loaded)
        answer = loaded.ask(Question(*parties, affair=affair, items=tuple(item), day=on))
    if as_json:
        _print_json(_answer(answer, on))
    else:
        _print_answer(answer, on)
    raise typer.Exit(0 if isinstance(answer, Permission) else 1)


class _Answering:
    """Turns a problem into a message and exit status 2."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, Problem):
            print_problem(error)
            raise typer.Exit(2) from error


def _party(text: str, book: RuleBook) -> Institution:
    name, given, classes = text.partition("=")
    if not given and name in institutions():
        return institutions()[name]
    named = frozenset(one.strip() for one in (classes if given else name).split(","))
    for one in sorted(named):
        if one not in book.institution_classes:
            known = [*book.institution_classes, *institutions()]
            raise _unknown(one, known, "institution.unknown")
    labels = [book.institution_classes[one] for one in sorted(named)]
    identifier = institution_id(name) if given else InstitutionId("unnamed")
    ja, en = "・".join(one.ja for one in labels), " and ".join(one.en for one in labels)
    return Institution(identifier, f"{name}（{ja}）" if given else ja, f"{name} ({en})" if given else en, named)


def _known(name: str, catalogue: Iterable[str], code: str) -> None:
    if name not in catalogue:
        raise _unknown(name, catalogue, code)


def _unknown(name: str, catalogue: Iterable[str], code: str) -> Problem:
    known = list(catalogue)
    near = sorted((one for one in known if name and name in one), key=len)[:3] or difflib.get_close_matches(
        name, known, n=3, cutoff=0.4
    )
    advice = f"Did you mean {' or '.join(near)}?" if near else "See `kumihimo rules list`."
    return Problem(code, repr(name), expected="a name the rule book knows", advice=advice)


def _look_up(name: str, book: RuleBook) -> tuple[Rule | Affair | InformationClass | InstitutionClass, list[Rule]]:
    for rule in book.rules:
        if rule.id == name:
            return rule, [rule]
    if name in book.affairs:
        return book.affairs[name], list(book.rules_for(name))
    if name in book.information_classes:
        return book.information_classes[name], [rule for rule in book.rules if name in rule.items]
    if name in book.institution_classes:
        naming = [rule for rule in book.rules if name in rule.requesters | rule.providers]
        return book.institution_classes[name], naming
    every = [*book.affairs, *book.information_classes, *book.institution_classes, *(rule.id for rule in book.rules)]
    raise _unknown(name, every, "value.invalid")


def _console() -> Console:
    console = Console(highlight=False)
    # Nobody pages a pipe: a file or another program gets whole ids rather than folded ones.
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_OF_A_PIPE)


def _table(book: RuleBook, shown: Iterable[Rule]) -> Table:
    table = Table(box=SIMPLE_HEAD, leading=1, pad_edge=False)
    table.add_column("rule 規則", no_wrap=True)
    for heading in ("affair 事務", "requesters 照会者", "providers 提供者", "items 情報"):
        table.add_column(heading, overflow="fold")
    for rule in shown:
        affair = book.affairs[rule.affair]
        requesters = [f"{one} ({rule.local_body})" if rule.local_body else one for one in sorted(rule.requesters)]
        columns = ([affair.ja, affair.id], requesters, sorted(rule.providers), sorted(rule.items))
        table.add_row(rule.id, *(escape("\n".join(lines)) for lines in columns))
    return table


def _print_answer(answer: Permission | Refusal, day: date) -> None:
    console = Console(highlight=False, soft_wrap=True)
    yes = isinstance(answer, Permission)
    console.print(f"[bold {'green' if yes else 'red'}]{'可 YES' if yes else '否 NO'}[/]  {day}")
    console.print(escape(answer.reason_ja))
    console.print(escape(answer.reason_en))
    if isinstance(answer, Refusal):
        console.print(escape(f"Permitted would be: {answer.would_be_permitted}.  [{answer.code}]"))
    named = answer.rules if isinstance(answer, Permission) else answer.nearest
    if named:
        label = "根拠 article" if yes else "関係する条項 nearest articles"
        cited = dict.fromkeys(f"{rule.article} ({rule.id})" for rule in named)
        console.print(escape(f"{label}: {'; '.join(cited)}"))
    console.print(f"規則表 rule book: SHA-256 {answer.book_sha256}")


def _answer(answer: Permission | Refusal, day: date) -> dict[str, JsonValue]:
    common: dict[str, JsonValue] = {
        "permitted": isinstance(answer, Permission),
        "day": day.isoformat(),
        "articles": list(answer.articles),
        "reason_ja": answer.reason_ja,
        "reason_en": answer.reason_en,
        "book_sha256": answer.book_sha256,
    }
    if isinstance(answer, Permission):
        return {**common, "rules": [rule.id for rule in answer.rules]}
    return {
        **common,
        "code": answer.code,
        "item": answer.item,
        "nearest": [rule.id for rule in answer.nearest],
        "would_be_permitted": answer.would_be_permitted,
    }


def _entry(entry: Rule | Affair | InformationClass | InstitutionClass) -> dict[str, JsonValue]:
    match entry:
        case Rule():
            return _plain(entry)
        case Affair(id=id_, clauses=clauses, ja=ja, en=en, laws=laws):
            return {"affair": id_, "ja": ja, "en": en, "clauses": list(clauses), "laws": list(laws)}
        case InformationClass(id=id_, ja=ja, en=en, wordings=wordings):
            return {"item": id_, "ja": ja, "en": en, "wordings": list(wordings)}
        case InstitutionClass(id=id_, ja=ja, en=en, wordings=wordings, members=members, note=note):
            words: dict[str, JsonValue] = {"class": id_, "ja": ja, "en": en, "wordings": list(wordings)}
            return {**words, "members": _texts(sorted(members)), "note": note}


def _plain(rule: Rule) -> dict[str, JsonValue]:
    return {
        "id": rule.id,
        "book": rule.book,
        "clause": rule.clause,
        "row": rule.row,
        "affair": rule.affair,
        "requesters": _texts(sorted(rule.requesters)),
        "providers": _texts(sorted(rule.providers)),
        "items": _texts(sorted(rule.items)),
        "article": rule.article,
        "article_en": rule.article_en,
        "in_force_from": rule.in_force_from.isoformat(),
        "in_force_to": rule.in_force_to.isoformat() if rule.in_force_to else None,
        "local_body": rule.local_body,
    }


def _texts(texts: Iterable[str]) -> list[JsonValue]:
    return list(texts)


def _print_json(value: dict[str, JsonValue]) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))
