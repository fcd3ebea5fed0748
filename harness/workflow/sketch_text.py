"""What a sketch prints, line by line: predictions, complaints of its library, restarts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from harness.errors import UsageError

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?|[-+]?(?:nan|inf|ovf)"
# "Expcted" is how the tutorial's sketch spells it. What follows a number must not be part of it.
DEFAULT_PATTERN = rf"(?i)exp\w*\s*=\s*(?P<expected>{_NUMBER})\s*,\s*predicted\s*=\s*(?P<predicted>{_NUMBER})(?![\w.])"
BANNER = "__TENSORFLOW LSTM__"

_GROUPS = {"expected", "predicted", "vector"}
_ANY_NUMBER = re.compile(_NUMBER, re.IGNORECASE)
_PARTS = re.compile(r"[-+]?\d*(?:\.(\d*))?(?:e([-+]?\d+))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was printed; `half_unit`: half of its last digit's worth, what rounding may have cost.

    What Arduino prints as "ovf" (beyond 4294967040) is an infinity.
    """

    value: float
    half_unit: float


@dataclass(frozen=True, slots=True)
class Printed:
    """One prediction: the outputs in order; the expected value and the vector's number where the line has them."""

    predicted: tuple[Number, ...]
    expected: Number | None
    vector: int | None


class SketchPattern:
    """A regular expression with the named group `predicted`, and maybe `expected` and `vector` (counted from 0).

    `predicted` holds one number, or several with anything between them, one for each element of the model's output.

    Raises:
        UsageError: it is no regular expression, or its groups are others.
    """

    def __init__(self, text: str = DEFAULT_PATTERN) -> None:
        try:
            self._expression = re.compile(text)
        except re.error as error:
            raise UsageError(f"the pattern is no regular expression: {error}", hint="quote it for the shell") from None
        groups = set(self._expression.groupindex)
        if "predicted" not in groups or groups - _GROUPS:
            raise UsageError(
                f"the pattern has the groups {', '.join(sorted(groups)) or 'none'}",
                hint="it needs (?P<predicted>...) and may have (?P<expected>...) and (?P<vector>...)",
            )
        self.text = text

    def parse(self, line: str) -> Printed | None:
        """The prediction in a line; None if it holds none."""
        found = self._expression.search(line)
        if found is None:
            return None
        groups = found.groupdict()
        predicted = tuple(_number(text) for text in _ANY_NUMBER.findall(groups["predicted"] or ""))
        if not predicted:
            return None
        expected = _ANY_NUMBER.search(groups.get("expected") or "")
        vector = groups.get("vector") or ""
        return Printed(
            predicted,
            _number(expected[0]) if expected else None,
            int(vector) if vector.isascii() and vector.isdigit() and len(vector) < 10 else None,
        )


def _number(text: str) -> Number:
    lower = text.lower()
    if lower[-3:] in ("nan", "inf", "ovf"):
        value = math.nan if lower.endswith("nan") else -math.inf if lower.startswith("-") else math.inf
        return Number(value, 0.0)
    parts = _PARTS.fullmatch(text)
    assert parts is not None
    exponent = int(parts[2] or 0) - len(parts[1] or "")
    return Number(float(text), 0.5 * 10.0 ** max(-300, min(300, exponent)))


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a known line of a library or chip means, and what to do about it. No prediction after it can be trusted."""

    what: str
    hint: str


_LARGER_ARENA = "raise ARENA_SIZE; hil sweep-arena finds the smallest that works, so nothing need be guessed"
_COMPLAINTS = [
    (
        r"Didn't find op for builtin opcode '?([A-Z0-9_]{1,60})",
        "the operator {0} is not registered, or the library has none",
        "add it in registerNetworkOps: the header hil convert writes registers what the model has; hil lint says "
        "whether the library has it",
    ),
    (
        r"Failed to (?:resize buffer|allocate \w+ memory).*?missing: (\d{1,10})",
        "the arena is too small: {0} bytes were missing at this step, and later steps may want more",
        _LARGER_ARENA,
    ),
    (r"Too many buffers \(max is (\d{1,6})\)", "the arena is too small to plan {0} buffers", _LARGER_ARENA),
    (
        r"AllocateTensors\(\) failed|failed to allocate tensors",
        "the library could not place the model's tensors in the arena",
        f"{_LARGER_ARENA}. If a larger one changes nothing, an operator is missing: hil lint model.h",
    ),
    (
        r"arena allocation failed",
        "the board has no room for the arena",
        "lower ARENA_SIZE to what hil sweep-arena finds",
    ),
    (r"Invoke\(\)? ?failed", "an inference failed in the library", "hil lint model.h says what it can't compute"),
    (
        r"Model version mismatch|schema version \d+ (?:not equal|is not supported)",
        "the library reads another version of .tflite files, or the array is no model",
        "write the header again with hil convert, and update the library",
    ),
    (
        r"You must set the number of (inputs|outputs)",
        "the sketch does not tell the library how many {0} the model has",
        "call tf.setNumInputs(TF_NUM_INPUTS) and tf.setNumOutputs(TF_NUM_OUTPUTS) before begin()",
    ),
    (
        r"Guru Meditation Error|Hard ?Fault|abort\(\) was called|Stack canary watchpoint|stack overflow",
        "the board crashed",
        "a too small arena or stack can do that; so can a begin() before every prediction, which leaks an interpreter "
        "each time",
    ),
    (r"Brownout detector was triggered", "the supply voltage broke down", "use a shorter cable or another USB port"),
    (
        r"Task watchdog got triggered|Interrupt wdt timeout",
        "the sketch hung until the watchdog noticed",
        "models with a WHILE loop may never return: hil lint model.h",
    ),
]
_COMPILED = [(re.compile(expression, re.IGNORECASE), what, hint) for expression, what, hint in _COMPLAINTS]
# First words of the ESP32's boot loader in ROM, and of the ESP8266's.
_BOOT = re.compile(r"\brst:0x[0-9a-f]+ \(|\bets [A-Z][a-z]{2} +\d+ \d{4}|\brst cause:\d")


def complaint(line: str) -> Complaint | None:
    """What is wrong, if the line is one a library or chip prints when something is."""
    for expression, what, hint in _COMPILED:
        found = expression.search(line)
        if found:
            return Complaint(what.format(*(group or "?" for group in found.groups())), hint)
    return None


def is_boot(line: str, banner: str = BANNER) -> bool:
    """Whether the line is one of those a board prints once, when it starts: the sketch's own, or a boot loader's."""
    return bool(banner and banner in line) or bool(_BOOT.search(line))
