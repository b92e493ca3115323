"""A whole study with a computed quality: what is evaluated, what is not, and what is remembered."""

import time
from collections.abc import Sequence

import pytest

from lfm_arch.core.errors import LfmArchError, SearchError
from lfm_arch.graph.compile import check_expect, compile_graph
from lfm_arch.graph.identity import architecture_id
from lfm_arch.search.quality import Measured, Stop
from lfm_arch.search.record import Record
from lfm_arch.spec.arch import ArchSpec
from lfm_arch.spec.model import load_spec
from lfm_arch.spec.space import load_space
from tests.search.lab import Analytic, Lab, Silent, story


def by_outcome(records: tuple[Record, ...], outcome: str) -> list[Record]:
    return [record for record in records if record.outcome == outcome]


def test_it_trains_as_many_as_asked_for(lab: Lab) -> None:
    quality = Analytic()
    session = lab.run(quality)
    assert session.ending == "done"
    assert len(by_outcome(session.records, "complete")) == 12 == len(quality.measured)
    assert [record.number for record in session.records] == list(range(len(session.records)))


def test_budgets_and_constraints_discard_before_training(lab: Lab) -> None:
    quality = Analytic()
    session = lab.run(quality)
    discarded = by_outcome(session.records, "infeasible")
    assert {each.check for record in discarded for each in record.violations} == {"params <= 6e+07", "layers != 6"}
    assert not {record.name for record in discarded} & set(quality.measured)
    over = next(each for record in discarded for each in record.violations if each.check.startswith("params"))
    assert over.limit == 60e6
    assert over.value is not None
    assert over.value > 60e6
    assert all("bits_per_byte" not in record.objectives for record in discarded)
    counted = {each.check: (each.violated, each.alone) for each in session.summary.constraints}
    assert counted["layers != 6"][0] == sum(any(v.check == "layers != 6" for v in r.violations) for r in discarded)


def test_equal_architectures_are_trained_once(lab: Lab) -> None:
    session = lab.run(setup=lab.setup(trials=20))
    complete = [record.architecture_id for record in by_outcome(session.records, "complete")]
    assert len(complete) == len(set(complete))
    duplicates = by_outcome(session.records, "duplicate")
    assert duplicates, "this space is small enough to meet twice"
    for record in duplicates:
        assert record.duplicate_of is not None
        original = session.records[record.duplicate_of]
        assert original.architecture_id == record.architecture_id
        assert original.number < record.number


def test_a_failing_candidate_is_a_record(lab: Lab) -> None:
    def broken(spec: ArchSpec) -> bool:
        return len(spec.layers) in (10, 12)

    session = lab.run(Analytic(broken=broken), setup=lab.setup(trials=6))
    failed = by_outcome(session.records, "failed")
    assert failed
    assert {record.error for record in failed} == {"E921 the loss is nan"}
    assert all(record.spec and record.genome for record in failed)
    assert session.summary.failed == len(failed)


