"""A row for each number with its whole story, one for what a drawing has in common, and who has which number now."""

from typing import Final

import sqlalchemy as sa
from alembic import op

from kumihimo.plumbing.storage import UtcDateTime

revision = "0004_drawings"
down_revision = "0003_partitions"

_AMENDED: Final = "amendment_number_fkey"


def upgrade() -> None:
    op.execute(
        "INSERT INTO used_number (number, drawn_at) SELECT number, since FROM assignment a"
        " WHERE NOT EXISTS (SELECT 1 FROM used_number u WHERE u.number = a.number)"
    )
    op.create_table(
        "drawing",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("municipality", sa.String(40), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
    )
    # A number that was drawn and never assigned was drawn for no municipality.
    op.execute(
        "INSERT INTO drawing (municipality, at) SELECT DISTINCT coalesce(a.municipality, ''), u.drawn_at"
        " FROM used_number u LEFT JOIN assignment a ON a.number = u.number ORDER BY 2, 1"
    )
    op.create_index("drawing_looked_up", "drawing", ["at", "municipality"], unique=True)
    with op.batch_alter_table("used_number") as used_number:
        used_number.add_column(sa.Column("resident_code", sa.BigInteger))
        used_number.add_column(sa.Column("drawing", sa.BigInteger))
        used_number.add_column(sa.Column("until", UtcDateTime))
    op.execute(
        "UPDATE used_number SET"
        " resident_code = (SELECT CAST(a.resident_code AS BIGINT) FROM assignment a WHERE a.number = used_number.number),"
        " until = (SELECT a.until FROM assignment a WHERE a.number = used_number.number),"
        " drawing = (SELECT d.id FROM drawing d WHERE d.at = used_number.drawn_at AND d.municipality ="
        " coalesce((SELECT a.municipality FROM assignment a WHERE a.number = used_number.number), ''))"
    )
    with op.batch_alter_table("used_number") as used_number:
        used_number.alter_column("drawing", existing_type=sa.BigInteger, nullable=False)
        used_number.drop_column("drawn_at")
    op.create_table(
        "current_number",
        sa.Column("resident_code", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO current_number (resident_code, number) SELECT resident_code, number FROM used_number"
        " WHERE resident_code IS NOT NULL AND until IS NULL ORDER BY resident_code"
    )
    _amendments_of("used_number")
    op.drop_index("drawing_looked_up", "drawing")
    op.drop_table("assignment")


def downgrade() -> None:
    op.create_table(
        "assignment",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("resident_code", sa.String(11), nullable=False),
        sa.Column("municipality", sa.String(40), nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.Column("until", UtcDateTime),
    )
    op.execute(
        "INSERT INTO assignment (number, resident_code, municipality, since, until)"
        " SELECT u.number, substr(CAST(100000000000 + u.resident_code AS VARCHAR(12)), 2), d.municipality, d.at, u.until"
        " FROM used_number u JOIN drawing d ON d.id = u.drawing WHERE u.resident_code IS NOT NULL ORDER BY u.number"
    )
    op.create_index(
        "assignment_current",
        "assignment",
        ["resident_code"],
        unique=True,
        sqlite_where=sa.text("until IS NULL"),
        postgresql_where=sa.text("until IS NULL"),
    )
    _amendments_of("assignment")
    with op.batch_alter_table("used_number") as used_number:
        used_number.add_column(sa.Column("drawn_at", UtcDateTime))
    op.execute("UPDATE used_number SET drawn_at = (SELECT d.at FROM drawing d WHERE d.id = used_number.drawing)")
    with op.batch_alter_table("used_number") as used_number:
        used_number.alter_column("drawn_at", existing_type=UtcDateTime, nullable=False)
        used_number.drop_column("resident_code")
        used_number.drop_column("drawing")
        used_number.drop_column("until")
    op.drop_table("current_number")
    op.drop_table("drawing")


def _amendments_of(table: str) -> None:
    """Amendments refer to numbers of this table; on SQLite the reference had no name so far."""
    with op.batch_alter_table("amendment", naming_convention={"fk": _AMENDED}) as amendment:
        amendment.drop_constraint(_AMENDED, type_="foreignkey")
        amendment.create_foreign_key(_AMENDED, table, ["number"], ["number"])
