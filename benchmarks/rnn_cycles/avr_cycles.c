/* avr_cycles FIRMWARE.elf: runs bench_avr.cpp on a simulated ATmega2560 and prints "ticks N bits B" per vector, N in CPU cycles. */
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>
#include <stdio.h>
#include <string.h>

enum { kGpior0 = 0x3E, kGpior1 = 0x4A }; /* data addresses on the ATmega2560 */

int main(int argc, char** argv) {
  elf_firmware_t firmware;
  memset(&firmware, 0, sizeof firmware);
  if (argc != 2 || elf_read_firmware(argv[1], &firmware) != 0) return 2;
  avr_t* avr = avr_make_mcu_by_name("atmega2560");
  if (avr == NULL) return 3;
  avr_init(avr);
  avr_load_firmware(avr, &firmware);
  uint8_t last = 0;
  avr_cycle_count_t start = 0, ticks = 0;
  uint32_t bits = 0;
  while (avr->cycle < 1000000000u) {
    const int state = avr_run(avr);
    if (state == cpu_Done || state == cpu_Crashed) return 4;
    const uint8_t mark = avr->data[kGpior0];
    if (mark == last) continue;
    last = mark;
    if (mark == 0xEE) return 5;
    if (mark == 0xFF) {
      puts("end");
      return 0;
    }
    if (mark == 1) start = avr->cycle;
    if (mark == 2) ticks = avr->cycle - start;
    if (mark >= 3) bits = (bits >> 8) | ((uint32_t)avr->data[kGpior1] << 24);
    if (mark == 6) printf("ticks %u bits %u\n", (unsigned)ticks, (unsigned)bits);
  }
  return 6;
}
