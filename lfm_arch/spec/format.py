"""Formatting spec files: one layout for all, comments kept, meaning never changed.

    text = format_text(source)        E1xx when the text cannot be read

Two spaces of indentation, one blank line at most, two spaces before a comment behind a value, `{a: b}` and `[a, b]`
without inner spaces, brackets that are longer than a line laid out as lines, `null`/`true`/`false` spelled so. Numbers,
quotes and the order of keys stay as their author wrote them.
"""

import json
import os
import re
from pathlib import Path

from lfm_arch.core.errors import Diagnostic, Place, SpecError
from lfm_arch.spec.commented import Branch, Commented, Leaf, Position, Tree, read_commented
from lfm_arch.spec.document import read_source
from lfm_arch.spec.problem import Problems
from lfm_arch.spec.reader import Budget, read
from lfm_arch.spec.scalar import resolve
from lfm_arch.spec.tree import Source, lines_of, plain

WIDTH = 120
_END: Position = (10**9, 0)


def format_file(path: str | Path) -> tuple[str, str]:
    """Return the text of a file and its formatted text; nothing is written.

    Raises:
        SpecError: E1xx, the file cannot be read.
    """
    problems = Problems()
    source = read_source(os.fspath(path), problems)
    if source is None:
        problems.raise_errors()
    assert source is not None, "no file and no mistake"
    return source.text, format_text(source)


