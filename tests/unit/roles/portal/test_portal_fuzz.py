"""Whatever fits the description of a page, and what does not, gets a page or a problem: never a fault of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from portal_site import ORIGIN, PortalSite, portal_site

from kumihimo.plumbing.wire.edge import Edge

EXAMPLES = 12
# What answers by sending somebody elsewhere, or needs programs that this test does not run.
NOT_RUN = {"/login", "/login/challenge", "/information/ask"}


@pytest.fixture
def site(tmp_path: Path, edge_of: Callable[[str], Edge]) -> Iterator[PortalSite]:
    with portal_site(tmp_path, edge_of("portal/portal")) as site:
        yield site


def test_no_request_makes_a_page_stumble(site: PortalSite) -> None:
    schema = schemathesis.openapi.from_dict(site.site_app.openapi())
    tried = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path not in NOT_RUN:
            site.clock.at += timedelta(minutes=2)
            site.log_in()
            _pester(site, operation, {"Origin": ORIGIN, "X-Kumihimo-Token": site.token("/")})
            tried.add(operation.path)
    assert len(tried) > 35


def _pester(site: PortalSite, operation: Any, headers: dict[str, str]) -> None:
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        body = case.body if isinstance(case.body, (dict, list)) else None
        sent = {"data" if "form" in str(case.media_type) else "json": body} if body is not None else {}
        answer = site.client.request(case.method, case.formatted_path, params=case.query, headers=headers, **sent)
        assert answer.status_code < 500, (case.method, case.formatted_path, body)

    ask()
