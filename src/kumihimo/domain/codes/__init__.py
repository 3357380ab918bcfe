"""Link codes (符号): what one institution knows a person by on the platform, and their blind translation.

Polymorphic pseudonyms on ristretto255 with two operators, as `docs/protocols.md` (Link codes) describes. Every person has
one base point, known to the registry alone; every institution has an own code for that person, made from it by two
operators neither of which can do it alone. Codes travel encrypted and are translated without being seen.
"""

from kumihimo.domain.codes.ciphertext import (
    CIPHERTEXT_BYTES,
    Ciphertext,
    PublicKey,
    SecretKey,
    assemble_key,
    decode_ciphertext,
    decrypt,
    encrypt,
    encrypt_own,
    opens_to,
    public_key,
    request_randomness,
)
from kumihimo.domain.codes.generations import CONSTANT_INSTITUTION, SeedGenerations
from kumihimo.domain.codes.group import Point, Scalar, random_scalar
from kumihimo.domain.codes.operators import (
    DomainFactors,
    OperatorSecrets,
    PublishedPoints,
    check_label,
    check_share,
    domain_label,
)
from kumihimo.domain.codes.person import person_point
from kumihimo.domain.codes.proofs import (
    HopProof,
    HopStatement,
    OperatorNumber,
    prove_hops,
    prove_points,
    verify_hops,
    verify_points,
)
from kumihimo.domain.codes.rotation import Combination, check_moved, combine
from kumihimo.domain.codes.translation import Rerandomised, Translator

__all__ = [
    "CIPHERTEXT_BYTES",
    "CONSTANT_INSTITUTION",
    "Ciphertext",
    "Combination",
    "DomainFactors",
    "HopProof",
    "HopStatement",
    "OperatorNumber",
    "OperatorSecrets",
    "Point",
    "PublicKey",
    "PublishedPoints",
    "Rerandomised",
    "Scalar",
    "SecretKey",
    "SeedGenerations",
    "Translator",
    "assemble_key",
    "check_label",
    "check_moved",
    "check_share",
    "combine",
    "decode_ciphertext",
    "decrypt",
    "domain_label",
    "encrypt",
    "encrypt_own",
    "opens_to",
    "person_point",
    "prove_hops",
    "prove_points",
    "public_key",
    "random_scalar",
    "request_randomness",
    "verify_hops",
    "verify_points",
]
