#include "hil_line_requests.h"

#include "hil_bytes.h"
#include "hil_line_test.h"
#include "hil_platform.h"
#include "hil_writer.h"

namespace hil {
namespace {

const size_t kBaudBytes = 6;     /* baud u32, lease_ms u16 */
const size_t kLinkTestBytes = 4; /* down u16, up u16 */
const uint16_t kLinkTestGapMs = 200;

#if defined(__AVR__)
enum { kPatternChunkBytes = 16 };
#else
enum { kPatternChunkBytes = 64 };
#endif

struct Line {
  uint32_t baud;
  uint16_t lease_ms; /* a rate other than HIL_BAUD ends after waiting that long for a frame */
  uint16_t test_seq; /* of the LINK_TEST whose pattern is being received */
  uint16_t test_up;
};
Line g;
LineTest g_test;
Stopwatch g_waiting; /* since the last frame, the time spent on answering it not counted */

void change_baud(uint32_t baud) {
  g.baud = baud;
  hil_platform_set_baud(baud);
}

/* LINK_TESTED, and right behind it the pattern the host asked for. */
void answer_link_test() {
  Request request = Request();
  request.type = HIL_MSG_LINK_TEST;
  request.seq = g.test_seq;
  Writer out(g_request + HIL_HEADER_BYTES, kBodyCapacity);
  out.u16(g_test.received());
  out.u32(g_test.bit_errors());
  answer(request, out.size());
  uint8_t chunk[kPatternChunkBytes];
  for (uint16_t sent = 0; sent < g.test_up;) {
    size_t n = 0;
    while (n < sizeof chunk && sent < g.test_up) chunk[n++] = line_test_pattern(sent++);
    hil_platform_write(chunk, n);
  }
}

}  // namespace

void line_begin() {
  g = Line();
  g.baud = HIL_BAUD;
  g_test.stop();
}

/* Answered at the old rate. Repeated, it does the same again: so it is pure. */
void handle_baud(const Request& request) {
  if (!has_body_of(request, kBaudBytes)) return;
  uint32_t baud = get_u32(request.body);
  if (baud != HIL_BAUD && !hil_platform_baud_supported(baud)) {
    answer_error(request, HIL_ERR_UNSUPPORTED, baud);
    return;
  }
  g.lease_ms = get_u16(request.body + 4);
  answer(request, 4); /* the rate is in place already */
  change_baud(baud);
}

void handle_link_test(const Request& request) {
  if (!has_body_of(request, kLinkTestBytes)) return;
  g.test_seq = request.seq;
  g.test_up = get_u16(request.body + 2);
  g_test.begin(get_u16(request.body));
  if (!g_test.running()) answer_link_test();
}

bool line_test_takes(uint8_t byte) {
  if (!g_test.running()) return false;
  if (g_test.feed(byte)) answer_link_test();
  return true;
}

void line_renew_lease() { g_waiting.restart(); }

void line_watch(bool heard) {
  if (g.baud == HIL_BAUD && !g_test.running()) return;
  uint32_t waited_ms = g_waiting.elapsed_ms();
  if (g_test.running()) {
    if (heard) g_waiting.restart();
    if (heard || waited_ms < kLinkTestGapMs) return;
    g_test.stop();
    answer_link_test();
    g_waiting.restart();
  } else if (waited_ms >= g.lease_ms) {
    change_baud(HIL_BAUD);
  }
}

}  // namespace hil
