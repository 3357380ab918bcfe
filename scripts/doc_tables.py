"""Tables of the documents (文書の表) that follow from the code: problem codes, messages, settings, who knows what.

    .venv/bin/python scripts/doc_tables.py           write them anew
    .venv/bin/python scripts/doc_tables.py --check   only tell which documents are behind; status 1 when there are any

A table stands between `<!-- begin: NAME -->` and `<!-- end: NAME -->`; everything else in a document is written by hand.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType, UnionType
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from kumihimo.country.boundaries import BOUNDARIES, Language
from kumihimo.country.programs import PROGRAMS
from kumihimo.domain.kernel.errors import CATALOGUE
from kumihimo.plumbing.wire.envelope import Document
from kumihimo.plumbing.wire.settings import RoleSettings
from kumihimo.roles.gateway.api.institution import description, institution_router
from kumihimo.roles.gateway.service.applications import ApplicationDesk
from kumihimo.roles.gateway.service.notices import Notices

ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENTS: Final = ("README.md", "README.ja.md", "docs/protocols.md", "docs/operations.md")
API: Final = ROOT / "docs" / "institution-api.json"
_MESSAGES: Final = "kumihimo.plumbing.wire.messages"
_PLACE: Final = re.compile(r"(<!-- begin: (?P<name>[a-z-]+) -->\n).*?(<!-- end: (?P=name) -->)", re.DOTALL)
_PLAIN: Final = {
    "str": "text",
    "int": "integer",
    "bool": "true or false",
    "float": "number",
    "date": "day",
    "datetime": "instant",
    "AwareDatetime": "instant",
    "timedelta": "duration",
    "Path": "path",
    "NoneType": "null",
    "Any": "any JSON",
}


def problems() -> str:
    """Every problem code with its HTTP status and its title."""
    rows = [f"| `{code}` | {status} | {title} |" for code, (status, title) in CATALOGUE.items()]
    return _table("| code | status | title |", rows)


def boundaries(language: Language) -> str:
    """Who knows what and who never learns what."""
    head = "| サービス | 知ること | 知り得ないこと |" if language == "ja" else "| service | knows | never learns |"
    rows = [
        f"| {one.name.said_in(language)} | {one.knows.said_in(language)} | {one.never_learns.said_in(language)} |"
        for one in BOUNDARIES.values()
    ]
    return _table(head, rows)


def messages(module: str) -> str:
    """Every message, reply, document and part of one module, and every list of words: what it is for and its fields."""
    return "\n\n".join(_described(kind) for kind in _classes(import_module(f"{_MESSAGES}.{module}"))) + "\n"


def settings() -> str:
    """The settings of every role: those all share, then each role's own."""
    shared = _fields(RoleSettings)
    parts = [_settings_table("every role", shared)]
    for role, (_, module, name) in PROGRAMS.items():
        kind: type[RoleSettings] = getattr(import_module(module), name)
        own = {field: row for field, row in _fields(kind).items() if field not in shared}
        if own:
            parts.append(_settings_table(role.value, own))
    return "\n".join(parts)


TABLES: Final[dict[str, Callable[[], str]]] = {
    "problems": problems,
    "boundaries-en": partial(boundaries, "en"),
    "boundaries-ja": partial(boundaries, "ja"),
    "messages-residents": partial(messages, "residents"),
    "messages-codes": partial(messages, "codes"),
    "messages-batch": partial(messages, "batch"),
    "messages-batch-desk": partial(messages, "batch_desk"),
    "messages-inquiry": partial(messages, "inquiry"),
    "messages-provision": partial(messages, "provision"),
    "messages-by-hand": partial(messages, "by_hand"),
    "messages-ledger": partial(messages, "ledger"),
    "messages-identity": partial(messages, "identity"),
    "messages-lives": partial(messages, "lives"),
    "messages-proofs": partial(messages, "proofs"),
    "messages-oversight": partial(messages, "oversight"),
    "messages-audits": partial(messages, "audits"),
    "messages-freshness": partial(messages, "freshness"),
    "messages-cards": partial(messages, "cards"),
    "messages-card-desk": partial(messages, "card_desk"),
    "messages-information": partial(messages, "information"),
    "messages-applications": partial(messages, "applications"),
    "messages-complaints": partial(messages, "complaints"),
    "messages-notices": partial(messages, "notices"),
    "settings": settings,
}


