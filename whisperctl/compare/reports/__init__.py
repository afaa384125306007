"""What a comparison looks like: terminal tables, Markdown, CSV and an HTML page.

Each is made of a ``Comparison`` alone. Numbers for people are written by ``values.shown``; CSV and
the JSON inside the page carry them in full.
"""
