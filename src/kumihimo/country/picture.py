"""The picture of the country (甲県の図): drawn from the topology, so that it cannot show anything else than what runs.

Above the dashed line is where the Individual Number is known, below it everything works without it; each institution
stands on the line with one store on either side. `python -m kumihimo.country.picture docs` writes both languages.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from kumihimo.country import topology
from kumihimo.country.boundaries import BOUNDARIES, Bilingual, Language, Role
from kumihimo.country.drawing import INK, QUIET_INK, Box, Picture, Stroke, first_baseline, height_of, wrapped
from kumihimo.country.topology import (
    HUB_1,
    HUB_2,
    JPKI,
    NUMBERING,
    OVERSIGHT,
    PORTAL,
    REGISTRY,
    RESPONDER,
    Connection,
    Passes,
)
from kumihimo.domain.kernel.institutions import PartyId, institution_of

WIDTH: Final = 960
_EDGE, _LEFT, _RIGHT = 12, 52, 936
_GAP = 8
_STORE_HEIGHT, _NAME_HEIGHT = 46.0, 84.0
_SMALL, _NAME_SIZE = 11.5, 11.0
_PAPER, _NUMBER_SIDE, _BLIND_SIDE, _CARD, _BORDER = "#ffffff", "#fdf1e7", "#eaf1f9", "#ffffff", "#cbd2d9"

_STROKES: Final = {
    Passes.NUMBER: Stroke("#c2410c", 2.2),
    Passes.CODE: Stroke("#1d4f91", 2),
    Passes.ANSWER: Stroke("#0f766e", 2, "7 4"),
    Passes.LOG: Stroke("#6b4c9a", 2, "2 3"),
    Passes.CASEWORK: Stroke("#7b8794", 1.4),
    Passes.DIRECTORY: Stroke("#7b8794", 1.4, "3 4"),
}
_NEVER_CROSSED: Final = Stroke("#c2410c", 1.6, "10 6")
_MEANING: Final = {
    Passes.NUMBER: Bilingual("個人番号・4情報", "Individual Number, four items"),
    Passes.CODE: Bilingual("暗号化した符号", "encrypted link codes"),
    Passes.ANSWER: Bilingual("封をした回答", "sealed answers"),
    Passes.LOG: Bilingual("ログとその検証", "the log and its proofs"),
    Passes.CASEWORK: Bilingual("機関の内だけ", "inside one institution"),
    Passes.DIRECTORY: Bilingual("公開の情報", "what is public"),
}
_LANGUAGES: Final[tuple[Language, ...]] = ("ja", "en")
_TITLE = Bilingual(
    "甲県: 番号を渡さずに情報をつなぐ国", "Ko Prefecture: a country that links without passing the number"
)
_DESCRIPTION = Bilingual(
    "登録・番号・情報連携基盤・監督・ポータルと、台帳と中間サーバーを分けて持つ各機関、そのあいだの通信。",
    "Registry, numbering, the two hub operators, oversight and portal, the institutions with their two separate stores, "
    "and what passes between them.",
)
_ABOVE = Bilingual("個人番号を知る側", "Where the Individual Number is known")
_BELOW = Bilingual("個人番号のない側", "Where nobody has it")
_NEVER_CROSSES = Bilingual("個人番号はここを越えない", "No Individual Number crosses")
_KNOWS = Bilingual("知る: ", "Knows: ")
_NEVER = Bilingual("知らない: ", "Never learns: ")
_NOT_DRAWN = Bilingual(
    "矢印は呼び出す向き（相互TLS）。描いていないもの: 各機関の業務システム、窓口でのポータル口座の開設、"
    "鍵のもう半分と機関名簿の受取り、第三者機関による各機関の監査、窓口での証明書の申請と認証局への異動の通知。",
    "Arrows point from caller to called, over mutual TLS. Not drawn: each institution's own business systems, accounts of "
    "the portal opened at a counter, the fetching of the other half of a key and of the directory, the oversight body "
    "asking institutions, certificates applied for at a counter, and the registry telling the JPKI authority of its holders.",
)
# Connections that the note tells of and no line shows.
_ONLY_TOLD: Final = {
    (REGISTRY, HUB_2),
    (NUMBERING, REGISTRY),
    (JPKI, REGISTRY),
    *((topology.ledger_of(one), callee) for one in topology.municipalities() for callee in (PORTAL, JPKI)),
    *((OVERSIGHT, topology.exchange_of(one)) for one in topology.institutions()),
}
# Where a long Japanese name may be broken.
_WORDS = ("高齢者", "医療", "全国健康", "日本学生", "公共職業", "基本台帳", "情報連携基盤")


def country_svg(lang: Language) -> str:
    """The picture in one language, 960 pixels wide. Raises ValueError if a connection has no place in the picture."""
    return _CountryPicture(lang).drawn()


class _CountryPicture:
    """One drawing: cards are placed from top to bottom, then the connections between them."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._undrawn = {
            (line.caller, line.callee): line
            for line in topology.connections()
            if line.caller not in topology.desks() and (line.caller, line.callee) not in _ONLY_TOLD
        }
        self._places: dict[PartyId, Box] = {}
        self._place_cards()
        height = self._places[JPKI].bottom + 2 * _EDGE
        self._picture = Picture(WIDTH, height, self._say(_TITLE), self._say(_DESCRIPTION), language)

    def drawn(self) -> str:
        self._draw_ground()
        self._draw_stores()
        self._draw_number_side()
        self._draw_rails()
        self._draw_hub_and_its_watch()
        self._draw_between((RESPONDER, JPKI))
        self._draw_log_in()
        for party in (REGISTRY, NUMBERING, HUB_1, HUB_2, PORTAL, OVERSIGHT, JPKI, RESPONDER):
            self._draw_card(party)
        self._draw_legend()
        if self._undrawn:
            raise ValueError(f"no place in the picture for {sorted(self._undrawn)}")
        return self._picture.svg()

    def _say(self, text: Bilingual) -> str:
        return text.said_in(self._language)

    # where everything stands

    def _place_cards(self) -> None:
        self._place_row(92, ((REGISTRY, _LEFT, 280), (NUMBERING, 452, 206)))
        self._number_rail = self._places[REGISTRY].bottom + 44
        ledgers = self._number_rail + 24
        self._border = ledgers + _STORE_HEIGHT + _NAME_HEIGHT / 2
        exchanges = ledgers + _STORE_HEIGHT + _NAME_HEIGHT
        pitch = (_RIGHT - _LEFT + _GAP) / len(topology.institutions())
        for column, identifier in enumerate(topology.institutions()):
            x, width = _LEFT + column * pitch, pitch - _GAP
            self._places[topology.ledger_of(identifier)] = Box(x, ledgers, width, _STORE_HEIGHT)
            self._places[topology.exchange_of(identifier)] = Box(x, exchanges, width, _STORE_HEIGHT)
        self._code_rail = exchanges + _STORE_HEIGHT + 24
        self._answer_rail = self._code_rail + 18
        self._place_row(self._answer_rail + 62, ((HUB_1, _LEFT, 236), (HUB_2, 394, 236), (PORTAL, 736, 200)))
        self._place_row(self._places[HUB_1].bottom + 56, ((OVERSIGHT, 206, 350),))
        self._place_row(self._places[OVERSIGHT].bottom + 40, ((JPKI, 206, 300), (RESPONDER, 656, 280)))

    def _place_row(self, top: float, cards: tuple[tuple[PartyId, float, float], ...]) -> None:
        lines = max(len(self._boundary_lines(party, width)) for party, _, width in cards)
        for party, x, width in cards:
            self._places[party] = Box(x, top, width, 38 + height_of([""] * lines, _SMALL))

    def _boundary_lines(self, party: PartyId, width: float) -> list[str]:
        boundary = topology.service(party).boundary
        return [
            line
            for word, text in ((_KNOWS, boundary.knows), (_NEVER, boundary.never_learns))
            for line in wrapped(self._say(word) + self._say(text), width - 22, _SMALL)
        ]

    # cards

    def _draw_ground(self) -> None:
        picture, height = self._picture, self._picture.height
        picture.box(Box(0, 0, WIDTH, height), fill=_PAPER, radius=0)
        picture.text(_EDGE + 4, 36, [self._say(_TITLE)], size=19, bold="bold")
        inner = WIDTH - 2 * _EDGE
        picture.box(Box(_EDGE, 52, inner, self._border - 52), fill=_NUMBER_SIDE)
        picture.box(Box(_EDGE, self._border, inner, height - _EDGE - self._border), fill=_BLIND_SIDE)
        picture.text(_LEFT, 78, [self._say(_ABOVE)], size=13, bold="bold", colour=_STROKES[Passes.NUMBER].colour)
        picture.line([(_EDGE, self._border), (WIDTH - _EDGE, self._border)], _NEVER_CROSSED)

    def _draw_card(self, party: PartyId) -> None:
        box = self._places[party]
        self._picture.box(box, fill=_CARD, edge=_BORDER)
        name = topology.institution(institution_of(party))
        one_of_two = party in (JPKI, RESPONDER)
        title = topology.service(party).boundary.name if one_of_two else Bilingual(name.name_ja, name.name_en)
        below = self._picture.text(box.x + 11, box.y + 21, [self._say(title)], size=13.5, bold="bold")
        self._picture.text(box.x + 11, below + 2, self._boundary_lines(party, box.width), size=_SMALL, colour=QUIET_INK)

    def _draw_stores(self) -> None:
        for identifier, institution in topology.institutions().items():
            ledger, exchange = topology.ledger_of(identifier), topology.exchange_of(identifier)
            upper, lower = self._places[ledger], self._places[exchange]
            whole = Box(upper.x, upper.y, upper.width, lower.bottom - upper.y)
            self._picture.box(whole, fill=_CARD, edge=_BORDER)
            self._draw_store(upper, Role.LEDGER, _STROKES[Passes.NUMBER])
            self._draw_store(lower, Role.EXCHANGE, _STROKES[Passes.CODE])
            name = Bilingual(institution.name_ja, institution.name_en)
            lines = wrapped(self._say(name), whole.width - 6, _NAME_SIZE, _WORDS)
            block = height_of(lines, _NAME_SIZE)
            x = whole.middle_x
            self._draw((ledger, exchange), [(x, upper.bottom - 4), (x, lower.y + 4)])
            self._picture.box(Box(whole.x + 2, self._border - block / 2, whole.width - 4, block), fill=_CARD)
            first = first_baseline(self._border, lines, _NAME_SIZE)
            self._picture.text(x, first, lines, size=_NAME_SIZE, anchor="middle", bold="bold")

    def _draw_store(self, box: Box, role: Role, stroke: Stroke) -> None:
        inner = Box(box.x + 4, box.y + 4, box.width - 8, box.height - 8)
        self._picture.box(inner, fill=_CARD, edge=stroke.colour, radius=5, edge_width=1.4)
        lines = wrapped(self._say(BOUNDARIES[role].name), inner.width - 2, 11)
        first = first_baseline(inner.middle_y, lines, 11)
        self._picture.text(inner.middle_x, first, lines, size=11, anchor="middle", colour=stroke.colour)

    # connections

    def _draw(self, pair: tuple[PartyId, PartyId], points: list[tuple[float, float]], halo: str = "") -> None:
        """Draw the line of a pair of parties; both arrow heads when each calls the other."""
        line = self._undrawn.pop(pair)
        both = self._undrawn.pop((pair[1], pair[0]), None)
        self._picture.line(points, _STROKES[line.passes], arrow="both" if both else "end", halo=halo)

    def _label(self, pair: tuple[PartyId, PartyId], x: float, y: float, width: float, anchor: str = "start") -> None:
        """Say below y what a connection is for, in the colour of its line."""
        line = _connection(pair)
        lines = wrapped(self._say(line.why), width, _SMALL)
        self._picture.text(x, y, lines, size=_SMALL, anchor=anchor, colour=_STROKES[line.passes].colour)

    def _draw_between(self, pair: tuple[PartyId, PartyId]) -> None:
        """A level line between two neighbouring cards, with what it is for above it."""
        caller, callee = (self._places[party] for party in pair)
        left, right = sorted((caller, callee), key=lambda box: box.x)
        y = caller.bottom - 20
        ends = [(left.right, y), (right.x, y)]
        self._draw(pair, ends if caller is left else ends[::-1])
        lines = wrapped(self._say(_connection(pair).why), right.x - left.right - 12, _SMALL)
        above = y - height_of(lines, _SMALL) + 4
        self._label(pair, (left.right + right.x) / 2, above, right.x - left.right - 12, "middle")

    def _draw_number_side(self) -> None:
        registry = self._places[REGISTRY]
        self._draw_between((REGISTRY, NUMBERING))
        ledgers = [topology.ledger_of(one) for one in topology.institutions()]
        stroke = _STROKES[Passes.NUMBER]
        for ledger in ledgers:
            self._undrawn.pop((ledger, REGISTRY))
            box = self._places[ledger]
            self._picture.line([(box.middle_x, box.y), (box.middle_x, self._number_rail)], stroke)
        ends = [self._places[ledgers[0]].middle_x, self._places[ledgers[-1]].middle_x]
        self._picture.line([(x, self._number_rail) for x in ends], stroke)
        x = registry.middle_x
        self._picture.line([(x, self._number_rail), (x, registry.bottom)], stroke, arrow="end")
        self._label((ledgers[0], REGISTRY), x + 12, self._number_rail - 12, 400)

    def _draw_rails(self) -> None:
        """Exchanges and portal call the operators over one rail, and the exchanges over a second one."""
        exchanges = [topology.exchange_of(one) for one in topology.institutions()]
        code, answer = _STROKES[Passes.CODE], _STROKES[Passes.ANSWER]
        boxes = [self._places[exchange] for exchange in exchanges]
        for caller in exchanges:
            for callee in exchanges:
                self._undrawn.pop((caller, callee), None)
            for way in ((PORTAL, caller), (caller, PORTAL)):
                self._undrawn.pop(way)
        portal = self._places[PORTAL]
        for box, edge in (*((box, box.bottom) for box in boxes), (portal, portal.y)):
            x = box.middle_x + 14
            self._picture.line([(x, edge), (x, self._answer_rail)], answer)
        self._picture.line([(box.middle_x + 14, self._answer_rail) for box in (boxes[0], boxes[-1])], answer)
        for party, box in zip((*exchanges, PORTAL), (*boxes, self._places[PORTAL]), strict=True):
            self._undrawn.pop((party, HUB_1))
            if party != PORTAL:
                self._undrawn.pop((party, HUB_2))
            edge = box.y if party == PORTAL else box.bottom
            x = box.middle_x - 14
            self._picture.line([(x, edge), (x, self._code_rail)], code, halo=_BLIND_SIDE)
        ends = [box.middle_x - 14 for box in (boxes[0], boxes[-1])]
        self._picture.line([(x, self._code_rail) for x in ends], code, halo=_BLIND_SIDE)
        below = self._answer_rail + 22
        for hub in (HUB_1, HUB_2):
            x = self._places[hub].middle_x
            top = self._places[hub].y
            self._picture.line([(x, self._code_rail), (x, top)], code, arrow="end", halo=_BLIND_SIDE)
            self._label((exchanges[0], hub), x + 10, below, 300)
        self._label((exchanges[0], exchanges[1]), _LEFT + 12, below, 90)

    def _draw_hub_and_its_watch(self) -> None:
        first, second = self._places[HUB_1], self._places[HUB_2]
        watch = self._places[OVERSIGHT]
        self._draw_between((HUB_1, HUB_2))
        self._draw_between((PORTAL, HUB_2))
        left, right = watch.x + 40, watch.right - 40
        self._label((HUB_1, OVERSIGHT), left - 10, first.bottom + 20, 150, "end")
        self._label((OVERSIGHT, HUB_1), left + 10, first.bottom + 20, 150)
        self._label((OVERSIGHT, HUB_2), right + 10, first.bottom + 20, 150)
        self._draw((HUB_1, OVERSIGHT), [(left, first.bottom), (left, watch.y)])
        self._draw((OVERSIGHT, HUB_2), [(right, watch.y), (right, second.bottom)])
        registry, channel = self._places[REGISTRY], _LEFT - 14
        points = [(registry.x, registry.middle_y), (channel, registry.middle_y), (channel, first.middle_y)]
        self._draw((REGISTRY, HUB_1), [*points, (first.x, first.middle_y)])
        why = _connection((REGISTRY, HUB_1)).why
        colour = _STROKES[Passes.CODE].colour
        self._picture.text(
            channel - 9, self._border, [self._say(why)], size=_SMALL, anchor="middle", colour=colour, turned=-90
        )

    def _draw_log_in(self) -> None:
        portal, authority = self._places[PORTAL], self._places[JPKI]
        down, in_ = portal.x + 40, authority.right - 40
        between = authority.y - 20
        self._draw((PORTAL, JPKI), [(down, portal.bottom), (down, between), (in_, between), (in_, authority.y)])
        self._label((PORTAL, JPKI), down + 10, portal.bottom + 20, 150)
        watch, aside = self._places[OVERSIGHT], portal.x + 14
        self._draw(
            (PORTAL, OVERSIGHT), [(aside, portal.bottom), (aside, watch.middle_y), (watch.right, watch.middle_y)]
        )
        self._label((PORTAL, OVERSIGHT), aside - 10, watch.middle_y - 8, 150, "end")

    def _draw_legend(self) -> None:
        rows = [(stroke, _MEANING[passes]) for passes, stroke in _STROKES.items()]
        for row, (stroke, meaning) in enumerate([*rows, (_NEVER_CROSSED, _NEVER_CROSSES)]):
            y = 78 + row * 19
            self._picture.line([(690, y), (726, y)], stroke)
            self._picture.text(736, y + 4, [self._say(meaning)], size=_SMALL, colour=INK)
        watch = self._places[OVERSIGHT]
        colour = _STROKES[Passes.CODE].colour
        self._picture.text(24, self._places[JPKI].bottom - 2, [self._say(_BELOW)], size=13, bold="bold", colour=colour)
        note = wrapped(self._say(_NOT_DRAWN), 330, _SMALL)
        self._picture.text(600, watch.y + 18, note, size=_SMALL, colour=QUIET_INK)


def _connection(pair: tuple[PartyId, PartyId]) -> Connection:
    return next(line for line in topology.connections() if (line.caller, line.callee) == pair)


def main(folder: Path) -> None:
    """Write country.ja.svg and country.en.svg into a folder."""
    for language in _LANGUAGES:
        (folder / f"country.{language}.svg").write_text(country_svg(language), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
