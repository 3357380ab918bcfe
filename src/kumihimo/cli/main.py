"""`kumihimo`: the number system of local governments, from one command line."""

from __future__ import annotations

import sys

import structlog
import typer
from sqlalchemy.exc import SQLAlchemyError

from kumihimo.cli import (
    applications,
    batch,
    bench,
    by_hand,
    card,
    card_services,
    complaints,
    copies,
    corrections,
    country,
    desk,
    drill,
    log,
    membership,
    notices,
    operations,
    records,
    register_lives,
    rotate,
    rules,
    scale,
    schedule,
)
from kumihimo.cli.problems import as_problem, print_problem
from kumihimo.domain.kernel import Problem

HELP = """Kumihimo (組紐): Japan's national number system for local governments, as software that runs.

Numbers are issued; institutions link what they know about a person without using the number and without anybody in the
middle learning who it is; residents see every access; an independent body verifies the log.

\b
Start here:   kumihimo demo            a country in miniature and its first case
Then by hand: kumihimo country new DIR; kumihimo country up DIR; kumihimo inquire --country DIR --help
Law:          kumihimo rules ask --help
Proof:        kumihimo log verify-proof FILE
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_show_locals=False)
app.add_typer(country.app, name="country", help="Make, start, look at and stop a country.")
app.add_typer(rules.app, name="rules", help="The rule book: who may ask whom for what (番号法 別表第二).")
app.add_typer(log.app, name="log", help="The transparency log: verify it, and proofs from it.")
app.add_typer(bench.app, name="bench", help="Measure, as ratios against a reference in the same run.")
app.add_typer(register_lives.app, name="register", help="What a municipality reports: births, moves, merges.")
app.add_typer(records.portal, name="portal", help="The resident's side: an account and its accesses.")
app.add_typer(card.app, name="card", help="IC cards: issued at a window, put into a reader, used.")
card.app.command()(card_services.sign)
card.app.command("install-browser")(card_services.install)
card.app.command("check-site")(card_services.check_site)
card.app.add_typer(card_services.ordinance, name="ordinance", help="What municipalities put on cards (条例による利用).")
app.add_typer(card_services.identity, name="identity", help="Identity checks at a counter: by card or by documents.")
app.add_typer(by_hand.pending, name="pending", help="Inquiries of others that wait for a person.")
app.add_typer(corrections.corrections, name="corrections", help="Corrections people asked for in My Portal.")
app.add_typer(applications.applications, name="application", help="What residents applied for, and deciding it.")
app.add_typer(notices.notices, name="notice", help="Notices to people in My Portal, and what became of them.")
app.add_typer(batch.app, name="batch", help="Ask about many addressees at once.")
app.add_typer(schedule.app, name="schedule", help="Inquiries that are made by themselves on their days.")
app.add_typer(copies.app, name="copies", help="How fresh copies are, and what is wrong with them.")
app.add_typer(complaints.app, name="oversight", help="The oversight body: its findings and its orders.")
app.add_typer(rotate.app, name="rotate", help="Renew link codes and the keys they come from.")
app.add_typer(drill.app, name="drill", help="Do for real what must work on a bad day.")
country.app.command("join")(membership.join)
country.app.command("leave")(membership.leave)
country.app.command("renew")(membership.renew)
country.app.command("addresses")(membership.addresses)
country.app.command("carry")(membership.carry)
country.app.command("upgrade")(membership.upgrade)
app.command("demo")(country.demo)
app.command("inquire")(desk.inquire)
app.command("fetch")(by_hand.fetch)
app.command("protect")(by_hand.protect)
app.command("codes")(desk.issue_codes)
app.command("import")(desk.import_copies)
app.command("find")(desk.find)
app.command("records")(records.records)
app.command("corporate-number")(records.corporate_number)
app.command("scale")(scale.scale)
app.command("backup")(operations.backup)
app.command("restore")(operations.restore)
app.command("serve")(country.serve)
app.command("migrate")(country.migrate)


def main() -> None:
    """Run a command; a problem is printed plainly and ends with status 1."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # never among the results
    try:
        app()
    except (Problem, OSError, SQLAlchemyError) as error:
        problem = as_problem(error)
        if problem is None:
            raise
        print_problem(problem)
        sys.exit(1)
