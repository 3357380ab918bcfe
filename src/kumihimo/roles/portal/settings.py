"""Settings of My Portal (マイ・ポータル): whose log its proofs are from, and the rule books its sentences are read from."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Self

from kumihimo.plumbing.wire.settings import RoleSettings


class Settings(RoleSettings):
    """What the portal is told beside what every role is told.

    `log_key` is the log's verifier key, `witness_keys` those of the witnesses that must have cosigned the checkpoint of
    a proof (`name+hash+base64`, C2SP). `rule_books` are files beside the Act's book that comes with the product.
    `rotation_overlap`: how long both epochs of link codes stay open when the oversight body ordered a rotation.
    """

    log_key: str
    witness_keys: tuple[str, ...] = ()
    rule_books: tuple[Path, ...] = ()
    rotation_overlap: timedelta = timedelta(days=1)

    @classmethod
    def load(cls, path: Path) -> Self:
        """As every role's settings; rule books are relative to the file too. Raises Problem(file.unreadable)."""
        settings = super().load(path)
        base = path.parent.resolve()
        return settings.model_copy(update={"rule_books": tuple(base / book for book in settings.rule_books)})
