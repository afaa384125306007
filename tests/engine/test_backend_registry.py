"""How backends are found: by entry point, only the chosen one, and with clear words when not."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tests.conftest import printed_by
from whisperctl import plugins
from whisperctl.engine import protocol, registry
from whisperctl.errors import BackendError, UsageError

ROOT = Path(__file__).resolve().parents[2]


def fake_entry_points(*entries: tuple[str, str]) -> object:
    found = [EntryPoint(name, value, protocol.GROUP) for name, value in entries]
    return lambda group: [entry for entry in found if entry.group == group]


def test_both_first_party_backends_are_found_by_their_entry_points() -> None:
    assert {"native", "wasi"} <= set(registry.installed())


def test_listing_backends_imports_none_of_them() -> None:
    script = (
        "import sys; from whisperctl.engine import registry; registry.installed();"
        "print([name for name in sys.modules if name.startswith('whisperctl_')])"
    )
    assert printed_by(script) == "[]\n"


def test_an_unknown_backend_is_named_with_the_installed_ones() -> None:
    with pytest.raises(UsageError, match="cuda"):
        registry.load("cuda")


def test_two_packages_with_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        plugins,
        "entry_points",
        fake_entry_points(("fast", "one:Backend"), ("fast", "two:Backend")),
    )
    with pytest.raises(BackendError, match='two packages provide a backend named "fast"'):
        registry.installed()


def test_a_backend_that_does_not_import_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        plugins, "entry_points", fake_entry_points(("broken", "no_such_module_at_all:Backend"))
    )
    with pytest.raises(BackendError, match=r'"broken" .*ModuleNotFoundError.*no_such_module'):
        registry.load("broken")


def test_the_core_never_imports_a_backend() -> None:
    guilty = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "whisperctl").rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if line.lstrip().startswith(("import whisperctl_", "from whisperctl_"))
    ]
    assert guilty == []


class Plain:
    """A backend that works, and what it is asked."""

    name = "plain"
    contract = protocol.CONTRACT
    preference = 0
    problem: str | None = None

    def describe(self) -> protocol.BackendInfo:
        info = protocol.RuntimeInfo("run", problem=self.problem)
        return protocol.BackendInfo(self.name, "1", "an engine", (info,))


class Liked(Plain):
    name = "liked"
    preference = 5


class Broken(Plain):
    name = "broken"
    preference = 9
    problem = "its library is missing; try: pip install library"


class Odd(Plain):
    name = "odd"
    preference: object = "high"  # type: ignore[assignment]  # what it may not be


class Newer(Plain):
    name = "newer"
    contract = protocol.CONTRACT + 1
    preference = 99


class Older(Plain):
    name = "older"
    contract = protocol.CONTRACT - 1


def install(monkeypatch: pytest.MonkeyPatch, *classes: type[Plain]) -> None:
    entries = [(found.name, f"{__name__}:{found.__name__}") for found in classes]
    monkeypatch.setattr(plugins, "entry_points", fake_entry_points(*entries))
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])


def test_the_preferred_backend_that_works_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Plain, Odd, Liked, Broken, Newer)
    assert registry.ranked() == ["broken", "liked", "newer", "odd", "plain"]
    assert registry.choose(None, None) == registry.Engine("liked")
    assert [found.name for found in registry.probe()] == registry.ranked()


def test_where_nothing_works_every_reason_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Broken, Newer)
    with pytest.raises(BackendError, match=r"no backend can be used here .*library.*contract"):
        registry.choose(None, None)
    install(monkeypatch)
    with pytest.raises(BackendError, match=r"none is installed; try: pip install"):
        registry.choose(None, None)


@pytest.mark.parametrize("made_for", [Newer, Older])
def test_a_backend_for_another_contract_is_refused(
    monkeypatch: pytest.MonkeyPatch, made_for: type[Plain]
) -> None:
    install(monkeypatch, made_for)
    with pytest.raises(BackendError, match=rf"contract {made_for.contract}.*upgrade"):
        registry.load(made_for.name)


def test_only_a_backend_of_our_own_is_named_as_a_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, Plain, Liked)
    with pytest.raises(UsageError) as caught:
        registry.parse("faster-whisper/int8")
    assert str(caught.value) == (
        'backend "faster-whisper" is not installed: run "pip install whisperctl-faster-whisper", '
        "or choose an installed one (liked, plain)"
    )
    with pytest.raises(UsageError, match='did you mean "plain"'):
        registry.parse("plaim")
    for no_name in ("acme/fast", "", "a b", "-x", "Acme; rm", "asr"):
        with pytest.raises(UsageError, match=r"^unknown backend .*: choose from liked, plain"):
            registry.parse(no_name)


def test_a_backend_that_cannot_quantize_or_detect_says_so(
    monkeypatch: pytest.MonkeyPatch, silero: Path
) -> None:
    install(monkeypatch, Plain)
    with pytest.raises(BackendError, match="cannot quantize"):
        registry.open_quantizer(registry.Engine("plain"))
    with pytest.raises(BackendError, match="no backend can quantize here"):
        registry.open_quantizer()
    with pytest.raises(BackendError, match="no backend can detect speech here"):
        registry.open_detector(None, silero)
    assert registry.system_info("plain") == ""
