"""Settings of the numbering authority (番号生成機関)."""

from __future__ import annotations

from kumihimo.plumbing.wire.settings import RoleSettings


class Settings(RoleSettings):
    """Nothing beyond what every role is told."""
