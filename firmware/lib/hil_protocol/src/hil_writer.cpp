#include "hil_writer.h"

#include <string.h>

#include "hil_bytes.h"
#include "hil_flash.h"

namespace hil {
namespace {

const size_t kTlvHeadBytes = 2;
const size_t kTlvValueMax = 255;

}  // namespace

bool Writer::take(size_t n) {
  if (n > capacity_ - used_) {
    fits_ = false;
    return false;
  }
  used_ += n;
  return true;
}

void Writer::u8(uint8_t value) {
  if (take(1)) buffer_[used_ - 1] = value;
}

void Writer::u16(uint16_t value) {
  if (take(2)) put_u16(buffer_ + used_ - 2, value);
}

void Writer::u32(uint32_t value) {
  if (take(4)) put_u32(buffer_ + used_ - 4, value);
}

void Writer::f32(float value) {
  uint32_t bits;
  static_assert(sizeof bits == sizeof value, "float is IEEE-754 binary32 on every target");
  memcpy(&bits, &value, sizeof bits);
  u32(bits);
}

void Writer::bytes(const uint8_t* data, size_t n) {
  if (take(n) && n != 0) memcpy(buffer_ + used_ - n, data, n);
}

void Writer::flash_bytes(const uint8_t* data, size_t n) {
  if (!take(n)) return;
  for (size_t i = 0; i < n; ++i) buffer_[used_ - n + i] = HIL_FLASH_READ_U8(data + i);
}

void Writer::text(const char* value) {
  while (*value != '\0' && used_ < capacity_) buffer_[used_++] = static_cast<uint8_t>(*value++);
}

void TlvWriter::begin(uint8_t tag) {
  start_ = used_;
  fits_ = true;
  u8(tag);
  u8(0);
  /* While the value is written the buffer ends where a one-byte length ends. */
  limit_ = capacity_;
  if (fits_ && capacity_ - used_ > kTlvValueMax) capacity_ = used_ + kTlvValueMax;
}

void TlvWriter::end() {
  capacity_ = limit_;
  if (fits_) {
    buffer_[start_ + 1] = static_cast<uint8_t>(used_ - start_ - kTlvHeadBytes);
  } else {
    used_ = start_;
  }
}

void TlvWriter::u8_tlv(uint8_t tag, uint8_t value) {
  begin(tag);
  u8(value);
  end();
}

void TlvWriter::u32_tlv(uint8_t tag, uint32_t value) {
  begin(tag);
  u32(value);
  end();
}

void TlvWriter::text_tlv(uint8_t tag, const char* value) {
  begin(tag);
  text(value);
  end();
}

void TlvWriter::flash_tlv(uint8_t tag, const uint8_t* data, size_t n) {
  begin(tag);
  flash_bytes(data, n);
  end();
}

}  // namespace hil
