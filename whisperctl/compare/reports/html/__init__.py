"""A comparison as one HTML file that needs nothing else: no network, and no script to be read."""

from __future__ import annotations

from whisperctl.compare.reports.html.render import page

__all__ = ["page"]
