"""Fixtures of the conformance tests, and their order."""

from __future__ import annotations

import inspect
import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from whisperctl.audio import Audio
from whisperctl.engine.session import HostSession
from whisperctl.errors import ModelError
from whisperctl.options import DecodeOptions
from whisperctl.testing.fake import write_model
from whisperctl.testing.plugin import DOORS, SUBJECT, kind_under_test
from whisperctl.testing.subject import (
    BEGINNING_S,
    GREEDY,
    RECITED,
    TIMES,
    Outcome,
    Shared,
    Subject,
    beginning,
    load_recording,
    one_line,
    repeated,
)
from whisperctl.transcript import Transcript

_TIMEOUT_S = 300
"""An engine that hangs is found out, where pytest-timeout is installed."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the promises of other kinds of plugins."""
    if collection_path.parent != Path(__file__).parent or not _is_suite(collection_path):
        return None
    others = {f"test_{kind}s": kind for kind in DOORS}
    kind = others.get(collection_path.stem, "backend")
    # Without the plugin module there are no options; the fixture then says how to run them.
    known = config.pluginmanager.hasplugin("whisperctl.testing.plugin")
    return (known and kind != kind_under_test(config)) or None


def _is_suite(path: Path) -> bool:
    return path.stem.startswith("test_")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the promises in their order, and let no test wait for ever."""
    items.sort(key=_promise)  # those of others, should there be any, stay as they are
    if config.pluginmanager.hasplugin("timeout"):
        for item in items:
            if _promise(item) and item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_TIMEOUT_S))


def _promise(item: pytest.Item) -> int:
    if item.path.parent != Path(__file__).parent:
        return 0
    module = item.getparent(pytest.Module)
    found = re.match(r"Promise (\d+)\.", (module and module.obj.__doc__) or "")
    return int(found[1]) if found else 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Print the promise below what broke it."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        report.sections.append(("the contract says", inspect.getdoc(item.cls or item.module) or ""))
    return report


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest) -> Subject:
    """The backend under test, with the model to test it with."""
    found: Subject | None = request.config.stash.get(SUBJECT, None)
    if found is None:
        raise pytest.UsageError(
            "run these tests with: pytest -p whisperctl.testing.plugin "
            "--pyargs whisperctl.testing --backend NAME"
        )
    return found


@pytest.fixture(scope="session")
def shared(subject: Subject) -> Iterator[Shared]:
    """One session for all that leaves a session as it was, on two threads where it can."""
    with subject.open_as_shared() as session:
        yield Shared(session)


@pytest.fixture(scope="session")
def recording() -> Audio:
    """Eleven seconds of clear English."""
    return load_recording()


@pytest.fixture(scope="session")
def clip(recording: Audio) -> Audio:
    """Its first words, which take less time."""
    return beginning(recording, BEGINNING_S)


@pytest.fixture(scope="session")
def heard(shared: Shared, recording: Audio) -> Outcome:
    """The whole recording, greedily."""
    return shared.hear(recording, GREEDY)


@pytest.fixture(scope="session")
def short(shared: Shared, heard: Outcome, clip: Audio) -> Outcome:
    """The clip, greedily, after the whole recording."""
    assert heard.transcript.segments
    return shared.hear(clip, GREEDY)


@pytest.fixture(scope="session")
def measured(shared: Shared, short: Outcome, clip: Audio) -> Transcript:
    """The clip once more as the host runs it, but without any callback."""
    assert short.transcript.segments  # whatever the engine has to load is loaded
    transcript = HostSession(shared.session, stall_timeout_s=None).transcribe(clip, GREEDY)
    shared.note_memory()
    return transcript


@pytest.fixture(scope="session")
def detected(shared: Shared, clip: Audio) -> Outcome:
    """The clip with the default options, by which the engine has to find the language."""
    return shared.hear(clip, DecodeOptions())


@pytest.fixture(scope="session")
def reciting(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """A session of a model that gives ``RECITED`` for any recording, and so takes little time.

    A byte is a token, and each token of text before takes one away.
    """
    # The first segment ends after two of a letter's three bytes, the next begins with the third,
    # and the last letter is cut off.
    letter, other = RECITED[0].encode(), RECITED[1].encode()
    first, second = letter + other + letter[:2], letter[2:] + other + letter + other[:2]
    path = tmp_path_factory.mktemp("models") / "reciting.bin"
    write_model(path, multilingual=True, says=(0.0, first, 2.0, 2.0, second, BEGINNING_S))
    try:
        session = subject.open(path)
    except ModelError as error:
        assert one_line(error), "the message is one line"
        pytest.skip(f"a model of one narrow layer is refused, as it may: {error}")
    with session:
        yield Shared(session)


@pytest.fixture(scope="session")
def at_length(shared: Shared, recording: Audio) -> Outcome:
    """The recording several times over: longer than the half minute that a model hears at once."""
    return shared.hear(repeated(recording, TIMES), GREEDY)
