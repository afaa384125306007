"""What token sequences have in common, and where they part."""

from __future__ import annotations

from whisperctl.compare.result import Divergence, TokenAgreement
from whisperctl.compare.scoring import agreement
from whisperctl.engine.toolkit.words import text_of
from whisperctl.transcript import Segment, Token, Transcript

IDS: dict[bytes, int] = {}


def token(data: str | bytes, start_s: float | None = None) -> Token:
    """A token of the one vocabulary of these tests."""
    raw = data.encode() if isinstance(data, str) else data
    return Token(IDS.setdefault(raw, len(IDS)), raw, 0.9, start_s)


def transcript(*segments: list[Token]) -> Transcript:
    """Each segment takes ten seconds."""
    made = (
        Segment(10.0 * i, 10.0 * (i + 1), text_of(found), tuple(found))
        for i, found in enumerate(segments)
    )
    return Transcript(tuple(made), "en", 10.0 * len(segments))


def said(*texts: str) -> Transcript:
    """Segments of which every word is a token."""
    return transcript(*([token(f" {word}") for word in text.split()] for text in texts))


def test_the_same_tokens_agree_and_never_part() -> None:
    one, two = said("ask not what", "your country"), said("ask not", "what your country")
    assert agreement.token_ids(one) == agreement.token_ids(two)
    assert agreement.token_agreement(one, two) == TokenAgreement(1.0, 5, 5)
    assert agreement.divergence(one, two) is None


def test_tokens_are_aligned_before_they_are_counted() -> None:
    one, two = said("ask not what your country can do"), said("so ask not what your can do it")
    assert agreement.token_agreement(one, two) == TokenAgreement(6 / 8, 6, 8)


def test_where_they_part_is_told_in_tokens_seconds_and_words() -> None:
    one = said("ask not what your", "country can do for you and me")
    two = said("ask not what your country could do")
    found = agreement.divergence(one, two)
    assert found is not None
    n_bytes = len(" country can do for you and me")
    assert found.time_s == round(10 + 10 * len(" country") / n_bytes, 3)
    assert (found.n_tokens, found.baseline, found.text) == (5, "can do for you and", "could do")


def test_times_of_tokens_go_before_guesses() -> None:
    one = transcript([token(" ask", 1.0), token(" not", 1.5), token(" what", 2.25)])
    found = agreement.divergence(one, said("ask not why"))
    assert found == Divergence(2, 2.25, "what", "why")


def test_one_may_end_before_the_other() -> None:
    one, two = said("ask not"), said("ask not what")
    assert agreement.divergence(one, two) == Divergence(2, 10.0, "", "what")
    found = agreement.divergence(two, one)
    assert found is not None
    assert (found.n_tokens, found.baseline, found.text) == (2, "what", "")


def test_a_word_is_shown_whole_though_they_part_within_it() -> None:
    one = transcript([token(" so"), token(" Amer"), token("icans"), token(" ask")])
    two = transcript([token(" so"), token(" Amer"), token("ica"), token(" asks")])
    found = agreement.divergence(one, two)
    assert found is not None
    assert (found.n_tokens, found.baseline, found.text) == (2, "Americans ask", "America asks")


def test_a_word_that_only_one_goes_on_with_is_shown_of_both() -> None:
    one = transcript([token(" my"), token(" country"), token(".")])
    two = transcript([token(" my"), token(" country")])
    three = transcript([token(" my"), token(" country"), token(" is")])
    assert agreement.divergence(one, two) == Divergence(
        2, round(10 * 11 / 12, 3), "country.", "country"
    )
    found = agreement.divergence(three, one)
    assert found is not None
    assert (found.baseline, found.text) == ("country is", "country.")


def test_a_character_is_shown_whole_though_they_part_within_it() -> None:
    one = transcript([token(" x"), token(b" \xe6"), token(b"\x88\x91"), token("爱")])
    two = transcript([token(" x"), token(b" \xe6"), token(b"\x88\x90"), token("爱")])
    found = agreement.divergence(one, two)
    assert found is not None
    assert (found.n_tokens, found.baseline, found.text) == (2, "我爱", "成爱")


def test_bytes_that_are_no_text_do_not_shift_what_is_shown() -> None:
    one = transcript([token(b"\xff\xfe"), token(" a"), token(" b")])
    two = transcript([token(b"\xff\xfe"), token(" a"), token(" c")])
    found = agreement.divergence(one, two)
    assert found is not None
    assert (found.baseline, found.text) == ("b", "c")


def test_a_token_that_lies_in_two_segments_counts_once() -> None:
    whole = token("好\N{SNOWMAN}")
    head, tail = (Token(whole.id, data, 0.9) for data in (whole.data[:4], whole.data[4:]))
    one = transcript([token(" x"), head], [tail, token(" y")])
    two = transcript([token(" x"), whole, token(" y")])
    assert agreement.token_ids(one) == agreement.token_ids(two)
    assert agreement.token_agreement(one, two) == TokenAgreement(1.0, 3, 3)


def test_a_token_that_lost_half_a_character_at_the_end_is_still_that_token() -> None:
    whole = token(b" x\xe6")
    one = transcript([whole, token(b"\x88\x91"), token(" y")])
    two = transcript([whole, token(b"\x88\x91"), Token(whole.id, b" x", 0.9)])
    assert agreement.token_agreement(one, two) == TokenAgreement(2 / 3, 2, 3)


def test_a_token_that_is_said_twice_counts_twice() -> None:
    assert len(agreement.token_ids(said("no", "no no"))) == 3


def test_vocabularies_that_differ_are_not_compared() -> None:
    one = said("ask not")
    other_bytes = transcript([Token(one.segments[0].tokens[0].id, b" sky", 0.9)])
    other_id = transcript([Token(9999, b" ask", 0.9)])
    for two in (other_bytes, other_id):
        assert agreement.token_agreement(one, two) is None
        assert agreement.divergence(one, two) is None


def test_text_without_tokens_is_not_compared_but_silence_is() -> None:
    one, silent = said("ask not"), Transcript((), "en", 20.0)
    without = Transcript((*one.segments, Segment(10, 20, " what")), "en", 20.0)
    assert agreement.token_agreement(one, without) is None
    assert agreement.divergence(without, one) is None
    assert agreement.token_agreement(one, silent) == TokenAgreement(0.0, 0, 2)
    assert agreement.token_agreement(silent, silent) == TokenAgreement(1.0, 0, 0)
    assert agreement.divergence(silent, one) == Divergence(0, 0.0, "", "ask not")
