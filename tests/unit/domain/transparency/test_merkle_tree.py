"""The log's Merkle tree against the published reference tree, and its proofs as properties."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    frontier_of,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    root_of_leaves,
    verify_consistency,
    verify_inclusion,
)


def by_definition(leaves):
    """MTH as RFC 9162 section 2.1.1 defines it, by recursion over the whole list."""
    if len(leaves) == 1:
        return leaves[0]
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return node_hash(by_definition(leaves[:middle]), by_definition(leaves[middle:]))


LEAVES = [leaf_hash(b"%d" % number) for number in range(70)]
ROOTS = [EMPTY_ROOT, *(by_definition(LEAVES[:size]) for size in range(1, len(LEAVES) + 1))]


class WholeTree:
    """Subtree hashes by definition, from all leaves."""

    def subtree_hash(self, level, index):
        return by_definition(LEAVES[index << level : (index + 1) << level])


TREE = WholeTree()
SIZES = st.integers(1, len(LEAVES))


@st.composite
def places(draw):
    size = draw(SIZES)
    return draw(st.integers(0, size - 1)), size


@st.composite
def growths(draw):
    new = draw(SIZES)
    return draw(st.integers(1, new)), new


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_the_reference_tree_has_the_published_roots(vectors):
    reference = vectors("merkle.json")
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in reference["leaves"]]
    assert bytes.fromhex(reference["empty_root"]) == EMPTY_ROOT == root_of_leaves([])
    assert [root_of_leaves(leaves[:size]).hex() for size in range(1, 9)] == reference["roots"]


def test_the_published_proofs_are_made_and_hold(vectors, new_log):
    reference = vectors("merkle.json")
    log = new_log()
    log.append([leaf_hash(bytes.fromhex(leaf)) for leaf in reference["leaves"]])
    roots = [bytes.fromhex(root) for root in reference["roots"]]
    for case in reference["inclusion"]:
        proof = inclusion_proof(log.tree(), case["index"], case["size"])
        assert [step.hex() for step in proof] == case["proof"]
        leaf = leaf_hash(bytes.fromhex(reference["leaves"][case["index"]]))
        verify_inclusion(leaf, case["index"], case["size"], proof, roots[case["size"] - 1])
    for case in reference["consistency"]:
        proof = consistency_proof(log.tree(), case["old"], case["new"])
        assert [step.hex() for step in proof] == case["proof"]
        verify_consistency(case["old"], roots[case["old"] - 1], case["new"], roots[case["new"] - 1], proof)


def test_every_entry_of_every_small_log_is_proven_included():
    for size in range(1, len(LEAVES) + 1):
        for index in range(size):
            verify_inclusion(LEAVES[index], index, size, inclusion_proof(TREE, index, size), ROOTS[size])


def test_every_growth_of_every_small_log_is_proven_consistent():
    for new in range(len(LEAVES) + 1):
        for old in range(new + 1):
            verify_consistency(old, ROOTS[old], new, ROOTS[new], consistency_proof(TREE, old, new))


def test_no_proof_is_longer_than_the_tree_is_high():
    assert max(len(inclusion_proof(TREE, index, 70)) for index in range(70)) == 7
    assert all(len(consistency_proof(TREE, old, 70)) <= 8 for old in range(1, 70))


@given(places(), st.data())
def test_a_flipped_bit_anywhere_breaks_an_inclusion_proof(place, data):
    index, size = place
    parts = [LEAVES[index], *inclusion_proof(TREE, index, size), ROOTS[size]]
    part = data.draw(st.integers(0, len(parts) - 1))
    parts[part] = flipped(parts[part], data.draw(st.integers(0, 255)))
    with pytest.raises(Problem) as caught:
        verify_inclusion(parts[0], index, size, parts[1:-1], parts[-1])
    assert caught.value.code == "log.proof_invalid"


@given(places(), st.integers(0, 69))
def test_an_entry_cannot_be_moved_to_another_index(place, other):
    index, size = place
    if other == index:
        other = (other + 1) % 70
    with pytest.raises(Problem):
        verify_inclusion(LEAVES[index], other, size, inclusion_proof(TREE, index, size), ROOTS[size])


@given(growths(), st.data())
def test_a_flipped_bit_anywhere_breaks_a_consistency_proof(growth, data):
    old, new = growth
    parts = [ROOTS[old], *consistency_proof(TREE, old, new), ROOTS[new]]
    part = data.draw(st.integers(0, len(parts) - 1))
    parts[part] = flipped(parts[part], data.draw(st.integers(0, 255)))
    with pytest.raises(Problem) as caught:
        verify_consistency(old, parts[0], new, parts[-1], parts[1:-1])
    assert caught.value.code == "log.inconsistent"


@given(growths(), st.data())
def test_a_log_that_rewrote_one_old_entry_cannot_show_itself_consistent(growth, data):
    old, new = growth
    rewritten = list(LEAVES[:new])
    rewritten[data.draw(st.integers(0, old - 1))] = leaf_hash(b"rewritten")

    class Rewritten:
        def subtree_hash(self, level, index):
            return by_definition(rewritten[index << level : (index + 1) << level])

    forked = root_of_leaves(rewritten)
    with pytest.raises(Problem) as caught:
        verify_consistency(old, ROOTS[old], new, forked, consistency_proof(Rewritten(), old, new))
    assert caught.value.code == "log.inconsistent"


@given(places(), st.sampled_from(["shorter", "longer", "odd"]))
def test_a_proof_of_the_wrong_shape_is_refused(place, fault):
    index, size = place
    proof = list(inclusion_proof(TREE, index, size))
    if fault == "shorter" and proof:
        proof.pop()
    elif fault == "odd" and proof:
        proof[0] = proof[0][:31]
    else:
        proof.append(LEAVES[0])
    with pytest.raises(Problem) as caught:
        verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])
    assert caught.value.code == "log.proof_invalid"


@pytest.mark.parametrize(
    ("old", "new", "proof", "code"),
    [
        (5, 4, (), "log.proof_invalid"),
        (-1, 4, (), "log.proof_invalid"),
        (3, 7, (), "log.proof_invalid"),
        (3, 3, (LEAVES[0],), "log.proof_invalid"),
        (0, 3, (LEAVES[0],), "log.proof_invalid"),
        (3, 7, (*consistency_proof(TREE, 3, 7), LEAVES[0]), "log.proof_invalid"),
        (3, 7, consistency_proof(TREE, 3, 7)[:-1], "log.proof_invalid"),
    ],
)
def test_a_consistency_proof_of_the_wrong_shape_is_refused(old, new, proof, code):
    with pytest.raises(Problem) as caught:
        verify_consistency(old, ROOTS[max(old, 0)], new, ROOTS[new], proof)
    assert caught.value.code == code


def test_two_roots_for_the_same_size_contradict_each_other():
    with pytest.raises(Problem) as caught:
        verify_consistency(3, ROOTS[3], 3, ROOTS[4], ())
    assert caught.value.code == "log.inconsistent"
    with pytest.raises(Problem) as caught:
        verify_consistency(0, ROOTS[1], 3, ROOTS[3], ())
    assert caught.value.code == "log.inconsistent"


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 3), (0, 0)])
def test_an_index_outside_the_log_has_no_proof(index, size):
    with pytest.raises(Problem) as caught:
        inclusion_proof(TREE, index, size)
    assert caught.value.code == "log.unknown_entry"
    with pytest.raises(Problem) as caught:
        verify_inclusion(LEAVES[0], index, size, (), ROOTS[size])
    assert caught.value.code == "log.proof_invalid"


def test_a_log_does_not_shrink():
    with pytest.raises(Problem) as caught:
        consistency_proof(TREE, 5, 4)
    assert caught.value.code == "log.unknown_entry"


@settings(deadline=None)
@given(st.lists(st.integers(0, 70), max_size=6))
def test_a_frontier_gives_the_same_root_however_the_batches_fell(cuts):
    frontier = Frontier()
    for start, end in pairwise(sorted({0, 70, *cuts})):
        frontier = frontier.extended(LEAVES[start:end])
        assert frontier.root() == ROOTS[end]
        assert len(frontier.hashes) == end.bit_count()
        assert frontier == frontier_of(TREE, end)
        assert root_of(TREE, end) == ROOTS[end]


def test_a_frontier_with_a_missing_hash_is_refused():
    with pytest.raises(Problem) as caught:
        Frontier(3, (LEAVES[0],))
    assert caught.value.code == "log.inconsistent"
