/* Drives the fuzz target without libFuzzer: every file named, then so many inputs mutated from them by a seed.
 *
 *   fuzz COUNT SEED FILE...
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

typedef std::vector<uint8_t> Bytes;

uint64_t g_random;

uint32_t draw(uint32_t below) {
  g_random = g_random * 6364136223846793005ull + 1442695040888963407ull;
  return static_cast<uint32_t>((g_random >> 33) % below);
}

Bytes mutated(const std::vector<Bytes>& corpus) {
  Bytes input = corpus[draw(static_cast<uint32_t>(corpus.size()))];
  for (uint32_t changes = 1 + draw(8); changes != 0; --changes) {
    size_t at = input.empty() ? 0 : draw(static_cast<uint32_t>(input.size()));
    switch (draw(input.empty() ? 1 : 4)) {
      case 0:
        input.insert(input.begin() + static_cast<long>(at), static_cast<uint8_t>(draw(256)));
        break;
      case 1:
        input.erase(input.begin() + static_cast<long>(at));
        break;
      case 2:
        input[at] = static_cast<uint8_t>(input[at] ^ (1u << draw(8)));
        break;
      default:
        input[at] = static_cast<uint8_t>(draw(256));
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  long count = atol(argv[1]);
  g_random = strtoull(argv[2], nullptr, 10);
  std::vector<Bytes> corpus(1, Bytes(1, 1));
  for (int i = 3; i < argc; ++i) {
    FILE* file = fopen(argv[i], "rb");
    if (file == nullptr) return 2;
    Bytes input(1 << 16);
    input.resize(fread(input.data(), 1, input.size(), file));
    fclose(file);
    LLVMFuzzerTestOneInput(input.data(), input.size());
    corpus.push_back(input);
  }
  for (long i = 0; i < count; ++i) {
    Bytes input = mutated(corpus);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  printf("%ld inputs\n", count + argc - 3);
  return 0;
}
