"""The drill of a restore (復元訓練) is the proof of a backup, beside a country that goes on running.

A running country is backed up, a second one is made from the backup with nothing else, and that one must start, hold the
log to the checkpoint of the first, and handle the first case.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kumihimo.country.backup import back_up, back_up_keys, parties_in, restore, rows_now
from kumihimo.country.drills.drilling import Drill, Ground, Shown
from kumihimo.country.layout import Country
from kumihimo.country.log_check import verify_log
from kumihimo.country.moving import move_to_free_ports
from kumihimo.country.running import Step, issue_codes, states
from kumihimo.country.scenarios import first_case
from kumihimo.country.scenarios.waiting import until
from kumihimo.country.supervisor import pids, running
from kumihimo.domain.kernel import Problem

READY_SECONDS = 30.0


@dataclass(frozen=True)
class RestoreDrilled:
    """What the drill showed of a restored country.

    `tables` held the same number of rows in the stores in use and in the restored ones, `busy` were written to meanwhile
    and could not be compared. `verified_before` is the log that the country in use had shown, `verified_after` that of the
    restored one, which begins with it.
    """

    stores: int
    bytes: int
    tables: int
    rows: int
    busy: int
    services: int
    verified_before: int
    verified_after: int
    transaction: str
    proofs: int


def drill_restore(country: Country, scratch: Path | None, step: Step) -> RestoreDrilled:
    """Back up a country that is up, restore it beside it, start that and use it; the scratch folder is gone afterwards.

    `scratch` is where the copy lies meanwhile: it holds all stores and all keys. Raises Problem(country.not_running,
    drill.failed), and whatever the restored country cannot do.
    """
    pids(country)
    elsewhere = [party.name for party in parties_in(country.folder) if not party.store.startswith("sqlite")]
    if elsewhere:
        raise Problem(
            "drill.failed", f"{len(elsewhere)} stores are on a database server", where=elsewhere[0],
            expected="stores in files, which can be restored beside those in use",
            advice="Restore a backup on another server, with its own role.toml files, to drill it.",
        )  # fmt: skip
    verified = verify_log(country)
    with tempfile.TemporaryDirectory(prefix="kumihimo-drill-", dir=scratch) as name:
        folder = Path(name)
        before = rows_now(country.folder)
        manifest = back_up(country.folder, folder / "archive", _named(step, "back up"))
        back_up_keys(country.folder, folder / "keys")
        after = rows_now(country.folder)
        restore(folder / "archive", folder / "country", _named(step, "restore"), folder / "keys")
        restored = move_to_free_ports(Country.open(folder / "country"))
        compared = _compare(before, rows_now(restored.folder), after)
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
        rows=sum(compared.values()),
        busy=sum(len(tables) for tables in before.values()) - len(compared),
        services=len(manifest.stores),
        verified_before=verified.size,
        verified_after=last,
        transaction=case.granted.transaction,
        proofs=len(case.verified),
    )


def _grown(country: Country, size: int) -> int | None:
    found = verify_log(country).size
    return found if found > size else None


def _compare(
    before: dict[str, dict[str, int]], restored: dict[str, dict[str, int]], after: dict[str, dict[str, int]]
) -> dict[tuple[str, str], int]:
    """Rows by party and table, of the tables that stood still during the backup. Raises Problem(drill.failed)."""
    still = {
        (party, table): rows
        for party, tables in before.items()
        for table, rows in tables.items()
        if after[party].get(table) == rows
    }
    for (party, table), rows in still.items():
        found = restored.get(party, {}).get(table)
        if found != rows:
            raise Problem("drill.failed", f"{found} rows", where=f"{party}: {table}", expected=f"{rows} rows")
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
        yield from _shown(drill_restore(ground.country, ground.scratch, ground.step))
        return
    with ground.up() as country:
        first_case.play(country)
        yield from _shown(drill_restore(country, ground.scratch, ground.step))


def _shown(done: RestoreDrilled) -> Iterator[Shown]:
    yield Shown("backed up", f"{done.stores} stores, {done.bytes / 2**20:.1f} MiB, while in use")
    yield Shown(
        "restored",
        f"{done.tables} tables with {done.rows} rows, the same as in the stores in use"
        f" ({done.busy} tables were being written to and were not compared)",
    )
    yield Shown("started", f"{done.services} services on free ports, every check of /ready holds")
    yield Shown("log", f"begins with the {done.verified_before} entries verified before, has {done.verified_after} now")
    yield Shown("first case", f"asked as {done.transaction} and answered, {done.proofs} proofs verified")
    yield Shown("cleaned up", "the copy with its keys is gone")


DRILL = Drill("restore", "Make another country from a backup of one in use, and use it.", play)
