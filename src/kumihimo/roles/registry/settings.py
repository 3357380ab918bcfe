"""Settings of the resident registry network (住民基本台帳ネットワーク)."""

from __future__ import annotations

from kumihimo.plumbing.wire.settings import RoleSettings


class Settings(RoleSettings):
    """Nothing beyond what every role is told; the key folder also holds `person.key`, the secret ρ of link codes."""
