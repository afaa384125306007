"""What a code forge and git do with the project: workflows, issue forms and commit hooks."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
CONFIG = ROOT / ".github/ISSUE_TEMPLATE/config.yml"
FORMS = sorted(set(CONFIG.parent.glob("*.yml")) - {CONFIG})
SCHEMAS = {
    "vendor.github-workflows": WORKFLOWS,
    "custom.github-workflows-require-timeout": WORKFLOWS,
    "vendor.github-issue-forms": FORMS,
    "vendor.github-issue-config": [CONFIG],
}


def loaded(name: str) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe").load(ROOT / ".github/workflows" / name)
    return document


@pytest.mark.slow
@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_are_what_the_forge_expects(schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    done = subprocess.run([*command, *map(str, SCHEMAS[schema])], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_supported_python_is_tested_on_every_supported_system() -> None:
    matrix = loaded("test.yml")["jobs"]["test"]["strategy"]["matrix"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    supported = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert matrix["python"] == supported
    assert project["requires-python"] == f">={supported[0]}"
    assert [name.partition("-")[0] for name in matrix["os"]] == ["ubuntu", "macos"]


def test_tests_run_what_a_person_runs() -> None:
    jobs = loaded("test.yml")["jobs"].values()
    commands = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    assert commands == ["make check", "make test"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_commits(path: Path) -> None:
    used = re.findall(r"uses: (?!\./)(.*)", path.read_text("utf-8"))
    pinned = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [line for line in used if not pinned.fullmatch(line)] == []


def test_nothing_but_publishing_may_do_more_than_read() -> None:
    may = {}
    for path in WORKFLOWS:
        workflow = loaded(path.name)
        assert workflow["permissions"] == {"contents": "read"}
        for name, job in workflow["jobs"].items():
            if "permissions" in job:
                may[name] = job["permissions"]
    assert may == {"publish": {"id-token": "write"}}


def test_every_distribution_is_published_and_the_core_first() -> None:
    publish = loaded("release.yml")["jobs"]["publish"]
    plugins = (*ROOT.glob("backends/*/pyproject.toml"), *ROOT.glob("executors/*/pyproject.toml"))
    projects = [ROOT, *(path.parent for path in plugins)]
    names = [
        tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["name"]
        for project in projects
    ]
    published = publish["strategy"]["matrix"]["distribution"]
    assert published[0] == names[0]
    assert sorted(published) == sorted(names)
    assert publish["strategy"]["max-parallel"] == 1


def test_hooks_call_the_tools_of_the_environment() -> None:
    """Their versions are those of the lock, as in ``make check``."""
    path = ROOT / ".pre-commit-config.yaml"
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(path)]
    subprocess.run(command, check=True)
    (repository,) = YAML(typ="safe").load(path)["repos"]
    assert repository["repo"] == "local"
    entries = [hook["entry"] for hook in repository["hooks"]]
    assert [entry.split()[0] for entry in entries] == [
        ".venv/bin/ruff", ".venv/bin/ruff", ".venv/bin/mypy",
    ]  # fmt: skip
