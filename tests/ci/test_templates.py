"""The CI templates' commands, executed on emulated boards, and the rules that keep strangers off the boards."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.boards.catalogue import load_catalogue
from tests.ci.pipeline import Value, mapping, read, run_script, script, texts

CI = Path(__file__).resolve().parents[2] / "ci"
ROOT = CI.parent
TEMPLATES = sorted([*CI.glob("github/*.yml"), *CI.glob("gitlab/*.yml")])
# What only the CI system has, or what would fetch packages.
INSTALLS = ("Install the harness", "Install the harness, compilers and emulators")

LAB = """
[left-desk]
board = "host"
"""
SUITE = """
from harness.assertions import assert_hil_pass

def test_board_agrees_with_keras(hil_run):
    assert_hil_pass(hil_run)
"""

pytestmark = pytest.mark.skipif(shutil.which("c++") is None, reason="board host needs a C++ compiler")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """`hil` and python3 on PATH are this project's; results go where GitHub puts them."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    (bin_dir / "hil").write_text(f'#!/bin/sh\nexec {sys.executable} -m harness.cli "$@"\n')
    (bin_dir / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for program in bin_dir.iterdir():
        program.chmod(0o755)
    return {
        "PATH": f"{bin_dir}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HIL_STATE_DIR": str(tmp_path / "state"),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }


def steps_of(job: Value) -> list[dict[str, Value]]:
    steps = mapping(job)["steps"]
    assert isinstance(steps, list)
    return [mapping(step) for step in steps]


def run_steps(job: Value, folder: Path, environment: dict[str, str]) -> None:
    for step in steps_of(job):
        command = step.get("run")
        if isinstance(command, str) and step.get("name") not in INSTALLS:
            script(command, folder, environment | texts(step.get("env")))


def test_the_github_templates_boards_run_from_images_alone(tmp_path: Path, environment: dict[str, str]) -> None:
    workflow = read(CI / "github" / "hil-boards.yml")
    jobs = mapping(workflow["jobs"])
    (tmp_path / "boards.toml").write_text(LAB)
    environment = environment | texts(workflow["env"]) | {"HIL_BOARDS": "", "HIL_LAB": "boards.toml"}
    desk = tmp_path / "desk"
    desk.mkdir()

    run_steps(jobs["build"], tmp_path, environment)
    (line,) = (tmp_path / "output").read_text().splitlines()
    rows = json.loads(line.removeprefix("boards="))
    assert [row["board"] for row in rows] == ["left-desk"]

    # The runner with the boards: no checkout, no compiler, nothing but the artifact and the matrix row.
    shutil.move(tmp_path / "images", desk / "images")
    bare = tmp_path / "bare"
    bare.mkdir()
    for program in ("bash", "sh", "cat"):
        (bare / program).symlink_to(shutil.which(program) or program)
    environment |= {
        "PATH": f"{tmp_path / 'bin'}:{bare}",
        "HIL_CACHE_DIR": str(tmp_path / "cache"),
        "HIL_BOARD": rows[0]["board"],
        "HIL_IMAGE_SHA256": rows[0]["sha256"],
        "HIL_LAB": str(tmp_path / "boards.toml"),
    }
    run_steps(jobs["board"], desk, environment)
    assert json.loads((desk / "result.json").read_text())["verdict"] == "pass"
    assert ElementTree.parse(desk / "junit.xml").getroot().find(".//testcase") is not None
    assert "### HIL passed: fuel\\_lstm on host" in (tmp_path / "summary.md").read_text()

    # An image that was swapped on its way never reaches the board, and the summary says why.
    (desk / "images" / "left-desk" / "firmware.elf").write_bytes(b"\x7fELF other")
    run, report = [step["run"] for step in steps_of(jobs["board"]) if "run" in step]
    assert isinstance(run, str) and isinstance(report, str)
    assert run_script(run, desk, environment).returncode == 2
    script(report, desk, environment)
    assert "is not the file" in (tmp_path / "summary.md").read_text()


def test_the_github_templates_own_tests_and_smoke_run(tmp_path: Path, environment: dict[str, str]) -> None:
    boards, smoke = read(CI / "github" / "hil-boards.yml"), read(CI / "github" / "hil-smoke.yml")
    tests = mapping(mapping(boards["jobs"])["tests"])
    # A suite of one test in the place of this project's own, which takes longer.
    suite = tmp_path / "tests" / "hardware"
    suite.mkdir(parents=True)
    (suite / "test_board.py").write_text(SUITE)
    given = environment | texts(boards["env"]) | texts(tests["env"]) | {"HIL_BOARD": "host"}
    run_steps(tests, tmp_path, given)
    assert json.loads((tmp_path / "result.json").read_text())["runs"][0]["verdict"] == "pass"
    given = environment | texts(smoke["env"]) | {"HIL_BOARDS": "host"}
    run_steps(mapping(smoke["jobs"])["smoke"], tmp_path, given)
    assert (tmp_path / "summary.md").read_text().count("### HIL passed") == 2
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().find(".//testcase") is not None


def test_the_gitlab_templates_boards_run_from_images_alone(tmp_path: Path, environment: dict[str, str]) -> None:
    pipeline = read(CI / "gitlab" / "hil-boards.yml")
    given = environment | texts(pipeline["variables"]) | {"HIL_BOARDS": "host"}
    commands = mapping(pipeline["hil-build"])["script"]
    assert isinstance(commands, list)
    for command in commands:
        assert isinstance(command, str)
        script(command, tmp_path, given)
    child = json.loads((tmp_path / "hil-run.yml").read_text())
    job = child["hil-run host"]
    assert (job["tags"], job["variables"]["GIT_STRATEGY"]) == (["hil"], "none")
    given = environment | job["variables"] | {"HIL_CACHE_DIR": str(tmp_path / "cache")}
    output = script("\n".join(job["script"]), tmp_path, given)
    assert "### HIL passed" in output
    # A run that fails fails the job, and is still reported.
    given["HIL_IMAGE_SHA256"] = "0" * 64
    failed = run_script("\n".join(job["script"]), tmp_path, given)
    assert failed.returncode == 2
    assert "### HIL **ERROR**" in failed.stdout


def test_the_gitlab_smoke_job_is_the_github_one() -> None:
    """So that what the other test executes holds for this one too."""
    gitlab = mapping(read(CI / "gitlab" / "hil-smoke.yml")["hil-smoke"])
    github = steps_of(mapping(read(CI / "github" / "hil-smoke.yml")["jobs"])["smoke"])
    commands = gitlab["script"]
    assert isinstance(commands, list)
    runs = [step["run"] for step in github if "run" in step and step["name"] not in INSTALLS]
    assert [f"{command}".strip() for command in commands] == [f"{run}".strip() for run in runs[:2]]
    assert texts(gitlab["variables"]) == texts(read(CI / "github" / "hil-smoke.yml")["env"])


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_scripts_hold_no_expressions_and_nothing_runs_with_more_rights_than_needed(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"^\s*pull_request_target\s*:", text, re.MULTILINE)
    assert "secrets." not in text
    document = read(path)
    if path.parent.name != "github":
        return
    assert document["permissions"] == {"contents": "read"}
    for job in mapping(document["jobs"]).values():
        assert "timeout-minutes" in mapping(job)
        for step in steps_of(job):
            assert "${{" not in f"{step.get('run', '')}"
            if f"{step.get('uses', '')}".startswith("actions/checkout"):
                assert mapping(step["with"])["persist-credentials"] == "false"


def test_no_pull_request_from_a_fork_gets_to_a_board() -> None:
    jobs = mapping(read(CI / "github" / "hil-boards.yml")["jobs"])
    condition = f"{mapping(jobs['build'])['if']}"
    assert "github.event.pull_request.head.repo.full_name == github.repository" in condition
    for job in map(mapping, jobs.values()):
        if "self-hosted" in job["runs-on"]:
            # A job whose needs were skipped is skipped, unless its own condition says always().
            assert job["needs"] == "build"
            assert "always()" not in f"{job.get('if', '')}"
    # The job with the boards runs without the repository.
    assert not any("checkout" in f"{step.get('uses', '')}" for step in steps_of(jobs["board"]))
    gitlab = read(CI / "gitlab" / "hil-boards.yml")
    rules = mapping(gitlab[".hil-rules"])["rules"]
    assert isinstance(rules, list)
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID != $CI_PROJECT_ID" in f"{mapping(rules[0])['if']}"
    assert mapping(rules[0])["when"] == "never"
    for name in ("hil-build", "hil-run"):
        assert mapping(gitlab[name])["extends"] == ".hil-rules"


def test_the_udev_rules_know_every_usb_id_of_the_catalogue_and_keep_modem_manager_away() -> None:
    text = (CI / "udev" / "60-hil-boards.rules").read_text()
    ids = {f"{vid}:{pid}" for vid, pid in re.findall(r'idVendor}=="(\w{4})", ATTRS{idProduct}=="(\w{4})"', text)}
    assert ids == {usb_id for board in load_catalogue().values() for usb_id in board.usb_ids}
    assert 'ENV{ID_MM_DEVICE_IGNORE}="1"' in text
    assert 'GROUP="dialout", MODE="0660"' in text
    labels, jumps = re.findall(r'LABEL="(\w+)"', text), re.findall(r'GOTO="(\w+)"', text)
    assert set(jumps) == set(labels)
    key = r'[A-Z]+(?:\{[\w.]+\})?(?:==|!=|\+=|=)"[^"]*"'
    for line in text.splitlines():
        assert not line or line.startswith("#") or re.fullmatch(rf"{key}(?:, {key})*", line), line
