"""Every rule is explained, and broken once: a text, and the code it must raise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lfm_arch.cli.codes import all_codes
from lfm_arch.core.errors import SpecError
from lfm_arch.spec.codes import CODES
from lfm_arch.spec.language_codes import LANGUAGE_CODES
from lfm_arch.spec.space import load_space
from tests.spec.sample import CHILD, TINY, mistakes, space, write

MODEL = "lfm_arch: 1\nkind: model\nname: x\n"
BOMB = "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
CHAIN = "dims: {a0: 1, " + ", ".join(f"a{i}: '${{a{i - 1}}}'" for i in range(1, 40)) + "}"
BRANCHES = "vars: {" + ", ".join(f"v{i}: {{$choice: {list(range(900))}}}" for i in range(6)) + "}"
LAYERED = "operators: {conv: {kernel_size: {$choice: [3, 5], scope: layer}}}"

WRONG: tuple[tuple[str, str], ...] = (
    ("E104", MODEL + "operators: {conv: {kernel_size: ${k}}}"),
    ("E105", "operators: {conv: {kernel_size: 3, kernel_size: 5}}"),
    ("E106", "x-a: &a {b: 1}\noperators: {conv: {<<: *a}}"),
    ("E107", "? [a, b]\n: 3"),
    ("E108", "operators: {conv: {kernel_size: !!int 3}}"),
    ("E109", "x-deep: " + "[" * 70 + "]" * 70),
    ("E110", BOMB),
    ("E111", "operators: {conv: {kernel_size: *k}}"),
    ("E112", MODEL + "---\nname: y"),
    ("E113", "# lfm_arch:\n- a\n- list"),
    ("E114", "norm: {eps: .nan}"),
    ("E117", MODEL + "extends: child.yaml"),
    ("E118", MODEL + "extends: https://example.org/tiny.yaml"),
    ("E119", "# lfm_arch:\nkind: model\nname: x\nextends: tiny.yaml"),
    ("E120", "lfm_arch: 1\nkind: modle\nname: x\nextends: tiny.yaml"),
    ("E121", "constraints: {$append: [{check: layers <= 9}]}"),
    ("E122", "depth_groups: {$remove: [{name: tial}]}"),
    ("E201", "operators: {conv: {kernal_size: 3}}"),
    ("E202", "operators: {conv2: {type: short_conv}}"),
    ("E203", "operators: {conv: {kernel_size: three}}"),
    ("E204", "operators: {conv: {kernel_size: 1}}"),
    ("E205", "operators: {attn: {qk_norm: rmss}}"),
    ("E206", "operators: {conv: {type: short_cnov}}"),
    ("E207", "operators: {conv2: {kernel_size: 3}}"),
    ("E208", "blocks: {odd: {mixer: conv}}"),
    ("E210", "sharing: [{features: kv}]"),
    ("E350", "blocks: {conv: {mixer: cnov}}"),
    ("E351", "dims: {a: '${b + 1}', b: '${a - 1}'}"),
    ("E352", CHAIN),
    ("E601", "dims: {hidden_size: {$choice: [64, 128]}}"),
    ("E602", CHILD.format(kind="space")),
    ("E603", "dims: {hidden_size: {$chioce: [64, 128]}}"),
    ("E604", "dims: {hidden_size: {$choice: []}}"),
    ("E605", "dims: {hidden_size: {$int: {low: 128, high: 64}}}"),
    ("E606", "dims: {hidden_size: {$choice: [64, 128], prior: 96}}"),
    ("E607", "dims: {hidden_size: {$choice: [64, 128], scope: layer}}"),
    ("E609", "vars: {a: {$choice: [1, 2]}}\ndims: {b: {$switch: {on: vars.a, cases: {1: 3}}}}"),
    ("E610", "dims: {a: {$choice: [1, 2], name: k}, b: {$choice: [1, 3], name: k}}"),
    ("E611", f"{LAYERED}\ndims: {{k: '${{operators.conv.kernel_size}}'}}"),
    ("E614", BRANCHES),
)  # fmt: skip


@pytest.mark.parametrize(("code", "text"), WRONG, ids=[code for code, _ in WRONG])
def test_a_text_that_breaks_the_rule(code: str, text: str, tmp_path: Path) -> None:
    kind = "space" if code[:2] == "E6" and code != "E601" else "model"
    found = mistakes(write(tmp_path, text, kind=kind))
    assert code in [each.code for each in found], found
    mine = next(each for each in found if each.code == code)
    assert mine.place is not None
    assert mine.place.file.endswith("child.yaml")
    assert mine.message
    assert len(mine.message) < 400


def _no_file(folder: Path) -> None:
    load_space(folder / "nothing.yaml")


def _directory(folder: Path) -> None:
    load_space(folder)


def _unreadable(folder: Path) -> None:
    load_space(f"{folder}/a\0b.yaml")


def _not_utf8(folder: Path) -> None:
    path = folder / "latin.yaml"
    path.write_bytes(TINY.encode() + "doc: café\n".encode("latin-1"))
    load_space(path)


def _too_large(folder: Path) -> None:
    path = folder / "large.yaml"
    with path.open("wb") as file:
        file.write(TINY.encode())
        # a hundred megabytes that take no room on the disk
        file.truncate(100_000_000)
    load_space(path)


def _no_edit(folder: Path) -> None:
    load_space(write(folder, ""), ["dims.hidden_size"])


def _edit_of_nothing(folder: Path) -> None:
    load_space(write(folder, ""), ["dims.hiden_size=128"])


def _no_answer(folder: Path) -> None:
    space(folder, "dims: {hidden_size: {$choice: [64, 128]}}").of({})


ACTS: tuple[tuple[str, Callable[[Path], None]], ...] = (
    ("E101", _no_file),
    ("E102", _directory),
    ("E103", _unreadable),
    ("E115", _not_utf8),
    ("E116", _too_large),
    ("E123", _no_edit),
    ("E124", _edit_of_nothing),
    ("E612", _no_answer),
)


@pytest.mark.parametrize(("code", "act"), ACTS, ids=[code for code, _ in ACTS])
def test_an_act_that_breaks_the_rule(code: str, act: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        act(tmp_path)
    assert [each.code for each in caught.value.diagnostics] == [code]


WARNED: tuple[tuple[str, str, str], ...] = (
    ("W101", "model", "operators: {conv: {kernel_size: 07}}"),
    ("W201", "model", "operators: {conv2: {type: short_conv, kernel_size: 3}}"),
    ("W202", "model", "depth_groups: [{name: trunk, stack: 2*conv, share: weights}]"),
    ("W601", "space", "dims: {num_heads: {$choice: [4, 3]}}"),
)


@pytest.mark.parametrize(("code", "kind", "text"), WARNED, ids=[code for code, _, _ in WARNED])
def test_a_text_that_deserves_a_warning(code: str, kind: str, text: str, tmp_path: Path) -> None:
    warnings = load_space(write(tmp_path, text, kind=kind)).warnings
    assert code in [each.code for each in warnings], warnings


ELSEWHERE = {
    "E132": "tests/cli/test_explain.py",
    "W602": "tests/cli/test_check.py",
}


def test_every_code_is_raised_by_a_test() -> None:
    raised = {code for code, _ in WRONG} | {code for code, _ in ACTS} | {code for code, _, _ in WARNED}
    by_sibling = {each.code for each in LANGUAGE_CODES}
    root = Path(__file__).parents[2]
    for code, path in ELSEWHERE.items():
        assert f'"{code}"' in (root / path).read_text(), f"{path} does not raise {code}"
    assert {each.code for each in CODES} - by_sibling == raised | set(ELSEWHERE)


def test_codes_of_all_rooms_are_explained_once() -> None:
    codes = all_codes()
    assert set(codes) >= {each.code for each in CODES}
    for each in codes.values():
        assert each.title, each.code
        assert len(each.explanation) > 30, each.code
        assert each.title[0] == each.title[0].lower() or each.title[:2].isupper(), each.title
