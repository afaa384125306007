"""Measures every engine with every model, format and number of threads: ``make bench``.

One run measures everything that is to be compared. Each measurement is a process of its own
(``whisperctl.compare``), and they are interleaved: every repeat runs all cells before the next
begins, each time in another order, so that a drift of the machine favours none. What is reported
are medians; a ratio is the median of the ratios within each repeat, as ``whisperctl compare`` has
it.
"""
