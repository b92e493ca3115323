from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lfm_arch.core.errors import ReportError, SearchError
from lfm_arch.report.study import render_study, study_page
from lfm_arch.search.record import Value
from lfm_arch.search.summary import Objective
from tests.report.conftest import Study

VOID = {"meta", "br", "input", "link", "line", "rect", "circle", "path", "polyline", "polygon"}


class Outline(HTMLParser):
    """Tags in balance, the text, and every address that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.anchors: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "src" or (tag in ("link", "image", "use") and name == "href"):
                self.fetched.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if tag == "a" and name == "href" and (value or "").startswith("#"):
                self.anchors.append((value or "")[1:])

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.text += data


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    assert not parser.open, f"never closed: {parser.open}"
    return parser


def test_is_one_file_that_fetches_nothing(study: Study) -> None:
    html = study_page(*study)
    assert outline(html).fetched == []
    assert "url(" not in html
    assert "@import" not in html


def test_every_link_has_a_target_and_every_id_is_one(study: Study) -> None:
    page = outline(study_page(*study))
    assert set(page.anchors) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_text_of_records_is_escaped(study: Study) -> None:
    html = study_page(*study)
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_says_what_was_found_against_the_known_architecture(study: Study) -> None:
    # trial 2 is the fastest that is no worse than LFM2's 2.2 bits: 15 ms against 20
    assert "trial-0002 has 25% lower decode latency than lfm2-1.2b" in outline(study_page(*study)).text


def test_noise_larger_than_the_difference_lets_a_faster_one_count_as_equal(study: Study) -> None:
    summary, records = study
    text = outline(study_page(summary.model_copy(update={"noise": 0.3}), records)).text
    assert "trial-0001 has 50% lower decode latency" in text


def test_says_when_nothing_is_better(study: Study) -> None:
    summary, records = study
    text = outline(study_page(summary.model_copy(update={"pareto": (1,), "noise": 0.0}), records)).text
    assert "Nothing beats lfm2-1.2b in decode latency" in text


def test_names_the_binding_rule_when_everything_was_discarded(study: Study) -> None:
    summary, records = study
    nothing = summary.model_copy(update={"pareto": (), "complete": 0, "hypervolume": ()})
    text = outline(study_page(nothing, [record for record in records if record.outcome == "infeasible"])).text
    assert "the rule that did most of it is decode <= 30 ms" in text


def test_a_torn_last_line_is_no_record(written: Callable[..., Path]) -> None:
    target = render_study(written(tail='{"number": 6, "name": "tri'))
    assert target.name == "report.html"
    assert "6 of 6 trials" in target.read_text()


def test_a_directory_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SearchError) as caught:
        render_study(tmp_path)
    assert caught.value.diagnostics[0].code == "E960"


def test_a_page_that_cannot_be_written_is_refused_and_leaves_nothing(
    written: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("full")
    (place / "page.html").mkdir()
    with pytest.raises(ReportError) as caught:
        render_study(written(), output=place / "page.html")
    assert caught.value.diagnostics[0].code == "E962"
    assert [each.name for each in place.iterdir()] == ["page.html"]


def test_a_page_may_go_into_a_new_folder(written: Callable[..., Path], tmp_path: Path) -> None:
    assert render_study(written(), output=tmp_path / "new" / "page.html").is_file()


def test_says_what_was_found_where_more_is_better(study: Study) -> None:
    summary, records = study
    speed = Objective(name="decode", title="decode speed", unit="tokens/s", direction="maximize")
    # LFM2 has 20, so 30 is half as much again
    fast = Value(value=30.0, unit="tokens/s", kind="modelled")
    records[2] = records[2].model_copy(update={"objectives": records[2].objectives | {"decode": fast}})
    summary = summary.model_copy(update={"objectives": (speed, summary.objectives[1]), "pareto": (2,)})
    text = outline(study_page(summary, records)).text
    assert "trial-0002 has 50% higher decode speed than lfm2-1.2b (30 tokens/s against 20 ms)" in text


def test_recall_stands_in_the_table_and_with_every_candidate(study: Study) -> None:
    summary, records = study
    html = study_page(summary, records)
    on_the_page = 3 + 4  # rows of the table, panels of what was trained
    assert outline(html).text.count("0.54") == on_the_page
