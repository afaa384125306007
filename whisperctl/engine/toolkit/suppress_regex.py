"""Checks regular expressions for ``suppress_regex`` before an engine sees them.

whisper.cpp hands them to ``std::regex`` (ECMAScript), whose two implementations differ at the edges
and throw where nothing can catch it in the sandbox. What is accepted here both take alike.
"""

from __future__ import annotations

import re
from typing import NoReturn

from whisperctl.errors import UsageError

_MAX_LENGTH = 1000
_MAX_REPEATS = 100
_MAX_DEPTH = 20
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(?P<least>\d{1,4})(?P<comma>,(?P<most>\d{0,4}))?\})\??")
# One character written as an escape, and a set of them.
_ESCAPED_CHARACTER = re.compile(r"\\(?:[tnvfr]|x[0-9A-Fa-f]{2}|[\^$\\.*+?()\[\]{}|/\-'\" ])")
_ESCAPED_SET = re.compile(r"\\[dDsSwW]")
_NAMED_SET = re.compile(
    r"\[:(?:alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit):\]"
)


def check(pattern: str) -> None:
    """See that ``pattern`` is one that every engine takes.

    Raises:
        UsageError: it is not; the message says where it goes wrong.
    """
    _Parser(pattern).run()


class _Parser:
    """A descent over the grammar of ECMAScript's regular expressions."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0
        self.groups_closed = 0

    def run(self) -> None:
        try:
            self.pattern.encode()
        except UnicodeEncodeError:
            self._fail("it is not text in UTF-8")
        if len(self.pattern) > _MAX_LENGTH:
            self._fail(f"it is longer than {_MAX_LENGTH} characters")
        if "\0" in self.pattern:
            self._fail("it holds a null character")
        self._alternatives()
        if self.at < len(self.pattern):
            self._fail('")" closes nothing; a bracket to match is \\)')

    def _alternatives(self) -> None:
        self._terms()
        while self._take("|"):
            self._terms()

    def _terms(self) -> None:
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            if self._take("^") or self._take("$") or self._take(r"\b") or self._take(r"\B"):
                continue
            if self._take("(?=") or self._take("(?!"):
                self._group(counted=False)
                continue
            self._atom()
            self._quantifier()

    def _atom(self) -> None:
        if self._take("("):
            if self._take("?:"):
                self._group(counted=False)
            elif self._peek() == "?":
                self._fail('a group that begins with "(?" must be (?:…), (?=…) or (?!…)')
            else:
                self._group(counted=True)
        elif self._take("["):
            self._set()
        elif self._peek() == "\\":
            self._escape()
        elif self._peek() in "*+?{":
            self._fail(f'"{self._peek()}" repeats nothing; to match it, write \\{self._peek()}')
        elif self._peek() in "]}":
            self._fail(f'"{self._peek()}" closes nothing; to match it, write \\{self._peek()}')
        else:
            self.at += 1

    def _group(self, *, counted: bool) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self._fail(f"its groups are more than {_MAX_DEPTH} deep")
        self._alternatives()
        if not self._take(")"):
            self._fail('a "(" is not closed')
        self.depth -= 1
        self.groups_closed += counted

    def _escape(self) -> None:
        if match := (
            _ESCAPED_CHARACTER.match(self.pattern, self.at)
            or _ESCAPED_SET.match(self.pattern, self.at)
        ):
            self.at = match.end()
            return
        number = re.compile(r"\\([1-9])(?!\d)").match(self.pattern, self.at)
        if number and int(number[1]) <= self.groups_closed:
            self.at = number.end()
            return
        self._fail(f'"{self.pattern[self.at : self.at + 2]}" has no meaning here')

    def _set(self) -> None:
        self._take("^")
        if self._peek() == "]":
            self._fail('a set "[]" is empty; to match the bracket, write \\]')
        while not self._take("]"):
            if self.at >= len(self.pattern):
                self._fail('a "[" is not closed')
            first = self._set_member()
            if self._peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("", "]"):
                self.at += 1
                last = self._set_member()
                if first is None or last is None or first > last:
                    self._fail("a range in a set goes backwards, or has a set for an end")

    def _set_member(self) -> str | None:
        """The character it is, or ``None`` if it is a set."""
        if match := (
            _NAMED_SET.match(self.pattern, self.at) or _ESCAPED_SET.match(self.pattern, self.at)
        ):
            self.at = match.end()
            return None
        if self._peek() == "\\":
            match = _ESCAPED_CHARACTER.match(self.pattern, self.at)
            if not match:
                self._fail(f'"{self.pattern[self.at : self.at + 2]}" has no meaning in a set')
            self.at = match.end()
            text = match[0]
            if text[1] == "x":
                return chr(int(text[2:], 16))
            return {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}.get(text[1], text[1])
        if self._peek() == "[":
            self._fail('a "[" in a set must be written \\[')
        character = self._peek()
        if not character.isascii():
            # std::regex takes one byte for one character.
            self._fail(f'"{character}" cannot be in a set; write (?:a|b) for [ab]')
        self.at += 1
        return character

    def _quantifier(self) -> None:
        if self._peek() not in tuple("*+?{"):
            return
        match = _QUANTIFIER.match(self.pattern, self.at)
        if not match:
            self._fail('a "{" begins no {n}, {n,} or {n,m}; to match it, write \\{')
        if match["least"]:
            least = int(match["least"])
            most = int(match["most"] or least)
            if most < least:
                self._fail(f"{match[0]} goes backwards")
            if most > _MAX_REPEATS:
                self._fail(f"{match[0]} is more than {_MAX_REPEATS} times")
        self.at = match.end()

    def _peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def _take(self, text: str) -> bool:
        if self.pattern.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def _fail(self, what: str) -> NoReturn:
        shown = self.pattern if len(self.pattern) <= 60 else self.pattern[:60] + "…"
        shown = shown.encode("utf-8", "replace").decode().replace("\n", " ")
        raise UsageError(
            f'suppress regex "{shown}" is not one: {what} (at character {self.at + 1})'
        )
