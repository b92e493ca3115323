"""`lfm-arch explain` as a user calls it."""

import json

import pytest
from click.testing import CliRunner, Result

from lfm_arch.cli.codes import all_codes
from lfm_arch.cli.explain import explain
from lfm_arch.core.errors import UsageError
from lfm_arch.operators.registry import operators
from lfm_arch.spec.words import WORDS


def run(*args: str) -> Result:
    return CliRunner().invoke(explain, args, standalone_mode=False)


@pytest.mark.parametrize("code", list(all_codes()))
def test_explains_every_code(code: str) -> None:
    result = run(code.lower())
    assert result.exception is None
    assert result.stdout.startswith(f"{code}: {all_codes()[code].title}")


@pytest.mark.parametrize("name", list(operators()))
def test_explains_every_operator(name: str) -> None:
    text = run(name).stdout
    assert text.startswith(f"{name}, an operator: ")
    assert "fields" in text
    assert f"type: {name}" in text


def test_shows_types_bounds_defaults_and_texts() -> None:
    text = run("attention").stdout
    assert "num_heads: a whole number, at least 1; needed" in text
    assert "window_size: a whole number, at least 2 or null; default null" in text
    assert "Tokens that a token sees at most" in text
    assert "rope.theta: a number, above 0; needed" in text


@pytest.mark.parametrize("word", [word.name for word in WORDS])
def test_explains_every_word(word: str) -> None:
    assert "example" in run(word).stdout


def test_lists_everything() -> None:
    text = run().stdout
    for name in ("selectors", "attention", "token_embedding", "lm_head", "rms_norm", "E203"):
        assert name in text


def test_json() -> None:
    assert json.loads(run("E203", "--json").stdout)["code"] == "E203"
    assert json.loads(run("attention", "--json").stdout)["part"]["name"] == "attention"
    assert json.loads(run("selectors", "--json").stdout)["word"]["name"] == "selectors"
    assert "short_conv" in json.loads(run("--json").stdout)["operators"]


@pytest.mark.parametrize(
    ("typed", "meant"), [("atention", "`attention`"), ("selecter", "`selectors`"), ("zzz", "lists")]
)
def test_an_unknown_topic_is_wrong_usage(typed: str, meant: str) -> None:
    result = run(typed)
    assert isinstance(result.exception, UsageError)
    [each] = result.exception.diagnostics
    assert each.code == "E132"
    assert meant in each.help
