"""What is written survives; what cannot be written is told and does no harm."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lfm_arch.core.errors import SearchError
from lfm_arch.search.record import Record
from lfm_arch.search.store import RECORDS, Store, set_aside

ROOT = Path(__file__).parents[2]


def record(number: int, **fields: object) -> Record:
    return Record.model_validate({"number": number, "name": f"trial-{number:04d}", "outcome": "complete", **fields})


def test_what_was_appended_is_there(tmp_path: Path) -> None:
    with Store(tmp_path / "study") as store:
        store.append(record(0, spec="a\nb"))
        store.append(record(1, genome={"vars.width": None, "share": 0.1}))
    with Store(tmp_path / "study") as store:
        assert [each.number for each in store.records] == [0, 1]
        assert store.records[1].genome == {"vars.width": None, "share": 0.1}


def test_a_torn_tail_is_cut_off(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.append(record(0))
    path = tmp_path / RECORDS
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    with Store(tmp_path) as store:
        assert [each.number for each in store.records] == [0]
        store.append(record(1))
    assert len(path.read_bytes().splitlines()) == 2


@pytest.mark.parametrize("line", [b"{}\n", b"nonsense\n", b'{"number": 7, "name": "x", "outcome": "complete"}\n'])
def test_damage_is_told(tmp_path: Path, line: bytes) -> None:
    with Store(tmp_path) as store:
        store.append(record(0))
    path = tmp_path / RECORDS
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(SearchError, match=r"E954.*line 2"):
        Store(tmp_path)
    # the lock went with the error
    path.write_bytes(b"")
    Store(tmp_path).__exit__(None, None, None)


def test_two_searches_do_not_share_a_directory(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from lfm_arch.search.store import Store\n"
        "with Store(Path(sys.argv[1])): print('locked', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", program, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(SearchError, match=f"E951.*process {other.pid}"):
            Store(tmp_path)
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
        other.stdout.close() if other.stdout else None
    # a process that was killed holds nothing
    for _ in range(50):
        try:
            Store(tmp_path).__exit__(None, None, None)
        except SearchError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the lock outlived its process")


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let no file grow beyond 2,000 bytes, which is a full disk as far as a file can tell."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_takes_the_line_back(tmp_path: Path, small_files: None) -> None:
    del small_files
    with Store(tmp_path) as store:
        store.append(record(0, spec="x" * 500))
        whole = (tmp_path / RECORDS).read_bytes()
        with pytest.raises(SearchError, match="E953"):
            store.append(record(1, spec="x" * 3_000))
        assert (tmp_path / RECORDS).read_bytes() == whole
        with pytest.raises(SearchError, match="E953"):
            store.write("big.yaml", b"x" * 3_000)
        assert not list(tmp_path.glob("*big*"))
        # once there is room, it goes on
        store.append(record(1))
    with Store(tmp_path) as store:
        assert [each.number for each in store.records] == [0, 1]


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "study").write_text("a file")
    with pytest.raises(SearchError, match="E953"):
        Store(tmp_path / "study")


def test_nothing_is_deleted_to_start_afresh(tmp_path: Path) -> None:
    old = tmp_path / "study"
    for content in ("first", "second"):
        old.mkdir()
        (old / "kept").write_text(content)
        assert set_aside(old) is not None
    assert not old.exists()
    assert [(tmp_path / f"study.old-{n}" / "kept").read_text() for n in (1, 2)] == ["first", "second"]
    assert set_aside(old) is None


def test_every_line_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(fd), real(fd))[1])
    with Store(tmp_path) as store:
        store.append(record(0))
    assert synced
