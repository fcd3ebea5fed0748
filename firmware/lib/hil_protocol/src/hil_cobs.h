/* Sending side of a frame: 0x00 | COBS(payload) | 0x00 (docs/protocol.md, "Frame"). */
#ifndef HIL_COBS_H
#define HIL_COBS_H

#include <stddef.h>
#include <stdint.h>

namespace hil {

typedef void (*ByteSink)(const uint8_t* data, size_t n);

/* Encodes payload[0, n) between two delimiters and hands it to `sink` in pieces of at most kSinkPieceBytes.
 * The shortest encoding is made: no empty group after a last group of 254 bytes. */
void write_frame(const uint8_t* payload, size_t n, ByteSink sink);

/* Each sink call may flush a USB packet or make a system call, so bytes are gathered first; on AVR the stack is the limit. */
#if defined(__AVR__)
enum { kSinkPieceBytes = 32 };
#else
enum { kSinkPieceBytes = 256 };
#endif

}  // namespace hil
#endif
