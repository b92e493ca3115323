"""Laws of the house that no linter knows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from lfm_arch.cli.codes import all_codes

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "lfm_arch").rglob("*.py"))
ROOMS = [
    "core",
    "operators",
    "featurizers",
    "spec",
    "graph",
    "hardware",
    "lower",
    "runtime",
    "quality",
    "search",
    "report",
]
LAWFUL_TORCH = {"parts", "lower", "runtime", "export", "quality"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_file_fits_on_a_few_screens(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_is_called_by_what_it_is_not(path: Path) -> None:
    assert path.stem not in {"utils", "util", "common", "helpers", "misc"}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_torch_stays_where_modules_are_built_and_run(path: Path) -> None:
    """A declaration may name torch for a type checker only, or import it inside a function that builds."""
    room = path.relative_to(ROOT / "lfm_arch").parts[0]
    if room in LAWFUL_TORCH or path.name in {"module.py", "contract.py", "measure.py"}:
        return
    for node in ast.parse(path.read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        assert not [each for each in names if each.split(".")[0] == "torch"], f"{name(path)}:{node.lineno}"


CODES = all_codes()


def raised() -> set[str]:
    """Every literal in the package that looks like a code, outside of the tables that explain them."""
    return {
        node.value
        for path in SOURCES
        if not path.stem.endswith("codes")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if len(node.value) == 4 and node.value[0] in "EW" and node.value[1:].isdigit()
    }


def test_every_code_is_explained_and_raised() -> None:
    assert raised() == set(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_an_explanation_says_more_than_its_title(code: str) -> None:
    explained = CODES[code]
    assert explained.title
    assert len(explained.explanation) >= 30


def test_every_code_is_met_in_a_test() -> None:
    written = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
    assert {code for code in CODES if code not in written} == set()


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["check", "specs/lfm2-1.2b.yaml"],
        ["show", "specs/lfm2-1.2b.yaml"],
        ["cost", "specs/lfm2-1.2b.yaml", "--hw", "apple"],
        ["diff", "specs/lfm2-350m.yaml", "specs/lfm2-1.2b.yaml"],
        ["explain", "E230"],
        ["report", "--help"],
        ["search", "--help"],
        ["build", "--help"],
        ["import", "tests/export/lfm2.json"],
        ["export", "--help"],
    ],
    ids=" ".join,
)
def test_looking_imports_no_torch(command: list[str]) -> None:
    program = (
        "import sys\n"
        "from lfm_arch.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "finally:\n    print('torch' in sys.modules, 'optuna' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    # the two models that are compared do differ
    assert done.returncode == (1 if command[0] == "diff" else 0), done.stderr
    assert done.stderr.split()[-2:] == ["False", "False"], done.stderr


def test_importing_the_package_is_free() -> None:
    program = "import sys, lfm_arch; print({'torch', 'pydantic', 'networkx', 'rich', 'yaml'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
