/* Frames alone: CRC, COBS, golden records, and what the receiver makes of a bad line. */
#include <string.h>

#include "check.h"
#include "fake_platform.h"
#include "hil_cobs.h"
#include "hil_crc32.h"
#include "hil_protocol_ids.h"
#include "hil_receiver.h"
#include "hil_writer.h"

namespace {

Bytes g_sunk;
void sink(const uint8_t* data, size_t n) {
  CHECK(n <= hil::kSinkPieceBytes);
  g_sunk.insert(g_sunk.end(), data, data + n);
}

Bytes encoded(const Bytes& payload) {
  g_sunk.clear();
  hil::write_frame(payload.data(), payload.size(), sink);
  return g_sunk;
}

/* A buffer of exactly the receiver's capacity on the heap: ASan sees one byte too many. */
struct Line {
  Bytes buffer;
  hil::Receiver receiver;

  explicit Line(size_t capacity) : buffer(capacity) { receiver.begin(buffer.data(), capacity); }

  std::vector<Bytes> feed(const Bytes& bytes) {
    std::vector<Bytes> frames;
    for (uint8_t byte : bytes) {
      if (receiver.feed(byte)) frames.push_back(Bytes(buffer.begin(), buffer.begin() + static_cast<long>(receiver.size())));
    }
    return frames;
  }
};

Bytes filler(size_t n) {
  Bytes bytes(n);
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>(i % 255 + 1);
  return bytes;
}

Bytes from_hex(const char* text) {
  Bytes bytes;
  unsigned byte;
  for (; text[0] != '\0' && sscanf(text, "%2x", &byte) == 1; text += 2) bytes.push_back(static_cast<uint8_t>(byte));
  return bytes;
}

/* Small, repeatable; quality is no matter. */
uint32_t g_random = 1;
uint8_t random_byte() {
  g_random = g_random * 1664525u + 1013904223u;
  return static_cast<uint8_t>(g_random >> 24);
}

}  // namespace

TEST(crc32_is_that_of_zlib) {
  CHECK_EQ(hil::crc32(reinterpret_cast<const uint8_t*>("123456789"), 9), 0xCBF43926u);
  CHECK_EQ(hil::crc32(nullptr, 0), 0);
  const uint8_t* text = reinterpret_cast<const uint8_t*>("123456789");
  CHECK_EQ(hil::crc32(text + 4, 5, hil::crc32(text, 4)), 0xCBF43926u);
}

TEST(golden_wire_records_encode_and_decode_to_the_byte) {
  const char* path = getenv("HIL_WIRE_RECORDS");
  CHECK(path != nullptr);
  FILE* file = fopen(path, "r");
  CHECK(file != nullptr);
  static char line[65536], name[256], payload_hex[65536], frame_hex[65536];
  int records = 0;
  while (fgets(line, sizeof line, file) != nullptr) {
    if (line[0] == '#' || line[0] == '\n') continue;
    CHECK_EQ(sscanf(line, "%255s %65535s %65535s", name, payload_hex, frame_hex), 3);
    Bytes payload = from_hex(payload_hex);
    Bytes expected = from_hex(frame_hex);
    Bytes checked = payload + u32_body(hil::crc32(payload.data(), payload.size()));
    if (encoded(checked) != expected) fprintf(stderr, "record %s\n", name);
    CHECK(encoded(checked) == expected);
    Line device(checked.size());
    std::vector<Bytes> frames = device.feed(expected);
    CHECK_EQ(frames.size(), 1);
    CHECK(frames[0] == payload);
    ++records;
  }
  fclose(file);
  CHECK(records > 10);
}

TEST(every_length_around_the_cobs_group_size_survives_the_wire) {
  for (size_t n = 0; n < 600; ++n) {
    for (size_t zero_at = 0; zero_at <= n; zero_at += 1 + n / 7) {
      Bytes body = filler(n);
      if (zero_at < n) body[zero_at] = 0;
      Bytes wire = frame(HIL_MSG_PING, 7, 9, body);
      Line device(n + HIL_HEADER_BYTES + HIL_CRC_BYTES);
      std::vector<Bytes> frames = device.feed(wire);
      CHECK_EQ(frames.size(), 1);
      CHECK(Bytes(frames[0].begin() + HIL_HEADER_BYTES, frames[0].end()) == body);
      CHECK(encoded(frames[0] + u32_body(device.receiver.crc())) == wire); /* an encoder written apart says the same */
    }
  }
}

TEST(receiver_ignores_empty_frames_without_counting_them) {
  Line device(64);
  CHECK_EQ(device.feed(Bytes(10, 0)).size(), 0);
  CHECK_EQ(device.receiver.bad_frames(), 0);
}

TEST(receiver_finds_a_frame_between_console_text) {
  Line device(64);
  Bytes text = {'b', 'o', 'o', 't', 'i', 'n', 'g', '\r', '\n'};
  Bytes ping = frame(HIL_MSG_PING, 1, 2, Bytes{3});
  CHECK_EQ(device.feed(text + ping + text + ping + text).size(), 2);
  CHECK_EQ(device.receiver.bad_frames(), 2); /* the last text is not over yet */
}

