/* The real engine behind stdin and stdout, so that a test can give it thousands of models without compiling anything.
 *
 *   M n u32, bytes           load a blob (a heap block of exactly n bytes, so that ASan sees any read past it)
 *   I n u32                  engine_init in a block of exactly n bytes  -> code u8, detail u32, used u32
 *   Q                        -> inputs u8, outputs u8, then per tensor dtype u8, ndim u8, dims u16 x 4
 *   X bytes                  set all inputs, invoke, get all outputs    -> code u8, n u32, bytes
 *   R                        engine_reset_state
 *   A                        -> n u32, the arena's bytes
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vector>

#include "hil_engine.h"
#include "hil_protocol_ids.h"

const uint8_t* hil_rnn_model = nullptr;
uint32_t hil_rnn_model_bytes = 0;

namespace {

void get(void* to, size_t n) {
  if (n != 0 && fread(to, 1, n, stdin) != n) exit(0);
}

void put(const void* from, size_t n) {
  if (n != 0 && fwrite(from, 1, n, stdout) != n) exit(1);
}

template <typename T>
T take() {
  T value;
  get(&value, sizeof value);
  return value;
}

template <typename T>
void give(T value) {
  put(&value, sizeof value);
}

uint8_t* block(uint32_t n) {
  void* p = nullptr;
  if (posix_memalign(&p, 16, n != 0 ? n : 1) != 0) exit(1);
  memset(p, 0xA5, n);
  return static_cast<uint8_t*>(p);
}

size_t tensor_bytes(const hil::TensorInfo& info) {
  if (info.dtype == 0) return 0;
  size_t n = info.dtype == HIL_DTYPE_INT8 ? 1 : info.dtype == HIL_DTYPE_INT16 ? 2 : 4;
  for (uint8_t i = 0; i < info.ndim; ++i) n *= info.dims[i];
  return n;
}

void give_tensor(const hil::TensorInfo& info) {
  give<uint8_t>(info.dtype);
  give<uint8_t>(info.ndim);
  put(info.dims, sizeof info.dims);
}

}  // namespace

int main() {
  uint8_t* model = nullptr;
  uint8_t* arena = nullptr;
  uint32_t arena_bytes = 0;
  for (;;) {
    switch (take<char>()) {
      case 'M':
        free(model);
        hil_rnn_model_bytes = take<uint32_t>();
        model = block(hil_rnn_model_bytes);
        get(model, hil_rnn_model_bytes);
        hil_rnn_model = model;
        break;
      case 'I': {
        arena_bytes = take<uint32_t>();
        uint8_t* fresh = block(arena_bytes);
        const hil::EngineStatus s = hil::engine_init(fresh, arena_bytes);
        free(arena);
        arena = fresh;
        give(s.code);
        give(s.detail);
        give<uint32_t>(hil::engine_arena_used());
        break;
      }
      case 'Q':
        give(hil::engine_input_count());
        give(hil::engine_output_count());
        for (uint8_t i = 0; i < hil::engine_input_count(); ++i) give_tensor(hil::engine_input_info(i));
        for (uint8_t i = 0; i < hil::engine_output_count(); ++i) give_tensor(hil::engine_output_info(i));
        break;
      case 'X': {
        for (uint8_t i = 0; i < hil::engine_input_count(); ++i) {
          std::vector<uint8_t> data(tensor_bytes(hil::engine_input_info(i)) + 1);
          get(data.data() + 1, data.size() - 1); /* odd address: the interface allows it */
          hil::engine_set_input(i, data.data() + 1);
        }
        give(hil::engine_invoke().code);
        std::vector<uint8_t> out;
        for (uint8_t i = 0; i < hil::engine_output_count(); ++i) {
          std::vector<uint8_t> data(tensor_bytes(hil::engine_output_info(i)) + 1);
          hil::engine_get_output(i, data.data() + 1);
          out.insert(out.end(), data.begin() + 1, data.end());
        }
        give<uint32_t>(static_cast<uint32_t>(out.size()));
        put(out.data(), out.size());
        break;
      }
      case 'R':
        hil::engine_reset_state();
        break;
      case 'A':
        give(arena_bytes);
        put(arena, arena_bytes);
        break;
      default:
        return 2;
    }
    fflush(stdout);
  }
}
