"""Settings of the oversight body (第三者機関): the log it watches, and the name under which it cosigns."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from kumihimo.domain.transparency.note import VerifierKey
from kumihimo.plumbing.wire.settings import RoleSettings


class WitnessSettings(RoleSettings):
    """What a witness is told beside what every role is told.

    The keys folder also holds `witness.key` (Ed25519, 32 bytes). `log_key` is the log's verifier key
    (`name+hash+base64`, C2SP signed-note); its name is the log's origin. `witness_name` names the cosigning key.
    """

    log_key: str
    log_origin: str = "hub-1.kumihimo.internal/log"
    witness_name: str = "oversight.kumihimo.internal/witness"

    @model_validator(mode="after")
    def _key_of_the_origin(self) -> Self:
        if VerifierKey.parse(self.log_key).name != self.log_origin:
            raise ValueError(f"log_key is not a key of {self.log_origin}")
        return self


class Settings(WitnessSettings):
    """What the oversight body is told beside what every witness is told.

    `conditions_seconds`: how often every institution is asked what is wrong with its copies.
    What `other_witnesses` (parties that run the program of a witness) cosigned is held against the log as it was shown here.
    """

    check_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    conditions_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    other_witnesses: tuple[str, ...] = ()
