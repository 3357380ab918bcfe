"""The institution API from a desk (団体向けAPIの利用): notices and applications, as a business system uses it."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from kumihimo.country import topology
from kumihimo.country.desk import Desk, expected_up
from kumihimo.country.layout import Country
from kumihimo.country.scenarios.waiting import until
from kumihimo.domain.kernel import PartyId, Problem
from kumihimo.plumbing.wire.problem import from_document

_NOTICES: Final = "/v1/notices"
_APPLICATIONS: Final = "/v1/applications"


class ApiDesk(Desk):
    """The business system of one institution that writes to people and takes their applications."""

    @classmethod
    def of(cls, country: Country, institution: str) -> ApiDesk:
        """Raises Problem(institution.unknown)."""
        return cls(country, topology.desk_of(country.institution(institution).id))

    def send(self, notice: dict[str, Any]) -> dict[str, Any]:
        """Send a notice (docs/institution-api.json, NewNotice). Raises Problem: what the API says."""
        return self._post(_NOTICES, notice)

    def sent(self) -> list[dict[str, Any]]:
        """The newest notices and how far they are."""
        return list(self._get(_NOTICES)["notices"])

    def state(self, reference: str) -> dict[str, Any]:
        """How far one is, and how many opened it. Raises Problem(notice.unknown)."""
        return self._get(f"{_NOTICES}/{quote(reference)}")

    def recipients(self, reference: str, state: str | None = None) -> list[dict[str, Any]]:
        """Its recipients, all pages, those in one state where it is named. Raises Problem(notice.unknown)."""
        found: list[dict[str, Any]] = []
        chosen = "" if state is None else f"&state={quote(state)}"
        while True:
            after = found[-1]["position"] if found else -1
            page = self._get(f"{_NOTICES}/{quote(reference)}/recipients?after={after}{chosen}")["recipients"]
            if not page:
                return found
            found += page

    def answers(self, reference: str) -> list[dict[str, Any]]:
        """What recipients answered. Raises Problem(notice.unknown)."""
        return list(self._get(f"{_NOTICES}/{quote(reference)}/answers")["answers"])

    def delivered(self, reference: str, patience: float) -> dict[str, Any]:
        """How far one is when nobody waits any more. Raises Problem(internal) where that does not come in time."""

        def done() -> dict[str, Any] | None:
            state = self.state(reference)
            return state if state["waiting"] == 0 else None

        return until(done, patience, f"the delivery of notice {reference}", pause=0.1)

    def applications(self, state: str | None = None) -> list[dict[str, Any]]:
        """The newest 1,000 applications, those in one state where it is named."""
        return list(self._get(_APPLICATIONS + ("" if state is None else f"?state={quote(state)}"))["applications"])

    def application(self, number: str) -> dict[str, Any]:
        """One by its reference number, opened. Raises Problem(application.unknown)."""
        return self._get(f"{_APPLICATIONS}/{quote(number)}")

    def decide(self, number: str, state: str, staff: str, says: str | None) -> dict[str, Any]:
        """Its state from now on. Raises Problem(application.unknown, application.state)."""
        return self._post(f"{_APPLICATIONS}/{quote(number)}/state", {"state": state, "staff": staff, "says": says})

    def _post(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps(document, ensure_ascii=False).encode()
        with expected_up(self.country):
            answered = self.client.post(self._exchange, path, body)
        return self._said(answered.status_code, answered.content)

    def _get(self, path: str) -> dict[str, Any]:
        with expected_up(self.country):
            answered = self.client.look(self._exchange, path)
        return self._said(answered.status_code, answered.content)

    def _said(self, status: int, content: bytes) -> dict[str, Any]:
        if status not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
            raise from_document(content, status, self._exchange)
        try:
            said = json.loads(content)
        except ValueError:
            raise Problem("internal", f"{self._exchange} answered with no JSON") from None
        return dict(said)

    @property
    def _exchange(self) -> PartyId:
        return topology.exchange_of(self.institution)
