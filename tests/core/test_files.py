import os
import stat
from pathlib import Path

import pytest

from lfm_arch.core.files import write_atomically


def test_writes_in_one_step_and_keeps_permissions(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("old")
    path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    write_atomically(link, "new\n")
    assert path.read_text() == "new\n"
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert {each.name for each in tmp_path.iterdir()} == {"x.yaml", "link.yaml"}


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["x.yaml"]


@pytest.mark.parametrize("content", ["text\n", b"bytes\n"], ids=["text", "bytes"])
def test_makes_folders_and_a_file_that_others_may_read(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "a" / "b" / "x.txt"
    before = os.umask(0o022)
    try:
        write_atomically(path, content)
    finally:
        os.umask(before)
    assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_folder_in_the_way_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.txt").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "x.txt", "new")
    assert [each.name for each in tmp_path.iterdir()] == ["x.txt"]
