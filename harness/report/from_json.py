"""Plain JSON values back into the typed records they were made from."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


class RecordFormatError(ValueError):
    """A value does not fit its field; the message begins with the field's path."""


def record_from(kind: type[Record], value: object, path: str = "") -> Record:
    """A dataclass from the mapping `harness.report.json_file.plain` makes of it.

    Unknown keys are left out: a newer harness may have written them. A missing key takes the field's default, and None
    where the field may be None: an older harness may not have known it.

    Raises:
        RecordFormatError: a key is missing, or a value has another type than its field.
    """
    if not isinstance(value, Mapping):
        raise RecordFormatError(f"{path or 'the file'} is not an object")
    hints = get_type_hints(kind)
    found: dict[str, object] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        where = f"{path}.{field.name}" if path else field.name
        if field.name in value:
            found[field.name] = _value(hints[field.name], value[field.name], where)
        elif field.default is not MISSING or field.default_factory is not MISSING:
            continue
        elif type(None) in get_args(hints[field.name]):
            found[field.name] = None
        else:
            raise RecordFormatError(f"{where} is missing")
    return kind(**found)


# Any: a type as an annotation holds it has no narrower type.
def _value(hint: Any, value: object, path: str) -> object:
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inside:
            return None
        return _value(next(part for part in inside if part is not type(None)), value, path)
    if origin is Literal:
        if value not in inside:
            raise RecordFormatError(f"{path} is {value!r}, not one of {', '.join(map(repr, inside))}")
        return value
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise RecordFormatError(f"{path} is not a list")
        items = [_value(inside[0], item, f"{path}[{index}]") for index, item in enumerate(value)]
        return items if origin is list else tuple(items)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise RecordFormatError(f"{path} is not an object")
        return {str(key): _value(inside[1], item, f"{path}.{key}") for key, item in value.items()}
    if is_dataclass(hint) and isinstance(hint, type):
        return record_from(hint, value, path)
    return _plain(hint, value, path)


def _plain(hint: Any, value: object, path: str) -> object:
    if hint is float and type(value) in (int, float):
        return float(value)  # type: ignore[arg-type]
    if hint in (bool, int, str) and type(value) is hint:
        return value
    if hint is float and value is None:
        return float("nan")  # what `plain` wrote as null
    raise RecordFormatError(
        f"{path} is not {'a number' if hint in (int, float) else f'a {hint.__name__}'}: {value!r:.60}"
    )
