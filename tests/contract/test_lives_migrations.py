"""The second schema of registry, numbering, ledger, exchange and portal goes up and down with people in the stores."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, inspect, text

from kumihimo.plumbing.storage import downgrade, migrate, require_current

PEOPLE = {
    "kumihimo.roles.registry.migrations": (
        "INSERT INTO resident (id, resident_code, individual_number, four_items, name_key, address_key, birth, sex,"
        " municipality, version, code_counter) VALUES (1, '1', '2', '{}', 'n', 'a', '1984-03-15', 'f', 'x-city', 1, 0)",
        "SELECT id, individual_number, version FROM resident",
    ),
    "kumihimo.roles.numbering.migrations": (
        "INSERT INTO assignment (number, resident_code, municipality, since)"
        " VALUES (1, '00000000019', 'x-city', '2026-06-01')",
        "SELECT number, resident_code FROM assignment",
    ),
    "kumihimo.roles.gateway.migrations_ledger": (
        "INSERT INTO addressee (institution, addressee_number, individual_number, family, given, family_kana,"
        " given_kana, sex, birth, prefecture, municipality, lines, building, name_key, address_key, residence, alive,"
        " version, since) VALUES ('x', '1', '2', '', '', '', '', 'female', '1984-03-15', '', '', '', '', '', '', 'x',"
        " true, 1, '2026-06-01')",
        "SELECT addressee_number, individual_number, version FROM addressee",
    ),
    "kumihimo.roles.gateway.migrations_exchange": (
        "INSERT INTO flag (institution, addressee_number, item, kind, since) VALUES ('x', '1', '*', 'k', '2026-06-01')",
        "SELECT addressee_number, kind FROM flag",
    ),
    "kumihimo.roles.portal.migrations": (
        "INSERT INTO tally (name, count) VALUES ('unknown_tickets', 3)",
        "SELECT name, count FROM tally",
    ),
}


@pytest.mark.parametrize("package", PEOPLE)
def test_people_stay_as_they_were_up_and_down(engine: Engine, package: str) -> None:
    settle, look = PEOPLE[package]
    migrate(engine, package)
    before_that = "0002_batch" if package.endswith("exchange") else "0001"
    downgrade(engine, package, before_that)
    first = set(inspect(engine).get_table_names())
    with engine.begin() as conn:
        conn.execute(text(settle))
        before = [tuple(row) for row in conn.execute(text(look))]
    migrate(engine, package)
    require_current(engine, package)
    assert set(inspect(engine).get_table_names()) - first
    downgrade(engine, package, before_that)
    assert set(inspect(engine).get_table_names()) == first
    with engine.begin() as conn:
        assert [tuple(row) for row in conn.execute(text(look))] == before
        assert before
