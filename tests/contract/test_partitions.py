"""Partitions: per-person tables are cut on PostgreSQL and made whole again with every row, and keep their promises."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    exc,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.types import Boolean, TypeEngine

from kumihimo.plumbing.storage import UtcDateTime, downgrade, migrate, migrations, partition
from kumihimo.roles.gateway.store import exchange
from kumihimo.roles.numbering import store as numbering
from kumihimo.roles.portal import store as portal
from kumihimo.roles.registry import schema as registry

ROWS = 200
# package, tables that are cut, with those they refer to first
STORES = [
    pytest.param(
        registry.MIGRATIONS,
        (registry.resident, registry.history, registry.number_history, registry.subscription, registry.code_holder),
        id="registry",
    ),
    pytest.param(numbering.MIGRATIONS, (numbering.used_number,), id="numbering"),
    pytest.param(portal.MIGRATIONS, (portal.access, portal.outcome), id="portal"),
    pytest.param(exchange.MIGRATIONS, (exchange.copy, exchange.provision, exchange.access_record), id="exchange"),
]
WHOLE = {"resident"}


def _value(kind: TypeEngine[Any], number: int) -> Any:
    match kind:
        case Boolean():
            return bool(number % 2)
        case Integer():
            return number
        case Date():
            return date(2026, 4, 1)
        case UtcDateTime() | DateTime():
            return datetime(2026, 4, 1, tzinfo=UTC)
        case LargeBinary():
            return number.to_bytes(32)
        case String(length=int(length)):
            return f"{number:040}"[-length:]
        case _:
            return f"{number:011}"


def _fill(engine: Engine, tables: Sequence[Table]) -> None:
    with engine.begin() as conn:
        for table in tables:
            now = Table(table.name, MetaData(), autoload_with=conn, resolve_fks=False)
            # A column that a later migration takes away is only known from the store.
            kinds = {one.name: table.columns.get(one.name, one).type for one in now.columns}
            rows = [{name: _value(kind, number) for name, kind in kinds.items()} for number in range(1, ROWS + 1)]
            target = Table(table.name, MetaData(), *(Column(name, kind) for name, kind in kinds.items()))
            conn.execute(insert(target), rows)


def _columns(engine: Engine, table: Table) -> tuple[str, ...]:
    """The columns a table has in the store now and in the end; others come, or go, with later migrations."""
    with engine.connect() as conn:
        now = Table(table.name, MetaData(), autoload_with=conn, resolve_fks=False).columns
    return tuple(name for name in now.keys() if name in table.columns)  # noqa: SIM118 - columns, not a mapping


def _rows(engine: Engine, table: Table, columns: Sequence[str] | None = None) -> list[tuple[Any, ...]]:
    chosen = [table.c[name] for name in columns or table.c.keys()]
    with engine.connect() as conn:
        return sorted(tuple(row) for row in conn.execute(select(*chosen)))


def _parts(engine: Engine, table: str) -> dict[str, int]:
    """Rows in each part of a table; nothing where it is whole."""
    if engine.dialect.name != "postgresql":
        return {}
    query = text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:name)")
    with engine.connect() as conn:
        names = conn.execute(query, {"name": table}).scalars().all()
        return {name: conn.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in names}  # noqa: S608


def _before_the_partitions(package: str) -> str:
    script = ScriptDirectory.from_config(migrations._config(package, None))
    (cut,) = [one for one in script.walk_revisions() if one.revision.endswith("_partitions")]
    before = cut.down_revision
    assert isinstance(before, str)
    return before


@pytest.mark.parametrize(("package", "tables"), STORES)
def test_rows_survive_being_cut_and_being_made_whole(engine: Engine, package: str, tables: tuple[Table, ...]) -> None:
    migrate(engine, package)
    downgrade(engine, package, _before_the_partitions(package))
    assert not any(_parts(engine, table.name) for table in tables)
    _fill(engine, tables)
    columns = {table: _columns(engine, table) for table in tables}
    stored = {table: _rows(engine, table, columns[table]) for table in tables}
    migrate(engine, package)
    for table in tables:
        assert _rows(engine, table, columns[table]) == stored[table]
        parts = _parts(engine, table.name)
        if engine.dialect.name == "postgresql" and table.name not in WHOLE:
            assert sum(parts.values()) == ROWS
            assert len(parts) >= 8
            assert sum(count > 0 for count in parts.values()) > len(parts) / 2, "nearly all rows in a few parts"
    downgrade(engine, package, _before_the_partitions(package))
    for table in tables:
        assert _rows(engine, table, columns[table]) == stored[table]
        assert not _parts(engine, table.name)
    downgrade(engine, package, "base")


@pytest.mark.parametrize(("package", "tables"), STORES)
def test_keys_and_references_hold_on_a_cut_table(engine: Engine, package: str, tables: tuple[Table, ...]) -> None:
    migrate(engine, package)
    _fill(engine, tables)
    for table in tables:
        again = dict(zip(table.columns.keys(), _rows(engine, table)[0], strict=True))
        with pytest.raises(exc.IntegrityError), engine.begin() as conn:
            conn.execute(insert(table), [again])
        for column in _references(table):
            stray = {**again, **{one.name: _value(one.type, ROWS + 7) for one in table.primary_key}}
            with pytest.raises(exc.IntegrityError), engine.begin() as conn:
                conn.execute(insert(table), [{**stray, column.name: ROWS + 7}])


def _references(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if column.foreign_keys]


def test_a_number_may_be_drawn_only_once_whatever_part_it_falls_into(engine: Engine) -> None:
    migrate(engine, numbering.MIGRATIONS)
    _fill(engine, [numbering.used_number])
    for row in _rows(engine, numbering.used_number):
        with pytest.raises(exc.IntegrityError), engine.begin() as conn:
            conn.execute(insert(numbering.used_number).values(number=row[0], drawing=ROWS + 1))


def test_a_table_with_a_unique_column_beside_the_key_is_not_cut(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("nothing is cut on SQLite")
    migrate(engine, registry.MIGRATIONS)
    with pytest.raises(exc.DBAPIError), engine.begin() as conn:
        partition(conn, "resident", "id", 4)
    with engine.connect() as conn:
        assert conn.execute(select(func.count()).select_from(registry.resident)).scalar_one() == 0
