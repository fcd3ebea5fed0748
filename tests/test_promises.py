"""Every promise of docs/design.md has a test that says so: `@pytest.mark.promise("P1")`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
DESIGN = TESTS.parent / "docs" / "design.md"


def promised() -> set[str]:
    return set(re.findall(r"^\| (P\d+) \|", DESIGN.read_text("utf-8"), re.MULTILINE))


def marks(path: Path) -> Iterator[tuple[str, str]]:
    """(promise, test) for every marked test of a file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.promise":
                for argument in mark.args:
                    assert isinstance(argument, ast.Constant)
                    yield str(argument.value), f"{path.relative_to(TESTS)}::{node.name}"


def test_every_promise_has_a_named_test_and_every_mark_a_promise() -> None:
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for promise, test in marks(path):
            found.setdefault(promise, []).append(test)
    assert promised() >= {"P1", "P2", "P3", "P4", "P5", "P9"}
    assert set(found) == promised(), {name: len(tests) for name, tests in sorted(found.items())}
