#include "hil_crc32.h"

#include "hil_flash.h"

namespace hil {
namespace {

/* One entry per nibble: 64 bytes of flash instead of 1 KB, at twice the steps. */
const uint32_t kNibbleTable[16] HIL_FLASH_CONST = {
    0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
    0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu,
};

uint32_t step(uint32_t crc) { return HIL_FLASH_READ_U32(&kNibbleTable[crc & 0x0F]) ^ (crc >> 4); }

}  // namespace

uint32_t crc32(const uint8_t* data, size_t n, uint32_t previous) {
  uint32_t crc = ~previous;
  for (size_t i = 0; i < n; ++i) crc = step(step(crc ^ data[i]));
  return ~crc;
}

}  // namespace hil
