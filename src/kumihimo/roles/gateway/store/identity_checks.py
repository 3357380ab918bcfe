"""Identity checks in the addressee ledger (本人確認の記録): who was checked, by what, by whom, when, with which result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, select

from kumihimo.domain.identity_check import IdentityCheck, Method, WhyNoPhoto
from kumihimo.roles.gateway.store.ledger import identity_check
from kumihimo.roles.gateway.store.upserts import dialect_insert

MOST_SHOWN: Final = 1_000
VERIFIED: Final = "verified"


@dataclass(frozen=True)
class RecordedCheck:
    """A check of an addressee; `result` is `VERIFIED` or the code of the problem it ended in."""

    addressee_number: str
    check: IdentityCheck
    result: str = VERIFIED


class IdentityCheckStore:
    """One institution's identity checks. They are written and read, and never changed."""

    def __init__(self, engine: Engine, institution: str) -> None:
        self._engine = engine
        self._institution = institution

    def record(self, request: str, recorded: RecordedCheck) -> None:
        """Write a check durably; one of the same request stays as it was first written."""
        check = recorded.check
        row = {
            "institution": self._institution,
            "request": request,
            "addressee_number": recorded.addressee_number,
            "method": check.method.value,
            "documents": json.dumps(check.documents),
            "articles": json.dumps(check.articles, ensure_ascii=False),
            "why_no_photo": check.why_no_photo.value if check.why_no_photo else None,
            "staff": check.staff,
            "checked_at": check.at,
            "result": recorded.result,
        }
        with self._engine.begin() as conn:
            conn.execute(dialect_insert(conn, identity_check).values(row).on_conflict_do_nothing())

    def of(self, addressee_number: str) -> list[RecordedCheck]:
        """The checks of an addressee, newest first, at most `MOST_SHOWN`."""
        columns = identity_check.c
        query = (
            select(identity_check)
            .where(columns.institution == self._institution, columns.addressee_number == addressee_number)
            .order_by(columns.checked_at.desc(), columns.request)
            .limit(MOST_SHOWN)
        )
        with self._engine.connect() as conn:
            return [_recorded(row) for row in conn.execute(query)]


def _recorded(row: Any) -> RecordedCheck:
    check = IdentityCheck(
        Method(row.method),
        tuple(json.loads(row.documents)),
        tuple(json.loads(row.articles)),
        row.staff,
        row.checked_at,
        WhyNoPhoto(row.why_no_photo) if row.why_no_photo else None,
    )
    return RecordedCheck(row.addressee_number, check, row.result)
