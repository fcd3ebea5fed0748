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

/* Goes after the declarator of a constant table that must stay out of RAM. */
#if defined(__AVR__)
#define HIL_RNN_FLASH PROGMEM
#else
#define HIL_RNN_FLASH
#endif

#if defined(__AVR__)
inline float flash_float(const float* p) { return pgm_read_float(p); }
inline int8_t flash_int8(const int8_t* p) { return int8_t(pgm_read_byte(p)); }
inline int16_t flash_int16(const int16_t* p) { return int16_t(pgm_read_word(p)); }
inline void flash_copy(void* dst, const uint8_t* src, uint16_t n) { memcpy_P(dst, src, n); }
#else
inline float flash_float(const float* p) { return *p; }
inline int8_t flash_int8(const int8_t* p) { return *p; }
inline int16_t flash_int16(const int16_t* p) { return *p; }
inline void flash_copy(void* dst, const uint8_t* src, uint16_t n) {
  memcpy(dst, __builtin_assume_aligned(src, 4), n); /* records start at multiples of 4: word copies instead of a call */
}
#endif

}  // namespace rnn
}  // namespace hil
#endif
