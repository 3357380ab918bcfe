"""Progress on the terminal: one line per kind of work, with a bar where the amount is known."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

console = Console(soft_wrap=True, highlight=False)

# How to call this program again in a command that a person may copy: by its name only where the shell would find it.
PROGRAM = "kumihimo" if shutil.which("kumihimo") or Path(sys.argv[0]).name != "kumihimo" else sys.argv[0]


class Steps:
    """Reports work done: `step("people", 120, 300)` moves the bar of that name."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        if not self._progress.live.is_started:
            self._progress.start()
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)


@contextmanager
def steps() -> Iterator[Steps]:
    """Bars for the length of a `with` block; nothing at all where it ends before its first step."""
    columns = (TextColumn("  {task.description:34}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=console)
    try:
        yield Steps(progress)
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def counting(name: str) -> Iterator[Callable[[int, int, str], None]]:
    """One bar for the length of a `with` block, with a word about what was counted: `step(done, total, word)`."""
    columns = (TextColumn("  {task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[word]}"), console=console) as progress:
        task = progress.add_task(name, total=None, word="")
        yield lambda done, total, word: progress.update(task, completed=done, total=total, word=word)
