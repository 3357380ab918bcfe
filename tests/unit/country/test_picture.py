"""The picture in the README shows the country that runs."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kumihimo.country import picture, topology
from kumihimo.country.boundaries import Language
from kumihimo.country.drawing import width_of, wrapped
from kumihimo.country.picture import WIDTH, country_svg
from kumihimo.country.topology import PORTAL, REGISTRY

DOCS = Path(__file__).parents[3] / "docs"
SVG = "{http://www.w3.org/2000/svg}"
BOTH: tuple[Language, Language] = ("ja", "en")


def texts(svg: str) -> Iterator[ET.Element]:
    return ET.fromstring(svg).iter(f"{SVG}text")  # noqa: S314 - our own drawing


@pytest.mark.parametrize("language", BOTH)
def test_the_committed_picture_is_the_one_drawn_from_the_topology(language: Language) -> None:
    committed = (DOCS / f"country.{language}.svg").read_text(encoding="utf-8")
    assert committed == country_svg(language), "run: python -m kumihimo.country.picture docs"


def test_writing_makes_one_file_for_each_language(tmp_path: Path) -> None:
    picture.main(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["country.en.svg", "country.ja.svg"]


@pytest.mark.parametrize("language", BOTH)
def test_every_institution_is_named_in_the_picture(language: Language) -> None:
    written = "".join(text.text or "" for text in texts(country_svg(language))).replace(" ", "")
    for one in (*topology.institutions().values(), *topology.central().values()):
        name = one.name_ja if language == "ja" else one.name_en
        assert name.replace(" ", "") in written


@pytest.mark.parametrize("language", BOTH)
def test_no_text_leaves_the_picture(language: Language) -> None:
    for text in texts(country_svg(language)):
        if "transform" in text.attrib:
            continue
        width = width_of(text.text or "", float(text.attrib["font-size"]))
        left = float(text.attrib["x"]) - {"start": 0, "middle": width / 2, "end": width}[text.attrib["text-anchor"]]
        assert left >= 0
        assert left + width <= WIDTH


def test_a_connection_without_a_place_in_the_picture_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    leak = replace(topology.connections()[0], caller=PORTAL, callee=REGISTRY)
    widened = (*topology.connections(), leak)
    monkeypatch.setattr(topology, "connections", lambda: widened)
    with pytest.raises(ValueError, match="portal/portal"):
        country_svg("ja")


def test_lines_break_where_words_end_and_stay_within_their_width() -> None:
    assert wrapped("Late-elderly union", 60, 11) == ["Late-", "elderly", "union"]
    assert wrapped("後期高齢者医療広域連合", 80, 11, ("高齢者", "医療")) == ["後期高齢者医療", "広域連合"]
    assert wrapped("一二三四五六七八", 44, 11) == ["一二三四", "五六七八"]
    assert wrapped("short", 400, 11) == ["short"]
