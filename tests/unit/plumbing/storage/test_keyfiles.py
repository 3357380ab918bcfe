"""Key files: whole or not at all, never overwritten, and not used when anybody else could have read them."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kumihimo.domain.kernel.errors import Problem
from kumihimo.plumbing.storage import read_secret, write_public, write_secret

SEED = bytes(range(32))


@pytest.fixture(autouse=True)
def generous_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_written_key_is_read_back_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "operator.seed"
    write_secret(path, SEED)
    assert read_secret(path) == SEED
    assert _mode(path) == 0o600
    assert _mode(path.parent) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "operator.seed"
    write_secret(path, SEED)
    with pytest.raises(Problem, match="never overwritten") as caught:
        write_secret(path, b"another")
    assert caught.value.code == "key.exists"
    assert read_secret(path) == SEED
    assert list(tmp_path.iterdir()) == [path]


def test_of_two_who_make_the_same_key_at_once_one_wins_and_the_other_hears_of_it(tmp_path: Path) -> None:
    path = tmp_path / "operator.seed"

    def make(seed: bytes) -> bytes | None:
        try:
            write_secret(path, seed)
        except Problem:
            return None
        return seed

    with ThreadPoolExecutor(8) as pool:
        winners = [seed for seed in pool.map(make, [bytes([n]) * 4096 for n in range(32)]) if seed is not None]
    assert winners == [read_secret(path)]


def test_a_missing_key_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"nowhere\.seed") as caught:
        read_secret(tmp_path / "nowhere.seed")
    assert caught.value.code == "key.missing"


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o660, 0o700])
def test_a_key_that_others_may_read_is_refused_naming_the_mode_and_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "operator.seed"
    write_secret(path, SEED)
    path.chmod(mode)
    with pytest.raises(Problem, match=rf"mode {mode:04o}.*mode 0600.*chmod 600 {path}") as caught:
        read_secret(path)
    assert caught.value.code == "key.permissions"
    assert SEED.hex() not in str(caught.value)


def test_a_key_that_not_even_its_owner_may_change_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "operator.seed"
    write_secret(path, SEED)
    path.chmod(0o400)
    assert read_secret(path) == SEED


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_account_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "operator.seed"
    write_secret(path, SEED)
    os.chown(path, 65534, -1)
    with pytest.raises(Problem, match="owned by user id 65534") as caught:
        read_secret(path)
    assert caught.value.code == "key.permissions"


def test_a_pipe_or_a_folder_in_place_of_a_key_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    for name in ("pipe", "folder"):
        with pytest.raises(Problem, match="not a plain file") as caught:
            read_secret(tmp_path / name)
        assert caught.value.code == "key.permissions"


def test_a_public_key_may_be_read_by_all_and_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "operator.pub"
    write_public(path, b"first")
    write_public(path, b"second")
    assert path.read_bytes() == b"second"
    assert _mode(path) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_public_key_that_cannot_be_placed_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "operator.pub").mkdir()
    with pytest.raises(IsADirectoryError):
        write_public(tmp_path / "operator.pub", b"first")
    assert [path.name for path in tmp_path.iterdir()] == ["operator.pub"]
