"""The page in a real browser without a network: it must work, and look right enough to be used."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lfm_arch.report.study import render_study

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and os.environ.get("LFM_ARCH_BROWSER") != "required", reason="no Chromium on the PATH"
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def opened(browser: Any, written: Callable[..., Path]) -> Iterator[Callable[..., Any]]:
    """Open the report; afterwards nothing may have been logged as an error and nothing fetched."""
    report = render_study(written())
    trouble: list[str] = []
    contexts = []

    def open_page(**options: Any) -> Any:
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: trouble.append(request.url) if request.url[:4] == "http" else None)
        page.goto(report.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert trouble == []


def visible(page: Any) -> list[str]:
    return [panel.get_attribute("id") for panel in page.query_selector_all(".candidate") if panel.is_visible()]


def test_first_candidate_of_the_front_is_open(opened: Callable[..., Any]) -> None:
    assert visible(opened()) == ["trial-1"]


def test_a_click_on_a_mark_opens_its_candidate(opened: Callable[..., Any]) -> None:
    page = opened()
    page.click('svg a[href="#trial-0"] .dot')
    assert visible(page) == ["trial-0"]
    page.click('td a[href="#trial-2"]')
    assert visible(page) == ["trial-2"]


def test_the_keyboard_opens_a_candidate_too(opened: Callable[..., Any]) -> None:
    page = opened()
    page.focus('svg a[href="#trial-3"]')
    page.keyboard.press("Enter")
    assert visible(page) == ["trial-3"]


def test_hover_tells_name_and_numbers(opened: Callable[..., Any]) -> None:
    page = opened()
    page.hover('svg a[href="#trial-2"] .dot')
    tip = page.inner_text("#tip")
    assert "trial-0002" in tip
    assert "15 ms" in tip


def test_without_script_every_candidate_can_be_read(opened: Callable[..., Any]) -> None:
    assert visible(opened(java_script_enabled=False)) == ["trial-0", "trial-1", "trial-2", "trial-3"]


@pytest.mark.parametrize("width", [360, 768, 1280], ids="{}px".format)
def test_nothing_is_wider_than_the_window(opened: Callable[..., Any], width: int) -> None:
    page = opened(viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(opened: Callable[..., Any], scheme: str) -> None:
    page = opened(color_scheme=scheme)
    contrast = page.evaluate(
        """() => {
          const light = (colour) => {
            const [r, g, b] = colour.match(/[\\d.]+/g).map((c) => c / 255)
              .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const page = light(getComputedStyle(document.body).backgroundColor);
          return ["h1", ".lead", ".note", "td", "a"].map((what) => {
            const ink = light(getComputedStyle(document.querySelector(what)).color);
            return (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05);
          });
        }"""
    )
    # 4.5 is what WCAG 2.2 asks of body text at level AA
    assert min(contrast) >= 4.5, contrast


def test_print_shows_the_front_and_hides_what_needs_a_pointer(opened: Callable[..., Any]) -> None:
    page = opened()
    page.emulate_media(media="print")
    assert set(visible(page)) >= {"trial-1", "trial-2"}
    assert not page.is_visible("#tip")