def with_tables(text: str) -> str:
    """A document's text with its tables as the code has them now. Raises KeyError for a table nobody makes."""
    return _PLACE.sub(lambda place: place[1] + TABLES[place["name"]]() + place[3], text)


def _table(head: str, rows: list[str]) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "|" + "---|" * columns, *rows]) + "\n"


def _settings_table(title: str, rows: dict[str, str]) -> str:
    return _table(f"| {title} | type | default |", list(rows.values()))


def _fields(kind: type[RoleSettings]) -> dict[str, str]:
    hints = get_type_hints(kind, include_extras=True)
    return {
        name: f"| `{name}` | {_named(hints[name])} | {'required' if field.is_required() else f'`{field.default}`'} |"
        for name, field in kind.model_fields.items()
    }


def _classes(module: ModuleType) -> list[type]:
    """The models and the lists of words that a module itself defines, in its order."""
    here = [kind for kind in vars(module).values() if inspect.isclass(kind) and kind.__module__ == module.__name__]
    return [kind for kind in here if issubclass(kind, BaseModel | StrEnum)]


def _described(kind: type) -> str:
    # A class without words of its own would give those of its base, which say nothing about it.
    said = " ".join((vars(kind).get("__doc__") or "").split())
    title = f"**{kind.__name__}**" + (f" `{kind.KIND}`" if issubclass(kind, Document) else "")
    lines = [f"{title}. {said}" if said else title]
    if issubclass(kind, StrEnum):
        return "\n".join([*lines, f"- {', '.join(f'`{word.value}`' for word in kind)}"])
    return "\n".join([*lines, *(_own_fields(kind) if issubclass(kind, BaseModel) else ())])


def _own_fields(kind: type[BaseModel]) -> list[str]:
    """A line for each field that the class adds to its base."""
    hints = get_type_hints(kind, include_extras=True)
    inherited = getattr(kind.__mro__[1], "model_fields", {})
    return [
        f"- `{name}` {_named(hints[name])}{_default(field)}"
        for name, field in kind.model_fields.items()
        if name not in inherited
    ]


def _default(field: Any) -> str:
    return "" if field.is_required() or field.default is None else ", may be left out"


def _named(hint: Any) -> str:
    """A type as the documents write it."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _named(inner[0]) + "".join(_limits(limit) for limit in inner[1:])
    if origin in (Union, UnionType):
        return " or ".join("null" if one is type(None) else _named(one) for one in inner)
    if origin is tuple:
        return f"list of {_named(inner[0])}"
    if origin is dict:
        return "object"
    if origin is Literal:
        return " or ".join(str(one) for one in inner)
    return _PLAIN.get(getattr(hint, "__name__", str(hint)), getattr(hint, "__name__", str(hint)))


def _limits(limit: Any) -> str:
    found = getattr(limit, "metadata", [limit])
    words = {"pattern": "matching `{}`", "min_length": "at least {}", "max_length": "at most {}", "ge": "≥ {}",
             "gt": "> {}", "le": "≤ {}"}  # fmt: skip
    said = [
        words[name].format(getattr(one, name))
        for one in found
        for name in words
        if getattr(one, name, None) is not None
    ]
    return f" ({', '.join(said)})" if said else ""


def institution_api() -> str:
    """The OpenAPI document of the institution API."""
    described = description(institution_router(cast(Notices, None), cast(ApplicationDesk, None), lambda _peer: False))
    return json.dumps(described, ensure_ascii=False, indent=1) + "\n"


def main(arguments: list[str]) -> int:
    """Write the tables, or with `--check` tell which documents are behind."""
    behind = []
    for name in DOCUMENTS:
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        new = with_tables(text)
        if new != text:
            behind.append(name)
            if "--check" not in arguments:
                path.write_text(new, encoding="utf-8")
    described = institution_api()
    if not API.exists() or API.read_text(encoding="utf-8") != described:
        behind.append(str(API.relative_to(ROOT)))
        if "--check" not in arguments:
            API.write_text(described, encoding="utf-8")
    sys.stdout.write("".join(f"{name} {'is behind' if '--check' in arguments else 'written'}\n" for name in behind))
    return 1 if behind and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
