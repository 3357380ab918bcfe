"""Whether migrations lead to the schema that the tables of a role describe."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, MetaData

from kumihimo.plumbing.storage import migrate


def differences(engine: Engine, package: str, metadata: MetaData) -> list[Any]:
    """What would have to change in a freshly migrated store to be as the tables say; tables of Alembic itself left out."""
    migrate(engine, package)
    with engine.begin() as conn:
        options = {"compare_type": True, "include_name": lambda name, _kind, _parents: not _is_version_table(name)}
        return list(compare_metadata(MigrationContext.configure(conn, opts=options), metadata))


def _is_version_table(name: str | None) -> bool:
    return name is not None and name.startswith("schema_of__")
