"""Make `link_codes.json` and `sealing.json`: `python make_vectors.py` writes them, `--check` compares them instead.

Nothing here imports the product: codes, ciphertexts and proofs are computed in plain integers, straight from their
definitions, so that a vector that holds says more than that the code has not changed. Bytes are hexadecimal.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import sys
from pathlib import Path

import ristretto_reference as group
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

HERE = Path(__file__).parent
REGISTRY = "registry#1"
LABELS = [REGISTRY, "x-city#1", "x-city#2", "y-city#1", "portal#1"]
G = group.GENERATOR


def seed(name: str) -> bytes:
    return hashlib.sha256(f"kumihimo test vector: {name}".encode()).digest()


def framed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def reduced(wide: bytes) -> int:
    return int.from_bytes(wide, "little") % group.ORDER


def hashed(*parts: bytes) -> int:
    return reduced(hashlib.sha512(framed(*parts)).digest())


def scalar_bytes(scalar: int) -> bytes:
    return (scalar % group.ORDER).to_bytes(32, "little")


def inverse(scalar: int) -> int:
    return pow(scalar, -1, group.ORDER)


def point_bytes(scalar: int, point: group.Coordinates) -> bytes:
    return group.encode(group.mul(scalar, point))


class Operator:
    """One operator, from the formulas alone."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.reshuffle_seed, self.rekey_seed = seed(f"operator {number} reshuffle"), seed(f"operator {number} rekey")

    def s(self, label: str) -> int:
        return reduced(hmac.digest(self.reshuffle_seed, b"reshuffle" + label.encode(), "sha512"))

    def u(self, label: str) -> int:
        return reduced(hmac.digest(self.rekey_seed, b"rekey" + label.encode(), "sha512"))

    def points(self, label: str) -> dict[str, bytes]:
        s, u = self.s(label), self.u(label)
        return {"U": point_bytes(u, G), "S": point_bytes(s, G), "T": point_bytes(s * inverse(u), G)}


ONE, TWO = Operator(1), Operator(2)


def hop(
    operator: Operator, inputs: list[bytes], source: str, target: str, hop_seed: bytes, key: int
) -> tuple[list[bytes], bytes]:
    """The outputs and the proof of one hop; `key` is the secret key under which the inputs are encrypted."""
    prefix = hashlib.sha512(framed(b"kumihimo/hop-randomness/v2", bytes([operator.number]), source.encode())).digest()
    public = group.mul(key, G)
    reshuffle = operator.s(target) * inverse(operator.s(source)) % group.ORDER
    rekey = reshuffle * operator.u(source) * inverse(operator.u(target)) % group.ORDER
    scalars, middle, outputs = [], [], []
    for index, ciphertext in enumerate(inputs):
        scalar = reduced(hmac.digest(hop_seed, prefix + index.to_bytes(4, "big") + ciphertext, "sha512"))
        blinding = group.add(group.decode(ciphertext[:32]), group.mul(scalar, G))
        masked = group.add(group.decode(ciphertext[32:]), group.mul(scalar, public))
        scalars.append(scalar)
        middle.append((blinding, masked))
        outputs.append(point_bytes(rekey, blinding) + point_bytes(reshuffle, masked))
    rerandomised = [group.encode(blinding) + group.encode(masked) for blinding, masked in middle]
    old, new = operator.points(source), operator.points(target)
    digest = hashlib.sha512(
        framed(
            b"kumihimo/hop-proof/v1",
            bytes([operator.number]),
            source.encode(),
            target.encode(),
            group.encode(public),
            old["S"] + old["T"],
            new["S"] + new["T"],
            b"".join(inputs),
            b"".join(rerandomised),
            b"".join(outputs),
        )
    ).digest()
    weights = [hashed(b"kumihimo/dleq/coefficient/v1", digest, i.to_bytes(4, "big")) for i in range(len(inputs))]
    added = sum(weight * scalar for weight, scalar in zip(weights, scalars, strict=True))
    blinding = masked = group.IDENTITY
    for weight, (one, other) in zip(weights, middle, strict=True):
        blinding = group.add(blinding, group.mul(weight, one))
        masked = group.add(masked, group.mul(weight, other))
    proofs = [
        dleq(framed(b"kumihimo/hop-proof/v1", name, digest), known, base, secret)
        for name, known, base, secret in (
            (b"rerandomisation", G, public, added),
            (b"reshuffle", group.decode(old["S"]), masked, reshuffle),
            (b"rekey", group.decode(old["T"]), blinding, rekey),
        )
    ]
    return outputs, b"".join(proofs) + b"".join(rerandomised)


