/* Reading the blob where it lies: plain loads where flash is in the address space, lpm instructions on AVR.
 * Nothing but these functions may follow a pointer into the blob.
 */
#ifndef HIL_RNN_FLASH_H
#define HIL_RNN_FLASH_H

#include <stdint.h>
#include <string.h>

#if defined(__AVR__)
#include <avr/pgmspace.h>
#endif

namespace hil {
namespace rnn {

#if defined(__AVR__)
inline float flash_float(const float* p) { return pgm_read_float(p); }
inline void flash_copy(void* dst, const uint8_t* src, uint16_t n) { memcpy_P(dst, src, n); }
#else
inline float flash_float(const float* p) { return *p; }
inline void flash_copy(void* dst, const uint8_t* src, uint16_t n) { memcpy(dst, src, n); }
#endif

}  // namespace rnn
}  // namespace hil
#endif
