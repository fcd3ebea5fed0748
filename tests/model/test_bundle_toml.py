"""bundle.toml: defaults, and every wrong key by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model.bundle_toml import load_manifest

LEAST = 'name = "m"\ntask = "regression"\n[files]\nmodel = "m.keras"\n'


def load(tmp_path: Path, content: str) -> object:
    (tmp_path / "bundle.toml").write_text(content)
    return load_manifest(tmp_path / "bundle.toml")


def test_the_least_that_is_needed(tmp_path: Path) -> None:
    (tmp_path / "bundle.toml").write_text(LEAST)
    manifest = load_manifest(tmp_path / "bundle.toml")
    assert manifest.model == tmp_path.resolve() / "m.keras"
    assert (manifest.tolerance_max_abs_of_range, manifest.stateful, manifest.arena_bytes) == (1e-4, False, {})
    assert (manifest.vectors, manifest.labels, manifest.golden, manifest.data) == (None, None, None, None)


def test_everything_there_is(tmp_path: Path) -> None:
    (tmp_path / "bundle.toml").write_text(
        'description = "d"\ntolerance_max_abs_of_range = 0.01\nstateful = true\n'
        + LEAST
        + f'model_sha256 = "{"ab" * 32}"\nvectors = "v.npz"\n[arena]\n"uno/rnn" = 512\n'
        '[data]\nfeatures = ["a", "b"]\nlabel = "c"\ndrop_missing = true\n'
    )
    manifest = load_manifest(tmp_path / "bundle.toml")
    assert manifest.model_sha256 == b"\xab" * 32
    assert manifest.stateful
    assert dict(manifest.arena_bytes) == {"uno/rnn": 512}
    assert manifest.data is not None
    assert (manifest.data.features, manifest.data.label) == (("a", "b"), "c")
    assert (manifest.data.drop_missing, manifest.data.drop_duplicates) == (True, False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("name = ", "can't be read"),
        (LEAST.replace('name = "m"\n', ""), "name is missing"),
        (LEAST.replace("regression", "guess"), 'task is "guess", not "regression" or "classification"'),
        (LEAST.replace('model = "m.keras"', ""), "files.model is missing"),
        ('name = "m"\ntask = "regression"\n', "files is missing"),
        (LEAST.replace("m.keras", "../m.keras"), 'files.model "../m.keras" is outside the bundle'),
        (LEAST.replace("m.keras", "/etc/passwd"), "is outside the bundle"),
        (LEAST + 'golden = "a/../../g.npz"\n', "is outside the bundle"),
        (LEAST + 'modle = "x"\n', "files.modle is not a key of this table"),
        ("tolerence = 1\n" + LEAST, "tolerence is not a key of this table"),
        ("tolerance_max_abs_of_range = -1\n" + LEAST, "tolerance_max_abs_of_range is not a finite number >= 0"),
        ("tolerance_max_abs_of_range = nan\n" + LEAST, "is not a finite number"),
        ('stateful = "yes"\n' + LEAST, "stateful is not true or false"),
        (LEAST + 'model_sha256 = "abc"\n', "model_sha256 is not 64 hex digits"),
        (LEAST + '[arena]\n"uno/rnn" = 0\n', "arena.uno/rnn is not a whole number > 0"),
        (LEAST + '[data]\nlabel = "c"\n', "data.features is missing"),
        (LEAST + "[data]\nfeatures = [1]\n", "data.features is not a list of texts"),
        (LEAST + '[data]\nfeatures = ["a"]\ntarget = "c"\n', "data.target is not a key"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        load(tmp_path, content)


def neighbours(tmp_path: Path, files: str, *, other: str = LEAST) -> Path:
    """bundle.toml of a bundle "b" with these [files], beside a bundle "a"."""
    for name, content in (("a", other), ("b", f'name = "b"\ntask = "regression"\nquantise = "int8"\n[files]\n{files}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "bundle.toml").write_text(content)
    return tmp_path / "b" / "bundle.toml"


def test_the_files_of_the_bundle_beside(tmp_path: Path) -> None:
    other = LEAST + 'vectors = "v.npz"\n[data]\nfeatures = ["a"]\n'
    manifest = load_manifest(neighbours(tmp_path, 'bundle = "a"\n', other=other))
    assert (manifest.name, manifest.quantise) == ("b", "int8")
    assert manifest.model == tmp_path.resolve() / "a" / "m.keras"
    assert manifest.vectors == tmp_path.resolve() / "a" / "v.npz"
    assert manifest.data is not None


@pytest.mark.parametrize(
    ("files", "other", "reason"),
    [
        ('bundle = "../a"\n', LEAST, 'files.bundle "../a" is not the name of a folder beside'),
        ('bundle = ".."\n', LEAST, "is not the name of a folder beside"),
        ('bundle = "/etc"\n', LEAST, "is not the name of a folder beside"),
        ('bundle = "c"\n', LEAST, "bundle.toml does not exist"),
        ('bundle = "b"\n', LEAST, 'files.bundle is "b": a bundle that others take their files from has its own'),
        ('bundle = "a"\n', LEAST.replace("model", "bundle"), "a bundle that others take their files from has its own"),
        ('bundle = "a"\nmodel = "m.keras"\n', LEAST, "files.model is not a key of this table"),
    ],
)
def test_files_of_another_bundle_that_cannot_be_had(tmp_path: Path, files: str, other: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        load_manifest(neighbours(tmp_path, files, other=other))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"bundle.toml does not exist"):
        load_manifest(tmp_path / "bundle.toml")
