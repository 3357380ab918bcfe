"""`kumihimo backup`, `kumihimo restore`: for the day on which something is lost, and the days before it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kumihimo.cli.progress import console, steps
from kumihimo.country import backup as backups
from kumihimo.country.relocating import on_another_server
from kumihimo.country.stores import on_server, server_of
from kumihimo.domain.kernel import SystemRandomness

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="The folder of the country, or of the parties on this machine.")
]
Parties = Annotated[
    list[str] | None, typer.Option("--party", help="Only this party, such as x-city/exchange; may be given again.")
]


def backup(
    folder: Folder,
    to: Annotated[Path, typer.Option(help="The folder of the backup, which must not exist yet.")],
    with_keys: Annotated[
        Path | None, typer.Option(help="Back up all keys too, into this other folder. Keep the two apart.")
    ] = None,
    party: Parties = None,
) -> None:
    """Back up every store while it is in use.

    With settings and public files; keys only when asked for.
    """
    with steps() as step:
        manifest = backups.back_up(folder, to, step, party or ())
        keys = backups.back_up_keys(folder, with_keys, party or ()) if with_keys is not None else None
    rows = sum(sum(store.rows.values()) for store in manifest.stores)
    size = sum(kept.size for kept in manifest.files)
    console.print(f"{len(manifest.stores)} stores, {rows} rows, {size / 2**20:.1f} MiB in {to}")
    if manifest.log_size is not None:
        console.print(f"The log has {manifest.log_size} entries, root {manifest.log_root}")
    if keys is not None:
        console.print(f"{len(keys.files)} key files in {with_keys}: keep them apart from the stores.")
    else:
        console.print("Without keys: they must be kept elsewhere, or nothing of this can be used again.")


def restore(
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="The folder of a backup.")],
    to: Annotated[Path, typer.Option(help="The folder of the country; must not exist yet, except with --party.")],
    keys: Annotated[Path | None, typer.Option(help="The folder of the keys that were backed up with it.")] = None,
    party: Parties = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Put stores of PostgreSQL into new databases on this server, postgresql://USER@HOST:PORT. Without it,"
            " into those of their settings.",
        ),
    ] = None,
) -> None:
    """Make a country's folder from a backup.

    Nothing that exists is overwritten, and every file is checked first. Databases that are not there are made.
    """
    parties = tuple(party or ())
    if parties and database is not None:
        raise typer.BadParameter("only for a whole folder, not with --party", param_hint="--database")
    places = None if database is None else on_another_server(on_server(server_of(database), SystemRandomness()))
    with steps() as step:
        if parties:
            manifest = backups.restore_parties(archive, to, step, parties)
        else:
            manifest = backups.restore(archive, to, step, keys, places)
    restored = len(party) if party else len(manifest.stores)
    console.print(f"{restored} stores as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, in {to}")
    if keys is None and not party:
        console.print("Without keys: put the keys folder of every party back before it is started.")
