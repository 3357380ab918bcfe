"""One virtual reader for all tests that speak PC/SC inside the test process: its library reads the socket's name once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from card_programs import missing, virtual_reader
from kumihimo.roles.card.reader.virtual import VirtualReader

sys.path.append(str(Path(__file__).parents[1] / "unit/roles/card"))  # card_country


@pytest.fixture(scope="session")
def pcsc() -> Iterator[VirtualReader]:
    """The reader that `open_card` finds in this process."""
    if missing("virtual-reader"):
        pytest.skip("NOT RUN for want of " + ", ".join(missing("virtual-reader")))
    with virtual_reader() as reader:
        os.environ.update(reader.environment)
        yield reader
