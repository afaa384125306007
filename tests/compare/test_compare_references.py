"""Finding what was really said in each recording."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from whisperctl.compare import references
from whisperctl.errors import SubtitleError, UsageError

SAID = "Ask not, what: «your» country"
SRT = """1
00:00:00,000 --> 00:00:01,000
<i>Ask not,</i>
what:

2
00:00:01,000 --> 00:00:02,000
«your» country
"""
VTT = """WEBVTT

00:00.000 --> 00:01.000
<v JFK>Ask not, what:

00:01.000 --> 00:02.000
«your» country
"""
WHISPER = json.dumps(
    {
        "segments": [
            {"start": 0.0, "end": 1.0, "text": " Ask not, what:"},
            {"start": 1.0, "end": 2.0, "text": " «your» country"},
        ]
    }
)
WHISPER_CPP = json.dumps(
    {
        "transcription": [
            {"offsets": {"from": 0, "to": 999}, "text": " Ask not, what: «your» country"}
        ]
    }
)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with recordings, of which only the names count here."""
    for name in ("talk.mp3", "b/talk.mp3", "other one.wav"):
        file = tmp_path / "audio" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


def put(folder: Path, **files: str) -> None:
    """Write files; ``__`` in a name is a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, "utf-8")


def found(
    given: Path | Sequence[Path], here: Path, *names: str, labels: Sequence[str] = ()
) -> list[str | None]:
    """The texts that are found for recordings."""
    paths = [here / "audio" / name for name in names or ("talk.mp3",)]
    told = labels or [path.name for path in paths]
    result = references.find(
        [given] if isinstance(given, Path) else given, list(zip(told, paths, strict=True))
    )
    return [None if reference is None else reference.text for reference in result]


def refused(given: Path | Sequence[Path], here: Path, *names: str) -> str:
    with pytest.raises(UsageError) as error:
        found(given, here, *names)
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("said.txt", "\ufeffAsk not, what:\r\n«your» country\r\n"),
        ("said", SAID),
        ("said.srt", SRT),
        ("said.VTT", VTT),
        ("said.json", WHISPER),
        ("said.json", WHISPER_CPP),
        ("said.tsv", f"start\tend\ttext\n0\t900\t{SAID}\n"),
        ("said.csv", f'start,end,text\n0,900," {SAID}"\n'),
    ],
)
def test_a_reference_is_text_or_what_a_transcriber_writes(
    name: str, content: str, here: Path
) -> None:
    path = here / name
    path.write_bytes(content.encode())
    (reference,) = references.find([path], [("-", None)])
    assert reference is not None
    assert reference.text.split() == SAID.split()
    assert (reference.source, reference.sha256) == (
        str(path),
        hashlib.sha256(content.encode()).hexdigest(),
    )


def test_a_file_that_notepad_saved_as_unicode_is_read(here: Path) -> None:
    (here / "said.txt").write_bytes(SAID.encode("utf-16"))
    assert found(here / "said.txt", here) == [SAID]


def test_a_reference_may_come_through_a_pipe(here: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, SAID.encode())
    os.close(writer)
    try:
        assert found(Path(f"/dev/fd/{reader}"), here) == [SAID]
    finally:
        os.close(reader)


def test_nothing_given_is_no_reference(here: Path) -> None:
    assert references.find([], [("a", here), ("b", None)]) == (None, None)


def test_several_files_are_in_the_order_of_the_recordings(here: Path) -> None:
    put(here, z__txt="first", a__srt=SRT)
    texts = found([here / "z.txt", here / "a.srt"], here, "talk.mp3", "other one.wav")
    assert texts == ["first", SAID]


def test_a_folder_is_searched_by_name(here: Path) -> None:
    put(here / "refs", talk__srt=SRT)
    assert found(here / "refs", here, "talk.mp3", "other one.wav") == [SAID, None]
    put(here / "refs", talk__txt="plain text goes first")
    assert found(here / "refs", here) == ["plain text goes first"]
    put(here / "refs", talk__mp3__json=WHISPER)
    assert found(here / "refs", here) == [SAID]


def test_a_folder_may_be_laid_out_as_the_recordings_are(here: Path) -> None:
    put(here / "refs", talk__txt="top")
    put(here / "refs" / "b", talk__txt="below")
    texts = found(here / "refs", here, "talk.mp3", "b/talk.mp3", labels=["talk.mp3", "b/talk.mp3"])
    assert texts == ["top", "below"]


def test_references_may_lie_beside_the_recordings(here: Path) -> None:
    put(here / "audio", talk__txt="top")
    put(here / "audio" / "b", talk__txt="below")
    assert found(here / "audio", here, "talk.mp3", "b/talk.mp3") == ["top", "below"]


def test_librispeech_is_understood(here: Path) -> None:
    put(here / "audio", s__trans__txt="talk ASK\u2028NOT\nelse WHAT\n")
    assert found(here / "audio", here, "talk.mp3", "other one.wav") == ["ASK\nNOT", None]
    assert found(here / "audio" / "s.trans.txt", here) == ["ASK\nNOT"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.csv", 'audio,reference\n../audio/talk.mp3,said.srt\n"audio/other one.wav",none.txt\n'),
        ("m.csv", "Audio;Text\r\naudio/talk.mp3;ASK\r\n\r\n"),
        ("m.csv", '\n"text","audio"\n"ASK","talk.mp3"\n'),
        ("m.tsv", 'path\tsentence\ttime\ntalk.mp3\tASK\t"\n'),
        ("m.json", '[{"file_name": "x/talk.mp3", "transcription": "ASK"}]'),
        ("m.jsonl", '{"audio_filepath": "talk.mp3", "duration": 1.5, "text": "ASK"}\n\n'),
        ("m.jsonl", '{"audio": "talk.wav", "text": "ASK"}'),
    ],
)
def test_a_manifest_names_recordings_and_what_is_said(name: str, content: str, here: Path) -> None:
    put(here / "lists", said__srt=SRT)
    manifest = here / "lists" / name
    manifest.write_text(content, "utf-8", newline="")
    text = SAID if "said.srt" in content else "ASK"
    assert found(manifest, here, "talk.mp3", "b/unknown.wav") == [text, None]


def test_a_text_in_a_manifest_has_the_manifests_hash(here: Path) -> None:
    put(here, m__csv="audio,text\ntalk.mp3,ASK\n")
    (reference,) = references.find([here / "m.csv"], [("x", Path("talk.mp3"))])
    assert reference is not None
    digest = hashlib.sha256((here / "m.csv").read_bytes()).hexdigest()
    assert (reference.source, reference.sha256) == (str(here / "m.csv"), digest)


def test_the_very_file_goes_before_one_of_its_name(here: Path) -> None:
    put(here, m__csv="audio,text\naudio/b/talk.mp3,below\naudio/talk.mp3,top\n")
    assert found(here / "m.csv", here, "talk.mp3", "b/talk.mp3") == ["top", "below"]


def test_a_name_that_two_share_tells_nothing(here: Path) -> None:
    put(here, m__csv="audio,text\nx/talk.mp3,one\ny/talk.mp3,two\nother one.wav,three\n")
    assert found(here / "m.csv", here, "talk.mp3", "other one.wav") == [None, "three"]


def test_folders_and_manifests_are_searched_one_after_the_other(here: Path) -> None:
    put(here / "refs", talk__txt="folder")
    put(here, m__csv="audio,text\ntalk.mp3,manifest\nother one.wav,ASK\n")
    names = ("talk.mp3", "other one.wav")
    assert found([here / "refs", here / "m.csv"], here, *names) == ["folder", "ASK"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("audio,text\ntalk.mp3,a\ntalk.mp3,b\n", "two references for"),
        ("audio,text\ntalk.mp3,a,b\n", "line 2 has 3 columns, not 2"),
        ("audio,text\ntalk.mp3,\n", "line 2 of"),
        ("audio,reference\ntalk.mp3,gone.txt\n", "gone.txt"),
        ("wav,text\ntalk.mp3,a\n", 'has no "audio"'),
        ("audio,text\nelse.mp3,a\n", "lists 1 other recording"),
        ('audio,text\ntalk.mp3,"a\n', "is damaged at line"),
        ("", "is not a list of references"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused(content: str, said: str, here: Path) -> None:
    put(here, m__csv=content)
    assert said in refused(here / "m.csv", here)


@pytest.mark.parametrize("content", ["[1]", "[{}]", "[", "[]", '[{"audio": "x", "text": 3}]'])
def test_json_that_is_no_list_of_references_is_refused(content: str, here: Path) -> None:
    put(here, m__json=content)
    assert "m.json" in refused(here / "m.json", here)


def test_what_is_no_reference_is_refused_by_name(here: Path) -> None:
    put(here, empty__txt=" \n", quiet__srt="", bad__jsonl="{")
    (here / "latin.txt").write_bytes("Äsk nöt".encode("latin-1"))
    (here / "film.txt").write_bytes(bytes(range(256)) * 20)
    (here / "refs").mkdir()
    for name, said in {
        "gone.txt": "does not exist",
        "gone.csv": "does not exist",
        "empty.txt": "contains no words",
        "quiet.srt": "contains no words",
        "latin.txt": "is not UTF-8",
        "film.txt": "is not text",
        "bad.jsonl": "line 1 is not valid JSON",
        "refs": "no recording has a reference",
    }.items():
        message = refused(here / name, here)
        assert name in message
        assert said in message


def test_names_that_cannot_be_are_refused(here: Path) -> None:
    assert "cannot be read" in refused(here / ("x" * 300), here)
    assert "cannot be read" in refused(here / "x\0.csv", here)
    with pytest.raises(UsageError, match="an empty name"):
        references.find([""], [("a", here)])


def test_a_name_that_is_too_long_with_another_ending_has_no_reference(here: Path) -> None:
    put(here / "refs", talk__txt="ASK")
    assert found(here / "refs", here, "talk.mp3", "x" * 253 + ".a") == ["ASK", None]


def test_halves_of_characters_do_not_get_into_results(here: Path) -> None:
    put(here, m__jsonl='{"audio": "talk.mp3", "text": "ASK \\ud83d"}')
    assert found(here / "m.jsonl", here) == ["ASK \ufffd\ufffd\ufffd"]


def test_subtitles_that_are_damaged_are_refused(here: Path) -> None:
    put(here, said__vtt="Ask not")
    with pytest.raises(SubtitleError, match=r"said\.vtt"):
        found(here / "said.vtt", here)


def test_numbers_and_kinds_must_fit(here: Path) -> None:
    put(here, a__txt="ASK", m__csv="audio,text\ntalk.mp3,a\n")
    message = refused(here / "a.txt", here, "talk.mp3", "other one.wav")
    assert message.startswith("1 reference for 2 recordings: ")
    assert "does not exist" in refused(here / "refs", here, "talk.mp3", "other one.wav")
    assert "a.txt" in refused([here / "a.txt", here / "m.csv"], here, "talk.mp3", "other one.wav")
