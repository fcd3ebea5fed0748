/* Little-endian integers at any alignment. */
#ifndef HIL_BYTES_H
#define HIL_BYTES_H

#include <stdint.h>

namespace hil {

inline uint16_t get_u16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | static_cast<uint16_t>(p[1]) << 8); }

inline uint32_t get_u32(const uint8_t* p) { return static_cast<uint32_t>(get_u16(p)) | static_cast<uint32_t>(get_u16(p + 2)) << 16; }

inline void put_u16(uint8_t* p, uint16_t value) {
  p[0] = static_cast<uint8_t>(value);
  p[1] = static_cast<uint8_t>(value >> 8);
}

inline void put_u32(uint8_t* p, uint32_t value) {
  put_u16(p, static_cast<uint16_t>(value));
  put_u16(p + 2, static_cast<uint16_t>(value >> 16));
}

}  // namespace hil
#endif
