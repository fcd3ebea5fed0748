/* Receiving side of frames: fed byte by byte with whatever the line brings, it keeps whole, checked payloads only. */
#ifndef HIL_RECEIVER_H
#define HIL_RECEIVER_H

#include <stddef.h>
#include <stdint.h>

namespace hil {

/* Decodes COBS while the bytes come, straight into one buffer, so no second buffer of a frame's size is needed.
 * Plain data without a constructor: it works in startup code that runs none. */
class Receiver {
 public:
  /* `buffer` holds the longest payload accepted: header + body + crc. Starts between frames with all counts at 0. */
  void begin(uint8_t* buffer, size_t capacity);

  /* True when `byte` ended a frame whose COBS, length and CRC are right. Its header and body stay in the buffer, size() bytes long,
   * until the next call. Anything else is dropped silently; a dropped frame is counted once. */
  bool feed(uint8_t byte);

  /* Header + body bytes of the frame just accepted, without the CRC. */
  size_t size() const { return size_; }
  /* CRC of the frame just accepted. */
  uint32_t crc() const { return crc_; }

  /* Counts anew, from the frame just accepted on. */
  void restart_counts();

  uint32_t frames() const { return frames_; }
  uint32_t bad_frames() const { return bad_frames_; }

 private:
  void start_frame();
  void decode(uint8_t byte);
  void append(uint8_t byte);
  bool end_frame();

  uint8_t* buffer_;
  size_t capacity_;
  size_t used_;
  size_t size_;
  uint32_t crc_;
  uint32_t frames_;
  uint32_t bad_frames_;
  uint8_t group_left_; /* bytes of the current group still to come */
  bool zero_pending_;  /* the last group stands for a zero, unless the frame ends here */
  bool empty_;         /* no byte since the delimiter */
  bool overflowed_;    /* too long: skip to the next delimiter */
};

}  // namespace hil
#endif
