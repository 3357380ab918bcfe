"""The drill of a restore (復元訓練) is the proof of a backup, beside a country that goes on running.

A running country is backed up, a second one is made from the backup with nothing else, and that one must start, hold the
log to the checkpoint of the first, and handle the first case. Stores in files are copied into a folder of their own, stores
on a database server into databases of their own; those in use are only read.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kumihimo.country.backup import back_up, back_up_keys, digests_now, parties_in, restore
from kumihimo.country.drills.beside import Leftover, databases_beside
from kumihimo.country.drills.drilling import Drill, Ground, Shown
from kumihimo.country.layout import Country
from kumihimo.country.log_check import verify_log
from kumihimo.country.moving import move_to_free_ports
from kumihimo.country.running import Step, issue_codes, states
from kumihimo.country.scenarios import first_case
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.stores import server_of
from kumihimo.country.supervisor import pids, running
from kumihimo.domain.kernel import Problem, SystemRandomness
from kumihimo.plumbing.storage import TableDigest

READY_SECONDS = 30.0


@dataclass(frozen=True)
class RestoreDrilled:
    """What the drill showed of a restored country.

    `tables` held the same rows in the stores in use and in the restored ones, `busy` were written to meanwhile and could
    not be compared. `databases` were made for it on database servers and dropped again; `leftovers` are of drills that
    died. `verified_before` is the log that the country in use had shown, `verified_after` that of the restored one, which
    begins with it.
    """

    stores: int
    bytes: int
    tables: int
    rows: int
    busy: int
    services: int
    databases: int
    leftovers: tuple[Leftover, ...]
    verified_before: int
    verified_after: int
    transaction: str
    proofs: int


def drill_restore(country: Country, scratch: Path | None, step: Step, database: str | None = None) -> RestoreDrilled:
    """Back up a country that is up, restore it beside it, start that and use it; folder and databases are gone afterwards.

    `scratch` is where the copy lies meanwhile: it holds all stores and all keys. Copies of stores on a database server go to
    the same server, or to the one that `database` names. Raises Problem(country.not_running, drill.failed,
    drill.impossible, store.unreachable), and whatever the restored country cannot do.
    """
    pids(country)
    server = None if database is None else server_of(database)
    verified = verify_log(country)
    with (
        tempfile.TemporaryDirectory(prefix="kumihimo-drill-", dir=scratch) as name,
        databases_beside(parties_in(country.folder), server, _about(name), SystemRandomness()) as beside,
    ):
        folder = Path(name)
        before = digests_now(country.folder)
        manifest = back_up(country.folder, folder / "archive", _named(step, "back up"))
        back_up_keys(country.folder, folder / "keys")
        after = digests_now(country.folder)
        restore(folder / "archive", folder / "country", _named(step, "restore"), folder / "keys", beside.place)
        restored = move_to_free_ports(Country.open(folder / "country"))
        compared = _compare(before, digests_now(restored.folder), after)
        with running(restored, _counted(step, len(manifest.stores))):
            until(lambda: all(one.ready for one in states(restored)) or None, READY_SECONDS, "a ready country")
            again = verify_log(restored)
            if again.seen_before != verified.size or again.size < (manifest.log_size or 0):
                raise Problem(
                    "drill.failed", f"the restored log has {again.size} entries",
                    expected=f"it to go on from the {verified.size} that were verified",
                )  # fmt: skip
            issue_codes(restored, step)
            case = first_case.play(restored)
            last = until(lambda: _grown(restored, again.size), READY_SECONDS, "a log that grew")
    return RestoreDrilled(
        stores=len(manifest.stores),
        bytes=sum(kept.size for kept in manifest.files),
        tables=len(compared),
        rows=sum(digest.rows for digest in compared.values()),
        busy=sum(len(tables) for tables in before.values()) - len(compared),
        services=len(manifest.stores),
        databases=len(beside.databases),
        leftovers=tuple(beside.leftovers),
        verified_before=verified.size,
        verified_after=last,
        transaction=case.granted.transaction,
        proofs=len(case.verified),
    )


def _about(folder: str) -> str:
    return f"Copy made by kumihimo drill restore, with keys in {folder} on {socket.gethostname()}"


def _grown(country: Country, size: int) -> int | None:
    found = verify_log(country).size
    return found if found > size else None


Digests = Mapping[str, Mapping[str, TableDigest]]
"""Party → table → digest of its rows."""


def _compare(before: Digests, restored: Digests, after: Digests) -> dict[tuple[str, str], TableDigest]:
    """Digests by party and table, of the tables that stood still during the backup. Raises Problem(drill.failed)."""
    still = {
        (party, table): digest
        for party, tables in before.items()
        for table, digest in tables.items()
        if after[party].get(table) == digest
    }
    for (party, table), digest in still.items():
        found = restored.get(party, {}).get(table)
        if found != digest:
            raise Problem(
                "drill.failed", "no such table" if found is None else f"{found.rows} rows, SHA-256 {found.sha256}",
                where=f"{party}: {table}", expected=f"{digest.rows} rows, SHA-256 {digest.sha256}",
            )  # fmt: skip
    return still


def _named(step: Step, name: str) -> Step:
    return lambda _name, done, total: step(name, done, total)


def _counted(step: Step, total: int) -> Callable[[object], None]:
    done: list[object] = []

    def one_more(party: object) -> None:
        done.append(party)
        step("start", len(done), total)

    return one_more


def play(ground: Ground) -> Iterator[Shown]:
    """Beside the country that is up, or one of its own where there is none."""
    if ground.country is not None:
        yield from _shown(drill_restore(ground.country, ground.scratch, ground.step, ground.database))
        return
    with ground.up() as country:
        first_case.play(country)
        yield from _shown(drill_restore(country, ground.scratch, ground.step))


def _shown(done: RestoreDrilled) -> Iterator[Shown]:
    for one in done.leftovers:
        end = "dropped" if one.dropped else "could not be dropped, it is another account's"
        yield Shown("an earlier drill", f"left {one.name}: {end}. {one.about}")
    yield Shown("backed up", f"{done.stores} stores, {done.bytes / 2**20:.1f} MiB, while in use")
    yield Shown(
        "restored",
        f"{done.tables} tables with {done.rows} rows, the same as in the stores in use"
        f" ({done.busy} tables were being written to and were not compared)",
    )
    yield Shown("started", f"{done.services} services on free ports, every check of /ready holds")
    yield Shown("log", f"begins with the {done.verified_before} entries verified before, has {done.verified_after} now")
    yield Shown("first case", f"asked as {done.transaction} and answered, {done.proofs} proofs verified")
    databases = f", and {done.databases} databases with it" if done.databases else ""
    yield Shown("cleaned up", f"the copy with its keys is gone{databases}")


DRILL = Drill("restore", "Make another country from a backup of one in use, and use it.", play)
