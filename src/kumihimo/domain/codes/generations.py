"""Generations of an operator's seeds (種の世代): new seeds serve the domains that are opened from then on.

A domain belongs to one generation for ever, and a rotation of codes may lead from one generation to the next, since a hop
needs no more than the factors of both ends. So an operator's seeds are renewed by rotating every institution, one after the
other, and the old seeds are destroyed when no open domain is derived from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kumihimo.domain.codes.group import Scalar, as_scalar
from kumihimo.domain.codes.operators import OperatorSecrets, PublishedPoints, check_label, published_points

# The registry's codes are the base points themselves, computed anew each time, so its reshuffle factor must stay as it was
# in the first generation. It hides nothing: what makes an institution's codes is its own factor, divided by this one.
CONSTANT_INSTITUTION: Final = "registry"


class SeedGenerations:
    """One operator's factors over several generations of seeds; used as `OperatorSecrets` is.

    `generation_of(label)` is fixed for each label, `secrets_of(generation)` raises Problem(key.missing) for seeds that were
    destroyed, `kept_factor()` is the registry's reshuffle factor (32 bytes) once there are several generations.
    """

    def __init__(
        self,
        generation_of: Callable[[str], int],
        secrets_of: Callable[[int], OperatorSecrets],
        kept_factor: Callable[[], bytes | None] = lambda: None,
    ) -> None:
        self._generation_of = generation_of
        self._secrets_of = secrets_of
        self._kept_factor = kept_factor

    def reshuffle_factor(self, label: str) -> Scalar:
        """s(X) of the generation that X belongs to. Raises Problem(institution.format, key.missing)."""
        if check_label(label).partition("#")[0] == CONSTANT_INSTITUTION:
            kept = self._kept_factor()
            return (
                self._secrets_of(1).reshuffle_factor(f"{CONSTANT_INSTITUTION}#1") if kept is None else as_scalar(kept)
            )
        return self._secrets_of(self._generation_of(label)).reshuffle_factor(label)

    def key_share(self, label: str) -> Scalar:
        """u(X) of the generation that X belongs to. Raises Problem(institution.format, key.missing)."""
        return self._secrets_of(self._generation_of(check_label(label))).key_share(label)

    def published(self, label: str) -> PublishedPoints:
        """The points this operator publishes for X. Raises Problem(institution.format, key.missing)."""
        return published_points(self.reshuffle_factor(label), self.key_share(label))
