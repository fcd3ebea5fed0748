/* Builds a message body in a bounded buffer; nothing is ever written beyond it. */
#ifndef HIL_WRITER_H
#define HIL_WRITER_H

#include <stddef.h>
#include <stdint.h>

namespace hil {

class Writer {
 public:
  Writer(uint8_t* buffer, size_t capacity) : buffer_(buffer), capacity_(capacity), used_(0), fits_(true) {}

  void u8(uint8_t value);
  void u16(uint16_t value);
  void u32(uint32_t value);
  void f32(float value);
  void bytes(const uint8_t* data, size_t n);
  /* Bytes of a HIL_FLASH_CONST array. */
  void flash_bytes(const uint8_t* data, size_t n);
  /* As much of a zero-terminated text as fits, without the zero. Never makes fits() false. */
  void text(const char* value);

  size_t size() const { return used_; }
  /* False once something has been left out for want of room. */
  bool fits() const { return fits_; }

 protected:
  bool take(size_t n);

  uint8_t* buffer_;
  size_t capacity_;
  size_t used_;
  bool fits_;
};

/* A Writer of TLVs: tag u8, length u8, value. A TLV that doesn't fit (255 bytes or the buffer) is left out whole. */
class TlvWriter : public Writer {
 public:
  TlvWriter(uint8_t* buffer, size_t capacity) : Writer(buffer, capacity), start_(0), limit_(capacity) {}

  /* Everything written between begin and end is the value. */
  void begin(uint8_t tag);
  void end();

  void u8_tlv(uint8_t tag, uint8_t value);
  void u32_tlv(uint8_t tag, uint32_t value);
  void text_tlv(uint8_t tag, const char* value);
  void flash_tlv(uint8_t tag, const uint8_t* data, size_t n);

 private:
  size_t start_;
  size_t limit_;
};

}  // namespace hil
#endif
