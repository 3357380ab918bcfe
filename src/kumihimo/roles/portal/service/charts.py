"""Pictures of own information (図): SVG without script or inline style; a table with the same always stands beside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, floor, log10
from typing import Final

from markupsafe import Markup, escape

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 640, 220, 96, 14, 34
_ROW: Final = 30
_STEPS: Final = (1, 2, 2.5, 5, 10)
Said = Callable[[float], str]


@dataclass(frozen=True)
class Point:
    """One value under a short label; `said` how it is written out."""

    label: str
    value: float


def bars(title: str, points: Sequence[Point], said: Said) -> Markup:
    """Columns from nought."""
    return _drawn(title, points, said, _columns, 0.0)


def line(title: str, points: Sequence[Point], said: Said) -> Markup:
    """A line with dots; the axis need not begin at nought."""
    lowest = min(point.value for point in points)
    return _drawn(title, points, said, _dots, lowest)


def timeline(title: str, rows: Sequence[tuple[str, Sequence[date]]], said: Callable[[date], str]) -> Markup:
    """Dots at their days, one row for each label."""
    days = sorted(day for _, given in rows for day in given)
    first, last = days[0].year, days[-1].year + 1
    height = _TOP + _ROW * len(rows) + _BOTTOM
    span = (date(last, 1, 1) - date(first, 1, 1)).days
    left = 180

    def place(day: date) -> float:
        return left + (_WIDTH - left - 16) * (day - date(first, 1, 1)).days / span

    parts = []
    every = max(1, ceil((last - first) / 8))
    for year in range(first, last + 1, every):
        x = place(date(year, 1, 1))
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{height - _BOTTOM}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{height - 12}" text-anchor="middle">{year}</text>')
    for row, (label, given) in enumerate(rows):
        y = _TOP + _ROW * row + _ROW / 2
        parts.append(f'<text class="tick" x="{left - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(label)}</text>')
        for day in given:
            tip = escape(f"{label} {said(day)}")
            parts.append(f'<circle class="dot" cx="{place(day):.1f}" cy="{y:.1f}" r="6"><title>{tip}</title></circle>')
    return _svg(title, height, parts)


def _drawn(
    title: str,
    points: Sequence[Point],
    said: Said,
    draw: Callable[[Sequence[Point], Sequence[float], Callable[[float], float], Said], list[str]],
    lowest: float,
) -> Markup:
    highest = max(point.value for point in points)
    step = _step(max(highest - lowest, 1))
    bottom = floor(lowest / step) * step
    top = max(ceil(highest / step) * step, bottom + step)

    def place(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * (value - bottom) / (top - bottom)

    parts = []
    for number in range(round((top - bottom) / step) + 1):
        value = bottom + number * step
        y = place(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - 8}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(said(value))}</text>'
        )
    width = (_WIDTH - 8 - _LEFT) / len(points)
    middles = [_LEFT + width * (number + 0.5) for number in range(len(points))]
    every = ceil(len(points) / 12)
    for number, (point, x) in enumerate(zip(points, middles, strict=True)):
        if number % every == 0:
            label = escape(point.label)
            parts.append(f'<text class="tick" x="{x:.1f}" y="{_HEIGHT - 12}" text-anchor="middle">{label}</text>')
    return _svg(title, _HEIGHT, parts + draw(points, middles, place, said))


def _columns(
    points: Sequence[Point], middles: Sequence[float], place: Callable[[float], float], said: Said
) -> list[str]:
    wide = min(44.0, (_WIDTH - _LEFT) / len(points) * 0.6)
    base = place(0)
    return [
        f'<rect class="bar" x="{x - wide / 2:.1f}" y="{place(one.value):.1f}" width="{wide:.1f}"'
        f' height="{base - place(one.value):.1f}"><title>{escape(f"{one.label} {said(one.value)}")}</title></rect>'
        for one, x in zip(points, middles, strict=True)
    ]


def _dots(points: Sequence[Point], middles: Sequence[float], place: Callable[[float], float], said: Said) -> list[str]:
    ends = [(x, place(one.value)) for one, x in zip(points, middles, strict=True)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in ends)
    dots = [
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{escape(f"{one.label} {said(one.value)}")}</title>'
        "</circle>"
        for one, (x, y) in zip(points, ends, strict=True)
    ]
    return [f'<polyline class="line" points="{path}"/>', *dots]


def _step(span: float) -> float:
    """A round distance of grid lines, so that there are about four."""
    power = 10.0 ** floor(log10(span / 4)) if span > 4 else 1.0
    return max(1.0, next(power * one for one in _STEPS if power * one * 4 >= span))


def _svg(title: str, height: float, parts: Sequence[str]) -> Markup:
    said = escape(title)
    inside = "".join(parts)
    # Every value that was not made here was escaped where it was put in.
    return Markup(  # noqa: S704
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {height:g}" role="img" aria-label="{said}">{inside}</svg>'
    )
