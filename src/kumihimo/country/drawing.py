"""Drawing (作図): boxes, wrapped text and lines of an SVG picture, and nothing about the country.

Widths are estimated, because an SVG cannot measure text: a full-width character is one em wide, others about as in
common sans-serif fonts. The estimate errs on the wide side, so that text stays inside its box with any sans-serif font.
"""

from __future__ import annotations

import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

INK = "#1f2933"
QUIET_INK = "#52606d"
_LINE_HEIGHT = 1.4
_NARROW, _BROAD = frozenset("fijlrt.,:;'-() "), frozenset("mw")
_FULL_WIDTH = {"W", "F", "A"}
# What may not begin a line in Japanese (行頭禁則), as far as our texts use it.
_NEVER_FIRST = "、。）」・ー"


@dataclass(frozen=True)
class Stroke:
    """How one kind of line looks."""

    colour: str
    width: float
    dash: str = ""


@dataclass(frozen=True)
class Box:
    """A rectangle in picture pixels, y downwards."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle_x(self) -> float:
        return self.x + self.width / 2

    @property
    def middle_y(self) -> float:
        return self.y + self.height / 2


@dataclass
class Picture:
    """An SVG picture under construction."""

    width: float
    height: float
    title: str
    description: str
    language: str
    _marked: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        size = f"{_number(self.width)} {_number(self.height)}"
        self._root = ET.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "viewBox": f"0 0 {size}",
                "width": _number(self.width),
                "height": _number(self.height),
                "role": "img",
                "xml:lang": self.language,
                "font-family": "sans-serif",
            },
        )
        ET.SubElement(self._root, "title").text = self.title
        ET.SubElement(self._root, "desc").text = self.description
        self._defs = ET.SubElement(self._root, "defs")

    def box(self, box: Box, *, fill: str, edge: str = "none", radius: float = 8, edge_width: float = 1) -> None:
        """A filled rectangle with rounded corners."""
        ET.SubElement(
            self._root,
            "rect",
            {
                "x": _number(box.x),
                "y": _number(box.y),
                "width": _number(box.width),
                "height": _number(box.height),
                "rx": _number(radius),
                "fill": fill,
                "stroke": edge,
                "stroke-width": _number(edge_width),
            },
        )

    def text(
        self,
        x: float,
        y: float,
        lines: Sequence[str],
        *,
        size: float,
        anchor: str = "start",
        colour: str = INK,
        bold: str = "normal",
        halo: str = "",
        turned: float = 0,
    ) -> float:
        """Lines of text, the first with its baseline at y. Returns the baseline of the line that would come next."""
        for number, line in enumerate(lines):
            at = y + number * size * _LINE_HEIGHT
            attributes = {
                "x": _number(x),
                "y": _number(at),
                "font-size": _number(size),
                "text-anchor": anchor,
                "fill": colour,
                "font-weight": bold,
            }
            if halo:
                attributes |= {"stroke": halo, "stroke-width": "4", "paint-order": "stroke", "stroke-linejoin": "round"}
            if turned:
                attributes["transform"] = f"rotate({_number(turned)} {_number(x)} {_number(at)})"
            ET.SubElement(self._root, "text", attributes).text = line
        return y + len(lines) * size * _LINE_HEIGHT

    def line(self, points: Iterable[tuple[float, float]], stroke: Stroke, *, arrow: str = "", halo: str = "") -> None:
        """A line through the points. `arrow` is "end", "both" or nothing; `halo` sets it off from what it crosses."""
        path = "M" + " L".join(f"{_number(x)} {_number(y)}" for x, y in points)
        if halo:
            self._path(path, {"stroke": halo, "stroke-width": _number(stroke.width + 4)})
        attributes = {"stroke": stroke.colour, "stroke-width": _number(stroke.width)}
        if stroke.dash:
            attributes["stroke-dasharray"] = stroke.dash
        if arrow:
            attributes["marker-end"] = f"url(#{self._arrow_head(stroke.colour)})"
        if arrow == "both":
            attributes["marker-start"] = attributes["marker-end"]
        self._path(path, attributes)

    def svg(self) -> str:
        """The finished document."""
        ET.indent(self._root)
        return ET.tostring(self._root, encoding="unicode") + "\n"

    def _path(self, path: str, attributes: dict[str, str]) -> None:
        ET.SubElement(self._root, "path", {"d": path, "fill": "none", "stroke-linejoin": "round", **attributes})

    def _arrow_head(self, colour: str) -> str:
        identifier = f"arrow-{colour.removeprefix('#')}"
        if identifier not in self._marked:
            self._marked.add(identifier)
            head = ET.SubElement(
                self._defs,
                "marker",
                {
                    "id": identifier,
                    "viewBox": "0 0 10 10",
                    "refX": "9",
                    "refY": "5",
                    "markerWidth": "9",
                    "markerHeight": "9",
                    "markerUnits": "userSpaceOnUse",
                    "orient": "auto-start-reverse",
                },
            )
            ET.SubElement(head, "path", {"d": "M0 1 L10 5 L0 9 Z", "fill": colour})
        return identifier


def width_of(text: str, size: float) -> float:
    """About how wide a text is, in pixels, at a font size in pixels."""
    return size * sum(_ems(letter) for letter in text)


def _ems(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in _FULL_WIDTH:
        return 1.0
    if letter in _NARROW:
        return 0.38
    return 0.85 if letter in _BROAD or letter.isupper() else 0.61


def wrapped(text: str, width: float, size: float, breaks_after: Sequence[str] = ()) -> list[str]:
    """Break a text into lines no wider than `width` pixels.

    A line ends at a space, after a Japanese comma or full stop or a hyphen, or after one of the words `breaks_after`;
    only what is too long for a line of its own is broken between any two characters.
    """
    after = "|".join(f"(?<={re.escape(word)})" for word in ("、", "。", "-", *breaks_after))
    lines = [""]
    for token in re.split(rf"(?<= )|{after}", text):
        if lines[-1] and width_of((lines[-1] + token).rstrip(), size) > width:
            lines.append("")
        for letter in token:
            if letter not in _NEVER_FIRST and width_of((lines[-1] + letter).rstrip(), size) > width:
                lines.append("")
            lines[-1] += letter
    return [line.strip() for line in lines]


def height_of(lines: Sequence[str], size: float) -> float:
    """How high these lines stand, in pixels."""
    return len(lines) * size * _LINE_HEIGHT


def first_baseline(middle: float, lines: Sequence[str], size: float) -> float:
    """Where the first baseline goes for the lines to stand around a middle height."""
    return middle - (len(lines) - 1) * size * _LINE_HEIGHT / 2 + 0.36 * size


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
