#include "hil_cobs.h"

namespace hil {
namespace {

class Gatherer {
 public:
  explicit Gatherer(ByteSink sink) : sink_(sink), used_(0) {}

  void put(uint8_t byte) {
    piece_[used_++] = byte;
    if (used_ == sizeof piece_) flush();
  }

  void flush() {
    if (used_ != 0) sink_(piece_, used_);
    used_ = 0;
  }

 private:
  ByteSink sink_;
  size_t used_;
  uint8_t piece_[kSinkPieceBytes];
};

const size_t kGroupBytes = 254;

}  // namespace

void write_frame(const uint8_t* payload, size_t n, ByteSink sink) {
  Gatherer out(sink);
  out.put(0);
  size_t start = 0;
  bool ended_with_zero = true; /* an empty payload, and a payload's last zero, still need a group */
  while (start < n || ended_with_zero) {
    size_t length = 0;
    while (start + length < n && length < kGroupBytes && payload[start + length] != 0) ++length;
    out.put(static_cast<uint8_t>(length + 1));
    for (size_t i = 0; i < length; ++i) out.put(payload[start + i]);
    start += length;
    ended_with_zero = length < kGroupBytes && start < n;
    if (ended_with_zero) ++start; /* the zero that the group stands for */
  }
  out.put(0);
  out.flush();
}

}  // namespace hil
