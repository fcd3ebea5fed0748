"""Models that come converted: a .tflite file, or a header with one in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.model.tflite_flat import TfliteFormatError
from harness.model.tflite_header import MAX_HEADER_BYTES, parse_header
from harness.model.tflite_lint import WIRE_RULES, Finding, errors_of, lint_tflite
from harness.model.tflite_read import MAX_MODEL_BYTES, TfliteModel, read_tflite

SUFFIXES = (".tflite", ".h", ".hpp", ".hh", ".cc", ".cpp", ".c")


@dataclass(frozen=True, slots=True)
class TfliteSource:
    """A model file that was read and found well-formed.

    Attributes:
        path: the file.
        data: the .tflite bytes.
        sha256: of `data`, 32 bytes: the model's identity on the wire.
        model: its structure.
        registered: operators that the header registers, sorted; None where the file is no header or registers none.
    """

    path: Path
    data: bytes
    sha256: bytes
    model: TfliteModel
    registered: tuple[str, ...] | None

    @property
    def unregistered(self) -> tuple[str, ...]:
        """Operators the model has and its header forgets to register; a board can't load it then."""
        return () if self.registered is None else tuple(sorted(set(self.model.operator_names) - set(self.registered)))

    @property
    def superfluous(self) -> tuple[str, ...]:
        """Operators its header registers and the model does not have: flash for nothing."""
        return () if self.registered is None else tuple(sorted(set(self.registered) - set(self.model.operator_names)))

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of each input, without the batch dimension."""
        return tuple(tensor.shape[1:] for tensor in self.model.inputs)

    @property
    def output_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of each output, without the batch dimension."""
        return tuple(tensor.shape[1:] for tensor in self.model.outputs)


def is_tflite_source(path: Path) -> bool:
    """Whether a file of that name is read as a converted model."""
    return path.suffix.lower() in SUFFIXES


def load_tflite(path: Path) -> TfliteSource:
    """Reads a .tflite, or a C header with one.

    Raises:
        UsageError: the file can't be read, is no model, or is damaged; says where.
    """
    header = path.suffix.lower() != ".tflite"
    data = _read(path, MAX_HEADER_BYTES if header else MAX_MODEL_BYTES)
    registered = None
    if header:
        try:
            parsed = parse_header(data.decode("utf-8", "replace"))
        except UsageError as error:
            raise UsageError(f"{path}: {error.what}", hint=error.hint) from error
        data = parsed.data
        registered = tuple(sorted(parsed.operators)) if parsed.methods else None
    try:
        model = read_tflite(data)
    except TfliteFormatError as error:
        raise UsageError(f"{path} is not a whole .tflite model: {error}", hint="convert the model again") from error
    return TfliteSource(path, data, hashlib.sha256(data).digest(), model, registered)


def require_runnable(source: TfliteSource, library: str) -> None:
    """Refuses a model that the library would not run, or would run wrong.

    Raises:
        UsageError: the first error found, why, and what to do instead.
    """
    require_no_errors(lint_tflite(source.data, library), str(source.path))
    if source.unregistered:
        raise UsageError(
            f"{source.path} does not register {', '.join(source.unregistered)}, which its model has",
            hint="write the header again with `hil convert`",
        )


def require_sendable(source: TfliteSource) -> None:
    """Refuses a model whose inputs or outputs have no form on the wire, whatever engine would run it.

    Raises:
        UsageError: which and why.
    """
    findings = [finding for finding in errors_of(lint_tflite(source.data)) if finding.rule in WIRE_RULES]
    require_no_errors(tuple(findings), str(source.path))


def require_no_errors(findings: tuple[Finding, ...], name: str) -> None:
    """Refuses a model that lint found errors in.

    Args:
        findings: lint's.
        name: what the user calls the model.

    Raises:
        UsageError: every error's finding, why the first is one, and what to do instead.
    """
    found = errors_of(findings)
    if not found:
        return
    first = found[0]
    others = "".join(f"; also {finding.what} [{finding.rule}]" for finding in found[1:])
    link = f"; see {first.link}" if first.link else ""
    raise UsageError(
        f"{name} is refused by lint: {first.what} [{first.rule}]: {first.why}{others}", hint=f"{first.instead}{link}"
    )


def _read(path: Path, limit_bytes: int) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(limit_bytes + 1)
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}", hint="check the path") from error
    if len(data) > limit_bytes:
        raise UsageError(f"{path} is larger than {limit_bytes} bytes", hint="is it the right file?")
    return data
