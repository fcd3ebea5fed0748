#include "hil_receiver.h"

#include "hil_bytes.h"
#include "hil_crc32.h"
#include "hil_protocol_ids.h"

namespace hil {

void Receiver::begin(uint8_t* buffer, size_t capacity) {
  buffer_ = buffer;
  capacity_ = capacity;
  size_ = 0;
  crc_ = 0;
  frames_ = 0;
  bad_frames_ = 0;
  start_frame();
}

void Receiver::start_frame() {
  used_ = 0;
  group_left_ = 0;
  zero_pending_ = false;
  empty_ = true;
  overflowed_ = false;
}

void Receiver::restart_counts() {
  frames_ = 1;
  bad_frames_ = 0;
}

bool Receiver::feed(uint8_t byte) {
  if (byte != 0) {
    decode(byte);
    return false;
  }
  if (empty_) return false; /* two delimiters in a row */
  bool good = end_frame();
  start_frame();
  if (good) {
    ++frames_;
  } else {
    ++bad_frames_;
  }
  return good;
}

void Receiver::decode(uint8_t byte) {
  empty_ = false;
  if (group_left_ != 0) {
    --group_left_;
    append(byte);
    return;
  }
  if (zero_pending_) append(0);
  group_left_ = static_cast<uint8_t>(byte - 1);
  zero_pending_ = byte != 0xFF;
}

void Receiver::append(uint8_t byte) {
  if (used_ < capacity_) {
    buffer_[used_++] = byte;
  } else {
    overflowed_ = true;
  }
}

bool Receiver::end_frame() {
  if (overflowed_ || group_left_ != 0 || used_ < HIL_HEADER_BYTES + HIL_CRC_BYTES) return false;
  size_ = used_ - HIL_CRC_BYTES;
  crc_ = get_u32(buffer_ + size_);
  return crc_ == crc32(buffer_, size_);
}

}  // namespace hil
