"""What PostgreSQL's programs say when they fail is passed on without what stood in the rows."""

from __future__ import annotations

from kumihimo.plumbing.storage.client_programs import without_values

FAILED = """pg_restore: while PROCESSING TOC:
pg_restore: error: COPY failed for table "resident": ERROR:  duplicate key value violates unique constraint "resident_pkey"
DETAIL:  Key (number)=(123456789018) already exists.
CONTEXT:  COPY resident, line 7: "123456789018\t総務花子"
"""
SYNTAX = (
    'pg_restore: error: COPY failed for table "resident": ERROR:  invalid input syntax for type bigint: "総務花子"\n'
)


def test_no_row_is_in_what_a_program_says() -> None:
    said = without_values("pg_restore", FAILED) + without_values("pg_restore", SYNTAX)
    assert "duplicate key value" in said
    assert "invalid input syntax" in said
    assert "123456789018" not in said
    assert "花子" not in said


def test_both_versions_are_told() -> None:
    said = "pg_dump: error: aborting because of server version mismatch\n"
    said += "pg_dump: detail: server version: 17.1; pg_dump version: 15.3\n"
    assert "server version: 17.1; pg_dump version: 15.3" in without_values("pg_dump", said)
