"""Settings of the certification authority and of its responder (認証局・有効性確認)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from kumihimo.domain.jpki import Algorithm
from kumihimo.plumbing.wire.settings import RoleSettings


class TokenSettings(BaseModel):
    """A hardware module by PKCS#11: its library, the token's label, and the file (mode 0600) that holds its PIN."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    module: Path
    label: str
    pin: Path


class Settings(RoleSettings):
    """What the authority is told beside what every role is told.

    `ca` is the folder of the authorities' certificates, and of their keys where there is no `token`. `public_url` is where the
    responder is reached by everybody, as it stands in certificates. `entitled` may learn the resident code of a certificate;
    `card_makers`, beside municipalities' ledgers, may have new cards certified. `offices` gives the local government code of
    each municipality by institution id.
    """

    ca: Path
    public_url: str
    token: TokenSettings | None = None
    entitled: tuple[str, ...] = ()
    card_makers: tuple[str, ...] = ()
    offices: dict[str, str] = Field(default_factory=dict)
    full_list_every: timedelta = timedelta(days=1)
    delta_list_every: timedelta = timedelta(hours=1)

    @classmethod
    def load(cls, path: Path) -> Self:
        """As every role's settings; the folder and the PIN's file are relative to it too. Raises Problem(file.unreadable)."""
        settings = super().load(path)
        base = path.parent.resolve()
        changed: dict[str, object] = {"ca": base / settings.ca}
        if settings.token is not None:
            changed["token"] = settings.token.model_copy(update={"pin": base / settings.token.pin})
        return settings.model_copy(update=changed)


class ResponderSettings(RoleSettings):
    """What the responder is told beside: where it serves everybody by plain HTTP, and the kind of its own key."""

    public_host: str = "127.0.0.1"
    public_port: int
    algorithm: Algorithm = Algorithm.RSA_2048
