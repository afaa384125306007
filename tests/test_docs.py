"""The documentation: links lead somewhere, and the site is complete and loads nothing from afar."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for pattern in (
        "*.md",
        "docs/*.md",
        "backends/*/*.md",
        "executors/*/*.md",
        "samples/*.md",
        "wasm-build/*.md",
    )
    for path in ROOT.glob(pattern)
)
MARKDOWN = MarkdownIt("commonmark")


def parsed(page: Path) -> list[Token]:
    return MARKDOWN.parse(page.read_text("utf-8"))


def links(page: Path) -> Iterator[str]:
    for block in parsed(page):
        for token in block.children or ():
            if token.type in ("link_open", "image"):
                yield str(token.attrGet("href") or token.attrGet("src"))


def anchors(page: Path) -> set[str]:
    """What a code forge makes of the headings, which is what the site makes of them too."""
    tokens = parsed(page)
    headings = [
        after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"
    ]
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings
    }


def test_contributing_names_files_that_exist_and_at_most_three_for_an_addition() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = re.findall(
        r"`((?:whisperctl|backends|tests|docs|wasm-build|bench)/[^`*]*|[\w.]+\.toml)`", text
    )
    assert len(named) > 20
    missing = {name for name in named if "NAME" not in name and not (ROOT / name).exists()}
    assert missing <= {"my.toml"}
    rows = text.split("## Where would I add")[1].split("\n\n")[1].splitlines()[2:]
    assert len(rows) == 5
    for row in rows:
        assert 1 <= len(set(re.findall(r"`([^`]+/[^`]+|pyproject.toml)`", row))) <= 3, row


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_the_first_page_links_to_every_other() -> None:
    docs = ROOT / "docs"
    linked = {(docs / link).resolve() for link in links(docs / "README.md")}
    assert {path for path in docs.glob("*.md") if path.name != "README.md"} <= linked


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


class Loaded(HTMLParser):
    """Addresses of what a browser loads with a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "a":
            self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]


@pytest.mark.slow
def test_the_site_loads_nothing_from_other_hosts(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        loaded = Loaded()
        loaded.feed(page.read_text("utf-8"))
        assert "assets/stylesheets" in " ".join(loaded.addresses)
        outside = [one for one in loaded.addresses if re.match(r"([a-z]+:)?//", one)]
        assert outside == [], page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?([a-z]+:)?//", sheet.read_text("utf-8"))


@pytest.mark.slow
def test_links_to_files_outside_docs_lead_to_pages_of_the_site(site: Path) -> None:
    assert 'href="security.html"' in (site / "sandbox.html").read_text("utf-8")
    assert 'href="sandbox.html#limits"' in (site / "security.html").read_text("utf-8")
    assert 'href="backends.html"' in (site / "contributing.html").read_text("utf-8")
