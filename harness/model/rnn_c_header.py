"""hil_model.h: the blob as an array in flash, and which parts of the engine it needs."""

from __future__ import annotations

from harness.model.rnn_format import AVR_MAX_BLOB_BYTES, BLOB_ALIGNMENT


def c_header(blob: bytes, *, title: str, ops: int, activations: int, layouts: int) -> str:
    """Generate hil_model.h.

    Args:
        blob: bytes of `encode_blob`.
        title: put into a comment; anything but printable ASCII is replaced, so a name can't end the comment.
        ops, activations, layouts: bit n: OpKind n, Activation n, Layout n is used; the others are left out.
    """
    safe = "".join(ch if " " <= ch <= "~" else "?" for ch in title).replace("*/", "* /")
    limit = f"an 8-bit AVR takes models of up to {AVR_MAX_BLOB_BYTES} bytes: use fewer units"
    lines = [", ".join(f"0x{byte:02x}" for byte in blob[at : at + 16]) for at in range(0, len(blob), 16)]
    body = ",\n  ".join(lines)
    return f"""/* Generated from {safe}: do not edit. Format: lib/hil_engine_rnn/README.md. */
#ifndef HIL_MODEL_H
#define HIL_MODEL_H

#include <stdint.h>

#define HIL_MODEL_BYTES {len(blob)}
#define HIL_MODEL_OPS 0x{ops:x}ul
#define HIL_MODEL_ACTIVATIONS 0x{activations:x}ul
#define HIL_MODEL_LAYOUTS 0x{layouts:x}ul

#endif
#if !defined(HIL_MODEL_USES_ONLY) && !defined(HIL_MODEL_DATA)
#define HIL_MODEL_DATA

#if defined(__AVR__)
#include <avr/pgmspace.h>
#if HIL_MODEL_BYTES > {AVR_MAX_BLOB_BYTES}
#error "this model takes {len(blob)} bytes; {limit}"
#endif
#define HIL_MODEL_PLACE PROGMEM
#else
#define HIL_MODEL_PLACE
#endif

static const uint8_t hil_model[HIL_MODEL_BYTES] __attribute__((aligned({BLOB_ALIGNMENT}))) HIL_MODEL_PLACE = {{
  {body}}};

#endif
"""
