"""A store that cannot be used just now is one clear problem on either engine; other errors stay errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from kumihimo.plumbing.storage import open_engine
from kumihimo.plumbing.wire.edge import application


def client_of(engine: Engine, statement: str) -> TestClient:
    """A service whose one path writes to a store."""
    app = application("service")

    @app.post("/write")
    def write() -> None:
        with engine.begin() as conn:
            conn.execute(text(statement))

    return TestClient(app, raise_server_exceptions=False)


def test_a_database_server_that_is_down(tmp_path: Path) -> None:
    down = open_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    answer = client_of(down, "SELECT 1").post("/write")
    assert answer.status_code == 503
    problem = answer.json()
    assert problem["type"] == "urn:kumihimo:problem:store.unavailable"
    assert "Nothing was written" in problem["advice"]
    assert "127.0.0.1" not in answer.text  # where the store is, is nobody else's business


def test_a_store_on_a_full_disk(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/full.db")
    with engine.begin() as conn:
        conn.execute(text("CREATE TABLE paper (text TEXT)"))
        pages = conn.execute(text("PRAGMA page_count")).scalar_one()
        conn.execute(text(f"PRAGMA max_page_count = {pages}"))
    with engine.connect() as conn:
        conn.execute(text(f"PRAGMA max_page_count = {pages}"))
        conn.rollback()
    answer = client_of(engine, "INSERT INTO paper VALUES (zeroblob(100000))").post("/write")
    assert (answer.status_code, answer.json()["type"]) == (507, "urn:kumihimo:problem:store.full")


@pytest.mark.parametrize("statement", ["INSERT INTO paper VALUES (1), (1)"])
def test_an_error_of_the_program_is_still_one(tmp_path: Path, statement: str) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/paper.db")
    with engine.begin() as conn:
        conn.execute(text("CREATE TABLE paper (id INTEGER PRIMARY KEY)"))
    answer = client_of(engine, statement).post("/write")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:kumihimo:problem:internal")
