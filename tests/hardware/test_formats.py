"""Bits of stored numbers, against sizes of published files."""

import pytest

from lfm_arch.core.errors import ProfileError
from lfm_arch.hardware.formats import CACHE_BITS, WEIGHT_FORMATS, cache_bits, weight_format
from lfm_arch.hardware.memory import weight_bytes
from lfm_arch.hardware.reference import reference_graph
from lfm_arch.hardware.scenario import Scenario
from lfm_arch.hardware.work import measure_work


@pytest.mark.parametrize(
    ("block", "weights", "stored"),
    [("q4_0", 32, 18), ("q8_0", 32, 34), ("q6_k", 256, 210)],
    ids=["q4_0", "q8_0", "q6_k"],
)
def test_bits_follow_from_the_block(block: str, weights: int, stored: int) -> None:
    assert WEIGHT_FORMATS[block].bits == 8 * stored / weights


def test_output_matrix_stays_wide_in_a_quantised_file() -> None:
    assert weight_format("q4_0").head_bits == weight_format("q6_k").bits
    assert weight_format("q4_0").embedding_bits == 4.5


@pytest.mark.parametrize(
    ("alias", "name"),
    [("q4", "q4_0"), ("Q4_0", "q4_0"), ("fp16", "f16"), ("int4", "int4_g32"), (" bf16 ", "bf16")],
    ids=str,
)
def test_aliases_and_case(alias: str, name: str) -> None:
    assert weight_format(alias).name == name


@pytest.mark.parametrize("find", [weight_format, cache_bits], ids=["weights", "cache"])
def test_unknown_format_says_what_was_meant(find: object) -> None:
    with pytest.raises(ProfileError) as caught:
        find("q4_9")  # pyright: ignore[reportCallIssue]
    assert caught.value.diagnostics[0].code == "E709"
    assert "q4_0" in caught.value.diagnostics[0].help


def test_cache_formats() -> None:
    assert cache_bits("F16") == CACHE_BITS["f16"] == 16


@pytest.mark.parametrize(
    ("model", "weights", "gibibytes"),
    [
        # sizes printed by llama-bench beside published runs
        ("llama-2-7b", "q4_0", 3.56),
        ("llama-3-8b", "q4_k_m", 4.58),
        ("llama-3-8b", "f16", 14.96),
        ("llama-3-70b", "q4_k_m", 39.59),
        ("lfm2-1.2b", "q4_k_m", 0.68),
        ("lfm2-700m", "q4_k_m", 0.438),
        ("lfm2-350m", "q4_k_m", 0.214),
        ("qwen3-4b", "q4_k_m", 2.328),
    ],
    ids=lambda value: str(value),
)
def test_file_sizes(model: str, weights: str, gibibytes: float) -> None:
    work = measure_work(reference_graph(model), Scenario())
    assert weight_bytes(work, weight_format(weights)) / 2**30 == pytest.approx(gibibytes, rel=0.025)
