"""What a drill is (訓練の型): a name, what it is about, and a play that yields what it showed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kumihimo.country.founding import found
from kumihimo.country.layout import Country
from kumihimo.country.running import Step, issue_codes
from kumihimo.country.stores import drop_databases
from kumihimo.country.supervisor import running
from kumihimo.domain.kernel import SystemClock, legal_day

RESIDENTS: Final = 24  # 総務花子's family and some neighbours


@dataclass(frozen=True)
class Ground:
    """Where and how a drill is played.

    `scratch` is the folder below which it may make countries, which are gone afterwards (None: the system's temporary
    folder); `country` one that is up, for drills that play beside it, or None; `seed` decides all that is random; `times`
    is how often, for drills that count; `database` is the PostgreSQL server on which the drill's stores shall be (None: in
    files, or where those of `country` are).
    """

    step: Step
    seed: int
    scratch: Path | None = None
    country: Country | None = None
    times: int | None = None
    database: str | None = None

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder for the length of a `with` block; readable by its owner only, for it will hold keys.

        It is left where it is when the block fails and somebody said where it shall be: they may want to look.
        """
        folder = Path(tempfile.mkdtemp(prefix="kumihimo-drill-", dir=self.scratch))
        try:
            yield folder
        except BaseException:
            if self.scratch is None:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder)

    @contextmanager
    def founded(self, residents: int = RESIDENTS) -> Iterator[Country]:
        """A country of the drill's own, founded and down, gone after the `with` block."""
        with self.folder() as folder:
            today = legal_day(SystemClock().now())
            country = found(folder / "country", residents, self.seed, today, self.step, self.database)
            try:
                yield country
            except BaseException:
                if self.scratch is None:  # else they stay to be looked at, with the folder
                    drop_databases(country)
                raise
            drop_databases(country)

    @contextmanager
    def up(self, residents: int = RESIDENTS) -> Iterator[Country]:
        """A country of the drill's own, up with its link codes issued, gone after the `with` block.

        A process of it that is ended stays down, so that its absence can be drilled.
        """
        with self.founded(residents) as country, running(country):
            issue_codes(country, self.step)
            yield country


@dataclass(frozen=True)
class Shown:
    """One line of what a drill showed: the thing in a word or two, and what was found."""

    what: str
    found: str


Play = Callable[[Ground], Iterator[Shown]]


@dataclass(frozen=True)
class Drill:
    """One drill: its name on the command line, what it does in one sentence, and its play.

    `times` is how often it does it unless told otherwise, for drills that count. `play` raises Problem(drill.failed) where
    something does not hold.
    """

    name: str
    about: str
    play: Play
    times: int | None = None
