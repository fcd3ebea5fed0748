"""Makes the firmware's `hil_protocol_ids.h` from `ids.py`, so that a number exists in one place only.

    python -m harness.protocol.generate_header          writes the header
    python -m harness.protocol.generate_header --check  exits 1 if the committed header differs (CI)

Plain `#define`s, because they must serve C, C++, `#if` and gcc-avr 5.4 alike. Comments of ids.py are carried over.
"""

from __future__ import annotations

import ast
import inspect
import sys
import tokenize
from io import StringIO
from pathlib import Path

from harness.protocol import ids
from harness.resources import firmware_dir

PREFIXES = {
    "MessageType": "HIL_MSG_",
    "InferFlag": "HIL_INFER_FLAG_",
    "InfoTag": "HIL_INFO_TAG_",
    "StatsTag": "HIL_STATS_TAG_",
    "MemoryKind": "HIL_MEMORY_",
    "DType": "HIL_DTYPE_",
    "ErrorCode": "HIL_ERR_",
    "ResetReason": "HIL_RESET_",
    "LogLevel": "HIL_LOG_",
}
HEX_CLASSES = {"MessageType", "InferFlag"}
HEX_CONSTANTS = {"REPLY_BIT"}
COMMENT_COLUMN = 44


def header_path() -> Path:
    """Where the generated header is committed."""
    return firmware_dir() / "lib" / "hil_protocol" / "src" / "hil_protocol_ids.h"


def header_text() -> str:
    """The whole header. Raises KeyError for an enum of ids.py without a prefix in `PREFIXES`."""
    source = inspect.getsource(ids)
    comments = _comments_by_line(source)
    lines = [
        "/* Generated from harness/protocol/ids.py by `python -m harness.protocol.generate_header`: edit that.",
        " * What each number means on the wire: docs/protocol.md. */",
        "/* clang-format off */",
        "#ifndef HIL_PROTOCOL_IDS_H",
        "#define HIL_PROTOCOL_IDS_H",
        "",
    ]
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign):
            lines += _defines("HIL_", [node], ids.__dict__, HEX_CONSTANTS, comments)
        elif isinstance(node, ast.ClassDef):
            members = {name: int(value) for name, value in getattr(ids, node.name).__members__.items()}
            names = set(members) if node.name in HEX_CLASSES else set()
            first, last = node.body[0].lineno, node.body[-1].end_lineno or node.lineno
            lines += ["", f"/* {node.name}: {inspect.cleandoc(ast.get_docstring(node) or '')} */"]
            lines += _defines(PREFIXES[node.name], node.body, members, names, comments, range(first, last + 1))
    return "\n".join([*lines, "", "#endif", ""])


def _comments_by_line(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def _defines(
    prefix: str,
    body: list[ast.Assign] | list[ast.stmt],
    values: dict[str, int],
    hexadecimal: set[str],
    comments: dict[int, str],
    span: range = range(0),
) -> list[str]:
    """`#define`s of the assignments in `body`, in order, with the comments on their lines and within `span`."""
    assigned = {node.lineno: node.targets[0] for node in body if isinstance(node, ast.Assign)}
    lines = []
    for line_number in sorted({*assigned, *(n for n in comments if n in span)}):
        target = assigned.get(line_number)
        comment = comments.get(line_number, "")
        if target is None:
            lines.append(f"/* {comment} */")
            continue
        assert isinstance(target, ast.Name)
        value = values[target.id]
        define = f"#define {prefix}{target.id} {f'0x{value:02X}' if target.id in hexadecimal else value}"
        lines.append(f"{define:<{COMMENT_COLUMN}} /* {comment} */" if comment else define)
    return lines


def main(arguments: list[str]) -> int:
    """Entry point; returns the exit code."""
    text = header_text()
    path = header_path()
    if arguments == ["--check"]:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return 0
        print(f"{path} is not what ids.py says: run python -m harness.protocol.generate_header", file=sys.stderr)
        return 1
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
