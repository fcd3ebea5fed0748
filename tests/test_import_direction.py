"""Dependencies point one way: cli, plugin -> workflow -> boards, build, model, compare, report -> link -> protocol
-> nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

HARNESS = Path(__file__).resolve().parent.parent / "harness"

BASE = {"errors", "resources", "__init__"}
MIDDLE = {"boards", "build", "model", "compare", "report"}
ALLOWED = {
    "errors": set(),
    "resources": {"errors"},
    "__init__": {"workflow"},
    "protocol": {"errors"},
    "link": {"protocol"},
    # Between the rooms of the middle: images and packed models are what targets, builds and reports pass on.
    "boards": {"build", "link", "model", "protocol"},
    "build": {"boards", "model", "protocol"},
    "model": {"protocol", "link", "compare"},
    "compare": set(),
    "report": {"compare", "link", "protocol"},
    "workflow": MIDDLE | {"link", "protocol"},
    "assertions": {"report", "workflow", "compare"},
    "cli": MIDDLE | {"workflow", "link", "protocol"},
    "plugin": MIDDLE | {"workflow", "link", "protocol", "assertions"},
}


def room_of(path: Path) -> str:
    return path.relative_to(HARNESS).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
            if node.module == "harness":
                names = [f"harness.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith("harness."):
                yield name.split(".")[1]


@pytest.mark.parametrize("path", sorted(HARNESS.rglob("*.py")), ids=lambda p: str(p.relative_to(HARNESS)))
def test_imports_point_one_way(path: Path) -> None:
    room = room_of(path)
    allowed = ALLOWED[room] | BASE | {room}
    wrong = {name for name in imported_rooms(path) if name not in allowed and name != "__version__"}
    assert not wrong, f"harness/{path.relative_to(HARNESS)} may not import {sorted(wrong)}"


def test_only_one_file_imports_pyserial_and_only_workers_import_frameworks() -> None:
    users: dict[str, set[str]] = {"serial": set(), "tensorflow": set(), "keras": set(), "torch": set()}
    for path in HARNESS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if (top := name.split(".")[0]) in users:
                    users[top].add(str(path.relative_to(HARNESS)))
    assert users["serial"] <= {"link/serial_port.py", "link/port_list.py"}
    in_worker = {"model/keras_worker.py", "model/keras_cells.py", "model/keras_unroll.py"}
    assert users["tensorflow"] | users["keras"] <= in_worker
    assert users["torch"] <= {"model/torch_worker.py", "model/torch_module.py", "model/bundle_make.py"}


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports for type checking alone and those inside functions count: they are dependencies too."""
    modules = {".".join(path.relative_to(HARNESS.parent).with_suffix("").parts): path for path in HARNESS.rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        froms = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        named = {f"{node.module}.{alias.name}" for node in froms for alias in node.names}
        graph[name] = (named | {str(node.module) for node in froms}) & modules.keys()
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}", pytrace=False)
