/* A sketch as in many a tutorial, on stdin and stdout: a line of numbers in, a line with the prediction out. For comparison only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now_us() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000ll + now.tv_nsec / 1000;
}

static void predict(char* line) {
  double sum = 0;
  for (char* number = strtok(line, ","); number != NULL; number = strtok(NULL, ",")) sum += atof(number);
  const long long end = now_us() + COMPUTE_US;
  while (now_us() < end) {
  }
  char reply[64 * OUTPUTS];
  int used = 0;
  for (int i = 0; i < OUTPUTS; ++i) used += snprintf(reply + used, sizeof reply - used, i == 0 ? "%.6f" : ",%.6f", sum);
  used += snprintf(reply + used, sizeof reply - used, "\r\n");
  if (write(STDOUT_FILENO, reply, used) != used) _exit(0);
}

int main() {
  static char line[16384];
  size_t used = 0;
  char chunk[256];
  for (ssize_t n; (n = read(STDIN_FILENO, chunk, sizeof chunk)) > 0;) {
    for (ssize_t i = 0; i < n; ++i) {
      if (chunk[i] == '\n') {
        line[used] = '\0';
        used = 0;
        predict(line);
      } else if (used < sizeof line - 1) {
        line[used++] = chunk[i];
      }
    }
  }
  return 0;
}
