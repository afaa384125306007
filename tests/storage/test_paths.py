"""Where nobody knows a home directory, what needs none works, and what does says so."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest
import typer.main

from whisperctl.cli.app import app
from whisperctl.cli.support import configuration
from whisperctl.cli.support.command import keys
from whisperctl.errors import BackendError, ModelError, UsageError
from whisperctl.models import store
from whisperctl.models.store import Store
from whisperctl.storage import paths, state

SAYS = "no home directory is known; set HOME or WHISPERCTL_"


@pytest.fixture(params=["refuses", "gives the name back"])
def homeless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user without an account in a container, who has no HOME either."""

    def nowhere(*_: object, **__: object) -> Path:
        if request.param == "refuses":
            raise RuntimeError("could not determine the home directory")
        return Path("~/.config")

    for kind in ("config", "data", "cache", "state"):
        monkeypatch.setattr(platformdirs, f"user_{kind}_path", nowhere)
    for name in ("CONFIG", "MODELS", "CACHE", "STATE"):
        monkeypatch.delenv(f"WHISPERCTL_{name}", raising=False)


@pytest.mark.usefixtures("homeless")
def test_without_a_home_what_needs_one_says_so(tmp_path: Path, tiny_en: Path) -> None:
    with pytest.raises(UsageError, match=f"{SAYS}CONFIG"):
        configuration.path()
    with pytest.raises(ModelError, match=f"{SAYS}MODELS"):
        Store().resolve("base")
    with pytest.raises(BackendError, match=f"{SAYS}CACHE"):
        paths.cache_dir("test")
    file = state.StateFile(["a run"], taken="taken")
    assert f"the journal cannot be written ({SAYS}STATE)" in file.problem

    loaded = configuration.load(lambda: keys(typer.main.get_group(app)))
    assert not any(loaded.values())
    assert Store().resolve(tiny_en) == tiny_en
    assert Store().all_installed() == []
    assert store.find_detector() is None
    state.prune()


def test_a_home_that_is_unknown_leaves_a_path_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPERCTL_CONFIG", "~nobody-of-that-name/c.toml")
    assert paths.named("WHISPERCTL_CONFIG") == Path("~nobody-of-that-name/c.toml")
    with pytest.raises(UsageError, match="which does not exist"):
        configuration.load(dict)
