"""The country in miniature (甲県の構成): its institutions, their services, and who calls whom.

architecture.md, "Trust boundaries", as data. The supervisor starts one process for every `Service`, the directory of
peers is made from `connections()`, and the picture of the country is drawn from the same two lists, so that what the
README shows is what runs. Municipality codes (全国地方公共団体コード) begin with 99, a prefecture that does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from kumihimo.country.boundaries import BOUNDARIES, Bilingual, Boundary, Role
from kumihimo.domain.kernel.addresses import LocalGovernmentCode, completed_local_government_code
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import (
    Institution,
    InstitutionId,
    PartyId,
    institution_id,
    institution_of,
    party_id,
)


class Passes(StrEnum):
    """What goes over a connection, the most telling thing first. Only NUMBER may carry an Individual Number (I1)."""

    NUMBER = "number"
    CODE = "code"
    ANSWER = "answer"
    LOG = "log"
    CASEWORK = "casework"
    DIRECTORY = "directory"  # public: it goes over every other line, too


@dataclass(frozen=True)
class Service:
    """One process with its own keys and its own store."""

    party: PartyId
    role: Role

    @property
    def boundary(self) -> Boundary:
        """What it knows and what it never learns."""
        return BOUNDARIES[self.role]


@dataclass(frozen=True)
class Connection:
    """`caller` opens mutual TLS to `callee`; `passes` says what goes over the line and `why` what for."""

    caller: PartyId
    callee: PartyId
    passes: Passes
    why: Bilingual


NUMBERING = party_id("numbering", "authority")
REGISTRY = party_id("registry", "network")
HUB_1 = party_id("hub-1", "operator")
HUB_2 = party_id("hub-2", "operator")
OVERSIGHT = party_id("oversight", "body")
PORTAL = party_id("portal", "portal")
JPKI = party_id("jpki", "authority")
RESPONDER = party_id("jpki", "responder")

# id, Japanese name, English name, classes of the rule book
_HOLDERS = (
    ("ko-pref", "甲県", "Ko Prefecture", {"prefecture", "welfare-authority"}),
    ("x-city", "X市", "X City", {"city", "municipality", "welfare-authority"}),
    ("y-city", "Y市", "Y City", {"city", "municipality", "welfare-authority"}),
    ("z-town", "Z町", "Z Town", {"municipality"}),
    ("tax-office", "税務署", "Tax office", {"tax-office"}),
    ("pension-service", "日本年金機構", "Pension service", {"pension-service"}),
    (
        "health-insurer",
        "全国健康保険協会 甲支部",
        "Health insurer",
        {"national-health-insurance-association"},
    ),
    ("late-elderly-union", "後期高齢者医療広域連合", "Late-elderly union", {"late-elderly-union"}),
    ("employment-office", "公共職業安定所", "Employment office", {"health-labour-minister"}),
    ("student-aid", "日本学生支援機構", "Student aid", {"student-services-organization"}),
)

_CENTRAL = (
    ("numbering", "番号生成機関", "Numbering authority", {"numbering-authority"}),
    ("registry", "住民基本台帳ネットワーク", "Resident registry network", {"registry-network"}),
    ("hub-1", "情報連携基盤 運営者1", "Hub operator 1", {"hub-operator"}),
    ("hub-2", "情報連携基盤 運営者2", "Hub operator 2", {"hub-operator"}),
    ("oversight", "第三者機関", "Oversight body", {"oversight-body"}),
    ("portal", "マイ・ポータル", "My Portal", {"portal"}),
    ("jpki", "公的個人認証", "JPKI", {"certification-authority"}),
)

# First five digits of the 全国地方公共団体コード; the sixth is its check digit.
_LOCAL_BODIES = {"ko-pref": "99000", "x-city": "99201", "y-city": "99202", "z-town": "99301"}

_GATEWAY = {"ledger": Role.LEDGER, "exchange": Role.EXCHANGE}
_OF_EVERY_MUNICIPALITY = (
    "local-tax",
    "resident-record",
    "medical-insurance",
    "nursing-insurance",
    "child-allowance",
    "child-care-fees",
    "vaccination",
    "health-check",
)
# The town has no welfare office, so its people's public assistance is held by the prefecture (生活保護法第十九条).
_ITEMS: dict[str, tuple[str, ...]] = {
    "ko-pref": ("public-assistance", "disability-certificate"),
    "x-city": (*_OF_EVERY_MUNICIPALITY, "public-assistance"),
    "y-city": (*_OF_EVERY_MUNICIPALITY, "public-assistance"),
    "z-town": _OF_EVERY_MUNICIPALITY,
    "tax-office": (),
    "pension-service": ("pension",),
    "health-insurer": ("medical-insurance", "health-check"),
    "late-elderly-union": ("medical-insurance", "health-check"),
    "employment-office": ("employment-insurance",),
    "student-aid": ("student-aid",),
}


@cache
def institutions() -> dict[str, Institution]:
    """The information-holding institutions (情報保有機関) by id, in the order they are shown."""
    return {row[0]: _institution(*row) for row in _HOLDERS}


@cache
def central() -> dict[str, Institution]:
    """The institutions of the number system itself, by id."""
    return {row[0]: _institution(*row) for row in _CENTRAL}


def _institution(identifier: str, ja: str, en: str, classes: set[str]) -> Institution:
    return Institution(institution_of(PartyId(identifier)), ja, en, frozenset(classes))


def institution(identifier: str) -> Institution:
    """Any institution of the country. Raises Problem(institution.unknown)."""
    found = institutions().get(identifier) or central().get(identifier)
    if found is None:
        raise Problem("institution.unknown", f"{identifier!r}", expected=f"one of {', '.join(institutions())}")
    return found


def municipalities() -> tuple[InstitutionId, ...]:
    """The municipalities people live in: X市, Y市 and Z町."""
    return tuple(one.id for one in institutions().values() if "municipality" in one.classes)


def local_government_code(identifier: str) -> LocalGovernmentCode:
    """Six digits, the last one the check digit. Raises Problem(institution.unknown) for what is no local body."""
    if identifier not in _LOCAL_BODIES:
        raise Problem("institution.unknown", f"{identifier!r}", expected=f"one of {', '.join(_LOCAL_BODIES)}")
    return completed_local_government_code(_LOCAL_BODIES[identifier])


def local_government_codes() -> dict[InstitutionId, LocalGovernmentCode]:
    """The codes of all local bodies."""
    return {institution_id(one): local_government_code(one) for one in _LOCAL_BODIES}


def items_provided(identifier: str) -> tuple[str, ...]:
    """Item ids the institution keeps copies (副本) of. Raises Problem(institution.unknown)."""
    return _ITEMS.get(institution(identifier).id, ())


def ledger_of(identifier: str) -> PartyId:
    """The addressee ledger (団体内統合宛名) of an institution."""
    return party_id(identifier, "ledger")


def exchange_of(identifier: str) -> PartyId:
    """The exchange store (中間サーバー) of an institution."""
    return party_id(identifier, "exchange")


def desk_of(identifier: str) -> PartyId:
    """The business systems (業務システム) of an institution: staff and command line, which only call."""
    return party_id(identifier, "desk")


def desks() -> tuple[PartyId, ...]:
    """The client-only parties, one of every information-holding institution."""
    return tuple(desk_of(identifier) for identifier in institutions())


@cache
def services() -> tuple[Service, ...]:
    """Every process of the country: the central ones first, then a ledger and an exchange for each institution."""
    gateways = (service for identifier in institutions() for service in gateway_services(identifier))
    return (*_CENTRAL_SERVICES, *gateways)


def gateway_services(identifier: str) -> tuple[Service, Service]:
    """What an information-holding institution runs."""
    return Service(ledger_of(identifier), Role.LEDGER), Service(exchange_of(identifier), Role.EXCHANGE)


def role_of(party: str) -> Role:
    """Which program a party runs, also of an institution that joined later. Raises Problem(institution.unknown)."""
    central = {one.party: one.role for one in _CENTRAL_SERVICES}
    role = central.get(PartyId(party)) or _GATEWAY.get(party.partition("/")[2])
    if role is None:
        raise Problem("institution.unknown", f"{party!r} runs no service", expected="a party such as 'x-city/ledger'")
    return role


def service(party: str) -> Service:
    """The service a party runs. Raises Problem(institution.unknown)."""
    for one in services():
        if one.party == party:
            return one
    raise Problem("institution.unknown", f"{party!r} runs no service", expected="a party such as 'x-city/ledger'")


@cache
def connections() -> tuple[Connection, ...]:
    """Every line of the country over which one party calls another; nothing else may call."""
    gateways = (line for identifier in institutions() for line in _gateway_connections(identifier))
    counters = (
        Connection(ledger_of(one), callee, Passes.CASEWORK, why) for one in municipalities() for callee, why in _COUNTER
    )
    bodies = Connection(
        desk_of("tax-office"), NUMBERING, Passes.CASEWORK, Bilingual("法人番号の指定", "ask for Corporate Numbers")
    )
    return (*_CENTRAL_CONNECTIONS, *gateways, *counters, bodies)


def callers_of(party: str) -> frozenset[PartyId]:
    """The parties that may open a connection to a service."""
    return frozenset(line.caller for line in connections() if line.callee == party)


def _gateway_connections(identifier: str) -> tuple[Connection, ...]:
    desk, ledger, exchange = desk_of(identifier), ledger_of(identifier), exchange_of(identifier)
    others = (exchange_of(other) for other in institutions() if other != identifier)
    return (
        Connection(desk, ledger, Passes.NUMBER, Bilingual("宛名の登録と検索", "enter and find addressees")),
        Connection(desk, exchange, Passes.CASEWORK, Bilingual("照会と副本の登録", "inquiries, and copies of records")),
        Connection(
            ledger, REGISTRY, Passes.NUMBER, Bilingual("本人の照会と符号取得", "look up people, ask for link codes")
        ),
        Connection(
            ledger, exchange, Passes.CASEWORK, Bilingual("宛名番号と整理券", "addressee number with its ticket")
        ),
        Connection(
            exchange,
            HUB_1,
            Passes.CODE,
            Bilingual("情報照会と結果の報告、鍵の半分の受取り", "ask for a permit, report the outcome"),
        ),
        Connection(exchange, HUB_2, Passes.CODE, Bilingual("符号の受取り", "fetch link codes")),
        Connection(
            OVERSIGHT, exchange, Passes.CODE, Bilingual("開示監査、副本の状態", "opening audits, state of copies")
        ),
        Connection(
            PORTAL,
            exchange,
            Passes.ANSWER,
            Bilingual("自己情報、訂正、返信、申請", "own information, corrections, applications"),
        ),
        Connection(exchange, PORTAL, Passes.CODE, Bilingual("お知らせの配信", "notices by mailbox")),
        *(
            Connection(exchange, other, Passes.ANSWER, Bilingual("情報提供", "fetch the sealed answer"))
            for other in others
        ),
    )


_COUNTER = (
    (PORTAL, Bilingual("窓口での口座開設", "open an account at the counter")),
    (JPKI, Bilingual("カードと証明書の申請、届出", "apply for cards and certificates, report losses")),
)

_CENTRAL_CONNECTIONS = (
    Connection(REGISTRY, NUMBERING, Passes.NUMBER, Bilingual("個人番号の生成依頼", "ask for Individual Numbers")),
    Connection(NUMBERING, REGISTRY, Passes.DIRECTORY, Bilingual("機関名簿の受取り", "fetch the newest directory")),
    Connection(REGISTRY, HUB_1, Passes.CODE, Bilingual("符号のもと", "encrypted seeds of link codes")),
    Connection(REGISTRY, HUB_2, Passes.CODE, Bilingual("鍵の半分の受取り", "fetch the other half of its key")),
    Connection(HUB_1, HUB_2, Passes.CODE, Bilingual("符号変換の後半", "the second half of the translation")),
    Connection(HUB_2, HUB_1, Passes.CODE, Bilingual("公開点の受取り", "fetch the published points")),
    Connection(HUB_1, OVERSIGHT, Passes.LOG, Bilingual("チェックポイントの連署", "have checkpoints cosigned")),
    Connection(OVERSIGHT, HUB_1, Passes.LOG, Bilingual("ログの検証", "verify the log")),
    Connection(OVERSIGHT, HUB_2, Passes.LOG, Bilingual("運営者2の監督", "watch over operator 2")),
    Connection(
        PORTAL,
        HUB_1,
        Passes.CODE,
        Bilingual("自己情報の照会、鍵の半分とログの証明", "ask for permits, half of its key, proofs"),
    ),
    Connection(PORTAL, OVERSIGHT, Passes.CODE, Bilingual("申出と、その記録", "complaints, with the record")),
    Connection(PORTAL, HUB_2, Passes.CODE, Bilingual("提供等記録の写し", "copies of access records")),
    Connection(
        PORTAL, JPKI, Passes.CASEWORK, Bilingual("カードでの利用開始", "have the code of a card's holder issued")
    ),
    Connection(
        JPKI, REGISTRY, Passes.CASEWORK, Bilingual("4情報と異動の通知", "four items of holders, and what happens")
    ),
    Connection(RESPONDER, JPKI, Passes.DIRECTORY, Bilingual("失効情報の受取り", "fetch what is revoked")),
)

_CENTRAL_SERVICES = (
    Service(NUMBERING, Role.NUMBERING),
    Service(REGISTRY, Role.REGISTRY),
    Service(HUB_1, Role.HUB),
    Service(HUB_2, Role.HUB),
    Service(OVERSIGHT, Role.OVERSIGHT),
    Service(PORTAL, Role.PORTAL),
    Service(JPKI, Role.JPKI),
    Service(RESPONDER, Role.RESPONDER),
)
