"""Files: inheritance across them, edits, and any pydantic model as a file."""

import os
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field

from lfm_arch.core.errors import SpecError
from lfm_arch.core.units import Bytes
from lfm_arch.spec.document import load_document, load_model
from lfm_arch.spec.tree import plain
from tests.spec.sample import TINY, write

HEADER = "lfm_arch: 1\nkind: model\nname: {}\n"


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADER.format(path.stem) + text)
    return path


def test_inherits_from_left_to_right_and_relative_to_the_file(tmp_path: Path) -> None:
    file(tmp_path, "low/grand.yaml", "dims: {a: 1, b: 1, c: 1, d: 1}\nx-note: mine\ndoc: grand's\n")
    file(tmp_path, "low/left.yaml", "extends: grand.yaml\ndims: {b: 2, c: 2, d: 2}")
    file(tmp_path, "right.yaml", "dims: {c: 3, d: 3}")
    child = file(tmp_path, "child.yaml", "extends: [low/left.yaml, right.yaml]\ndims: {d: 4}")
    document = load_document(child)
    root = plain(document.root)
    assert isinstance(root, dict)
    assert root["dims"] == {"a": 1, "b": 2, "c": 3, "d": 4}
    # what a file says of itself is not inherited
    assert root["name"] == "child"
    assert "doc" not in root
    assert "x-note" not in root
    assert [Path(each).name for each in document.files] == ["child.yaml", "left.yaml", "grand.yaml", "right.yaml"]
    assert str(document.place("dims.a")).endswith("low/grand.yaml:4:11")
    assert str(document.place("dims.d")).endswith("child.yaml:5:11")


def test_a_diamond_is_no_circle(tmp_path: Path) -> None:
    file(tmp_path, "top.yaml", "dims: {a: 1}")
    file(tmp_path, "left.yaml", "extends: top.yaml")
    file(tmp_path, "right.yaml", "extends: top.yaml")
    root = plain(load_document(file(tmp_path, "child.yaml", "extends: [left.yaml, right.yaml]")).root)
    assert isinstance(root, dict)
    assert root["dims"] == {"a": 1}


def test_a_circle_names_its_files(tmp_path: Path) -> None:
    file(tmp_path, "a.yaml", "extends: b.yaml")
    file(tmp_path, "b.yaml", "extends: c.yaml")
    file(tmp_path, "c.yaml", "extends: b.yaml")
    with pytest.raises(SpecError) as caught:
        load_document(tmp_path / "a.yaml")
    [each] = caught.value.diagnostics
    assert each.code == "E117"
    assert "b.yaml -> c.yaml -> b.yaml" in each.message


def test_a_missing_parent_is_shown_where_it_is_named(tmp_path: Path) -> None:
    file(tmp_path, "parent.yaml", "")
    with pytest.raises(SpecError) as caught:
        load_document(file(tmp_path, "child.yaml", "extends: parnt.yaml"))
    [each] = caught.value.diagnostics
    assert each.code == "E101"
    assert each.place is not None
    assert each.place.line == 4
    assert each.help == "did you mean `parent.yaml`?"


def test_every_mistake_of_every_file_at_once(tmp_path: Path) -> None:
    file(tmp_path, "base.yaml", "dims: {a: 1, a: 2}")
    child = file(tmp_path, "child.yaml", "extends: [base.yaml, 7]\nb: !!str x\nb: 2")
    with pytest.raises(SpecError) as caught:
        load_document(child)
    assert [each.code for each in caught.value.diagnostics] == ["E105", "E118", "E108", "E105"]


def test_kinds_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "hw.yaml").write_text("lfm_arch: 1\nkind: hw\nname: board\n")
    with pytest.raises(SpecError) as caught:
        load_document(file(tmp_path, "child.yaml", "extends: hw.yaml"))
    assert [each.code for each in caught.value.diagnostics] == ["E120"]


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + TINY.encode())
    assert load_document(path).kind == "model"


