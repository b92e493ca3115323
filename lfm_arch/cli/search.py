"""`lfm-arch search`: run a study, or go on with it."""

import re
import shlex
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lfm_arch.search.session import Session

EPILOG = """\b
Examples:
  lfm-arch search --hw cerebras                       around LFM2, about ten minutes on two cores
  lfm-arch search --hw qualcomm --trials 12 --time 5m
  lfm-arch search --hw apple --data ~/texts           train on your own text
  lfm-arch search mine.yaml --output reports/mine     a study of your own, see search/default.yaml
Running a command again goes on where it stopped; after Ctrl-C too.
"""


@click.command(epilog=EPILOG)
@click.argument("study", required=False, type=click.Path(path_type=Path), metavar="[STUDY]")
@click.option("--hw", "hardware", metavar="NAME[,NAME]", help="Hardware profiles; the study's when left out.")
@click.option("--trials", type=click.IntRange(1), help="Candidates to train.")
@click.option("--seed", type=click.IntRange(0), help="Of everything random.")
@click.option("--data", type=click.Path(path_type=Path), help="File or folder of text to train on.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Directory; reports/<study> when left out.")
@click.option("--time", "limit", metavar="TIME", help="Stop after this time, as 90s, 10m or 2h.")
@click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Change a value of the study.")
@click.option("--fresh", is_flag=True, help="Start again; what is in the directory is moved aside.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON; progress goes to stderr.")
def search(
    study: Path | None,
    hardware: str | None,
    trials: int | None,
    seed: int | None,
    data: Path | None,
    output: Path | None,
    limit: str | None,
    sets: tuple[str, ...],
    fresh: bool,  # noqa: FBT001
    as_json: bool,  # noqa: FBT001
) -> int:
    """Search the space of STUDY for what is good and fast on the hardware you name.

    Candidates beyond a budget are discarded before anything is trained; the others are trained as small replicas.
    Every finished trial is kept on the disk. At the end: a Pareto table, its candidates as spec files that
    `lfm-arch build` accepts, and an HTML report.
    """
    limit_s = None if limit is None else duration(limit)
    from lfm_arch.cli.study_screen import Screen, as_data, print_result
    from lfm_arch.search.session import run_session
    from lfm_arch.search.study import open_study

    path = study or default_study()
    names = [name.strip() for name in hardware.split(",") if name.strip()] if hardware else []
    setup = open_study(path, hardware=names, data=data, trials=trials, seed=seed, time_limit_s=limit_s, sets=sets)
    directory = output or Path("reports") / setup.title
    command = _again(click.get_current_context())
    started = time.monotonic()
    deadline = None if setup.study.time_limit_s is None else started + setup.study.time_limit_s
    with stopping() as stop, Screen(path, directory, deadline, quiet=as_json) as screen:
        session = run_session(
            setup, directory, screen, fresh=fresh, command=command, deadline=deadline, stop=lambda: stop.asked
        )
    report = _report(directory)
    if as_json:
        click.echo(as_data(session, report))
    else:
        print_result(session, report, shlex.join(command))
    return _exit_code(session)


def _report(directory: Path) -> Path:
    from lfm_arch.core.errors import Diagnostic, ReportError, SearchError
    from lfm_arch.report.study import render_study

    try:
        return render_study(directory)
    except ReportError as error:
        why = error.diagnostics[0].message
        way_out = f"make room, then `lfm-arch report {directory}`: nothing has to be run again"
        raise SearchError(Diagnostic("E953", f"cannot write the report: {why}", help=way_out)) from error


def duration(text: str) -> float:
    """Read `90`, `90s`, `10m`, `2h` as seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?", text.strip())
    if match is None or float(match[1]) == 0:
        from lfm_arch.core.errors import Diagnostic, UsageError

        raise UsageError(
            Diagnostic("E961", f"--time {text} is no duration", help="write a number of seconds, or 90s, 10m, 2h")
        )
    return float(match[1]) * {"m": 60, "min": 60, "h": 3600}.get(match[2], 1)


def default_study() -> Path:
    """Return the study that ships: in a source tree its own, installed the copy beside the package."""
    package = Path(__file__).parents[1]
    installed = package / "data" / "search" / "default.yaml"
    return installed if installed.exists() else package.parent / "search" / "default.yaml"


class Stopping:
    """Whether somebody asked for the end."""

    asked = False


@contextmanager
def stopping() -> Generator[Stopping]:
    """Turn Ctrl-C and SIGTERM into a wish; a second Ctrl-C interrupts at once."""
    state = Stopping()

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        if state.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        state.asked = True
        sys.stderr.write("\nstopping after the step under way; what is finished is kept\n")

    before: dict[int, Any] = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield state
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _again(context: click.Context) -> list[str]:
    """Return the command that goes on with this study."""
    words = ["lfm-arch", "search"]
    flags = {"hardware": "--hw", "trials": "--trials", "seed": "--seed", "data": "--data", "output": "--output"}
    if context.params["study"] is not None:
        words.append(str(context.params["study"]))
    for name, flag in flags.items():
        if context.params[name] is not None:
            words += [flag, str(context.params[name])]
    if context.params["limit"] is not None:
        words += ["--time", context.params["limit"]]
    for edit in context.params["sets"]:
        words += ["--set", edit]
    return words


def _exit_code(session: "Session") -> int:
    if session.ending == "stopped":
        return 130
    # without a single candidate there is nothing that anybody could use
    return 0 if session.summary.complete else 1