def dleq(context: bytes, known: group.Coordinates, base: group.Coordinates, secret: int) -> bytes:
    statement = framed(
        context, group.encode(known), point_bytes(secret, known), group.encode(base), point_bytes(secret, base)
    )
    nonce = reduced(hmac.digest(scalar_bytes(secret), framed(b"kumihimo/dleq/nonce/v1", statement), "sha512"))
    challenge = hashed(b"kumihimo/dleq/challenge/v1", statement, point_bytes(nonce, known), point_bytes(nonce, base))
    return scalar_bytes(challenge) + scalar_bytes(nonce - challenge * secret)


def base_point(rho: bytes, resident_code: str, counter: int) -> group.Coordinates:
    return group.from_hash(hmac.digest(rho, resident_code.encode() + counter.to_bytes(4, "big"), "sha512"))


def code_factor(label: str) -> int:
    """A domain's code is s_1(X)s_2(X) / (s_1(registry)s_2(registry)) times the base point."""
    return ONE.s(label) * TWO.s(label) * inverse(ONE.s(REGISTRY) * TWO.s(REGISTRY)) % group.ORDER


def request_randomness(k: bytes, transaction: str, position: int) -> int:
    """HKDF-SHA512 (RFC 5869) without salt, 64 bytes: extract, then one block of expand."""
    info = framed(b"kumihimo/request-randomness/v1", transaction.encode(), position.to_bytes(4, "big"))
    extracted = hmac.digest(bytes(64), k, "sha512")
    return reduced(hmac.digest(extracted, info + b"\x01", "sha512"))


def link_codes() -> dict[str, object]:
    rho, k = seed("rho"), seed("request secret")
    people = [("12345678903", 0), ("12345678903", 1), ("00000000019", 0)]
    points = [base_point(rho, code, counter) for code, counter in people]
    keys = {label: ONE.u(label) * TWO.u(label) % group.ORDER for label in LABELS}
    translations = []
    for source, target in ((REGISTRY, "x-city#1"), ("x-city#1", "y-city#1"), ("x-city#1", "x-city#2")):
        transaction = f"vector-{source}-{target}"
        inputs, requests = [], []
        for position, point in enumerate(points):
            scalar = request_randomness(k, transaction, position)
            code = group.mul(code_factor(source), point)
            masked = group.add(code, group.mul(scalar * keys[source], G))
            inputs.append(point_bytes(scalar, G) + group.encode(masked))
            requests.append(
                {"code": group.encode(code), "randomness": scalar_bytes(scalar), "transaction": transaction}
            )
        seeds = seed(transaction + " 1"), seed(transaction + " 2")
        between, proof1 = hop(ONE, inputs, source, target, seeds[0], keys[source])
        arrived, proof2 = hop(TWO, between, source, target, seeds[1], ONE.u(target) * TWO.u(source))
        translations.append(
            {
                "source": source,
                "target": target,
                "requests": requests,
                "inputs": inputs,
                "seeds": seeds,
                "between": between,
                "arrived": arrived,
                "proofs": [proof1, proof2],
                "codes": [point_bytes(code_factor(target), point) for point in points],
            }
        )
    return {
        "about": "Link codes: all bytes in hexadecimal. A ciphertext is B then C; a seed belongs to one hop of one batch.",
        "operators": [{"reshuffle_seed": o.reshuffle_seed, "rekey_seed": o.rekey_seed} for o in (ONE, TWO)],
        "rho": rho,
        "request_secret": k,
        "domains": [
            {
                "label": label,
                "shares": [scalar_bytes(operator.u(label)) for operator in (ONE, TWO)],
                "published": [operator.points(label) for operator in (ONE, TWO)],
                "secret_key": scalar_bytes(keys[label]),
                "public_key": point_bytes(keys[label], G),
            }
            for label in LABELS
        ],
        "persons": [
            {
                "resident_code": code,
                "counter": counter,
                "point": group.encode(point),
                "codes": {label: point_bytes(code_factor(label), point) for label in LABELS},
            }
            for (code, counter), point in zip(people, points, strict=True)
        ],
        "translations": translations,
    }


