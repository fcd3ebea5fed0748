/* The kernels for ARM cores with a single-precision FPU: 8 sums stay in s0-s7 while weights come 16 at a time by vldm, which a compiler
 * does not make from C (about 2.1 instructions per multiply-add from C, 1.2 here). The order of operations is that of rnn_matvec.cpp, so
 * the bits are those of the portable kernels with a fused multiply-add.
 */
#include "rnn_matvec.h"

#if HIL_RNN_MATVEC_ARM

namespace hil {
namespace rnn {

/* clang-format off */

/* s0-s7 += 8 weights * one input */
#define HIL_FMA8_LOW(x)         \
  "vfma.f32 s0, s8, " x "\n"    \
  "vfma.f32 s1, s9, " x "\n"    \
  "vfma.f32 s2, s10, " x "\n"   \
  "vfma.f32 s3, s11, " x "\n"   \
  "vfma.f32 s4, s12, " x "\n"   \
  "vfma.f32 s5, s13, " x "\n"   \
  "vfma.f32 s6, s14, " x "\n"   \
  "vfma.f32 s7, s15, " x "\n"
#define HIL_FMA8_HIGH(x)        \
  "vfma.f32 s0, s16, " x "\n"   \
  "vfma.f32 s1, s17, " x "\n"   \
  "vfma.f32 s2, s18, " x "\n"   \
  "vfma.f32 s3, s19, " x "\n"   \
  "vfma.f32 s4, s20, " x "\n"   \
  "vfma.f32 s5, s21, " x "\n"   \
  "vfma.f32 s6, s22, " x "\n"   \
  "vfma.f32 s7, s23, " x "\n"

/* All n inputs of a vector, four at a time and then one by one. `tag` makes its labels unique. */
#define HIL_SEGMENT(x, n, tag)              \
  "subs " n ", #4\n"                        \
  "blt .Lhil_" tag "rest%=\n"               \
  ".Lhil_" tag "four%=:\n"                  \
  "vldmia " x "!, {s24-s27}\n"              \
  "vldmia %[w]!, {s8-s23}\n"                \
  HIL_FMA8_LOW("s24") HIL_FMA8_HIGH("s25")  \
  "vldmia %[w]!, {s8-s23}\n"                \
  HIL_FMA8_LOW("s26") HIL_FMA8_HIGH("s27")  \
  "subs " n ", #4\n"                        \
  "bge .Lhil_" tag "four%=\n"               \
  ".Lhil_" tag "rest%=:\n"                  \
  "adds " n ", #4\n"                        \
  "beq .Lhil_" tag "done%=\n"               \
  ".Lhil_" tag "one%=:\n"                   \
  "vldmia " x "!, {s24}\n"                  \
  "vldmia %[w]!, {s8-s15}\n"                \
  HIL_FMA8_LOW("s24")                       \
  "subs " n ", #1\n"                        \
  "bne .Lhil_" tag "one%=\n"                \
  ".Lhil_" tag "done%=:\n"

const float* matvec8(const float* w, const float* x, uint16_t nx, const float* h, uint16_t nh, const Matvec8Out& to) {
  float* out = to.out;
  const uint32_t pair_bytes = to.pair_step * 4u;
  for (uint32_t group = to.groups; group != 0; --group) {
    const float* px = x;
    const float* ph = h;
    float* po = out;
    int32_t n = nx;
    int32_t m = nh;
    __asm__ volatile(
        "vldmia %[w]!, {s0-s7}\n"
        HIL_SEGMENT("%[x]", "%[n]", "x")
        HIL_SEGMENT("%[h]", "%[m]", "h")
        "vstmia %[o], {s0-s1}\n"
        "add %[o], %[o], %[step]\n"
        "vstmia %[o], {s2-s3}\n"
        "add %[o], %[o], %[step]\n"
        "vstmia %[o], {s4-s5}\n"
        "add %[o], %[o], %[step]\n"
        "vstmia %[o], {s6-s7}\n"
        : [w] "+r"(w), [x] "+r"(px), [h] "+r"(ph), [n] "+r"(n), [m] "+r"(m), [o] "+r"(po)
        : [step] "r"(pair_bytes)
        : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15", "s16",
          "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27");
    out += to.group_step;
  }
  return w;
}

float dot(float sum, const float* w, const float* x, uint16_t inputs) {
  int32_t n = inputs;
  __asm__ volatile(
      "subs %[n], #4\n"
      "blt .Lhil_rest%=\n"
      ".Lhil_four%=:\n"
      "vldmia %[x]!, {s8-s11}\n"
      "vldmia %[w]!, {s4-s7}\n"
      "vfma.f32 %[sum], s4, s8\n"
      "vfma.f32 %[sum], s5, s9\n"
      "vfma.f32 %[sum], s6, s10\n"
      "vfma.f32 %[sum], s7, s11\n"
      "subs %[n], #4\n"
      "bge .Lhil_four%=\n"
      ".Lhil_rest%=:\n"
      "adds %[n], #4\n"
      "beq .Lhil_done%=\n"
      ".Lhil_one%=:\n"
      "vldmia %[x]!, {s8}\n"
      "vldmia %[w]!, {s4}\n"
      "vfma.f32 %[sum], s4, s8\n"
      "subs %[n], #1\n"
      "bne .Lhil_one%=\n"
      ".Lhil_done%=:\n"
      : [w] "+r"(w), [x] "+r"(x), [n] "+r"(n), [sum] "+t"(sum)
      :
      : "cc", "memory", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11");
  return sum;
}

/* clang-format on */

}  // namespace rnn
}  // namespace hil
#endif
