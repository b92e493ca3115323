"""Study files: what they may say, and what is said about those that are wrong."""

from pathlib import Path

import pytest

from lfm_arch.core.errors import LfmArchError, QualityError, SearchError, SpecError
from lfm_arch.search.study import Study, open_study
from tests.search.lab import Lab

ROOT = Path(__file__).parents[2]


def test_the_default_study_opens_and_has_lfm2_inside() -> None:
    setup = open_study(ROOT / "search" / "default.yaml")
    assert setup.title == "lfm-edge"
    assert [profile.name for profile in setup.profiles] == ["cerebras-cs3"]
    (name, spec), (other, _) = setup.known_good
    assert (name, other) == ("lfm2-1.2b", "lfm2-700m")
    assert setup.space.default().spec.layers == spec.layers


def test_other_hardware_has_a_directory_of_its_own() -> None:
    path = ROOT / "search" / "default.yaml"
    assert open_study(path, hardware=["cerebras"]).title == "lfm-edge"
    assert open_study(path, hardware=["apple"]).title == "lfm-edge-apple-m4"
    assert open_study(path, hardware=["apple", "qualcomm"]).title == "lfm-edge-apple-m4+snapdragon-8-elite"


def test_arguments_replace_what_the_file_says(lab: Lab) -> None:
    setup = lab.setup(trials=3, seed=7, time_limit_s=60.0, sets=["budgets.params=1 G"])
    study = setup.study
    assert (study.trials, study.seed, study.time_limit_s) == (3, 7, 60.0)
    assert study.budgets.params == 1_000_000_000


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("objectives: {decode_steps: minimize}", r"E955.*unknown metric 'decode_steps'.*did you mean 'decode_step_s'"),
        ("objectives: {recall: minimize}", "E955.*recall is to be maximized, not minimized"),
        ("objectives: {recall: maximize}\nquality: null", "E955.*recall is measured by training"),
        ("objectives: {params: minimize}\nquality: null\nfloors: {recall: 0.5}", "E955.*does not measure"),
        ("objectives: {}", "objectives"),
        ("budgets: {params: 3 GB}", "E316"),
        ("budgets: {weight: 3 GB}", "weight"),
        ("trials: 0", "trials"),
        ("hardware: cerebrus", "E701.*did you mean cerebras"),
        ("space: missing.yaml", "E101.*missing.yaml"),
        ("scenario: {weights: q17}", "E709"),
    ],
)
def test_what_is_wrong_is_said(lab: Lab, more: str, says: str) -> None:
    lab.write(more)
    with pytest.raises(LfmArchError, match=says):
        lab.setup()


def test_a_mistake_has_its_place(lab: Lab) -> None:
    lab.write("objectives: {decode_step_s: maximize}")
    with pytest.raises(SpecError) as caught:
        lab.setup()
    (found,) = caught.value.diagnostics
    assert found.place is not None
    assert found.place.file == str(lab.study)
    assert "decode_step_s" in found.place.excerpt


def test_a_model_is_no_space(lab: Lab) -> None:
    lab.write("space: known.yaml")
    with pytest.raises(SearchError, match="E956"):
        lab.setup()


def test_data_are_named_by_the_study_or_the_command(lab: Lab) -> None:
    text = lab.folder / "words.txt"
    text.write_text("the quick brown fox " * 10_000)
    lab.write("data: words.txt")
    by_study = lab.setup()
    lab.write("")
    by_command = lab.setup(data=text)
    assert by_study.corpus is not None
    assert by_command.corpus is not None
    assert by_study.corpus.sha256 == by_command.corpus.sha256
    assert by_study.id == by_command.id != lab.setup().id
    with pytest.raises(QualityError, match="E901"):
        lab.setup(data=lab.folder / "nothing")


def test_names_of_one_device_are_one_device(lab: Lab) -> None:
    lab.write("hardware: [apple, apple-m4]")
    assert lab.setup().objectives == ("decode_step_s", "bits_per_byte")


def test_a_study_is_a_document_of_its_own_fields() -> None:
    undocumented = {"name", "doc", "lfm_arch", "kind", "scenario", "budgets", "floors", "sampler", "seed"}
    for name, field in Study.model_fields.items():
        assert field.description or name in undocumented, name
