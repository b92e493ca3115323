"""The table of published measurements is whole, and the measured models are the real ones."""

import pytest

from lfm_arch.graph.count import totals
from lfm_arch.hardware.formats import WEIGHT_FORMATS
from lfm_arch.hardware.profile import load_profile
from lfm_arch.hardware.reference import models, reference_graph, runs, source_urls


@pytest.mark.parametrize("name", models())
def test_models_have_their_published_parameters(name: str) -> None:
    model = models()[name]
    assert totals(reference_graph(name)).params + model.left_out == model.params


def test_rows_name_what_exists() -> None:
    for run in runs():
        load_profile(run.device).use(f"{run.runtime}@{run.unit}")
        assert run.model in models(), run.id
        assert run.weights in WEIGHT_FORMATS, run.id
        assert source_urls()[run.source].startswith("https://"), run.id
        assert run.date[:2] == "20", run.id


def test_rows_measure_something() -> None:
    for run in runs():
        assert run.decode_tokens_per_s or (run.prefill_tokens_per_s and run.prompt), run.id
        for rate in (run.decode_tokens_per_s, run.prefill_tokens_per_s):
            assert rate is None or 0.01 < rate < 1e6, run.id


def test_row_ids_are_unique() -> None:
    ids = [run.id for run in runs()]
    assert len(set(ids)) == len(ids)


def test_every_source_is_used() -> None:
    assert {run.source for run in runs()} == set(source_urls())
