/* Counts instructions for chip.py: called by unicorn at the start of each translated block. In Python it would take most of the time.
 *
 * A block that begins beyond the limit is not counted: unicorn stops before it, and begins with it again.
 */
#include <stdint.h>

typedef struct uc_struct uc_engine;

struct counter {
  uint64_t instructions, limit;
  int (*stop)(uc_engine*);
  const uint8_t* code; /* the memory code runs from, its address for the chip, its size */
  uint64_t code_base, code_bytes;
  uint32_t* known; /* a word for each place a block may begin at: bytes << 16 | instructions */
};

void hil_count_block(uc_engine* engine, uint64_t address, uint32_t bytes, void* user) {
  struct counter* c = user;
  if (c->instructions >= c->limit) {
    c->stop(engine);
    return;
  }
  const uint64_t at = address - c->code_base;
  if (at >= c->code_bytes || bytes > c->code_bytes - at || bytes > 0xFFFF) return; /* not memory of the chip: a fault follows */
  if (c->known[at / 2] >> 16 != bytes) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < bytes; i += (c->code[at + i] & 3) == 3 ? 4 : 2) ++n;
    c->known[at / 2] = bytes << 16 | n;
  }
  c->instructions += c->known[at / 2] & 0xFFFF;
}