def format_bytes(data: bytes, name: str) -> tuple[str, str]:
    """As `format_file`, for what was read elsewhere."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(lines_of(data[: error.start].decode("utf-8-sig", "replace")))
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise SpecError(Diagnostic("E115", message, Place(name, line, 1, 2), help="save it as UTF-8")) from error
    return text, format_text(Source(name, text))


def format_text(source: Source) -> str:
    """Return the formatted text.

    Raises:
        SpecError: E1xx, with every mistake that keeps it from being read.
    """
    meaning = _meaning(source)
    before = read_commented(source.text)
    remarks = [_bare(comment.text) for comment in before.comments]
    text = _Emitter(before).whole()
    after = Source(source.name, text)
    # two oracles that know nothing of the layout: what the file means, and what its comments say
    assert _meaning(after) == meaning, f"formatting changed the meaning of {source.name}:\n{text}"
    kept = [_bare(comment.text) for comment in read_commented(text).comments]
    assert kept == remarks, f"formatting changed the comments of {source.name}: {remarks} -> {kept}"
    return text


def _meaning(source: Source) -> str:
    problems = Problems()
    root = read(source, problems, Budget())
    problems.raise_errors()
    assert root is not None, "no tree and no mistake"
    # JSON keeps 1 and 1.0 and true apart, and the order of keys
    return json.dumps(plain(root), ensure_ascii=False)


def _bare(comment: str) -> str:
    return comment.lstrip("#").strip()


class _Emitter:
    def __init__(self, file: Commented) -> None:
        self.file = file
        self.comments = file.comments
        self.out: list[str] = []
        self.fresh = True
        """Whether a block begins here, where no blank line goes."""

    def whole(self) -> str:
        root = self.file.root
        assert isinstance(root, Branch), "the top of a file is a mapping"
        self.block(root, 0, -1)
        self.comments_before(_END, 0)
        return "\n".join(self.out) + "\n"

    # comments and blank lines

    def line(self, text: str, source_line: int | None = None) -> None:
        """Write a line, behind a blank one if the source has one there."""
        if source_line is not None and not self.fresh and self.file.blank_above(source_line):
            self.out.append("")
        self.out.append(text)
        self.fresh = False

    def comments_before(self, at: Position, indent: int) -> None:
        """Write the comments that stand before `at` as lines of their own."""
        while self.comments and self.comments[0].at < at:
            comment = self.comments.popleft()
            self.line(" " * indent + _comment(comment.text), comment.at[0] if comment.own_line else None)

    def comments_inside(self, branch: Branch, indent: int, parent_column: int) -> None:
        """Write the comments behind the last entry of a branch that are indented like the branch."""
        if branch.flow:
            self.comments_before(branch.end, indent)
            return
        column = max(branch.start[1], parent_column + 1)
        following = branch.last + 1
        before = self.file.leaves[following].start if following < len(self.file.leaves) else _END
        while self.comments:
            comment = self.comments[0]
            if not comment.own_line or comment.at[1] < column or comment.at >= before:
                break
            self.comments_before((comment.at[0], comment.at[1] + 1), indent)

    def behind(self, leaf: int, line: int) -> str:
        """Take the comment that stands behind a leaf on its line."""
        if self.comments:
            comment = self.comments[0]
            if comment.leaf == leaf and comment.at[0] == line and not comment.own_line:
                self.comments.popleft()
                return f"  {_comment(comment.text)}"
        return ""

    # trees

    def block(
        self, branch: Branch, indent: int, parent_column: int, first: str = "", first_line: int | None = None
    ) -> None:
        """Write a branch as lines.

        Args:
            branch: what to write.
            indent: columns before it.
            parent_column: where the branch around it stood in the source.
            first: what already stands on the line of its first entry, as `  - `.
            first_line: where that stood in the source.
        """
        for number, (key, value) in enumerate(branch.entries):
            start = key.start if key is not None else value.start
            if first and number == 0:
                written = len(self.out)
                # a comment between a dash and what follows moves above the dash
                self.comments_before(start, len(first) - len(first.lstrip(" ")))
                prefix, source_line = first, first_line if len(self.out) == written else None
            else:
                self.comments_before(start, indent)
                prefix, source_line = " " * indent, start[0] if self.file.opens_line(start) else None
            column = branch.start[1] if not branch.flow else -1
            if key is not None:
                name = self.key(key)
                self.entry(f"{prefix}{name}", key, value, indent, source_line, column)
            else:
                self.item(f"{prefix}- ", value, indent, source_line, column)
        self.comments_inside(branch, indent, parent_column)

    def entry(
        self, prefix: str, key: Leaf, value: Tree, indent: int, source_line: int | None, parent_column: int
    ) -> None:
        inline = self.inline(value, len(prefix) + 1)
        if inline is not None:
            self.value_line(f"{prefix} {inline}".rstrip(), value, indent, source_line)
        elif isinstance(value, Leaf):
            self.block_scalar(prefix, value, indent, source_line)
        else:
            anchor = f" &{value.anchor}" if value.anchor else ""
            self.line(f"{prefix}{anchor}{self.behind(key.number, key.end[0])}", source_line)
            self.fresh = True
            self.block(value, indent + 2, parent_column)

    def item(self, prefix: str, value: Tree, indent: int, source_line: int | None, parent_column: int) -> None:
        inline = self.inline(value, len(prefix))
        if inline is not None:
            self.value_line(f"{prefix}{inline}".rstrip(), value, indent, source_line)
        elif isinstance(value, Leaf):
            self.block_scalar(prefix.rstrip(), value, indent, source_line)
        elif value.anchor:
            self.line(f"{prefix}&{value.anchor}", source_line)
            self.fresh = True
            self.block(value, indent + 2, parent_column)
        else:
            self.block(value, indent + 2, parent_column, prefix, source_line)

    def value_line(self, text: str, value: Tree, indent: int, source_line: int | None) -> None:
        """Write a line that ends in a whole value; comments before its end go above."""
        end = value.end
        self.comments_before(end, indent)
        number = value.number if isinstance(value, Leaf) else value.last
        self.line(f"{text}{self.behind(number, end[0])}", source_line)

    def block_scalar(self, prefix: str, leaf: Leaf, indent: int, source_line: int | None) -> None:
        anchor = f"&{leaf.anchor} " if leaf.anchor else ""
        self.comments_before(leaf.end, indent)
        self.line(f"{prefix} {anchor}{leaf.header}{self.behind(leaf.number, leaf.end[0])}", source_line)
        for each in leaf.body:
            self.out.append(f"{' ' * (indent + 2)}{each}" if each else "")
        if leaf.header.endswith("+"):
            # a blank line behind it would be one more line of the text
            self.fresh = True

    def key(self, key: Leaf) -> str:
        text = self.scalar(key)
        return f"{text} :" if key.style == "*" else f"{text}:"

    def inline(self, tree: Tree, column: int) -> str | None:
        """Return a value on one line, or None when it takes several."""
        if isinstance(tree, Leaf):
            return None if tree.style in "|>" else self.scalar(tree)
        if not tree.flow or self.has_comment(tree):
            return None
        anchor = f"&{tree.anchor} " if tree.anchor else ""
        parts: list[str] = []
        for key, value in tree.entries:
            text = self.inline(value, 0)
            if text is None:
                return None
            parts.append(text if key is None else f"{self.key(key)} {text}")
        text = f"{anchor}{{{', '.join(parts)}}}" if tree.is_map else f"{anchor}[{', '.join(parts)}]"
        return text if column + len(text) <= WIDTH else None

    def has_comment(self, branch: Branch) -> bool:
        return any(branch.start < comment.at < branch.end for comment in self.comments)

    def scalar(self, leaf: Leaf) -> str:
        anchor = f"&{leaf.anchor} " if leaf.anchor else ""
        if leaf.style == "*":
            return f"*{leaf.value}"
        if leaf.style == "[]":
            return f"{anchor}{leaf.value}"
        if leaf.style == "plain":
            return f"{anchor}{_plain(leaf.value)}"
        return f"{anchor}{_quoted(leaf.value, leaf.style)}"


_SPELLED = {None: "null", True: "true", False: "false"}


def _plain(text: str) -> str:
    value = resolve(text)
    if value is None or isinstance(value, bool):
        return _SPELLED[value]
    # text with a break in it was folded over several lines with a blank one between
    return _quoted(text, '"') if "\n" in text else text


def _quoted(text: str, style: str) -> str:
    if (
        style == "'"
        and not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]", text)
        and ('"' in text or "\\" in text)
    ):
        return "'" + text.replace("'", "''") + "'"
    escaped = json.dumps(text, ensure_ascii=False)
    return re.sub(r"[\x7f-\x9f\u2028\u2029\ufeff]", lambda found: f"\\u{ord(found[0]):04x}", escaped)


def _comment(text: str) -> str:
    """Put a space behind `#`, but leave `#!`, `##` and empty comments alone."""
    return f"# {text[1:]}" if re.match(r"#[^\s#!]", text) else text