TEST(receiver_drops_a_truncated_frame_and_takes_the_next) {
  Bytes ping = frame(HIL_MSG_PING, 1, 2, filler(20));
  for (size_t cut = 1; cut + 1 < ping.size(); ++cut) {
    Line device(64);
    CHECK_EQ(device.feed(Bytes(ping.begin(), ping.begin() + static_cast<long>(cut)) + ping).size(), 1);
    CHECK_EQ(device.receiver.bad_frames(), cut == 1 ? 0 : 1);
    CHECK_EQ(device.receiver.frames(), 1);
  }
}

TEST(receiver_takes_a_frame_of_its_capacity_and_drops_one_byte_more) {
  Line exact(100), small(99);
  Bytes ping = frame(HIL_MSG_PING, 1, 2, filler(100 - HIL_HEADER_BYTES - HIL_CRC_BYTES));
  CHECK_EQ(exact.feed(ping).size(), 1);
  CHECK_EQ(small.feed(ping).size(), 0);
  CHECK_EQ(small.receiver.bad_frames(), 1);
  CHECK_EQ(small.feed(frame(HIL_MSG_PING, 1, 2, Bytes())).size(), 1);
}

TEST(receiver_survives_an_endless_frame) {
  Line device(32);
  CHECK_EQ(device.feed(Bytes(100000, 0xFF)).size(), 0);
  CHECK_EQ(device.feed(Bytes(100000, 0x01)).size(), 0); /* each byte a zero */
  CHECK_EQ(device.feed(frame(HIL_MSG_PING, 1, 2, Bytes())).size(), 1);
  CHECK_EQ(device.receiver.bad_frames(), 1);
}

TEST(receiver_drops_frames_too_short_for_header_and_crc) {
  for (size_t n = 0; n < HIL_HEADER_BYTES; ++n) {
    Bytes payload = filler(n);
    Line device(64);
    CHECK_EQ(device.feed(encoded(payload + u32_body(hil::crc32(payload.data(), n)))).size(), 0);
    CHECK_EQ(device.receiver.bad_frames(), 1);
  }
}

TEST(receiver_accepts_no_frame_with_a_flipped_bit) {
  Bytes ping = frame(HIL_MSG_PING, 1, 2, filler(30));
  for (size_t i = 0; i < ping.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes damaged = ping;
      damaged[i] = static_cast<uint8_t>(damaged[i] ^ (1 << bit));
      Line device(64);
      std::vector<Bytes> frames = device.feed(damaged + Bytes(1, 0));
      CHECK_EQ(frames.size(), 0);
      CHECK(device.receiver.bad_frames() >= 1); /* two where the flip makes a delimiter */
    }
  }
}

TEST(receiver_takes_nothing_from_megabytes_of_noise) {
  Line device(64);
  for (int round = 0; round < 200; ++round) {
    Bytes noise(10000);
    for (uint8_t& byte : noise) byte = random_byte() & (round % 2 != 0 ? 0x07 : 0xFF); /* small values: many short groups that decode */
    CHECK_EQ(device.feed(noise).size(), 0);
  }
  CHECK(device.receiver.bad_frames() > 1000);
  CHECK_EQ(device.feed(Bytes(1, 0) + frame(HIL_MSG_PING, 1, 2, Bytes())).size(), 1);
}

TEST(writer_never_writes_past_its_buffer) {
  for (size_t capacity = 0; capacity < 16; ++capacity) {
    Bytes buffer(capacity); /* on the heap: ASan watches its end */
    hil::Writer out(buffer.data(), capacity);
    out.u8(1);
    out.u32(2);
    out.u16(3);
    out.f32(4.0f);
    out.bytes(reinterpret_cast<const uint8_t*>("abc"), 3);
    out.text("a long text that is cut");
    CHECK(out.size() <= capacity);
    CHECK_EQ(out.fits(), capacity >= 14);
  }
}

TEST(a_tlv_that_does_not_fit_is_left_out_whole) {
  for (size_t capacity = 0; capacity < 20; ++capacity) {
    Bytes buffer(capacity);
    hil::TlvWriter out(buffer.data(), capacity);
    out.u32_tlv(1, 0x11111111);
    out.u8_tlv(2, 2);
    out.text_tlv(3, "text");
    Bytes body(buffer.begin(), buffer.begin() + static_cast<long>(out.size()));
    CHECK_EQ(has_tlv(body, 0, 1), capacity >= 6);
    CHECK(!has_tlv(body, 0, 1) || tlv(body, 0, 1).size() == 4);
    CHECK(!has_tlv(body, 0, 2) || tlv(body, 0, 2).size() == 1);
  }
}

TEST(a_tlv_text_is_cut_at_255_bytes) {
  Bytes buffer(600);
  std::vector<char> text(400, 'x');
  text.push_back('\0');
  hil::TlvWriter out(buffer.data(), buffer.size());
  out.text_tlv(1, text.data());
  out.u8_tlv(2, 7);
  CHECK_EQ(out.size(), 2 + 255 + 3);
  buffer.resize(out.size());
  CHECK_EQ(tlv(buffer, 0, 2)[0], 7);
}
