"""Trust boundaries (信頼の境界): what each kind of service knows and what it never learns.

The table of architecture.md as data, in the country's two languages; the picture and the status page print it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

Language = Literal["ja", "en"]


@dataclass(frozen=True)
class Bilingual:
    """One text in the country's two languages."""

    ja: str
    en: str

    def said_in(self, language: Language) -> str:
        return self.ja if language == "ja" else self.en


class Role(StrEnum):
    """Which program a service runs."""

    NUMBERING = "numbering"
    REGISTRY = "registry"
    HUB = "hub"
    OVERSIGHT = "oversight"
    PORTAL = "portal"
    LEDGER = "ledger"
    EXCHANGE = "exchange"
    WITNESS = "witness"
    JPKI = "jpki"
    RESPONDER = "responder"


@dataclass(frozen=True)
class Boundary:
    """What a service of one role is called, what it knows, and what it never learns."""

    name: Bilingual
    knows: Bilingual
    never_learns: Bilingual


BOUNDARIES: Final[dict[Role, Boundary]] = {
    Role.NUMBERING: Boundary(
        Bilingual("番号生成機関", "Numbering authority"),
        Bilingual("住民票コードと個人番号", "resident code and Individual Number"),
        Bilingual("氏名、属性、符号", "names, attributes, link codes"),
    ),
    Role.REGISTRY: Boundary(
        Bilingual("住民基本台帳ネットワーク", "Resident registry network"),
        Bilingual("4情報、住民票コード、個人番号", "four items, resident code, Individual Number"),
        Bilingual("属性、各機関の符号", "attributes, any institution's link code"),
    ),
    Role.HUB: Boundary(
        Bilingual("情報連携基盤", "Hub operator"),
        Bilingual("どの機関がどの機関に、どの規定で、いつ", "which institution asks which, under which rule, when"),
        Bilingual(
            "本人、個人番号、属性、2つの照会が同じ人についてか",
            "the person, the number, attributes, whether two requests concern one person",
        ),
    ),
    Role.OVERSIGHT: Boundary(
        Bilingual("第三者機関", "Oversight body"),
        Bilingual("全ログ、全規定、全警報", "the whole log, all rules, all alarms"),
        Bilingual("本人（開示監査の命令がない限り）", "the person, unless it orders an opening audit"),
    ),
    Role.PORTAL: Boundary(
        Bilingual("マイ・ポータル", "My Portal"),
        Bilingual("自らの符号、お知らせ、提供等記録", "its own link code, notices, access records"),
        Bilingual("個人番号、見ている間以外の属性", "the number; attributes, except while the resident looks"),
    ),
    Role.LEDGER: Boundary(
        Bilingual("宛名台帳", "Addressee ledger"),
        Bilingual("個人番号、宛名番号、4情報", "Individual Number, addressee number, four items"),
        Bilingual("符号", "link codes"),
    ),
    Role.EXCHANGE: Boundary(
        Bilingual("中間サーバー", "Exchange store"),
        Bilingual("宛名番号、自らの符号、副本", "addressee number, its own link code, copies"),
        Bilingual("個人番号、他機関の符号", "the Individual Number, other institutions' codes"),
    ),
    Role.JPKI: Boundary(
        Bilingual("公的個人認証 認証局", "JPKI authority"),
        Bilingual("証明書の発行番号と住民票コード、4情報", "certificate serial and resident code, four items"),
        Bilingual("個人番号、符号、証明書が何に使われるか", "the number, link codes, what a certificate is used for"),
    ),
    Role.RESPONDER: Boundary(
        Bilingual("証明書の有効性確認", "JPKI responder"),
        Bilingual("発行番号と有効性、誰が確認したか", "serials and whether they are valid, who asks about them"),
        Bilingual("本人、住民票コード", "the person, the resident code"),
    ),
    Role.WITNESS: Boundary(
        Bilingual("外部の立会人", "Outside witness"),
        Bilingual("ログの大きさと根ハッシュ", "how large the log is, and its root hash"),
        Bilingual("ログの中身", "anything that stands in the log"),
    ),
}
