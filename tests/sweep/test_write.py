"""bundle.toml keeps every byte but the number that was to change."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.workflow.sweep.write import edited, settings_file, write_arena

KEY = "host/rnn"
HEAD = 'name = "m"  # a comment\ntask = "regression"\n\n[files]\nmodel = "m.keras"\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (HEAD, HEAD + '\n[arena]\n"host/rnn" = 640\n'),
        (HEAD.rstrip("\n"), HEAD + '\n[arena]\n"host/rnn" = 640\n'),
        (HEAD + "[arena]", HEAD + '[arena]\n"host/rnn" = 640\n'),
        (HEAD + "[arena]\n", HEAD + '[arena]\n"host/rnn" = 640\n'),
        (HEAD + '[arena]\n"host/rnn" = 1_000 # old\n', HEAD + '[arena]\n"host/rnn" = 640 # old\n'),
        (HEAD + "[arena]\n'host/rnn'=1\n", HEAD + "[arena]\n'host/rnn'=640\n"),
        (HEAD + '[arena]\r\n"host/rnn" = 1\r\n', HEAD + '[arena]\r\n"host/rnn" = 640\r\n'),
        (
            HEAD + '[ arena ]  # sizes\n"esp32/tflm" = 4096\n\n# about data\n[data]\nfeatures = ["a"]\n',
            HEAD
            + '[ arena ]  # sizes\n"esp32/tflm" = 4096\n"host/rnn" = 640\n\n# about data\n[data]\nfeatures = ["a"]\n',
        ),
        (
            HEAD.replace("[files]", '[arena]\n"host/tflm" = 9\n[files]'),
            HEAD.replace("[files]", '[arena]\n"host/tflm" = 9\n"host/rnn" = 640\n[files]'),
        ),
    ],
)
def test_only_the_entry_changes(before: str, after: str) -> None:
    found = edited(before.encode(), KEY, 640).decode()
    assert found == after
    assert tomllib.loads(found)["arena"][KEY] == 640


def bundle(folder: Path, text: str) -> Path:
    file = folder / "bundle.toml"
    file.write_bytes(text.encode())
    return file


def test_the_file_keeps_its_permissions(tmp_path: Path) -> None:
    file = bundle(tmp_path, HEAD)
    file.chmod(0o640)
    assert write_arena(file, KEY, 640)
    assert file.stat().st_mode & 0o777 == 0o640
    assert not write_arena(file, KEY, 640)


def test_what_can_not_be_edited_safely_is_left_alone(tmp_path: Path) -> None:
    text = HEAD.replace('"m"  # a comment', '"""\n[arena]\nm"""') + '[arena]\n"host/rnn" = 1\n'
    file = bundle(tmp_path, text)
    with pytest.raises(UsageError, match="by hand"):
        write_arena(file, KEY, 640)
    assert file.read_bytes() == text.encode()


def test_a_model_file_has_no_settings(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no bundle\.toml"):
        settings_file(str(tmp_path / "m.keras"))


def test_a_bundle_that_can_not_be_written_is_said_so_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(tmp_path, HEAD)
    # As for an installed package; root may write anywhere, so the system call is told to refuse.
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(UsageError, match="copy the bundle's folder"):
        settings_file(str(tmp_path))
