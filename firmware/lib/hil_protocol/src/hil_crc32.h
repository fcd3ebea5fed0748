/* CRC-32/ISO-HDLC, the one of zlib and Ethernet: reflected polynomial 0xEDB88320, initial and final value inverted. */
#ifndef HIL_CRC32_H
#define HIL_CRC32_H

#include <stddef.h>
#include <stdint.h>

namespace hil {

/* CRC of data[0, n). `previous` continues from the CRC of the bytes before; 0 starts anew. */
uint32_t crc32(const uint8_t* data, size_t n, uint32_t previous = 0);

}  // namespace hil
#endif
