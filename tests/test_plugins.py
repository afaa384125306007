"""Plugins are found by entry point, one by one, and a bad one is one clear line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from whisperctl.errors import PluginError, UsageError
from whisperctl.plugins import Door


class Lamp(Protocol):
    name: str
    contract: int

    def describe(self) -> str: ...


LAMPS: Door[Lamp] = Door("lamp", "whisperctl.tests.lamps", 2)


def described(lamp: Lamp) -> str:
    return lamp.describe()


GOOD = """
class Lamp:
    name = "good"
    contract = 2
    def describe(self):
        return "shines"
"""

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a distribution with one lamp, from its name and its module's source."""

    def make(name: str, source: str) -> None:
        monkeypatch.syspath_prepend(tmp_path)
        record = tmp_path / f"lamps_{name}-1.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lamps-{name}\nVersion: 1\n")
        (record / "entry_points.txt").write_text(f"[{LAMPS.group}]\n{name} = lamps_{name}:Lamp\n")
        (tmp_path / f"lamps_{name}.py").write_text(source)

    return make


def test_a_plugin_is_listed_without_being_imported_and_then_loaded(install: Install) -> None:
    install("good", GOOD)

    assert list(LAMPS.installed()) == ["good"]
    LAMPS.check("good")
    assert "lamps_good" not in sys.modules
    assert LAMPS.load("good").describe() == "shines"
    assert [one.info for one in LAMPS.describe_all(described)] == ["shines"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import no_such_module", r"failed to load: ModuleNotFoundError: .*no_such_module"),
        ("raise SystemExit(3)", "failed to load: SystemExit: 3"),
        ("Bulb = 1", "failed to load: AttributeError"),
        ("def Lamp():\n    raise ValueError('dark\\nand cold')", "ValueError: dark and cold"),
        (GOOD.replace("= 2", "= 3"), r"needs contract 3, .* has contract 2: upgrade whisperctl$"),
        (GOOD.replace("= 2", "= 1"), r"needs contract 1, .* has contract 2: upgrade lamps-bad$"),
        (GOOD.replace("contract = 2", ""), "states no contract number"),
        (GOOD.replace("contract = 2", "contract = 'two'"), "states no contract number"),
        (GOOD.replace("contract = 2", "contract = True"), "states no contract number"),
    ],
)
def test_a_plugin_that_cannot_be_used_says_why_in_one_line(
    install: Install, source: str, problem: str
) -> None:
    install("bad", source)

    with pytest.raises(PluginError, match=problem) as caught:
        LAMPS.load("bad")

    assert str(caught.value).startswith('lamp "bad" (lamps-bad) ')
    found = LAMPS.describe("bad", described)
    assert LAMPS.describe_all(described) == [found]
    assert (found.info, found.problem) == (None, str(caught.value))
    sys.modules.pop("lamps_bad", None)


def test_a_plugin_that_refuses_a_setting_says_so_itself(install: Install) -> None:
    install(
        "set", "from whisperctl.errors import UsageError\n\n"
        "def Lamp():\n    raise UsageError('environment variable LAMP is \"x\": set a number')"
    )  # fmt: skip

    with pytest.raises(UsageError, match=r'^environment variable LAMP is "x": set a number$'):
        LAMPS.load("set")

    assert LAMPS.describe("set", described).problem.startswith("environment variable LAMP")


def test_a_plugin_that_cannot_describe_itself_stops_nobody(install: Install) -> None:
    install("worse", GOOD.replace('return "shines"', "raise SystemExit"))
    install("good", GOOD)

    good, worse = LAMPS.describe_all(described)

    assert (good.info, worse.info) == ("shines", None)
    assert worse.problem.startswith('lamp "worse" failed: SystemExit')


def test_a_name_that_is_not_installed_is_a_usage_error_with_those_that_are(
    install: Install,
) -> None:
    with pytest.raises(UsageError, match='unknown lamp "good": choose from none'):
        LAMPS.load("good")
    install("good", GOOD)

    for ask in (LAMPS.check, LAMPS.load):
        with pytest.raises(UsageError, match='unknown lamp "goood": did you mean "good"'):
            ask("goood")
        with pytest.raises(UsageError, match='unknown lamp "x": choose from good'):
            ask("x")


def provide(folder: Path, distribution: str, value: str = "others:Lamp") -> None:
    """Installs another distribution with a lamp of the name ``good``."""
    record = folder / f"{distribution}-1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n")
    (record / "entry_points.txt").write_text(f"[{LAMPS.group}]\ngood = {value}\n")


def test_two_packages_with_one_name_are_refused(install: Install, tmp_path: Path) -> None:
    install("good", GOOD)
    provide(tmp_path, "others")

    with pytest.raises(PluginError, match='two packages provide a lamp named "good"'):
        LAMPS.load("good")


@pytest.mark.parametrize("core_comes", ["first", "last"])
def test_what_comes_with_whisperctl_may_give_way_to_another_package(
    install: Install, tmp_path: Path, core_comes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaceable: Door[Lamp] = replace(LAMPS, replaceable=True)
    folder = tmp_path / core_comes
    folder.mkdir()
    provide(folder, "whisperctl-asr", "no_such_module:Lamp")
    install("good", GOOD)
    sys.modules.pop("lamps_good", None)
    if core_comes == "first":
        monkeypatch.syspath_prepend(folder)
    else:
        monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])

    assert replaceable.load("good").describe() == "shines"
    with pytest.raises(PluginError, match="two packages provide"):
        LAMPS.load("good")
