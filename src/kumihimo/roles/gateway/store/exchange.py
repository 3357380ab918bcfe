"""Tables of the exchange (中間サーバー): link codes, copies, flags, rights of staff, and both ends of every inquiry.

A person is an addressee number here; the Individual Number is never in this store (I1), nor another institution's codes (I2).
Lists and documents are kept as JSON text.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from kumihimo.plumbing.storage import UtcDateTime, cursor_table, rotation_table

MIGRATIONS: Final = "kumihimo.roles.gateway.migrations_exchange"

metadata = MetaData()

# One code for an addressee in every epoch that is open: two while codes are rotated.
link_code = Table(
    "link_code",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("addressee_number", Text, primary_key=True),
    Column("code", LargeBinary, nullable=False),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("placed_at", UtcDateTime, nullable=False),
    UniqueConstraint("institution", "code", name="uq_link_code_code"),
)

rotation = rotation_table(metadata)

# Codes of closed epochs that somebody was asked about with, sealed under the audit key: for opening audits only.
audit_code = Table(
    "audit_code",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("addressee_number", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

expected_ticket = Table(
    "expected_ticket",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("ticket_hash", LargeBinary, primary_key=True),
    Column("addressee_number", Text, nullable=False),
    Column("expected_at", UtcDateTime, nullable=False),
    Index("ix_expected_ticket_addressee", "institution", "addressee_number"),
)

addressee_link = Table(
    "addressee_link",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("addressee_number", Text, primary_key=True),
    Column("stands_for", Text),  # the survivor's addressee number; none for an addressee that is nobody
    Column("since", UtcDateTime, nullable=False),
    Index("ix_addressee_link_stands_for", "institution", "stands_for"),
)

copy = Table(
    "copy",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("addressee_number", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("valid_until", Date),
    Column("body", Text, nullable=False),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("sha256", Text, nullable=False),
)

# One row an item: when it last came, when last nothing waited at the business system, and whose state that was.
delivery = Table(
    "delivery",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("delivered_at", UtcDateTime),
    Column("complete_at", UtcDateTime),
    Column("as_of", UtcDateTime),
    Column("waiting", BigInteger, nullable=False),
    Column("waiting_since", UtcDateTime),
    Column("day", Date),
    Column("placed_on_day", BigInteger, nullable=False),
)

# What the register says of every addressee, as the ledger told it, and since when it says so.
registered = Table(
    "registered",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("addressee_number", Text, primary_key=True),
    Column("says", Text, nullable=False),
    Column("since", UtcDateTime, nullable=False),
    Index("ix_registered_says", "institution", "says", "since"),
)

flag = Table(
    "flag",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("addressee_number", Text, primary_key=True),
    Column("item", Text, primary_key=True),  # an item id, or "*" for every item
    Column("kind", Text, primary_key=True),
    Column("since", UtcDateTime, nullable=False),
)

staff_right = Table(
    "staff_right",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("staff", Text, primary_key=True),
    Column("affair", Text, primary_key=True),  # an affair id, or "*" for every affair
    Column("department", Text, nullable=False),
)

inquiry = Table(
    "inquiry",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("transaction", Text, primary_key=True),
    Column("addressee_number", Text, nullable=False),
    Column("case_reference", Text, nullable=False),
    Column("case_salt", LargeBinary, nullable=False),
    Column("provider", Text, nullable=False),
    Column("affair", Text, nullable=False),
    Column("items", Text, nullable=False),
    Column("since", Date),
    Column("until", Date),
    Column("epoch", Integer, nullable=False),
    Column("subject_hash", Text, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("staff", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("closed_at", UtcDateTime),
    Column("outcome", Text),
    Column("problem", Text),  # the code of the problem that ended it
    Column("decision", Text),  # operator 1's signed permit or refusal
    Column("request", Text),  # as it was signed, to be sent again as it is
    Column("pending_at", UtcDateTime),  # when the provider left it to a person
    Column("chunk", Text),  # the chunk of a batch that it was asked with; its request and decision are there
)

provision = Table(
    "provision",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("transaction", Text, primary_key=True),
    Column("addressee_number", Text),
    Column("requester", Text, nullable=False),
    Column("permit", Text, nullable=False),
    Column("permit_hash", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("payload_hash", Text),
    Column("answered_at", UtcDateTime, nullable=False),
)

# Every answer for the life of its permit, one given by hand for longer: sealed, so that only the requester can read it.
sealed_answer = Table(
    "sealed_answer",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("transaction", Text, primary_key=True),
    Column("request_hash", Text),  # the request it answers when that comes again; none: fetched by permit
    Column("sealed", LargeBinary, nullable=False),
    Column("kept_until", UtcDateTime, nullable=False),
    Index("ix_sealed_answer_kept_until", "institution", "kept_until"),
)

by_hand = Table(
    "by_hand",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("transaction", Text, primary_key=True),
    Column("due_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Column("staff", Text),
    Column("department", Text),
    Column("outcome", Text),  # what the officer decided
    Column("items", Text),  # what goes out, until it went
    Column("released_at", UtcDateTime),
    Index("ix_by_hand_due", "institution", "decided_at", "due_at"),
)

access_record = Table(
    "access_record",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("transaction", Text, primary_key=True),
    Column("side", Text, primary_key=True),  # requester or provider
    Column("addressee_number", Text),
    Column("staff", Text),
    Column("department", Text),
    Column("case_reference", Text),
    Column("requester", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("affair", Text, nullable=False),
    Column("items", Text, nullable=False),
    Column("since", Date),
    Column("until", Date),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("outcome", Text),
    Column("problem", Text),
    Column("flagged", Boolean, nullable=False),  # a support measure or non-disclosure applied (不開示該当)
    Column("rules", Text, nullable=False),
    Column("rule_book", Text),
    Column("log_index", BigInteger),
    Column("payload_hash", Text),
    Index("ix_access_record_addressee", "institution", "addressee_number", "recorded_at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("transaction", Text, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("requester", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("payload_hash", Text),
    Column("permit", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Index("ix_outbox_due", "institution", "due_at"),
)

# An own batch inquiry as it was entered; results are kept until `kept_until`.
batch = Table(
    "batch",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("batch", Text, primary_key=True),
    Column("staff", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("case_reference", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("affair", Text, nullable=False),
    Column("items", Text, nullable=False),
    Column("since", Date),
    Column("until", Date),
    Column("persons", Integer, nullable=False),
    Column("entered_at", UtcDateTime, nullable=False),
    Column("kept_until", UtcDateTime, nullable=False),
    Column("schedule", Text),  # the scheduled inquiry whose run it is
    Index("ix_batch_kept_until", "institution", "kept_until"),
)

# What is asked with one signed request: `addressees` are the place in the batch and the addressee number of each, as JSON;
# `outcomes` place, transaction number, outcome and problem of each, once they are known. `answer` is as it came, sealed.
batch_chunk = Table(
    "batch_chunk",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("transaction", Text, primary_key=True),
    Column("batch", Text, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("addressees", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("case_salt", LargeBinary),
    Column("epoch", Integer),
    Column("asked_at", UtcDateTime),
    Column("request", Text),
    Column("decision", Text),
    Column("answer", LargeBinary),
    Column("outcomes", Text),
    Column("problem", Text),
    Column("closed_at", UtcDateTime),
    Index("ix_batch_chunk_batch", "institution", "batch", "ordinal"),
    Index("ix_batch_chunk_state", "institution", "state"),
)

# The provider's answers to chunks, as the sealed answers of single inquiries.
chunk_answer = Table(
    "chunk_answer",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("transaction", Text, primary_key=True),
    Column("request_hash", Text, nullable=False),
    Column("permit_hash", Text, nullable=False),
    Column("outcomes", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("answered_at", UtcDateTime, nullable=False),
    Column("kept_until", UtcDateTime, nullable=False),
    Index("ix_chunk_answer_kept_until", "institution", "kept_until"),
)

# What the platform must still be told of chunks, as the outbox.
chunk_report = Table(
    "chunk_report",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("transaction", Text, primary_key=True),
    Column("requester", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("outcomes", Text, nullable=False),
    Column("payload_hash", Text),
    Column("permit", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Index("ix_chunk_report_due", "institution", "due_at"),
)

# Scheduled inquiries (予約照会): entered once, asked on their days in the name of who entered them.
schedule = Table(
    "schedule",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("schedule", Text, primary_key=True),
    Column("staff", Text, nullable=False),
    Column("case_reference", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("affair", Text, nullable=False),
    Column("items", Text, nullable=False),
    Column("since", Date),
    Column("until", Date),
    Column(
        "year_of_run", Boolean, nullable=False
    ),  # the fiscal year of each run's day, in the place of since and until
    Column("addressees", Text, nullable=False),
    Column("recurrence", Text, nullable=False),
    Column("first_on", Date, nullable=False),
    Column("last_on", Date),
    Column("next_on", Date),  # none: nothing more is to be asked
    Column("entered_at", UtcDateTime, nullable=False),
    Column("cancelled_at", UtcDateTime),
    Index("ix_schedule_next_on", "institution", "next_on"),
)

schedule_run = Table(
    "schedule_run",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("schedule", Text, primary_key=True),
    Column("due_on", Date, primary_key=True),
    Column("ran_at", UtcDateTime, nullable=False),
    Column("batch", Text),
    Column("problem", Text),
    Column(
        "left_out", Text, nullable=False
    ),  # whom it could not be asked about: addressee number and code of the problem
)

# Corrections people asked for through the portal (訂正の申出), of what they were shown under a transaction number.
correction = Table(
    "correction",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("transaction", Text, nullable=False),
    Column("addressee_number", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("says", Text, nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("state", Text, nullable=False),
    Column("answer", Text),
    Column("staff", Text),
    Column("answered_at", UtcDateTime),
    Index("ix_correction_state", "institution", "state", "asked_at"),
)

# Mailboxes at the portal (お知らせの宛先): a random handle for an addressee, good for the code it was opened with.
mailbox = Table(
    "mailbox",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("addressee_number", Text, primary_key=True),
    Column("handle", LargeBinary, nullable=False),
    Column("code_hash", LargeBinary, nullable=False),  # SHA-256 of that code
)

# Notices (お知らせ) by the business system's reference; `notice` is what the portal knows them by.
notice = Table(
    "notice",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("notice", Text, nullable=False, unique=True),
    Column("staff", Text, nullable=False),
    Column("content", Text, nullable=False),  # JSON of NoticeContent
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of all that was asked, to know it again
    Column("recipients", Integer, nullable=False),
    Column("taken_at", UtcDateTime, nullable=False),
    Column("announced", Boolean, nullable=False),
    Column("done", Boolean, nullable=False),
    Column("problem", Text),  # code of what holds it up
    Index("ix_notice_done", "institution", "done", "taken_at"),
)
notice_recipient = Table(
    "notice_recipient",
    metadata,
    Column("notice", Text, ForeignKey("notice.notice"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("addressee_number", Text, nullable=False),
    Column("own_values", Text),  # JSON
    Column("state", Text, nullable=False),  # waiting, delivered, no_code
    Column("opened_at", UtcDateTime),  # of those who let us know
    Index("ix_notice_recipient_state", "notice", "state", "position"),
)
notice_answer = Table(
    "notice_answer",
    metadata,
    Column("reference", Text, primary_key=True),
    Column("notice", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("says", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Index("ix_notice_answer_notice", "notice", "received_at"),
)

# Applications of residents (申請・届出), sealed to this exchange as they came and opened for its own business systems.
application = Table(
    "application",
    metadata,
    Column("institution", Text, primary_key=True),
    Column("receipt", Text, primary_key=True),
    Column("number", Text, nullable=False),  # 受付番号
    Column("procedure", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("hash", Text, nullable=False),  # of the part, as in the manifest that was signed
    Column("taken_at", UtcDateTime, nullable=False),
    Column("state", Text, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("staff", Text),
    Column("says", Text),  # what the applicant is told
    UniqueConstraint("institution", "number", name="uq_application_number"),
    Index("ix_application_state", "institution", "state", "taken_at"),
)

feed_cursor = cursor_table(metadata)
