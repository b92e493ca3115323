"""HTML as values: escaped text, elements, tables.

Everything a record holds is text from outside and is escaped here.
"""

from collections.abc import Iterable, Sequence
from html import escape


class Markup(str):
    """Text that is HTML already; any other string is escaped where it is used."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Return `value` as HTML, escaped unless it is markup."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """Make `<tag ...>children</tag>`; `class_` is `class`, underscores become hyphens, None and False are left out."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    return Markup(f"<{tag}{written}>{join(children)}</{tag}>")


def join(children: Iterable[object]) -> Markup:
    """Concatenate, escaping what is not markup; None is nothing."""
    return Markup("".join(text(child) for child in children if child is not None))


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[int] = (), row_ids: Sequence[str] = ()
) -> Markup:
    """Make a table that scrolls on its own when it is wider than the page.

    Args:
        head: column titles.
        rows: cells; plain values are escaped.
        numbers: columns set to the right.
        row_ids: for each row, the candidate panel that it belongs to.
    """

    def cells(tag: str, row: Sequence[object]) -> Markup:
        return join(
            element(tag, cell, class_="number" if column in numbers else None) for column, cell in enumerate(row)
        )

    body = join(
        element("tr", cells("td", row), data_candidate=row_ids[number] if row_ids else None)
        for number, row in enumerate(rows)
    )
    return element(
        "div",
        element("table", element("thead", element("tr", cells("th", head))), element("tbody", body)),
        class_="scroll",
    )


def card(title: str, *children: object, anchor: str | None = None) -> Markup:
    """Make one section of the page."""
    return element("section", element("h2", title), *children, class_="card", id=anchor)


def tiles(entries: Iterable[tuple[str, str, str]]) -> Markup:
    """Make headline figures: (figure, what it is, remark)."""
    return element(
        "div",
        *(
            element(
                "div",
                element("b", figure),
                element("span", what),
                element("em", remark) if remark else None,
                class_="tile",
            )
            for figure, what, remark in entries
        ),
        class_="tiles",
    )


def legend(entries: Iterable[tuple[str, str, str]]) -> Markup:
    """Make a legend: (CSS colour, shape class, words)."""
    return element(
        "ul",
        *(
            element("li", element("i", class_=shape, style=f"color: var(--{colour})"), words)
            for colour, shape, words in entries
        ),
        class_="legend",
    )


def page(title: str, *sections: object, style: str, script: str) -> str:
    """Make the whole document: one file, nothing fetched."""
    head = join(
        [
            Markup('<meta charset="utf-8">'),
            Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            # a browser that honours it will not even try the network
            Markup(
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
                "script-src 'unsafe-inline'; img-src data:\">"
            ),
            element("title", title),
            element("style", Markup(style)),
        ]
    )
    body = join([*sections, element("div", id="tip", role="tooltip"), element("script", Markup(script))])
    return f'<!doctype html>\n<html lang="en" class="no-js"><head>{head}</head><body>{body}</body></html>\n'
