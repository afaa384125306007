"""A hook of MkDocs: pages of the site that are kept outside ``docs/``, and the links to them.

``SECURITY.md`` and its like stay where a code forge looks for them, and links in all pages are
those that work on a forge.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]

PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "backends/faster-whisper/README.md": "faster-whisper.md",
    "wasm-build/PROTOCOL.md": "protocol.md",
}
"""Names in the site by paths in the repository."""

_LINK = re.compile(r"(?<=\]\()(?![a-z+]+:|#|/)(?P<path>[^)#\s]+)(?=#[^)\s]*\)|\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for source, name in PAGES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between places in the repository into links between pages of the site."""
    source = Path(str(page.file.abs_src_path))

    def link(found: re.Match[str]) -> str:
        # Not resolve(): a link may lead nowhere, which MkDocs reports.
        target = Path(os.path.normpath(source.parent / found["path"]))
        if target.is_relative_to(ROOT / "docs"):
            return target.relative_to(ROOT / "docs").as_posix()
        return PAGES.get(os.path.relpath(target, ROOT), found["path"])

    return _LINK.sub(link, markdown)
