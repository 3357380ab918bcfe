"""Migration environment (移行環境): run by Alembic for every role's package; `migrations` hands over the connection."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
    # The engine begins transactions itself, so SQLite's DDL is transactional too; Alembic assumes it is not.
    transactional_ddl=True,
    # SQLite cannot alter most of a table in place: `op.batch_alter_table` copies it there, and alters elsewhere.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
