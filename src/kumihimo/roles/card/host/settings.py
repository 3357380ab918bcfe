"""Settings of the host (設定), in a TOML file that its installed program names; without one, everything is as for real use."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kumihimo.domain.kernel.errors import Problem


@dataclass(frozen=True)
class HostSettings:
    """What a host is told.

    `development`: also sites on this machine without https. `pcsc_socket`: another pcscd than the machine's. `log`: one line
    for each command, without site or person. `stand_in`: a file of PINs, in place of a person (see `person.StandIn`).
    """

    development: bool = False
    pcsc_socket: Path | None = None
    log: Path | None = None
    stand_in: Path | None = None

    @classmethod
    def load(cls, path: Path) -> HostSettings:
        """Read a file; relative paths are relative to it. Raises Problem(host.settings)."""
        try:
            values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Problem("host.settings", f"cannot be read ({type(error).__name__})", str(path)) from None
        development = values.pop("development", False)
        places = {name: values.pop(name, None) for name in ("pcsc_socket", "log", "stand_in")}
        if values or not isinstance(development, bool) or not all(isinstance(p, str | None) for p in places.values()):
            raise Problem(
                "host.settings", "something else than expected", str(path), "development, pcsc_socket, log, stand_in"
            )
        base = path.parent.resolve()
        return cls(development, **{name: base / place if place else None for name, place in places.items()})

    def text(self) -> str:
        """As the file `load` reads."""
        lines = [f"development = {str(self.development).lower()}"]
        for name in ("pcsc_socket", "log", "stand_in"):
            place = getattr(self, name)
            if place is not None:
                quoted = str(place.resolve()).replace("\\", "\\\\").replace('"', '\\"')
                lines.append(f'{name} = "{quoted}"')
        return "\n".join(lines) + "\n"
