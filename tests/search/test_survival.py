"""A search that is killed, interrupted or out of disk loses nothing that was finished and counts nothing twice."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lfm_arch.search.record import Record
from lfm_arch.search.store import RECORDS
from tests.search.lab import Lab, story

ROOT = Path(__file__).parents[2]
PROGRAM = """
import resource, signal, sys, time
from pathlib import Path
from lfm_arch.core.errors import SearchError
from tests.search.lab import Analytic, Lab, Silent

folder, pause, room = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])

class Slow(Analytic):
    def measure(self, *arguments):
        time.sleep(pause)
        print("measuring", len(self.measured), flush=True)
        return super().measure(*arguments)

lab = Lab(folder)
lab.write("known_good: [known.yaml]")
if room:
    # no file may grow beyond this, as on a full disk
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
try:
    session = lab.run(Slow())
except SearchError as error:
    print(error, flush=True)
    sys.exit(3)
print(session.ending, flush=True)
"""


def start(folder: Path, pause: float = 0.0, room: int = 0) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", PROGRAM, str(folder), str(pause), str(room)]
    return subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out


def records(folder: Path) -> list[Record]:
    lines = (folder / "out" / RECORDS).read_bytes().split(b"\n")
    return [Record.model_validate_json(line) for line in lines if line]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """What an undisturbed search does."""
    lab = Lab(tmp_path_factory.mktemp("whole"))
    lab.write("known_good: [known.yaml]")
    return [tuple(each) for each in story(lab.run().records)]


def test_killed_twice_it_ends_as_if_it_had_not_been(tmp_path: Path, whole: list[tuple[object, ...]]) -> None:
    for steps in (3, 4):
        process = start(tmp_path, pause=0.05)
        assert process.stdout is not None
        for _ in range(steps):
            assert "measuring" in process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if process.stderr:
            process.stderr.close()
    kept = records(tmp_path)
    assert kept, "what was finished is on the disk"
    # a line that a crash cut short
    with (tmp_path / "out" / RECORDS).open("ab") as file:
        file.write(b'{"number": 99, "na')
    code, out = finish(start(tmp_path))
    assert (code, out.split()[-1]) == (0, "done")
    ended = records(tmp_path)
    assert ended[: len(kept)] == kept, "nothing is rewritten"
    assert [tuple(each) for each in story(ended)] == whole


def test_a_full_disk_ends_it_cleanly(tmp_path: Path, whole: list[tuple[object, ...]]) -> None:
    code, out = finish(start(tmp_path, room=20_000))
    assert code == 3
    assert "E953" in out
    assert "go" in out
    content = (tmp_path / "out" / RECORDS).read_bytes()
    assert content.endswith(b"\n")
    assert 0 < len(content) <= 20_000
    for line in content.splitlines():
        json.loads(line)
    code, out = finish(start(tmp_path))
    assert (code, out.split()[-1]) == (0, "done")
    assert [tuple(each) for each in story(records(tmp_path))] == whole


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    first = start(tmp_path, pause=0.2)
    assert first.stdout is not None
    assert "measuring" in first.stdout.readline()
    code, out = finish(start(tmp_path))
    assert code == 3
    assert "E951" in out
    time.sleep(0.1)
    first.kill()
    first.communicate()
