"""Randomness is passed in: guessable for synthetic countries, from the operating system for real ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.domain.kernel.randomness import RandomSource, SeededRandomness, SystemRandomness


@pytest.mark.parametrize("source", [SystemRandomness(), SeededRandomness(3)], ids=["system", "seeded"])
def test_every_source_gives_bytes_and_integers_in_range(source: RandomSource) -> None:
    assert [len(source.token_bytes(n)) for n in (0, 1, 63, 64, 65, 1000)] == [0, 1, 63, 64, 65, 1000]
    assert {source.randbelow(3) for _ in range(200)} == {0, 1, 2}
    assert source.randbelow(1) == 0


@given(st.integers(1, 10**15), st.integers())
def test_seeded_integers_stay_below_their_bound(bound: int, seed: int) -> None:
    source = SeededRandomness(seed)
    assert all(0 <= source.randbelow(bound) < bound for _ in range(20))


def test_the_stream_of_a_seed_never_changes() -> None:
    assert SeededRandomness(1).token_bytes(8).hex() == "502af93f037784cd"


def test_how_bytes_are_cut_does_not_change_the_stream() -> None:
    whole, cut = SeededRandomness("甲県"), SeededRandomness("甲県")
    assert whole.token_bytes(200) == b"".join(cut.token_bytes(n) for n in (1, 62, 2, 64, 71))


def test_streams_for_two_purposes_are_independent_of_draws_in_each_other() -> None:
    source = SeededRandomness(5)
    births = source.stream("births").token_bytes(16)
    source.token_bytes(100)
    assert source.stream("births").token_bytes(16) == births
    assert source.stream("moves").token_bytes(16) != births


def test_draws_are_uniform_where_the_bound_is_no_power_of_two() -> None:
    source = SeededRandomness("fair")
    counts = [0] * 6
    for _ in range(6000):
        counts[source.randbelow(6)] += 1
    assert all(850 < count < 1150 for count in counts)


def test_a_seeded_source_says_that_it_is_guessable() -> None:
    assert "guessable" in repr(SeededRandomness(1))


def test_nothing_can_be_drawn_below_zero() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        SeededRandomness(1).randbelow(0)
