"""The log as tiles: paths, what grows when, and proofs read from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kumihimo.domain.kernel.errors import Problem
from kumihimo.domain.transparency.merkle import (
    consistency_proof,
    inclusion_proof,
    root_of,
    root_of_leaves,
    verify_consistency,
    verify_inclusion,
)
from kumihimo.domain.transparency.tiles import (
    EntryBundle,
    Tile,
    TiledTree,
    completed_bundles,
    completed_tiles,
    grown_places,
    pack_entries,
    parse_path,
    read_tile,
    tile_from,
    tile_width,
    tiles_for,
    unpack_entries,
)


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (Tile(0, 0), "/tile/0/000"),
        (Tile(2, 1234067), "/tile/2/x001/x234/067"),
        (Tile(63, 999, 8), "/tile/63/999.p/8"),
        (Tile(0, 1000, 255), "/tile/0/x001/000.p/255"),
        (EntryBundle(0, 1), "/tile/entries/000.p/1"),
        (EntryBundle(1234067), "/tile/entries/x001/x234/067"),
    ],
)
def test_a_tile_is_found_where_c2sp_says(place, path):
    assert place.path == path
    assert parse_path(path) == place


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/0",
        "/tile/00/000",
        "/tile/64/000",
        "/tile/-1/000",
        "/tile/0/x000/001",
        "/tile/0/001/x234",
        "/tile/0/x001234",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/08",
        "/tile/0/000.p/",
        "/tile/0/٠٠٠",
        "/tile/entries/",
        "/tile/names/000",
        "/tile/0/000\n",
        "tile/0/000",
        "/tile/0/" + "x001/" * 30 + "000",
    ],
)
def test_any_other_spelling_of_a_place_is_unknown(path):
    with pytest.raises(Problem) as caught:
        parse_path(path)
    assert caught.value.code == "log.unknown_entry"


def test_a_log_of_seventy_thousand_entries_has_the_tiles_of_the_specification():
    tiles = list(tiles_for(70_000))
    assert sum(tile.level == 0 and tile.is_full for tile in tiles) == 273
    assert [tile for tile in tiles if not tile.is_full] == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert [tile for tile in tiles if tile.level == 1 and tile.is_full] == [Tile(1, 0)]


def test_a_log_of_256_entries_has_a_full_tile_and_one_hash_above():
    assert list(tiles_for(256)) == [Tile(0, 0), Tile(1, 0, 1)]


def test_growing_within_a_tile_changes_only_that_tile():
    assert list(grown_places(300, 301)) == [Tile(0, 1, 45)]
    assert list(grown_places(300, 300)) == []
    assert list(completed_tiles(300, 511)) == []
    assert list(completed_tiles(300, 1025)) == [Tile(0, 1), Tile(0, 2), Tile(0, 3)]
    assert list(completed_tiles(65_535, 65_536)) == [Tile(0, 255), Tile(1, 0)]
    assert list(completed_bundles(300, 1025)) == [EntryBundle(1), EntryBundle(2), EntryBundle(3)]


def test_a_log_grown_in_any_batches_has_the_tiles_of_its_size(new_log, leaves):
    at_once = new_log()
    at_once.append(leaves(0, 70_000))
    stepwise = new_log()
    for start, end in [(0, 1), (1, 255), (255, 256), (256, 511), (511, 65_535), (65_535, 65_537), (65_537, 70_000)]:
        stepwise.append(leaves(start, end))
        assert root_of(stepwise.tree(), end) == root_of_leaves(leaves(0, end))
    assert stepwise.tiles == at_once.tiles
    assert {(tile.level, tile.index): 32 * tile.width for tile in tiles_for(70_000)} == {
        place: len(data) for place, data in at_once.tiles.items()
    }


def test_appending_reads_only_the_right_edge(big_log, leaves, new_log):
    log = new_log()
    log.tiles, log.size = dict(big_log.tiles), big_log.size
    log.append(leaves(66_000, 66_001))
    assert log.reads == [Tile(0, 257, 208)]


def test_tiles_hold_the_subtree_hashes_the_specification_names(log_of_300, leaves):
    tree = log_of_300.tree()
    assert tile_from(tree, Tile(0, 1, 44)) == b"".join(leaves(256, 300)) == log_of_300.tiles[0, 1]
    assert tile_from(tree, Tile(1, 0, 1)) == root_of_leaves(leaves(0, 256)) == log_of_300.tiles[1, 0]


@given(st.integers(0, 2**40), st.integers(0, 5), st.integers(0, 2**20))
def test_the_width_of_a_tile_follows_from_the_size_of_the_log(size, level, index):
    complete = size // 256**level
    assert tile_width(level, index, size) == len(range(index * 256, min(complete, (index + 1) * 256)))


@given(size=st.integers(1, 66_000), data=st.data())
def test_any_entry_of_any_earlier_state_is_proven_from_tiles(big_log, leaves, size, data):
    index = data.draw(st.integers(0, size - 1))
    tree = big_log.tree(size)
    verify_inclusion(leaves(index, index + 1)[0], index, size, inclusion_proof(tree, index, size), root_of(tree, size))


@given(new=st.integers(1, 66_000), data=st.data())
def test_any_two_states_are_proven_consistent_from_tiles(big_log, new, data):
    old = data.draw(st.integers(0, new))
    proof = consistency_proof(big_log.tree(new), old, new)
    verify_consistency(old, root_of(big_log.tree(old), old), new, root_of(big_log.tree(new), new), proof)


def test_a_proof_needs_only_a_few_tiles(big_log):
    big_log.reads.clear()
    inclusion_proof(big_log.tree(), 12_345, 66_000)
    assert set(big_log.reads) == {Tile(0, 48), Tile(1, 0), Tile(0, 257, 208), Tile(1, 1, 1)}
    assert len(big_log.reads) == 4


def test_a_tile_of_the_wrong_length_is_refused(log_of_300, new_log):
    cut = new_log()
    cut.tiles = {place: data[:-1] for place, data in log_of_300.tiles.items()}
    with pytest.raises(Problem) as caught:
        read_tile(cut, Tile(0, 1, 44))
    assert caught.value.code == "log.proof_invalid"
    assert caught.value.where == "/tile/0/001.p/44"


@pytest.mark.parametrize(("level", "index"), [(0, 300), (8, 1), (9, 0), (0, -1), (-1, 0)])
def test_a_subtree_that_is_not_complete_has_no_hash(log_of_300, level, index):
    with pytest.raises(Problem) as caught:
        TiledTree(log_of_300, 300).subtree_hash(level, index)
    assert caught.value.code == "log.unknown_entry"


@given(st.lists(st.binary(max_size=40), max_size=256))
def test_entries_come_out_of_a_bundle_as_they_went_in(entries):
    assert unpack_entries(pack_entries(entries), len(entries)) == tuple(entries)


def test_a_commitment_takes_thirty_four_bytes_in_a_bundle():
    assert pack_entries([bytes(32)]) == b"\x00\x20" + bytes(32)


@given(st.lists(st.binary(min_size=1, max_size=5), min_size=1, max_size=5), st.sampled_from([-1, 1]))
def test_a_bundle_with_missing_or_added_bytes_is_refused(entries, change):
    bundle = pack_entries(entries)
    broken = bundle[:-1] if change < 0 else bundle + b"\x00"
    with pytest.raises(Problem) as caught:
        unpack_entries(broken, len(entries))
    assert caught.value.code == "message.malformed"


def test_what_does_not_fit_a_bundle_is_refused():
    for entries in ([bytes(65_536)], [b""] * 257):
        with pytest.raises(Problem) as caught:
            pack_entries(entries)
        assert caught.value.code == "value.invalid"
