"""Settings (設定) that every role shares: who it is, where its keys, directory and store are, and where it listens.

They come from a TOML file; an environment variable `KUMIHIMO_<NAME>` overrides a value. Relative paths are relative to the
file. Each role's `settings.py` adds its own fields.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import PrivateAttr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from kumihimo.domain.kernel.clock import Clock
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.institutions import PartyId
from kumihimo.plumbing.wire.directory import Directory
from kumihimo.plumbing.wire.edge import Edge
from kumihimo.plumbing.wire.identity import Identity


class RoleSettings(BaseSettings):
    """What every role is told. `store` is a SQLAlchemy URL; `keys` the folder of `Identity`."""

    model_config = SettingsConfigDict(env_prefix="KUMIHIMO_", extra="forbid", frozen=True)

    party: str
    keys: Path
    directory: Path
    store: str
    host: str = "127.0.0.1"
    port: int
    _file: Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """The file they were read from."""
        return self._file

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before the file."""
        return env_settings, init_settings

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a settings file. Raises Problem(file.unreadable)."""
        try:
            values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
            settings = cls(**values)
        except (OSError, ValueError) as error:  # the errors of TOML, UTF-8, pydantic and its settings are ValueErrors
            raise Problem(
                "file.unreadable", _fault(error), where=str(path), expected=f"{cls.__module__} in TOML"
            ) from None
        base = path.parent.resolve()
        settings._file = path
        return settings.model_copy(
            update={
                "keys": base / settings.keys,
                "directory": base / settings.directory,
                "store": _absolute(settings.store, base),
            }
        )

    def edge(self, clock: Clock) -> Edge:
        """The edge this role speaks through. Raises Problem where keys or directory are missing or not to be trusted."""
        identity = Identity(PartyId(self.party), self.keys)
        return Edge(identity, Directory.load(self.directory, identity.anchors()), clock)


def _fault(error: Exception) -> str:
    """What is wrong with a settings file, without the values: a store URL may carry a password."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_input=False)
        )
    return str(error)


def _absolute(store: str, base: Path) -> str:
    """A relative SQLite file is beside the settings file."""
    scheme, separator, path = store.partition("sqlite:///")
    return f"sqlite:///{base / path}" if separator and not scheme else store
