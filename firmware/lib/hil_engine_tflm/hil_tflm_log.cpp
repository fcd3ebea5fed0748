#include "hil_tflm_log.h"

#include <string.h>

namespace hil {
namespace tflm {
namespace {

/* Where formatted characters go: counts on silently when the buffer is full. */
struct Sink {
  char* to;
  size_t capacity;
  size_t used;

  void put(char c) {
    if (used + 1 < capacity) to[used++] = c;
  }
};

struct Spec {
  bool left, zeros;
  unsigned width;
  int precision; /* -1: none */
  char length;   /* 'h', 'l', 'L' (long long), 'z', 0 */
};

void pad(Sink* sink, char with, unsigned length, unsigned width) {
  for (; length < width; ++length) sink->put(with);
}

void put_padded(Sink* sink, const Spec& spec, const char* text, unsigned length) {
  if (!spec.left) pad(sink, ' ', length, spec.width);
  for (unsigned i = 0; i < length; ++i) sink->put(text[i]);
  if (spec.left) pad(sink, ' ', length, spec.width);
}

void put_number(Sink* sink, const Spec& spec, unsigned long long value, bool negative, unsigned base, char alpha) {
  char reversed[24];
  unsigned digits = 0;
  do {
    const unsigned digit = static_cast<unsigned>(value % base);
    reversed[digits++] = static_cast<char>(digit < 10 ? '0' + digit : alpha + (digit - 10));
    value /= base;
  } while (value != 0);
  const unsigned length = digits + (negative ? 1u : 0u);
  if (!spec.left && !spec.zeros) pad(sink, ' ', length, spec.width);
  if (negative) sink->put('-');
  if (!spec.left && spec.zeros) pad(sink, '0', length, spec.width);
  while (digits > 0) sink->put(reversed[--digits]);
  if (spec.left) pad(sink, ' ', length, spec.width);
}

/* Fixed notation, rounded half up; beyond what 64 bits hold, only the sign and "huge". */
void put_double(Sink* sink, const Spec& spec, double value) {
  const bool negative = value < 0;
  if (negative) value = -value;
  if (!(value < 1e15)) {
    const char* word = value != value ? "nan" : negative ? "-huge" : "huge";
    put_padded(sink, spec, word, static_cast<unsigned>(strlen(word)));
    return;
  }
  unsigned long long scale = 1;
  const int places = spec.precision < 0 ? 6 : spec.precision > 6 ? 6 : spec.precision;
  for (int i = 0; i < places; ++i) scale *= 10;
  const unsigned long long whole = static_cast<unsigned long long>(value);
  unsigned long long fraction = static_cast<unsigned long long>((value - static_cast<double>(whole)) * static_cast<double>(scale) + 0.5);
  const unsigned long long carry = fraction >= scale ? 1 : 0;
  if (carry != 0) fraction -= scale;
  const Spec plain = {false, false, 0, -1, 0};
  put_number(sink, plain, whole + carry, negative, 10, 'a');
  if (places == 0) return;
  sink->put('.');
  const Spec padded = {false, true, static_cast<unsigned>(places), -1, 0};
  put_number(sink, padded, fraction, false, 10, 'a');
}

const char* read_spec(const char* at, va_list args, Spec* spec) {
  (void)args;
  for (;; ++at) {
    if (*at == '-') {
      spec->left = true;
    } else if (*at == '0') {
      spec->zeros = true;
    } else if (*at != '+' && *at != ' ' && *at != '#') {
      break;
    }
  }
  for (; *at >= '0' && *at <= '9'; ++at) spec->width = (spec->width * 10 + static_cast<unsigned>(*at - '0')) % 1000;
  if (*at == '.') {
    spec->precision = 0;
    for (++at; *at >= '0' && *at <= '9'; ++at) spec->precision = (spec->precision * 10 + (*at - '0')) % 1000;
  }
  for (; *at == 'h' || *at == 'l' || *at == 'z'; ++at) spec->length = *at == 'l' && spec->length == 'l' ? 'L' : *at;
  return at;
}

bool contains(const char* text, const char* words) { return strstr(text, words) != nullptr; }

}  // namespace

size_t format_text(char* to, size_t capacity, const char* format, va_list args) {
  if (capacity == 0) return 0;
  Sink sink = {to, capacity, 0};
  for (const char* at = format; *at != 0; ++at) {
    if (*at != '%') {
      sink.put(*at);
      continue;
    }
    Spec spec = {false, false, 0, -1, 0};
    at = read_spec(at + 1, args, &spec);
    switch (*at) {
      case 'd':
      case 'i': {
        const long long value = spec.length == 'L'                         ? va_arg(args, long long)
                                : spec.length == 'l' || spec.length == 'z' ? va_arg(args, long)
                                                                           : va_arg(args, int);
        const unsigned long long bits = static_cast<unsigned long long>(value);
        put_number(&sink, spec, value < 0 ? 0 - bits : bits, value < 0, 10, 'a');
        break;
      }
      case 'u':
      case 'x':
      case 'X': {
        const unsigned long long value = spec.length == 'L'   ? va_arg(args, unsigned long long)
                                         : spec.length == 'l' ? va_arg(args, unsigned long)
                                         : spec.length == 'z' ? va_arg(args, size_t)
                                                              : va_arg(args, unsigned);
        put_number(&sink, spec, value, false, *at == 'u' ? 10 : 16, *at == 'X' ? 'A' : 'a');
        break;
      }
      case 'p': {
        const uintptr_t value = reinterpret_cast<uintptr_t>(va_arg(args, void*));
        sink.put('0');
        sink.put('x');
        put_number(&sink, spec, value, false, 16, 'a');
        break;
      }
      case 'c': {
        const char c = static_cast<char>(va_arg(args, int));
        put_padded(&sink, spec, &c, 1);
        break;
      }
      case 's': {
        const char* text = va_arg(args, const char*);
        if (text == nullptr) text = "(null)";
        unsigned length = 0;
        while (text[length] != 0 && (spec.precision < 0 || length < static_cast<unsigned>(spec.precision))) ++length;
        put_padded(&sink, spec, text, length);
        break;
      }
      case 'f':
      case 'e':
      case 'g':
        put_double(&sink, spec, va_arg(args, double));
        break;
      case '%':
        sink.put('%');
        break;
      default: /* what it takes from `args` is unknown, and so is everything after it */
        sink.put('%');
        to[sink.used] = 0;
        return sink.used;
    }
  }
  to[sink.used] = 0;
  return sink.used;
}

void LogText::clear() {
  text[0] = 0;
  used = 0;
  at_line_end = false;
}

void LogText::add(const char* more) {
  for (; *more != 0; ++more) {
    if (*more == '\r' || *more == '\n') {
      at_line_end = used != 0;
      continue;
    }
    if (at_line_end && used + 3u < kCapacity) {
      text[used++] = ';';
      text[used++] = ' ';
    }
    at_line_end = false;
    if (used + 1u >= kCapacity) break;
    /* It goes into a frame whose text is UTF-8; TFLM itself writes ASCII, and names in a model may be anything. */
    const unsigned char c = static_cast<unsigned char>(*more);
    text[used++] = c >= 0x20 && c < 0x7F ? *more : '?';
  }
  text[used] = 0;
}

void LogText::vadd(const char* format, va_list args) {
  char line[kCapacity];
  format_text(line, sizeof line, format, args);
  add(line);
}

uint32_t missing_bytes(const char* text) {
  static const char kWord[] = "missing: ";
  uint32_t found = 0;
  for (const char* at = strstr(text, kWord); at != nullptr; at = strstr(at, kWord)) {
    at += sizeof kWord - 1;
    uint32_t value = 0;
    for (; *at >= '0' && *at <= '9'; ++at) {
      const uint32_t digit = static_cast<uint32_t>(*at - '0');
      value = value > (UINT32_MAX - digit) / 10 ? UINT32_MAX : value * 10 + digit;
    }
    found = value;
  }
  return found;
}

bool blames_model(const char* text) {
  if (contains(text, "Failed to allocate") || contains(text, "Failed to resize") || contains(text, "Too many buffers")) return false;
  return contains(text, "Didn't find op") || contains(text, "Failed to get registration") || contains(text, "is not supported") ||
         contains(text, "not supported.") || contains(text, "schema version") || contains(text, "failed to prepare") ||
         contains(text, "Did not find a parser");
}

}  // namespace tflm
}  // namespace hil
