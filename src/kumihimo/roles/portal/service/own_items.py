"""What an item says (項目の表示): a sentence, tables and pictures of what an office provided, in the person's language.

Names of fields are those of the item's schema, so that a field that is added there is shown here without a change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from markupsafe import Markup

from kumihimo.plumbing.information_items import schema_of
from kumihimo.plumbing.wire.messages.provision import DatedItem
from kumihimo.roles.portal.service.charts import Point, bars, line, timeline

_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OF_YEAR: Final = frozenset({"local-tax", "child-care-fees", "health-check"})
Words = Callable[..., str]


@dataclass(frozen=True)
class Table:
    """Rows under headings."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Drawn:
    """A picture and what it is of."""

    title: str
    svg: Markup


@dataclass(frozen=True)
class ShownItem:
    """One dated item: from when, its sentence, its fields with their values, and lists inside it."""

    since: date
    until: date | None
    says: str
    fields: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]


class ItemWords:
    """Words, tables and pictures in one language. `w(key, **values)` gives texts, `day` writes days."""

    def __init__(self, w: Words, lang: str, day: Callable[[date], str]) -> None:
        self._w = w
        self._lang = lang
        self._day = day

    def name(self, item: str) -> str:
        """What people call an item."""
        return self._w(f"information.item.{item}")

    def yen(self, value: float) -> str:
        """An amount."""
        return f"{value:,.0f}円" if self._lang == "ja" else f"¥{value:,.0f}"

    def shown(self, dated: DatedItem) -> ShownItem:
        """One dated item as it is shown."""
        properties: Mapping[str, Any] = schema_of(dated.item)["properties"]
        fields: list[tuple[str, str]] = []
        tables: list[Table] = []
        for name, schema in properties.items():
            if name not in dated.body:
                continue
            value = dated.body[name]
            if isinstance(value, list) and value and isinstance(value[0], dict):
                tables.append(self._table(schema, value))
            elif not (isinstance(value, list) and not value):
                fields.append((self.label(schema), self._value(value, schema)))
        return ShownItem(dated.valid_from, dated.valid_until, self.says(dated), tuple(fields), tuple(tables))

    def says(self, dated: DatedItem) -> str:
        """One sentence about an item."""
        body, item = dated.body, dated.item
        properties = schema_of(item)["properties"]
        values = {name: self._value(value, properties[name]) for name, value in body.items() if name in properties}
        values["year"] = self.year(dated.valid_from.year)
        values["count"] = str(max((len(one) for one in body.values() if isinstance(one, list)), default=0))
        key = f"information.says.{item}"
        if item == "pension":
            key = f"{key}.{body['status']}"
            values["total"] = self.yen(body["basic_annual"] + body["employees_annual"])
        if item == "resident-record" and body.get("left_on"):
            key = f"{key}.left"
        return self._w(key, **values)

    def year(self, year: int) -> str:
        """A fiscal year."""
        return self._w("information.fiscal_year", year=year, heisei=year - 1988, reiwa=year - 2018)

    def label(self, schema: Mapping[str, Any]) -> str:
        """A field's name, without the unit that its values carry."""
        text = str(schema["title"] if self._lang == "ja" else schema["description"])
        return text.removesuffix(", in yen")

    def pictures(self, items: Sequence[DatedItem]) -> tuple[Drawn, ...]:
        """What there is to draw of one item, oldest first; nothing where there are fewer than two points."""
        items = sorted(items, key=lambda one: one.valid_from)
        return tuple(Drawn(title, svg) for title, svg in self._pictures(items))

    def _pictures(self, items: Sequence[DatedItem]) -> Iterator[tuple[str, Markup]]:
        item = items[0].item
        if item == "local-tax":
            for field in ("total_income", "tax_total"):
                yield from self._bars(item, field, [(self._short(one), one.body[field]) for one in items])
        elif item in ("pension", "medical-insurance"):
            history = [one for dated in items for one in dated.body.get("history", [])]
            for field in ("premium_paid", "received"):
                points = [(str(one["fiscal_year"]), one[field]) for one in history if field in one]
                if any(value for _, value in points):
                    yield from self._bars(item, field, points)
            paid = [one for dated in items for one in dated.body.get("copayments", [])]
            yield from self._bars(item, "copayments", [(one["month"][5:].lstrip("0"), one["paid"]) for one in paid])
        elif item == "health-check":
            for field, by in (("weight_g", 1000), ("systolic", 1), ("diastolic", 1), ("ldl", 1), ("hba1c_tenths", 10)):
                points = [(self._short(one), one.body[field] / by) for one in items if field in one.body]
                if len(points) > 1:
                    title = self._w(f"information.picture.{item}.{field}")
                    yield title, line(title, [Point(*one) for one in points], lambda value: f"{value:g}")
        elif item == "vaccination":
            rows: dict[str, list[date]] = {}
            for one in items:
                for dose in one.body["doses"]:
                    vaccine = self._w(f"information.value.{dose['vaccine']}")
                    rows.setdefault(vaccine, []).append(date.fromisoformat(dose["given_on"]))
            if rows:
                title = self._w("information.picture.vaccination")
                yield title, timeline(title, list(rows.items()), self._day)

    def _bars(self, item: str, field: str, points: Sequence[tuple[str, float]]) -> Iterator[tuple[str, Markup]]:
        if len(points) > 1:
            title = self._w(f"information.picture.{item}.{field}")
            yield title, bars(title, [Point(*one) for one in points], self.yen)

    @staticmethod
    def _short(dated: DatedItem) -> str:
        return str(dated.valid_from.year)

    def _table(self, schema: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Table:
        properties = schema["items"]["properties"]
        names = [name for name in properties if any(name in row for row in rows)]
        return Table(
            self.label(schema),
            tuple(self.label(properties[name]) for name in names),
            tuple(
                tuple(self._value(row[name], properties[name]) if name in row else "" for name in names) for row in rows
            ),
        )

    def _value(self, value: object, schema: Mapping[str, Any]) -> str:
        if value is None:
            return self._w("information.value.none")
        if isinstance(value, bool):
            return self._w("information.value.yes" if value else "information.value.no")
        if isinstance(value, int):
            in_yen = "in yen" in str(schema.get("description", ""))
            return self.yen(value) if in_yen else str(value)
        if isinstance(value, list):
            return "、".join(self._value(one, schema.get("items", {})) for one in value)
        text = str(value)
        if _ISO.fullmatch(text):
            return self._day(date.fromisoformat(text))
        # Only words of ours are translated: what else stands there, an office wrote.
        return self._w(f"information.value.{text}") if _is_code(text, schema) else text


def _is_code(text: str, schema: Mapping[str, Any]) -> bool:
    return text in schema.get("enum", ()) and text.isascii() and text[0].islower()


def is_of_year(item: str) -> bool:
    """Whether an item belongs to a fiscal year."""
    return item in _OF_YEAR