def sealing() -> dict[str, object]:
    signing = Ed25519PrivateKey.from_private_bytes(seed("signing key"))
    public = signing.public_key().public_bytes_raw()
    signatures = []
    for kind, payload in (("application/vnd.kumihimo.permit+json", b"{}"), ("許可", "組紐".encode()), ("", b"")):
        encoded = b"DSSEv1 " + b" ".join(
            [str(len(kind.encode())).encode(), kind.encode(), str(len(payload)).encode(), payload]
        )
        signatures.append(
            {"payload_type": kind, "payload": payload, "pae": encoded, "signature": signing.sign(encoded)}
        )
    salt, record = seed("salt"), '{"affair":"児童手当","yen":1234000}'.encode()
    bound = "2026-000001", "y-city/exchange", "x-city/exchange", seed("permit")
    return {
        "about": "Sealing: all bytes in hexadecimal; canonical forms as UTF-8 text.",
        "signing_key": seed("signing key"),
        "verify_key": public,
        "key_id": hashlib.sha256(public).hexdigest()[:16],
        "signatures": signatures,
        "commitment": {
            "salt": salt,
            "data": record,
            "commitment": hashlib.sha256(b"kumihimo/commitment/v1\0" + salt + record).digest(),
        },
        "canonical": [
            {
                "value": {"b": 1, "a": [True, None, "é\n"], "年": {"二": 2, "一": -1}},
                "text": '{"a":[true,null,"é\\n"],"b":1,"年":{"一":-1,"二":2}}',
            },
            {"value": {"z": [], "Z": {}}, "text": '{"Z":{},"z":[]}'},
        ],
        "binding": {
            "transaction": bound[0],
            "provider": bound[1],
            "requester": bound[2],
            "permit_hash": bound[3],
            "info": framed(b"kumihimo/sealing/v1", *(name.encode() for name in bound[:3]), bound[3]),
        },
    }


def sealed_sample() -> dict[str, object]:
    """A sealed answer to open. Sealing draws its own randomness, so this part is new each time and never compared."""
    lattice, curve = seed("sealing key a") + seed("sealing key b"), seed("sealing key c")
    key = MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(lattice), X25519PrivateKey.from_private_bytes(curve)
    )
    plaintext = '{"所得額":1234000}'.encode()
    padded = (plaintext + b"\x80").ljust(1024, b"\0")
    info = framed(b"kumihimo/sealing/v1", b"2026-000001", b"y-city/exchange", b"x-city/exchange", seed("permit"))
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    sealed = suite.encrypt(padded, key.public_key(), info=info)
    return {
        "key": lattice + curve,
        "info": info,
        "plaintext": plaintext,
        "sealed_base64": base64.b64encode(sealed).decode(),
    }


def in_hexadecimal(value: object) -> object:
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {key: in_hexadecimal(item) for key, item in value.items()}
        case list() | tuple():
            return [in_hexadecimal(item) for item in value]
        case _:
            return value


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the files with what would be made")
    made = {"link_codes.json": in_hexadecimal(link_codes()), "sealing.json": in_hexadecimal(sealing())}
    if parser.parse_args().check:
        for name, vectors in made.items():
            stored = json.loads((HERE / name).read_text(encoding="utf-8"))
            stored.pop("sealed", None)
            if stored != vectors:
                sys.stderr.write(f"{name} is not what make_vectors.py makes\n")
                return 1
        return 0
    made["sealing.json"]["sealed"] = in_hexadecimal(sealed_sample())
    for name, vectors in made.items():
        text = json.dumps(vectors, ensure_ascii=False, indent=1)
        (HERE / name).write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
