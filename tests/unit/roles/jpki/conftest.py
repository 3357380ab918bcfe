"""A bureau for tests of public personal authentication."""

from __future__ import annotations

from pathlib import Path

import pytest
from jpki_bureau import Bureau


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    return Bureau(tmp_path)
