"""A country of six parties with real keys, certificates and a signed directory, whose services run on free ports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi import FastAPI
from small_country import SmallCountry, running

from kumihimo.plumbing.wire.edge import Edge


@pytest.fixture(scope="session")
def country(tmp_path_factory: pytest.TempPathFactory) -> SmallCountry:
    return SmallCountry.found(tmp_path_factory.mktemp("country"))


@pytest.fixture(scope="session")
def foreign_country(tmp_path_factory: pytest.TempPathFactory) -> SmallCountry:
    """Another country: the same names, another root and other keys."""
    return SmallCountry.found(tmp_path_factory.mktemp("foreign"))


@pytest.fixture
def run() -> Iterator[Callable[[FastAPI, Edge], None]]:
    """Run an application as a party until the test is over."""
    with ExitStack() as stack:
        yield lambda app, edge: stack.enter_context(running(app, edge))


@pytest.fixture
def keys(country: SmallCountry) -> Path:
    return country.folder / "parties"