@pytest.mark.skipif(not hasattr(os, "mkfifo") or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = file(tmp_path, "secret.yaml", "")
    path.chmod(0)
    with pytest.raises(SpecError, match="E103"):
        load_document(path)


def test_an_endless_file_is_read_no_further_than_allowed() -> None:
    if not Path("/dev/zero").exists():
        pytest.skip("no /dev/zero")
    with pytest.raises(SpecError, match="E116"):
        load_document("/dev/zero")


def test_bytes_that_are_no_text_have_a_place(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"lfm_arch: 1\nname: caf\xe9\n")
    with pytest.raises(SpecError) as caught:
        load_document(path)
    place = caught.value.diagnostics[0].place
    assert place is not None
    assert (place.line, place.column) == (2, 10)


# edits


@pytest.mark.parametrize(
    ("edit", "path", "value"),
    [
        ("dims.hidden_size=128", ("dims", "hidden_size"), 128),
        ("operators.conv.bias=true", ("operators", "conv", "bias"), True),
        ("depth_groups[0].stack=4*(conv attn)", ("depth_groups", 0, "stack"), "4*(conv attn)"),
        ("operators.attn={type: mlp}", ("operators", "attn"), {"type": "mlp"}),
        ("operators.attn={window_size: 8}", ("operators", "attn", "window_size"), 8),
        ("norm.eps=1e-6", ("norm", "eps"), 1e-6),
        ("norm.eps=", ("norm", "eps"), None),
        ("name=a=b", ("name",), "a=b"),
        ("depth_groups={$append: [{name: tail}]}", ("depth_groups", 1), {"name": "tail"}),
    ],
)
def test_edits(edit: str, path: tuple[str | int, ...], value: object, tmp_path: Path) -> None:
    here: object = plain(load_document(write(tmp_path, ""), [edit]).root)
    for step in path:
        assert isinstance(here, dict | list)
        here = here[step]  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert here == value


def test_later_edits_see_earlier_ones(tmp_path: Path) -> None:
    edits = ["depth_groups={$append: [{name: tail, stack: conv}]}", "depth_groups[1].repeat=3"]
    root = plain(load_document(write(tmp_path, ""), edits).root)
    assert isinstance(root, dict)
    assert root["depth_groups"][1] == {"name": "tail", "stack": "conv", "repeat": 3}


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        ("dims.hiden_size=128", "E124"),
        ("operators.atn.bias=true", "E124"),
        ("depth_groups[3].stack=conv", "E124"),
        ("=3", "E123"),
        ("dims", "E123"),
        ("dims.hidden_size=[1", "E104"),
        ("dims.hidden_size=!!int 3", "E108"),
        ("depth_groups={$remove: [{name: x}]}", "E122"),
    ],
)
def test_edits_that_change_nothing_are_refused(edit: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_document(write(tmp_path, ""), [edit])
    [each] = caught.value.diagnostics
    assert each.code == code
    assert each.place is not None
    assert each.place.file == "command line"
    assert each.place.excerpt == edit


def test_an_edited_value_says_what_it_replaced(tmp_path: Path) -> None:
    document = load_document(write(tmp_path, ""), ["dims.hidden_size=128"])
    assert str(document.place("dims.hidden_size")) == "command line:1:18"


# any model


class Bank(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    size: Bytes
    sides: tuple[int, ...] = ()
    kind_of: Annotated[str, Field(alias="class")] = "dram"


class Board(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    banks: dict[str, Bank]


def board(folder: Path, text: str) -> Board:
    path = folder / "board.yaml"
    path.write_text(f"lfm_arch: 1\nkind: hw\nname: board\nx-note: ours\n{text}")
    return load_model(path, Board, kind="hw")


def test_loads_any_model(tmp_path: Path) -> None:
    loaded = board(tmp_path, "banks: {main: {size: 8 GiB, sides: [1, 2], class: lpddr, x-why: cheap}}")
    assert loaded == Board(
        name="board", banks={"main": Bank.model_validate({"size": 8 * 2**30, "sides": (1, 2), "class": "lpddr"})}
    )


def test_every_mistake_of_a_model_has_its_place(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        board(tmp_path, "banks:\n  main: {size: 8 GB/s, clas: x}\n  other: {sides: [1, two]}\nbnks: 3")
    found = {(each.code, each.path, str(each.place).rsplit("board.yaml:")[-1]) for each in caught.value.diagnostics}
    assert found == {
        ("E316", "banks.main.size", "6:16"),
        ("E201", "banks.main.clas", "6:24"),
        ("E202", "banks.other.size", "7:3"),
        ("E203", "banks.other.sides[1]", "7:22"),
        ("E201", "bnks", "8:1"),
    }
    assert any("did you mean `class`?" in each.help for each in caught.value.diagnostics)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="E120"):
        load_model(write(tmp_path, ""), Board, kind="hw")
