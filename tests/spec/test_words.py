"""The words of the language: every example loads, every key of the language is explained."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from lfm_arch.graph.compile import check_constraints, check_expect, compile_graph
from lfm_arch.hardware.profile import Profile
from lfm_arch.search.study import Study
from lfm_arch.spec.document import load_model
from lfm_arch.spec.hole import KINDS, MODIFIERS
from lfm_arch.spec.space import load_space
from lfm_arch.spec.words import WORDS, Word, find_word, similar_words
from lfm_arch.spec.written import TOP

BASE = Path(__file__).parents[2] / "specs" / "lfm2-1.2b.yaml"
HEADER = ("lfm_arch", "kind", "name")
DECIDES = re.compile(r"\$(choice|int|float|subset|perm|switch|place)\b")


WHOLE_FILES: dict[str, type[BaseModel]] = {"study": Study, "hw": Profile}


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_examples_of_other_files_load(name: str, tmp_path: Path) -> None:
    word = find_word(name)
    assert word is not None
    path = tmp_path / "example.yaml"
    path.write_text(word.example)
    assert load_model(path, WHOLE_FILES[name], kind=name)


@pytest.mark.parametrize("word", [each for each in WORDS if each.name not in WHOLE_FILES], ids=lambda word: word.name)
def test_every_example_loads(word: Word, tmp_path: Path) -> None:
    lines = {"lfm_arch": "1", "kind": "space" if DECIDES.search(word.example) else "model", "name": "example"}
    for line in word.example.splitlines():
        lines.pop(line.split(":")[0], None)
    own_expect = "" if "expect:" in word.example else "expect: null\n"
    text = "".join(f"{key}: {value}\n" for key, value in lines.items())
    path = tmp_path / "example.yaml"
    path.write_text(f"{text}extends: {BASE}\n{own_expect}{word.example}\n")
    space = load_space(path)
    assert bool(DECIDES.search(word.example)) == bool(space.decisions())
    spec = space.default().spec
    graph = compile_graph(spec)
    assert not check_constraints(graph, spec)
    check_expect(graph, spec)


def test_every_key_is_explained() -> None:
    unexplained = [key for key in (*TOP, *(f"${kind}" for kind in KINDS), *MODIFIERS) if find_word(key) is None]
    assert not unexplained


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.name)
def test_says_something_and_points_to_words_that_exist(word: Word) -> None:
    assert len(word.text) > 40
    assert word.text.rstrip()[-1] in ".)" or "\n" in word.text
    for name in word.see:
        assert find_word(name) is not None, name


def test_no_two_words_are_called_alike() -> None:
    names = [name.lower() for word in WORDS for name in (word.name, *word.aliases)]
    assert len(names) == len(set(names))


def test_finds_by_alias_and_suggests() -> None:
    found = find_word("Selector")
    assert found is not None
    assert found.name == "selectors"
    assert find_word("nonsense") is None
    assert "overrides" in similar_words("overides")
