"""A measurement as a whole: real bytes, real trainings, tiny ones."""

import math
from pathlib import Path

import numpy as np
import pytest

from lfm_arch.quality.data import Corpus, standard_library
from lfm_arch.quality.measure import measure, replica_id
from lfm_arch.quality.settings import QualitySettings, RecallTask, Reduction
from lfm_arch.quality.stopped import StoppedError
from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.model import load_spec

ROOT = Path(__file__).parents[2]
TINY = QualitySettings(
    tokens=4_000,
    sequence_length=64,
    recall_tokens=2_000,
    validation_windows=8,
    recall_tests=16,
    replica=Reduction(width_divisor=64, depth_divisor=4),
)


@pytest.fixture(scope="module")
def spec() -> ArchSpec:
    return load_spec(ROOT / "specs" / "lfm2-350m.yaml")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return standard_library()


def test_a_value_for_each_seed(spec: ArchSpec, corpus: Corpus) -> None:
    found = measure(spec, TINY, (1, 2), corpus=corpus)
    assert len(found.bits_per_byte) == len(found.recall) == 2
    assert found.bits_per_byte[0] != found.bits_per_byte[1]
    assert found.kind == "measured"
    assert 2 < found.bits_per_byte_mean < 8
    assert found.bits_per_byte_spread is not None
    assert found.bits_per_byte_spread > 0
    assert found.tokens == 4_096 + 2_048
    facts = found.describe()
    assert facts["data_sha256"] == corpus.sha256
    assert facts["replica_layers"] == [16, 4]
    assert facts["seeds"] == [1, 2]


def test_it_repeats_itself_bit_for_bit(spec: ArchSpec, corpus: Corpus) -> None:
    one = measure(spec, TINY, (1,), corpus=corpus)
    # beside another seed, in another order of threads
    other = measure(spec, TINY, (3, 1), corpus=corpus)
    assert one.bits_per_byte[0] == other.bits_per_byte[1]
    assert one.recall[0] == other.recall[1]
    assert one.bits_per_byte_spread is None


def test_recall_can_be_left_out(spec: ArchSpec, corpus: Corpus) -> None:
    found = measure(spec, TINY.model_copy(update={"recall": None}), (0,), corpus=corpus)
    assert found.recall == ()
    assert found.recall_mean is None
    assert found.tokens == 4_096


def test_it_stops_when_asked(spec: ArchSpec, corpus: Corpus) -> None:
    with pytest.raises(StoppedError):
        measure(spec, TINY, (0,), corpus=corpus, stop=lambda: True)


def test_models_of_one_replica_have_one_identity(spec: ArchSpec) -> None:
    renamed = spec.model_copy(update={"name": "other"})
    assert replica_id(spec, TINY) == replica_id(renamed, TINY)
    assert replica_id(spec, TINY) != replica_id(load_spec(ROOT / "specs" / "lfm2-1.2b.yaml"), TINY)


@pytest.mark.slow
def test_a_short_training_beats_counting_bytes(corpus: Corpus) -> None:
    """Above the unigram entropy a model has learned nothing of what follows what."""
    counts = np.bincount(corpus.validation, minlength=256) / len(corpus.validation)
    unigram = -sum(share * math.log2(share) for share in counts if share)
    settings = QualitySettings(tokens=100_000, recall=None)
    found = measure(load_spec(ROOT / "specs" / "lfm2-1.2b.yaml"), settings, (0,), corpus=corpus)
    assert unigram > 4.4
    assert found.bits_per_byte_mean < unigram - 1


@pytest.mark.slow
def test_recall_tells_attention_from_convolution(corpus: Corpus) -> None:
    """What bits per byte do not show: a stack of short convolutions cannot look anything up."""
    lfm2 = load_spec(ROOT / "specs" / "lfm2-1.2b.yaml")
    convolutions = lfm2.model_copy(update={"layers": (lfm2.layers[0],) * 16, "expect": None})
    settings = QualitySettings(tokens=512, validation_windows=1, recall=RecallTask())
    with_attention = measure(lfm2, settings, (0,), corpus=corpus).recall[0]
    without = measure(convolutions, settings, (0,), corpus=corpus).recall[0]
    assert without < 0.2, "guessing reaches 0.125"
    assert with_attention > without + 0.4
