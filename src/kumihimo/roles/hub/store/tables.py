"""Tables of an operator (運営者の台帳): entries, tiles and checkpoints of the log; marks; outcomes; promises; feed.

No table has a row per person, and none holds a ciphertext for longer than its feed item is kept, its permit lives, or
operator 2 is away. Both operators have the same schema; operator 2 keeps no log, and operator 1 no promises of others.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, SmallInteger, Table, Text

from kumihimo.plumbing.storage import UtcDateTime, feed_table

MIGRATIONS: Final = "kumihimo.roles.hub.migrations"

metadata = MetaData()

# Entry `entry_index` of the log commits to `record` with `salt`; rows are only ever added, without gaps from 0.
entries = Table(
    "entry",
    metadata,
    Column("entry_index", BigInteger, primary_key=True, autoincrement=False),
    Column("commitment", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("record", Text, nullable=False),
    Column("transaction_number", Text),
    Column("logged_at", UtcDateTime, nullable=False),
)

# Full tiles only: a partial one is computed from what lies below it.
tiles = Table(
    "tile",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("tile_index", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

checkpoints = Table(
    "checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("published_at", UtcDateTime, nullable=False),
)

# What may happen only once: a transaction number, a batch of codes, an outcome of one side.
marks = Table(
    "mark",
    metadata,
    Column("mark", Text, primary_key=True),
    Column("made_at", UtcDateTime, nullable=False),
    Column("requester", Text),  # at operator 2, whose quota a transaction number counts against
    Column("entry_index", BigInteger),  # at operator 1, the entry that was written under it
)
Index(
    "ix_mark_made_at",
    marks.c.made_at,
    sqlite_where=marks.c.requester.is_not(None),
    postgresql_where=marks.c.requester.is_not(None),
)

# Reported outcomes, kept so that a repeated report gets the same answer and an unfinished relay is finished.
# `logged` is the index of the log entry.
outcomes = Table(
    "outcome",
    metadata,
    Column("mark", Text, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("payload_hash", Text),
    Column("report", Text, nullable=False),
    Column("logged", Text, nullable=False),
)

# Operator 2: every promise of operator 1 it was shown. Two entries promised at one index both stay: that is the evidence.
promises = Table(
    "promise",
    metadata,
    Column("entry_index", BigInteger, primary_key=True, autoincrement=False),
    Column("entry", Text, primary_key=True),
    Column("envelope", Text, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

# Operator 2: what it answered to a request, for as long as the permit lives: the same request again gets the same.
kept_answers = Table(
    "kept_answer",
    metadata,
    Column("mark", Text, primary_key=True),
    Column("request_hash", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("kept_until", UtcDateTime, nullable=False),
    Index("ix_kept_answer_kept_until", "kept_until"),
)

standings = Table(
    "standing",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("standing", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
)

# Orders of the oversight body as carried out, signed by it; of those about one matter the highest number is in force.
orders = Table(
    "oversight_order",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("matter", Text, nullable=False),
    Column("envelope", Text, nullable=False),
    Column("carried_out_at", UtcDateTime, nullable=False),
    Index("ix_oversight_order_matter", "matter", "number"),
)

# Quotas that differ from the settings, by requester or for all.
quotas = Table(
    "quota",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("per_minute", BigInteger, nullable=False),
    Column("per_day", BigInteger, nullable=False),
    Column("since", UtcDateTime, nullable=False),
)

# Refused requests of which operator 2 has not heard; the only ciphertexts kept here, until it has.
unrelayed = Table(
    "unrelayed_refusal",
    metadata,
    Column("entry_index", BigInteger, primary_key=True, autoincrement=False),
    Column("request", Text, nullable=False),
    Column("logged", Text, nullable=False),
)

# Secrets from which seeds of translations follow, by ten minutes; forgotten after an hour.
hop_secrets = Table(
    "hop_secret",
    metadata,
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False),
)

# Epochs of link-code domains beyond the one the directory names, and that one once it is closed.
domain_epochs = Table(
    "domain_epoch",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("present_since", UtcDateTime),
    Column("closed_at", UtcDateTime),
    Column("public_key", LargeBinary),  # once it is closed: for audits, when its seeds may be gone
)

# From which generation of this operator's seeds a domain is derived, for ever; without a row, from the newest.
domain_seeds = Table(
    "domain_seed",
    metadata,
    Column("label", Text, primary_key=True),
    Column("generation", Integer, nullable=False),
)

# Generations of seeds beyond the first.
seed_generations = Table(
    "seed_generation",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("begun_at", UtcDateTime, nullable=False),
    Column("destroyed_at", UtcDateTime),
)

feed = feed_table(metadata)
