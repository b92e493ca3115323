"""The command show: pictures that were looked at, kept as golden files, and what can go wrong."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from lfm_arch.cli.drawing import draw, remarks, style_of, title
from lfm_arch.cli.main import main
from lfm_arch.graph.compile import compile_graph
from lfm_arch.graph.identity import architecture_id
from lfm_arch.spec.model import load_spec

SPECS = Path(__file__).parents[2] / "specs"
SPACE = """\
lfm_arch: 1
kind: space
name: edge
extends: {base}
operators:
  conv: {{kernel_size: {{$choice: [3, 5], prior: 5}}}}
expect: null
"""


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(["show", *args])
    return int(done.value.code or 0)


def picture(name: str, width: int, *, encoding: str = "utf-8", unfolded: bool = False) -> list[str]:
    out = Console(file=io.TextIOWrapper(io.BytesIO(), encoding=encoding), width=width, color_system=None)
    graph = compile_graph(load_spec(SPECS / f"{name}.yaml"))
    head = [each.plain for each in title(graph, architecture_id(graph))]
    body = [each.plain for each in draw(graph, out, past=1024, unfolded=unfolded)]
    return [*head, "", *body, "", *(each.plain for each in remarks(graph, 1024))]


@pytest.mark.parametrize(
    ("name", "width"),
    [("lfm2-1.2b", 140), ("lfm3-1.7b", 80), ("lfm2-8b-a1b", 160), ("lfm1-40b-style", 120), ("lfm2-omni-style", 80)],
)
def test_looks_as_it_was_judged(name: str, width: int, golden: Callable[[str, str], None]) -> None:
    golden(f"{name}.show-{width}.txt", "\n".join(picture(name, width)) + "\n")


@pytest.mark.parametrize("width", [80, 100, 120, 140, 160])
@pytest.mark.parametrize("name", ["lfm2-350m", "lfm2-24b-a2b", "lfm3-1.7b", "original-lfm"])
def test_fits_the_terminal(name: str, width: int) -> None:
    # the first line is the spec's own doc, which wraps
    assert max(map(len, picture(name, width)[2:])) <= width


def test_numbers_of_a_column_are_aligned() -> None:
    lines = picture("lfm3-1.7b", 140)
    rows = [line for line in lines if "swiglu" in line]
    assert len({len(line) for line in rows}) == 1


def test_is_plain_where_the_terminal_knows_no_boxes() -> None:
    lines = picture("lfm2-1.2b", 140, encoding="ascii")
    assert all(line.isascii() for line in lines)
    assert any(line.startswith(" 3 x . 2 x conv") for line in lines)


def test_draws_every_layer_when_asked() -> None:
    lines = picture("lfm2-1.2b", 140, unfolded=True)
    numbered = [line.split()[:2] for line in lines if " swiglu " in line]
    kinds = {"c": "conv", "A": "attn"}
    assert numbered == [[str(number), kinds[letter]] for number, letter in enumerate("ccAccAccAcAcAcAc")]


def test_says_what_is_shared() -> None:
    text = "\n".join(picture("lfm1-40b-style", 160))
    for said in ("one copy of mixer weights", "computes kv for the layers 4, 8 below", "kv of the layer 4 above"):
        assert said in text


@pytest.mark.parametrize(
    ("letter", "mixer", "style"),
    [
        ("c", "short_conv", "cyan"),
        ("A", "attention", "magenta"),
        ("S", "attention", "yellow"),
        ("2", "mamba2", "green"),
        ("c", "adaptive_conv", "blue"),
        ("-", "", "bright_black"),
    ],
)
def test_colours_tell_what_a_mixer_remembers(letter: str, mixer: str, style: str) -> None:
    assert style_of(letter, mixer) == style


def test_prints_the_picture(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(SPECS / "lfm2-350m.yaml")) == 0
    printed = capsys.readouterr().out
    assert "ccAccAccAcAcAcAc" in printed
    assert "354,483,968 parameters" in printed


def test_counts_behind_the_prompt_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    flops: list[int] = []
    for prompt in ("0", "32768"):
        assert run(str(SPECS / "lfm2-350m.yaml"), "--prompt", prompt, "--json") == 0
        flops.append(json.loads(capsys.readouterr().out)["totals"]["flops_behind_prompt"])
    # 6 attention layers, 16 heads of 64, scores and values, two FLOPs each
    assert flops[1] - flops[0] == 6 * 16 * 64 * 4 * 32768


def test_json_holds_every_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(SPECS / "lfm3-1.7b.yaml"), "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["totals"]["params"] == 1_728_801_536
    assert sum(node["cost"]["params"] for node in printed["nodes"] if "cost" in node) == 1_728_801_536
    assert sum(row["params"] for row in printed["stack"]) == 1_466_657_536 - 2048
    window = next(node for node in printed["nodes"] if node["id"] == "layers.4")
    assert window["reads"] == {"stream": "layers.3"}
    assert window["mixer"].startswith("attention(num_heads=16, num_kv_heads=4, head_dim=128")
    assert [slot["limit"] for slot in window["slots"]] == [255, 255]


def test_edits_are_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    edits = ("--set", "operators.conv.kernel_size=9", "--set", "expect=null")
    assert run(str(SPECS / "lfm2-350m.yaml"), *edits) == 0
    assert "short_conv kernel 9" in capsys.readouterr().out


def test_draws_what_is_not_as_expected_and_then_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(SPECS / "lfm2-350m.yaml"), "--set", "expect.params=1") == 1
    printed = capsys.readouterr()
    assert "354,483,968 parameters" in printed.out
    assert "error[E501]" in printed.err
    assert "354,483,968 parameters, expected 1 (+354,483,967)" in printed.err


def test_a_space_is_drawn_at_its_priors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = tmp_path / "edge.yaml"
    space.write_text(SPACE.format(base=SPECS / "lfm2-350m.yaml"))
    assert run(str(space)) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("a space, drawn with 1 decision at its prior")
    assert "short_conv kernel 5" in printed
    assert run(str(space), "--json") == 0
    assert list(json.loads(capsys.readouterr().out)["genome"].values()) == [5]


def test_a_wrong_architecture_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(SPECS / "lfm2-350m.yaml"), "--set", "blocks.conv.channel=conv") == 1
    assert "error[E406]" in capsys.readouterr().err


def test_a_missing_file_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("nowhere.yaml") == 1
    assert "nowhere.yaml" in capsys.readouterr().err


def test_a_terminal_that_cannot_show_a_letter_shows_the_rest() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from lfm_arch.cli.main import main; main()", "show", str(SPECS / "lfm2-350m.yaml"),
         "--set", "doc=caf\u00e9"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("lfm2-350m  caf?\n")
