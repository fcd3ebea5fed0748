/* The test program for this computer: greets, then echoes. 'X' aborts with last words, 'I' ignores SIGTERM from now on. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void) {
  unsigned char c;
  if (write(1, "hello\n", 6) != 6) return 1;
  while (read(0, &c, 1) == 1) {
    if (c == 'X') {
      fprintf(stderr, "assertion failed: \x1b[31mred\n");
      abort();
    }
    if (c == 'I') signal(SIGTERM, SIG_IGN);
    if (write(1, &c, 1) != 1) return 1;
  }
  return 0;
}
