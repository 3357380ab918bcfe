"""ristretto255 after RFC 9496 in plain integers: slow, not constant in time, and independent of libsodium.

It exists so that the test vectors are not made by the code they test. Field elements are ints modulo P; a point is in
extended coordinates (x, y, z, t) on the twisted Edwards curve with a = -1.
"""

from __future__ import annotations

Coordinates = tuple[int, int, int, int]

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
IDENTITY: Coordinates = (0, 1, 1, 0)


def _negative(value: int) -> bool:
    return value % P % 2 == 1


def _absolute(value: int) -> int:
    return -value % P if _negative(value) else value % P


def _sqrt_ratio(numerator: int, denominator: int) -> tuple[bool, int]:
    """RFC 9496 section 4.2: (is a square, square root of numerator/denominator or of SQRT_M1 times it)."""
    root = numerator * pow(denominator, 3, P) * pow(numerator * pow(denominator, 7, P), (P - 5) // 8, P) % P
    check = denominator * root * root % P
    if check in {-numerator % P, -numerator * SQRT_M1 % P}:
        root = root * SQRT_M1 % P
    return check in {numerator % P, -numerator % P}, _absolute(root)


INVSQRT_A_MINUS_D = _sqrt_ratio(1, -1 - D)[1]
# The one constant of RFC 9496 whose sign is not the even one.
SQRT_AD_MINUS_ONE = -_sqrt_ratio(-D - 1, 1)[1] % P


def decode(encoding: bytes) -> Coordinates:
    """RFC 9496 section 4.3.1. Raises ValueError."""
    s = int.from_bytes(encoding, "little")
    if len(encoding) != 32 or s >= P or _negative(s):
        raise ValueError("not canonical")
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-D * u1 * u1 - u2 * u2) % P
    square, root = _sqrt_ratio(1, v * u2 * u2)
    x = _absolute(2 * s * root * u2)
    y = u1 * root * root * u2 * v % P
    if not square or _negative(x * y) or y == 0:
        raise ValueError("not a group element")
    return x, y, 1, x * y % P


def encode(point: Coordinates) -> bytes:
    """RFC 9496 section 4.3.2."""
    x, y, z, t = point
    u1, u2 = (z + y) * (z - y) % P, x * y % P
    root = _sqrt_ratio(1, u1 * u2 * u2)[1]
    den1, den2 = root * u1 % P, root * u2 % P
    z_inverse = den1 * den2 * t % P
    if _negative(t * z_inverse):
        x, y, den2 = y * SQRT_M1 % P, x * SQRT_M1 % P, den1 * INVSQRT_A_MINUS_D % P
    if _negative(x * z_inverse):
        y = -y % P
    return _absolute(den2 * (z - y)).to_bytes(32, "little")


def add(left: Coordinates, right: Coordinates) -> Coordinates:
    """Extended twisted Edwards addition, complete for a = -1."""
    x1, y1, z1, t1 = left
    x2, y2, z2, t2 = right
    a, b = (y1 - x1) * (y2 - x2), (y1 + x1) * (y2 + x2)
    c, d = 2 * D * t1 * t2, 2 * z1 * z2
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def mul(scalar: int, point: Coordinates) -> Coordinates:
    """Double and add."""
    result = IDENTITY
    for bit in bin(scalar % ORDER)[2:]:
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def _elligator(half: bytes) -> Coordinates:
    t = (int.from_bytes(half, "little") & (2**255 - 1)) % P
    r = SQRT_M1 * t * t % P
    u = (r + 1) * (1 - D * D) % P
    v = (-1 - r * D) * (r + D) % P
    square, s = _sqrt_ratio(u, v)
    c = -1
    if not square:
        s, c = -_absolute(s * t) % P, r
    n = (c * (r - 1) * (D - 1) ** 2 - v) % P
    w0, w1, w2, w3 = 2 * s * v % P, n * SQRT_AD_MINUS_ONE % P, (1 - s * s) % P, (1 + s * s) % P
    return w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P


def from_hash(wide: bytes) -> Coordinates:
    """RFC 9496 section 4.3.4: 64 uniform bytes to a point."""
    return add(_elligator(wide[:32]), _elligator(wide[32:]))


GENERATOR = decode(bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"))
