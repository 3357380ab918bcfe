"""Whether migrations lead to the schema that the tables of a role describe."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, ForeignKeyConstraint, MetaData

from kumihimo.plumbing.storage import migrate
from kumihimo.plumbing.storage.partitions import PARTITION_SCHEMA


def differences(engine: Engine, package: str, metadata: MetaData) -> list[Any]:
    """What would have to change in a freshly migrated store to be as the tables say; tables of Alembic itself left out."""
    migrate(engine, package)
    with engine.begin() as conn:
        options = {
            "compare_type": True,
            "include_name": lambda name, _kind, _parents: not _is_version_table(name),
            "include_object": lambda item, _name, _kind, reflected, _other: not (reflected and _is_of_a_part(item)),
        }
        return list(compare_metadata(MigrationContext.configure(conn, opts=options), metadata))


def _is_of_a_part(item: object) -> bool:
    """Whether PostgreSQL made this reference, one to each part of a partitioned table, for the one that was declared."""
    refers = item.elements if isinstance(item, ForeignKeyConstraint) else []
    return any(one.target_fullname.startswith(f"{PARTITION_SCHEMA}.") for one in refers)


def _is_version_table(name: str | None) -> bool:
    return name is not None and name.startswith("schema_of__")
