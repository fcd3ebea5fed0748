"""The framework whose outputs are golden for a model: Keras, full TensorFlow Lite or PyTorch. None is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from harness.errors import UsageError

OLDEST_KERAS = (3, 14)  # Safe mode of older ones has known holes.
TORCH_SUFFIX = ".pt2"


@dataclass(frozen=True, slots=True)
class Reference:
    """One framework.

    Attributes:
        who: its name, for people.
        module: the worker it runs in, a program for `python -m`.
        packages: what must be installed; golden outputs are kept by the versions of these.
        hint: how to install it.
    """

    who: str
    module: str
    packages: tuple[str, ...]
    hint: str

    def versions(self) -> list[str]:
        """Installed versions of `packages`, empty where one is absent."""
        return [installed_version(package) for package in self.packages]

    def check(self) -> None:
        """Raises:
        UsageError: not installed, or too old to be given files.
        """
        missing = [name for name, version in zip(self.packages, self.versions(), strict=True) if version == ""]
        if missing:
            raise UsageError(
                f"{' and '.join(missing)} not installed, but needed to compute golden outputs", hint=self.hint
            )
        if "keras" in self.packages:
            _check_keras(installed_version("keras"))


_TENSORFLOW_HINT = "pip install tensorflow, or run a shipped bundle with its own vectors"
KERAS = Reference("Keras", "harness.model.keras_worker", ("tensorflow", "keras"), _TENSORFLOW_HINT)
TFLITE = Reference("TensorFlow Lite", "harness.model.keras_worker", ("tensorflow",), _TENSORFLOW_HINT)
TORCH = Reference(
    "PyTorch",
    "harness.model.torch_worker",
    ("torch",),
    "pip install 'hil-harness[torch]', or run a shipped bundle with its own vectors",
)


def reference_of(model: Path, *, converted: bool) -> Reference:
    """Who computes the golden outputs of a model file; `converted`: it came as a .tflite."""
    if converted:
        return TFLITE
    return TORCH if is_torch_file(model) else KERAS


def is_torch_file(model: Path) -> bool:
    """By its name: a program saved by torch.export.save."""
    return model.suffix.lower() == TORCH_SUFFIX


def installed_version(package: str) -> str:
    """Installed version, without importing the package; empty if it is absent."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        # Some builds of TensorFlow go by another name.
        return installed_version("tensorflow-cpu") if package == "tensorflow" else ""


def _check_keras(version: str) -> None:
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_KERAS:
        oldest = ".".join(str(part) for part in OLDEST_KERAS)
        raise UsageError(
            f"keras {version} is not used on model files: loading them is safe from {oldest} on only",
            hint="pip install --upgrade keras",
        )
