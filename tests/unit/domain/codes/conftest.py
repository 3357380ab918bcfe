"""Two countries' hubs, shared by the tests about link codes."""

from __future__ import annotations

import pytest
from link_code_hub import Hub, make_hub


@pytest.fixture(scope="session")
def hub() -> Hub:
    return make_hub(b"first country")


@pytest.fixture(scope="session")
def other_hub() -> Hub:
    return make_hub(b"another country")
