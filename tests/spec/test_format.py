"""The formatter: one layout, comments kept, meaning kept, and a second run changes nothing."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lfm_arch.core.errors import SpecError
from lfm_arch.spec.format import WIDTH, format_file, format_text
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.reader import Budget, read
from lfm_arch.spec.tree import Source

ROOT = Path(__file__).parents[2]
SPECS = sorted(ROOT.glob("specs/*.yaml"))
SHIPPED = [
    *SPECS,
    *sorted(ROOT.glob("specs/*/*.yaml")),
    *sorted(ROOT.glob("search/*.yaml")),
    *sorted((ROOT / "lfm_arch").rglob("*.yaml")),
]


def formatted(text: str) -> str:
    return format_text(Source("test.yaml", text))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a:   1\n", "a: 1\n"),
        ("a: {b : 1,c:   [1,2 , 3]}\n", "a: {b: 1, c: [1, 2, 3]}\n"),
        ("a:\n    b: 1\n    c:\n        d: 2\n", "a:\n  b: 1\n  c:\n    d: 2\n"),
        ("a:\n- 1\n- b: 2\n  c: 3\n", "a:\n  - 1\n  - b: 2\n    c: 3\n"),
        ("a: 1\n\n\n\nb: 2\n\n\n", "a: 1\n\nb: 2\n"),
        ("\n\na: 1", "a: 1\n"),
        ("a: 1  \r\nb: 2\r\n", "a: 1\nb: 2\n"),
        ("---\na: 1\n...\n", "a: 1\n"),
        ("{a: 1, b: {c: 2}}\n", "a: 1\nb: {c: 2}\n"),
        ("a: 1 # x\n", "a: 1  # x\n"),
        ("a: 1 #x\n#y\nb: 2\n#!z\n##\n#\n", "a: 1  # x\n# y\nb: 2\n#!z\n##\n#\n"),
        ("a: # about a\n  b: 1 # about b\n", "a:  # about a\n  b: 1  # about b\n"),
        ("a:\n  b: 1\n  # still a\n# about c\nc: 2\n", "a:\n  b: 1\n  # still a\n# about c\nc: 2\n"),
        ("a:\n- 1\n# about c\nc: 2\n", "a:\n  - 1\n# about c\nc: 2\n"),
        ("a:\n\n  b: 1\n\n  c: 2\n", "a:\n  b: 1\n\n  c: 2\n"),
        ("a: [ # first\n  1, # one\n  2 ]\n", "a:  # first\n  - 1  # one\n  - 2\n"),
        ("a: {b: 1, # one\n  c: 2}\n# end\n", "a:\n  b: 1  # one\n  c: 2\n# end\n"),
        ("a: [\n 1,\n 2\n] # two\n", "a: [1, 2]  # two\n"),
        ("a: []\nb: {}\nc: ~\nd:\ne: Null\nf: True\n", "a: []\nb: {}\nc: null\nd: null\ne: null\nf: true\n"),
        ("a: 1_000\nb: 1.0e+6\nc: 0o17\n", "a: 1_000\nb: 1.0e+6\nc: 0o17\n"),
        ("a: 'x'\nb: \"y\"\nc: 'say \"x\"'\nd: 'it''s'\n", 'a: "x"\nb: "y"\nc: \'say "x"\'\nd: "it\'s"\n'),
        ("a: |\n      two\n        more\n\n      lines\nb: 1\n", "a: |\n  two\n    more\n\n  lines\nb: 1\n"),
        ("a: >- # why\n    folded\n    text\n", "a: >-  # why\n  folded\n  text\n"),
        ("a: |+\n  x\n\nb: 1\n", "a: |+\n  x\n\nb: 1\n"),
        ("a: |2\n    x\n   y\n", "a: |2\n    x\n   y\n"),
        ("a:\n  - |\n    x # no comment\n  - y\n", "a:\n  - |\n    x # no comment\n  - y\n"),
        ("a: one\n  two\n", "a: one two\n"),
        ("a: &x {b: 1}\nc: *x\n", "a: &x {b: 1}\nc: *x\n"),
        ("a: &x\n    b: 1\nc: [*x, *x]\n", "a: &x\n  b: 1\nc: [*x, *x]\n"),
        ("a:\n  -   - 1\n      - 2\n  - - 3\n", "a:\n  - - 1\n    - 2\n  - - 3\n"),
        ("a:\n  - # why\n    b: 1\n", "a:\n  # why\n  - b: 1\n"),
        ('a: {"x#y": 1, b: "#"} # c\n', 'a: {"x#y": 1, b: "#"}  # c\n'),
        ("a: b#c\n", "a: b#c\n"),
        ("a: {b}\n", "a: {b: null}\n"),
        ("a: [b: 1]\n", "a: [{b: 1}]\n"),
        ("? a\n: 1\n", "a: 1\n"),
    ],
)
def test_lays_out(text: str, wanted: str) -> None:
    assert formatted(text) == wanted
    assert formatted(wanted) == wanted


def test_breaks_brackets_that_are_longer_than_a_line() -> None:
    values = ", ".join(f"name_{number}: {number}" for number in range(20))
    text = formatted(f"top: {{inner: {{{values}}}, short: [1, 2]}}\n")
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.startswith("top:\n  inner:\n    name_0: 0\n")
    assert text.endswith("  short: [1, 2]\n")


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "a: [\n", "", "- 1\n", "a: !x 1\n", "a: *b\n"])
def test_refuses_what_cannot_be_read(text: str) -> None:
    with pytest.raises(SpecError) as raised:
        formatted(text)
    assert all(each.code.startswith("E1") and each.place for each in raised.value.diagnostics)


def test_shipped_files_are_formatted() -> None:
    ugly = [path.name for path in SHIPPED if len(set(format_file(path))) > 1]
    assert not ugly, "run `lfm-arch fmt` on them"


# random layouts of random trees

WORDS = st.sampled_from(
    [
        "x",
        "conv",
        "1",
        "1.5",
        "null",
        "~",
        "true",
        "'it''s'",
        '"a: b"',
        '"# no"',
        "a#b",
        "'{'",
        "2..",
        "-1",
        '"\\n"',
        "0..1",
    ]
)
COMMENTS = st.sampled_from(["", "", "", " # c", "   #d", " #", "  # 'e' {"])
GAPS = st.sampled_from(["", "", "", "\n", "\n\n", "# own\n", "\n# own\n", "      # far\n", "#!x\n"])


@st.composite
def flow(draw: st.DrawFn, depth: int = 0) -> str:
    kind = draw(st.sampled_from(["word", "word", "map", "list"] if depth < 3 else ["word"]))
    if kind == "word":
        return draw(WORDS)
    space = draw(st.sampled_from(["", " ", "  "]))
    parts = [draw(flow(depth + 1)) for _ in range(draw(st.integers(0, 4)))]
    if kind == "map":
        parts = [f"k{number}: {part}" for number, part in enumerate(parts)]
    left, right = "{}" if kind == "map" else "[]"
    comma = f",{space or ' '}"
    return f"{left}{space}{comma.join(parts)}{space}{right}"


@st.composite
def block(draw: st.DrawFn, indent: int = 0, depth: int = 0, *, is_map: bool = True) -> str:
    lead = " " * indent
    out = ""
    for number in range(draw(st.integers(1, 4))):
        out += draw(GAPS)
        head = f"{lead}k{number}:" if is_map else f"{lead}-"
        shape = draw(st.sampled_from(["flow", "flow", "map", "list", "text", "lines"] if depth < 3 else ["flow"]))
        step = draw(st.integers(1, 4))
        if shape == "flow":
            out += f"{head} {draw(flow())}{draw(COMMENTS)}\n"
        elif shape == "map":
            out += f"{head}{draw(COMMENTS)}\n{draw(block(indent + step, depth + 1, is_map=True))}"
        elif shape == "list":
            below = indent + step if not is_map or draw(st.booleans()) else indent
            out += f"{head}{draw(COMMENTS)}\n{draw(block(below, depth + 1, is_map=False))}"
        elif shape == "text":
            header = draw(st.sampled_from(["|", ">", "|-", ">-", "|+", ">+"]))
            inner = " " * (indent + step)
            body = draw(st.lists(st.sampled_from(["x", "# no comment", "", "  more", "a: b", "y  "]), max_size=4))
            body = ["first", *body]
            out += f"{head} {header}{draw(COMMENTS)}\n" + "".join(f"{inner}{each}\n" if each else "\n" for each in body)
        else:
            out += f"{head} one{' ' * step}\n{' ' * (indent + step)}two\n"
    return out


@given(block())
@example("k0: |+\n first\n\n\n# own\nk1: x\n")
@settings(max_examples=300, deadline=None)
def test_keeps_meaning_and_comments_and_settles(text: str) -> None:
    problems = Problems()
    assert read(Source("test.yaml", text), problems, Budget()) is not None, (text, problems.errors)
    # format_text itself compares meaning and comments before and after, and fails when they differ
    once = formatted(text)
    assert formatted(once) == once
    for line in once.splitlines():
        assert "\t" not in line


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_survives_edits_of_shipped_specs(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SPECS)).read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(["\n", " ", "# x\n", " # y\n", "\n\n", ",", "  "])) + text[at:]
    try:
        once = formatted(text)
    except SpecError:
        return
    assert formatted(once) == once
