"""Numbers of persons and corporations (個人番号, 法人番号, 住民票コード, 団体内統合宛名番号).

番号法第二条第五項 (Individual Number) and 第十五項 (Corporate Number), 住民基本台帳法第七条第十三号 (resident code).

A number of one of these types is always well formed. Numbers of persons print masked, everywhere: who needs the real
digits says `.digits`. The four have 12, 13, 11 and 15 digits, so that none can be taken for another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from kumihimo.domain.kernel.check_digits import CheckDigit, modulus_9, modulus_11
from kumihimo.domain.kernel.digits import masked, quoted, read_digits
from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.kernel.fields import located
from kumihimo.domain.kernel.randomness import RandomSource, uniform_many


@dataclass(frozen=True, slots=True, repr=False)
class _PersonalNumber:
    """What the numbers of persons share: ASCII digits, a check digit behind them, and printing masked."""

    _digits: str

    KIND: ClassVar[str]
    """Prefix of the problem codes: `KIND.format`, `KIND.check_digit`."""
    LENGTH: ClassVar[int]

    def __post_init__(self) -> None:
        code = f"{self.KIND}.format"
        if read_digits(self._digits, self.LENGTH, code) != self._digits:
            raise Problem(
                code, "digits that were not parsed", expected="plain digits", advice="Parse what people type."
            )
        if not self._digits[:-1].strip("0"):
            raise Problem(code, "nothing but zeros", expected="a number that was issued")

    @property
    def digits(self) -> str:
        """The real value. Asking for it is a decision: it must not reach a log, an error or a URL."""
        return self._digits

    def __str__(self) -> str:
        return masked(self._digits)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({masked(self._digits)})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    @classmethod
    def _completed(cls, body: str, check: CheckDigit) -> Self:
        plain = read_digits(body, cls.LENGTH - 1, f"{cls.KIND}.format")
        return cls(plain + check(plain))

    @classmethod
    def _drawn(cls, rng: RandomSource, check: CheckDigit) -> Self:
        body = 1 + rng.randbelow(10 ** (cls.LENGTH - 1) - 1)
        return cls._completed(f"{body:0{cls.LENGTH - 1}d}", check)

    @classmethod
    def _drawn_many(cls, rng: RandomSource, count: int, check: CheckDigit) -> list[Self]:
        length = cls.LENGTH - 1
        bodies = (f"{1 + drawn:0{length}d}" for drawn in uniform_many(rng, 10**length - 1, count))
        return [cls(body + check(body)) for body in bodies]

    @classmethod
    def _require_check_digit(cls, digits: str, check: CheckDigit) -> None:
        if (right := check(digits[:-1])) != digits[-1]:
            raise Problem(
                f"{cls.KIND}.check_digit",
                f"{masked(digits)} ends in {digits[-1]}",
                expected=f"{right} as the last digit",
                advice="Compare every digit with the document; one digit is wrong or two are swapped.",
            )


@dataclass(frozen=True, slots=True, repr=False)
class _Modulus11Number(_PersonalNumber):
    """A number of a person whose check digit is known to be that of modulus 11, and therefore always right."""

    def __post_init__(self) -> None:
        _PersonalNumber.__post_init__(self)
        self._require_check_digit(self._digits, modulus_11)

    @classmethod
    def parse(cls, text: str, where: str | None = None) -> Self:
        """A number as typed, full or half width, with spaces or hyphens. Raises Problem(KIND.format|KIND.check_digit)."""
        with located(where):
            return cls(read_digits(text, cls.LENGTH, f"{cls.KIND}.format"))


@dataclass(frozen=True, slots=True, repr=False)
class IndividualNumber(_Modulus11Number):
    """個人番号: 11 digits and a check digit (番号法施行令第八条). Prints as `****-****-0257`.

    Raises Problem(number.format) or Problem(number.check_digit), also when constructed from plain digits.
    """

    KIND: ClassVar[str] = "number"
    LENGTH: ClassVar[int] = 12

    @classmethod
    def from_body(cls, body: str) -> Self:
        """The number with these first 11 digits. Raises Problem(number.format)."""
        return cls._completed(body, modulus_11)

    @classmethod
    def random(cls, rng: RandomSource) -> Self:
        """A number drawn uniformly from the 10^11 − 1 there are; whether it is free the numbering authority knows."""
        return cls._drawn(rng, modulus_11)

    @classmethod
    def random_many(cls, rng: RandomSource, count: int) -> list[Self]:
        """As many numbers drawn as `random` draws one; some may be alike."""
        return cls._drawn_many(rng, count, modulus_11)


@dataclass(frozen=True, slots=True, repr=False)
class AddresseeNumber(_Modulus11Number):
    """団体内統合宛名番号: one body's own number for a person, in order of entry, with a check digit. Prints masked.

    15 digits: a serial of 14 and the check digit. A shorter number would share the length and the formula of the
    Individual Number or the resident code and could be taken for it.
    Raises Problem(addressee_number.format) or Problem(addressee_number.check_digit).
    """

    KIND: ClassVar[str] = "addressee_number"
    LENGTH: ClassVar[int] = 15

    @classmethod
    def from_serial(cls, serial: int) -> Self:
        """The number of the `serial`-th person of a ledger, 1 ≤ serial < 10^14. Raises Problem(addressee_number.format)."""
        largest = 10 ** (cls.LENGTH - 1) - 1
        if not 1 <= serial <= largest:
            raise Problem("addressee_number.format", "a serial out of range", expected=f"1 to {largest}")
        return cls._completed(f"{serial:0{cls.LENGTH - 1}d}", modulus_11)

    @property
    def serial(self) -> int:
        """The place in the order of entry, from 1."""
        return int(self._digits[:-1])


@dataclass(frozen=True, slots=True, repr=False)
class ResidentCode(_PersonalNumber):
    """住民票コード: 10 random digits and a check digit, known inside the resident registry only (住民基本台帳法第三十条の二).

    The national formula of the check digit is set by notice and not public to us, so every way to make a code takes it as
    `check`; modulus 11 stands in. The type itself holds any 11 digits but zeros.
    """

    KIND: ClassVar[str] = "resident_code"
    LENGTH: ClassVar[int] = 11

    @classmethod
    def parse(cls, text: str, where: str | None = None, check: CheckDigit = modulus_11) -> Self:
        """A code as typed. Raises Problem(resident_code.format|check_digit)."""
        with located(where):
            return cls._read(text, check)

    @classmethod
    def parse_all(cls, texts: Sequence[str], where: str, check: CheckDigit = modulus_11) -> list[Self]:
        """Codes as typed; the first that is none is raised as at `where[its place]`. Raises Problem as parse."""
        try:
            return [cls._read(text, check) for text in texts]
        except Problem:
            return [cls.parse(text, f"{where}[{place}]", check) for place, text in enumerate(texts)]

    @classmethod
    def _read(cls, text: str, check: CheckDigit) -> Self:
        code = cls(read_digits(text, cls.LENGTH, "resident_code.format"))
        cls._require_check_digit(code.digits, check)
        return code

    @classmethod
    def from_body(cls, body: str, check: CheckDigit = modulus_11) -> Self:
        """The code with these first 10 digits. Raises Problem(resident_code.format)."""
        return cls._completed(body, check)

    @classmethod
    def random(cls, rng: RandomSource, check: CheckDigit = modulus_11) -> Self:
        """A code drawn uniformly from the 10^10 − 1 there are."""
        return cls._drawn(rng, check)

    @classmethod
    def random_many(cls, rng: RandomSource, count: int, check: CheckDigit = modulus_11) -> list[Self]:
        """As many codes drawn as `random` draws one; some may be alike."""
        return cls._drawn_many(rng, count, check)


@dataclass(frozen=True, slots=True)
class CorporateNumber:
    """法人番号: a check digit from 1 to 9 and 12 digits. Published for everybody (番号法第三十九条第四項), so never masked.

    Raises Problem(corporate_number.format) or Problem(corporate_number.check_digit).
    """

    digits: str

    LENGTH: ClassVar[int] = 13

    def __post_init__(self) -> None:
        if read_digits(self.digits, self.LENGTH, "corporate_number.format") != self.digits:
            raise Problem("corporate_number.format", quoted(self.digits), expected="plain digits")
        if (right := modulus_9(self.digits[1:])) != self.digits[0]:
            raise Problem(
                "corporate_number.check_digit",
                f"{self.digits} begins with {self.digits[0]}",
                expected=f"{right} as the first digit",
                advice="Compare every digit with the published number.",
            )

    def __str__(self) -> str:
        return self.digits

    @classmethod
    def parse(cls, text: str, where: str | None = None) -> Self:
        """A number as typed. Raises Problem(corporate_number.format|check_digit)."""
        with located(where):
            return cls(read_digits(text, cls.LENGTH, "corporate_number.format"))

    @classmethod
    def from_body(cls, body: str) -> Self:
        """The number over these 12 digits (基礎番号). Raises Problem(corporate_number.format)."""
        plain = read_digits(body, cls.LENGTH - 1, "corporate_number.format")
        return cls(modulus_9(plain) + plain)

    @classmethod
    def of_local_government(cls, code: str) -> Self:
        """The number of a local government: 000020 and its six-digit code (全国地方公共団体コード)."""
        return cls.from_body(f"000020{code}")

    @classmethod
    def random(cls, rng: RandomSource) -> Self:
        """A number over 12 random digits, the first of them not 0 as with companies."""
        return cls.from_body(str(10**11 + rng.randbelow(9 * 10**11)))
