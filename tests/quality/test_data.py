"""Bytes to train on: the same on every run, split by file, refused when there are too few."""

from pathlib import Path

import numpy as np
import pytest

from lfm_arch.core.errors import QualityError
from lfm_arch.quality import data
from lfm_arch.quality.data import from_path, standard_library


def write(folder: Path, count: int, size: int = 4_000) -> None:
    for number in range(count):
        (folder / f"{number}.txt").write_bytes(bytes([97 + number % 26]) * size)


def test_the_standard_library_is_enough_and_the_same_twice() -> None:
    one, other = standard_library(), standard_library()
    assert one.sha256 == other.sha256
    assert len(one.train) > 3_000_000
    assert len(one.validation) > 200_000
    assert one.describe()["data_sha256"] == one.sha256


def test_no_file_is_on_both_sides(tmp_path: Path) -> None:
    write(tmp_path, 200)
    corpus = from_path(tmp_path)
    assert corpus.files == 200
    assert len(corpus.train) + len(corpus.validation) == 200 * 4_000 + 198, "joined by a zero byte"
    # a file's side depends on its name alone
    (tmp_path / "another.txt").write_bytes(b"z" * 4_000)
    more = from_path(tmp_path)
    assert abs(len(more.validation) - len(corpus.validation)) in (0, 4_001)
    assert more.sha256 != corpus.sha256


def test_the_order_of_a_folder_does_not_matter(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, order in ((one, range(60)), (other, reversed(range(60)))):
        folder.mkdir()
        for number in order:
            (folder / f"{number}.txt").write_bytes(b"%d" % number * 3_000)
    assert from_path(one).sha256 == from_path(other).sha256


def test_one_file_is_cut_in_two(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(bytes(range(250)) * 1_000)
    corpus = from_path(path)
    assert len(corpus.train) == 225_000
    assert bytes(np.concatenate([corpus.train, corpus.validation])) == path.read_bytes()


def test_hidden_files_and_links_to_nowhere_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 60)
    before = from_path(tmp_path).sha256
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "pack").write_bytes(b"x" * 10_000)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    assert from_path(tmp_path).sha256 == before


def test_no_more_is_read_than_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "LARGEST", 300_000)
    write(tmp_path, 200)
    assert from_path(tmp_path).files == 75
    (tmp_path / "large").write_bytes(b"y" * 500_000)
    assert len(from_path(tmp_path / "large").train) == 270_000


def test_a_missing_path_is_told(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match="E901"):
        from_path(tmp_path / "nothing")


def test_an_unreadable_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 60)

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(QualityError, match=r"E901.*Permission denied"):
        from_path(tmp_path)


@pytest.mark.parametrize("size", [0, 100, 40_000], ids="{} bytes".format)
def test_too_little_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "note.txt"
    path.write_bytes(b"n" * size)
    with pytest.raises(QualityError, match="E902"):
        from_path(path)
    with pytest.raises(QualityError, match="E902"):
        from_path(tmp_path)
