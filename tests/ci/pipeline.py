"""Reads the part of YAML that the CI templates use, and runs their scripts as the CI system would.

No YAML library is a dependency of this project. What this reader does not know it refuses, so the templates stay plain.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

Value: TypeAlias = "str | list[Value] | dict[str, Value]"

_KEY = re.compile(r"([\w.-]+):(?: (.*))?")


def read(path: Path) -> dict[str, Value]:
    """The document of a template.

    Raises:
        ValueError: a line this reader does not know, with its number.
    """
    lines = [(number, line) for number, line in enumerate(path.read_text().split("\n"), 1)]
    reader = _Reader(lines)
    document = reader.block(0)
    assert isinstance(document, dict)
    return document


class _Reader:
    def __init__(self, lines: list[tuple[int, str]]) -> None:
        self._lines = lines

    def block(self, indent: int) -> Value:
        """A mapping or list whose lines begin at column `indent`."""
        self._skip()
        return self._list(indent) if self._text().lstrip().startswith("- ") else self._mapping(indent)

    def _skip(self) -> None:
        while self._lines and (not self._lines[0][1].strip() or self._lines[0][1].lstrip().startswith("#")):
            self._lines.pop(0)

    def _text(self) -> str:
        return self._lines[0][1] if self._lines else ""

    def _indent(self) -> int:
        self._skip()
        return len(self._text()) - len(self._text().lstrip()) if self._lines else -1

    def _mapping(self, indent: int) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while self._indent() == indent and not self._text().lstrip().startswith("- "):
            number, line = self._lines.pop(0)
            match = _KEY.fullmatch(line.strip())
            if match is None or match[1] in found:
                raise ValueError(f"line {number}: {line.strip()!r}")
            found[match[1]] = self._value(match[2] or "", indent)
        if self._indent() > indent:
            raise ValueError(f"line {self._lines[0][0]}: indented too far")
        return found

    def _list(self, indent: int) -> list[Value]:
        found: list[Value] = []
        while self._indent() == indent and self._text().lstrip().startswith("- "):
            number, line = self._lines.pop(0)
            rest = line.strip()[2:]
            if _KEY.fullmatch(rest) and not rest.startswith(('"', "'")) and not re.match(r"\S+:\S", rest):
                self._lines.insert(0, (number, " " * (indent + 2) + rest))
                found.append(self._mapping(indent + 2))
            else:
                found.append(self._value(rest, indent))
        return found

    def _value(self, text: str, indent: int) -> Value:
        if text == "|":
            return self._literal(indent)
        if text.startswith("[") and text.endswith("]"):
            return [_scalar(word.strip()) for word in text[1:-1].split(",")]
        if text:
            return _scalar(text)
        deeper = self._indent()
        if deeper > indent or (deeper == indent and self._text().lstrip().startswith("- ")):
            return self.block(deeper)
        return ""

    def _literal(self, indent: int) -> str:
        body: list[str] = []
        while self._lines and (not self._text().strip() or len(self._text()) - len(self._text().lstrip()) > indent):
            body.append(self._lines.pop(0)[1])
        first = next(line for line in body if line.strip())
        margin = len(first) - len(first.lstrip())
        return "\n".join(line[margin:] for line in body).rstrip("\n") + "\n"


def _scalar(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    if text[:1] in "&*!>%@{":
        raise ValueError(f"{text!r} is more YAML than the templates need")
    return text


def mapping(value: Value | None) -> dict[str, Value]:
    """`value`, which must be a mapping; an empty one where there is none."""
    if value is None or value == "":
        return {}
    assert isinstance(value, dict), value
    return value


def texts(value: Value | None) -> dict[str, str]:
    """As `mapping`, of plain texts."""
    return {key: item for key, item in mapping(value).items() if isinstance(item, str)}


def script(text: str, folder: Path, environment: Mapping[str, str], *, timeout_s: float = 110) -> str:
    """Runs a script as GitHub and GitLab do: bash that ends at the first error; its output.

    Raises:
        AssertionError: it failed; with all it printed.
    """
    done = run_script(text, folder, environment, timeout_s=timeout_s)
    assert done.returncode == 0, f"exit code {done.returncode}\n{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_script(
    text: str, folder: Path, environment: Mapping[str, str], *, timeout_s: float = 110
) -> subprocess.CompletedProcess[str]:
    """As `script`, whatever the exit code."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