def test_a_surprise_is_a_record_too(lab: Lab) -> None:
    class Surprising(Analytic):
        def measure(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            found = super().measure(*args, **kwargs)  # type: ignore[arg-type]
            if len(self.measured) == 2:
                raise RuntimeError("a kernel is missing")
            return found

    session = lab.run(Surprising(), setup=lab.setup(trials=4))
    (failed,) = by_outcome(session.records, "failed")
    assert failed.error == "E959 RuntimeError: a kernel is missing"
    assert "lab.py" not in failed.error
    assert "test_run.py" in failed.notes[0], "where it was raised is kept"
    assert session.ending == "done"


def test_an_impossible_draw_is_a_record(lab: Lab) -> None:
    space = lab.folder / "space.yaml"
    # a width of 768 has 12 heads, which 8 key/value heads do not divide: the operator refuses
    space.write_text(space.read_text().replace("[256, 512, 1024]", "[512, 768]").replace("heads: 4", "heads: 8"))
    session = lab.run(setup=lab.setup(trials=4))
    failed = by_outcome(session.records, "failed")
    assert failed
    assert all(record.error.startswith("E230") for record in failed)


def test_known_good_specs_come_first_and_tell_the_noise(lab: Lab) -> None:
    lab.write("known_good: [known.yaml]\nknown_good_seeds: 4")
    watcher = Silent()
    session = lab.run(watcher=watcher, setup=lab.setup(trials=5))
    first = session.records[0]
    assert (first.name, first.known_good, first.genome) == ("known", True, {})
    assert len(first.quality["bits_per_byte"]) == 4
    assert watcher.started[0] == "known"
    assert session.summary.noise is not None
    later = by_outcome(session.records, "complete")[1].objectives["bits_per_byte"]
    assert later.low is not None
    assert later.high is not None
    assert later.high - later.low == pytest.approx(2**0.5 * session.summary.noise, rel=1e-6)


def test_a_known_good_spec_inside_the_space_teaches_the_sampler(lab: Lab) -> None:
    default = lab.setup().space.default()
    (lab.folder / "known.yaml").write_text(default.text.replace("name: small", "name: inside"))
    lab.write("known_good: [known.yaml]")
    session = lab.run(setup=lab.setup(trials=3))
    assert session.records[0].genome == default.genome


def test_a_known_good_spec_over_budget_is_compared_all_the_same(lab: Lab) -> None:
    lab.write("known_good: [known.yaml]\nbudgets: {params: 5 M}")
    session = lab.run(setup=lab.setup(trials=2))
    first = session.records[0]
    assert first.outcome == "infeasible"
    assert "bits_per_byte" in first.objectives
    assert first.number not in session.summary.pareto
    assert first.is_evaluated


def test_a_floor_discards_after_training(lab: Lab) -> None:
    lab.write("floors: {recall: 0.95}")
    session = lab.run(setup=lab.setup(trials=3))
    assert session.summary.complete == 0
    trained = [record for record in session.records if record.is_evaluated]
    assert len(trained) == 3
    assert {each.check for record in trained for each in record.violations} == {"recall >= 0.95"}
    assert session.summary.budgets["recall"] == "at least 0.95"


def test_a_missed_floor_is_tried_once_more(lab: Lab) -> None:
    lab.write("floors: {recall: 0.5}")

    class Lucky(Analytic):
        """Learns recall with every seed but the first."""

        def measure(self, spec: ArchSpec, seeds: Sequence[int], stop: Stop) -> Measured:
            found = super().measure(spec, seeds, stop)
            first = self.measured.count(spec.name) == 1
            return Measured({**found.values, "recall": [0.2 if first else 1.0 for _ in seeds]}, found.facts)

    quality = Lucky()
    session = lab.run(quality, setup=lab.setup(trials=3))
    trained = by_outcome(session.records, "complete")
    assert len(trained) == 3
    assert len(quality.measured) == 6
    for record in trained:
        assert record.counts["recall"].value == pytest.approx(0.6)
        one, other = record.quality["bits_per_byte"]
        assert record.objectives["bits_per_byte"].value == pytest.approx((one + other) / 2)
        assert len(set(record.quality["seeds"])) == 2
        assert any("one more seed" in note for note in record.notes)


def test_pareto_files_build_what_was_measured(lab: Lab) -> None:
    session = lab.run()
    assert len(session.files) == len(session.summary.pareto) > 1
    for path, number in zip(session.files, session.summary.pareto, strict=True):
        assert load_space(path).warnings == (), "nothing of the space is left over"
        spec = load_spec(path)
        graph = compile_graph(spec)
        check_expect(graph, spec)
        assert architecture_id(graph) == session.records[number].architecture_id
        assert spec.expect is not None
        assert spec.expect.params == session.records[number].counts["params"].value


def test_files_that_left_the_front_are_removed(lab: Lab) -> None:
    lab.run(setup=lab.setup(trials=2))
    session = lab.run(setup=lab.setup(trials=12))
    assert sorted((lab.output / "pareto").glob("*.yaml")) == sorted(session.files)


def test_a_study_of_costs_alone_trains_nothing(lab: Lab) -> None:
    lab.write("quality: null\nobjectives: {decode_step_s: minimize, params: minimize}\ntrials: 5")

    class Never(Analytic):
        def measure(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            raise AssertionError("nothing is trained")

    session = lab.run(setup=lab.setup())
    assert session.ending == "done"
    assert "Nothing was trained" in session.summary.quality
    assert session.summary.noise is None


def test_a_space_that_is_used_up_ends(lab: Lab) -> None:
    space = lab.folder / "space.yaml"
    text = space.read_text().replace("{$int: {low: 4, high: 12, step: 2}, prior: 8}", "4")
    text = text.replace("{$choice: [256, 512, 1024], prior: 512}", "512")
    space.write_text(text)
    session = lab.run(setup=lab.setup(trials=500))
    assert session.ending == "exhausted"
    # two of four layers attend, not side by side, in three kernel sizes
    assert session.summary.complete == 3 * 3


def test_equal_replicas_are_trained_once(lab: Lab) -> None:
    class Coarse(Analytic):
        def identity(self, spec: ArchSpec) -> str:
            return str(len(spec.layers))

    quality = Coarse()
    session = lab.run(quality, setup=lab.setup(trials=12))
    assert len(quality.measured) == len(
        {record.layout.count("") - 1 for record in by_outcome(session.records, "complete")}
    )
    reused = [record for record in session.records if "reused_from" in record.quality]
    assert reused
    for record in reused:
        original = session.records[record.quality["reused_from"]]
        assert original.objectives["bits_per_byte"].value == record.objectives["bits_per_byte"].value
        assert any(original.name in note for note in record.notes)


def test_going_on_is_as_if_it_had_never_stopped(lab: Lab) -> None:
    lab.write("known_good: [known.yaml]")
    whole = lab.run()
    lab.output = lab.folder / "parts"
    for trials in (1, 4, 5, 12):
        session = lab.run(setup=lab.setup(trials=trials))
        assert session.ending == "done"
    assert story(session.records) == story(whole.records)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_every_sampler_goes_on_where_it_stopped(lab: Lab, sampler: str) -> None:
    lab.write(f"sampler: {sampler}\nbudgets: {{}}")
    whole = lab.run(setup=lab.setup(trials=24))
    lab.output = lab.folder / "parts"
    lab.run(setup=lab.setup(trials=18))
    session = lab.run(setup=lab.setup(trials=24))
    assert story(session.records) == story(whole.records)
    assert sampler in session.summary.sampler


def test_another_seed_is_another_search(lab: Lab) -> None:
    one = lab.run(setup=lab.setup(trials=4))
    lab.output = lab.folder / "other"
    other = lab.run(setup=lab.setup(trials=4, seed=1))
    assert story(one.records) != story(other.records)


def test_a_stopped_trial_is_repeated(lab: Lab) -> None:
    whole = lab.run()
    lab.output = lab.folder / "parts"
    session = lab.run(Analytic(after=5))
    assert session.ending == "stopped"
    assert session.summary.complete == 5
    session = lab.run()
    assert session.ending == "done"
    assert story(session.records) == story(whole.records)


def test_it_ends_in_time(lab: Lab) -> None:
    session = lab.run(deadline=time.monotonic() - 1)
    assert session.ending == "time"
    assert session.summary.complete == 0
    assert lab.run().ending == "done"


def test_several_devices_are_several_objectives(lab: Lab) -> None:
    lab.write("hardware: [apple, qualcomm]\nbudgets: {ttft_s: 2 s}\ntrials: 3")
    session = lab.run()
    assert [each.name for each in session.summary.objectives] == [
        "decode_step_s@apple-m4",
        "decode_step_s@snapdragon-8-elite",
        "bits_per_byte",
    ]
    assert set(session.summary.budgets) == {"ttft_s@apple-m4", "ttft_s@snapdragon-8-elite"}
    assert len(by_outcome(session.records, "complete")[0].objectives) == 3


def test_what_nobody_knows_is_not_searched_for(lab: Lab) -> None:
    lab.write("hardware: cerebras\nobjectives: {energy_per_token_j: minimize, bits_per_byte: minimize}")
    with pytest.raises(SearchError, match=r"E957.*energy of a token is unknown on cerebras-cs3"):
        lab.run()


def test_operators_that_nobody_has_seen_run_are_marked(lab: Lab) -> None:
    session = lab.run(setup=lab.setup(hardware=["cerebras"], trials=3))
    assert "short_conv" in session.summary.unproven
    noted = by_outcome(session.records, "complete")[0].notes
    assert any(note.startswith("short_conv: support unknown on cerebras-cs3") for note in noted)


def test_another_study_is_refused(lab: Lab) -> None:
    lab.run(setup=lab.setup(trials=2))
    with pytest.raises(SearchError, match=r"E952.*seed 0, not 1"):
        lab.run(setup=lab.setup(seed=1))
    lab.write("budgets: {params: 50 M}")
    with pytest.raises(SearchError, match=r"E952.*the study file has changed"):
        lab.run()
    session = lab.run(fresh=True, setup=lab.setup(trials=2))
    assert session.aside == lab.folder / "out.old-1"
    assert (lab.folder / "out.old-1" / "records.jsonl").exists()


def test_records_without_their_study_are_refused(lab: Lab) -> None:
    lab.run(setup=lab.setup(trials=1))
    (lab.output / "study.json").unlink()
    with pytest.raises(SearchError, match="E954"):
        lab.run()
    (lab.output / "study.json").write_text("{}")
    with pytest.raises(SearchError, match="E954"):
        lab.run()


def test_more_trials_are_the_same_study(lab: Lab) -> None:
    assert lab.setup().id == lab.setup(trials=99, time_limit_s=5.0).id
    assert lab.setup().id != lab.setup(seed=1).id
    assert lab.setup().id != lab.setup(hardware=["cerebras"]).id
    before = lab.setup().id
    space = lab.folder / "space.yaml"
    space.write_text(space.read_text() + "# a remark\n")
    assert lab.setup().id == before
    space.write_text(space.read_text().replace("[3, 5, 7]", "[3, 5]"))
    assert lab.setup().id != before


def test_an_objective_that_is_not_measured_ends_the_study(lab: Lab) -> None:
    lab.write("objectives: {decode_step_s: minimize, recall: maximize}")

    class Forgetful(Analytic):
        def measure(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            found = super().measure(*args, **kwargs)  # type: ignore[arg-type]
            return type(found)({"bits_per_byte": found.values["bits_per_byte"]})

    with pytest.raises(LfmArchError, match="E958"):
        lab.run(Forgetful())
