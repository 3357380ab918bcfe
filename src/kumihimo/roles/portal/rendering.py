"""Pages as text (画面の組立て): templates, words in two languages, dates as people write them.

Words are in `texts/*.toml`, one file a topic, each key with `ja` and `en`; a key without one of them stops the start.
"""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from babel.dates import format_date
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kumihimo.domain.kernel import JAPAN, Problem, to_wareki
from kumihimo.domain.kernel.eras import GREGORIAN_SINCE

LANGUAGES: Final = ("ja", "en")
_HERE: Final = Path(__file__).parent
STATIC: Final = _HERE / "static"


@cache
def texts() -> dict[str, dict[str, str]]:
    """Every key's words by language. Raises Problem(value.invalid) for one that is not whole, or said twice."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted((_HERE / "texts").glob("*.toml")):
        for key, words in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if set(words) != set(LANGUAGES) or key in found:
                raise Problem("value.invalid", f"the text {key!r}", where=path.name, expected="ja and en, once")
            found[key] = words
    return found


def word(language: str, key: str, **values: object) -> str:
    """A text with its values put in. Raises Problem(value.invalid) for a key nobody wrote."""
    try:
        text = texts()[key][language]
    except KeyError:
        raise Problem(
            "value.invalid", f"no text {key!r}", where="texts", expected="a key of roles/portal/texts"
        ) from None
    return text.format(**values) if values else text


def told(language: str, code: str) -> str:
    """What somebody is told of a problem, in plain words; of one without words of its own, where to ask."""
    key = f"problem.{code}"
    return word(language, key if key in texts() else "problem.other")


def day(when: date, language: str) -> str:
    """令和8年6月3日（2026年）, 3 June 2026."""
    if language == "en":
        return str(format_date(when, "d MMMM y", locale="en"))
    return (
        f"{to_wareki(when)}（{when.year}年）" if when >= GREGORIAN_SINCE else f"{when.year}年{when.month}月{when.day}日"
    )


def moment(when: datetime, language: str) -> str:
    """An instant as the clock in Japan shows it."""
    local = when.astimezone(JAPAN)
    return f"{day(local.date(), language)} {local.hour}:{local.minute:02d}"


@cache
def environment() -> Environment:
    """The templates."""
    return Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def rendered(template: str, language: str, values: dict[str, Any]) -> str:
    """A template in a language; it knows `w`, `day`, `moment` and `lang` beside the values."""
    own = {
        "lang": language,
        "w": lambda key, **inserted: word(language, key, **inserted),
        "day": lambda when: day(when, language),
        "moment": lambda when: moment(when, language),
    }
    return environment().get_template(template).render(own | values)
