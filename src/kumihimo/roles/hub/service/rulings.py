"""Ruling on a request (照会の可否): institutions known and active, a ciphertext that is one, a rule in force that day.

番号法 第十九条第七号. Both operators rule by the same code, each with its own copy of the rule book and its own list of
suspended institutions, so that a permit needs two independent yeses (invariant I4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kumihimo.domain.codes import decode_ciphertext
from kumihimo.domain.kernel.clock import legal_day
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import Institution
from kumihimo.domain.law import Permission, Question, RuleBook
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.envelope import from_b64
from kumihimo.plumbing.wire.messages.batch import ChunkRequest
from kumihimo.plumbing.wire.messages.inquiry import InquiryRequest, Refusal
from kumihimo.roles.hub.service.ports import Admit, RequireActive
from kumihimo.roles.hub.store import Domains

# Words of a request are logged and shown: they must be ids, and no twelve digits may hide in them (invariant I1).
_ID: Final = re.compile(r"(?!.*[0-9]{9})[a-z][a-z0-9./-]{0,79}")

# Their detail, told in both languages, is the reason the oversight body gave.
_TOLD: Final = frozenset({"institution.suspended", "hub.stopped"})
_REASONS_JA: Final = {
    "message.malformed": "照会の項目に識別子でない文字列があります。",
    "message.replayed": "この処理通番は既に使用されています。",
    "institution.unknown": "相手方の機関が機関名簿にありません。",
    "institution.suspended": "機関が情報連携の停止を受けています。",
    "codes.identity_point": "暗号化された符号に単位元が含まれています。",
    "codes.not_a_point": "暗号化された符号が正しい形式ではありません。",
    "codes.epoch_closed": "更新前の符号による照会です。",
    "hub.stopped": "第三者機関の命令により情報連携の全体が停止されています。",
    "quota.exceeded": "照会の件数が上限を超えています。",
    "operator.unreachable": "情報連携基盤のもう一方の運営者に接続できません。",
}


@dataclass(frozen=True)
class Ruling:
    """The answer to a request: the rules that permit it, or the refusal. `subject` is None for what is no ciphertext."""

    rule_book: str
    rules: tuple[str, ...]
    articles: tuple[str, ...]
    refusal: Refusal | None
    subject: bytes | None

    @property
    def granted(self) -> bool:
        return self.refusal is None


class Bench:
    """Rules on requests whose signature and freshness were checked already; `admit` counts them against the quota."""

    def __init__(
        self, directory: Directory, book: RuleBook, require_active: RequireActive, admit: Admit, domains: Domains
    ) -> None:
        self._domains = domains
        self._directory = directory
        self._book = book
        self._require_active = require_active
        self._admit = admit

    @property
    def rule_book(self) -> str:
        """SHA-256 of the rule book, hex."""
        return self._book.sha256

    def rule_on(self, request: InquiryRequest, at: datetime) -> Ruling:
        """The ruling for the legal day of `at`; the first thing that stands against the request is its refusal."""
        _, over = self._admit(request.requester, at, 1)
        subject = None
        try:
            subject = from_b64(request.subject, "subject")
            decode_ciphertext(subject, "subject")
            self._domains.label(request.requester, request.epoch)  # in a closed epoch it is nobody's code
        except Problem as problem:
            return self._refused(refusal_of(problem), None)
        return self._rule_on_terms(request, over, subject, at)

    def rule_on_each(self, request: ChunkRequest, subjects: Sequence[bytes], at: datetime) -> list[Ruling]:
        """The rulings on the persons of a chunk, each counted against the quota as a request of its own.

        Those who are ruled on alike share what is decided about what they have in common.
        """
        admitted, over = self._admit(request.requester, at, len(subjects))
        closed = self._closed(request)
        shared: dict[bool, Ruling] = {}
        rulings = []
        for place, subject in enumerate(subjects):
            try:
                decode_ciphertext(subject, "subject")
            except Problem as problem:
                rulings.append(self._refused(refusal_of(problem), None))
                continue
            if closed is not None:
                rulings.append(closed)
                continue
            counted = place < admitted
            common = shared.get(counted) or shared.setdefault(
                counted, self._rule_on_terms(request, None if counted else over, subject, at)
            )
            rulings.append(Ruling(common.rule_book, common.rules, common.articles, common.refusal, subject))
        return rulings

    def _closed(self, request: ChunkRequest) -> Ruling | None:
        """The ruling on everybody of a request in a closed epoch, in which a ciphertext is nobody's code."""
        try:
            self._domains.label(request.requester, request.epoch)
        except Problem as problem:
            return self._refused(refusal_of(problem), None)
        return None

    def _rule_on_terms(
        self, request: InquiryRequest | ChunkRequest, over: Problem | None, subject: bytes, at: datetime
    ) -> Ruling:
        try:
            requester, provider = self._ends(request)
        except Problem as problem:
            return self._refused(refusal_of(problem), subject)
        if over is not None:
            return self._refused(refusal_of(over), subject)
        question = Question(requester, provider, request.affair, request.items, legal_day(at))
        answer = self._book.ask(question)
        if isinstance(answer, Permission):
            return Ruling(self._book.sha256, answer.rule_ids, answer.articles, None, subject)
        article = answer.articles[0] if answer.articles else None
        refusal = Refusal(
            code=answer.code, reason_ja=answer.reason_ja, reason_en=answer.reason_en, article=article
        )  # fmt: skip
        return self._refused(refusal, subject)

    def _ends(self, request: InquiryRequest | ChunkRequest) -> tuple[Institution, Institution]:
        for word in (request.provider, request.affair, *request.items):
            if not is_id(word):
                raise Problem("message.malformed", "a word that is no id", expected="lower-case ids of the rule book")
        requester = self._directory.institution(request.requester)
        provider = self._directory.institution(request.provider)
        self._require_active(requester.id)
        self._require_active(provider.id)
        return requester, provider

    def _refused(self, refusal: Refusal, subject: bytes | None) -> Ruling:
        return Ruling(self._book.sha256, (), (), refusal, subject)


def is_id(word: str) -> bool:
    """Whether a word of a request may stand in the log."""
    return _ID.fullmatch(word) is not None


def refusal_of(problem: Problem) -> Refusal:
    """A problem as the reason of a refusal, in both languages."""
    reason_ja = _REASONS_JA.get(problem.code, "情報連携基盤が照会を処理できませんでした。")
    if problem.code in _TOLD:
        reason_ja = f"{reason_ja}（{problem.detail}）"
    return Refusal(code=problem.code, reason_ja=reason_ja, reason_en=f"{problem.title}: {problem.detail}")
