#include <string.h>

#include "check.h"

Test* g_tests = nullptr;

int main(int argc, char** argv) {
  int ran = 0;
  for (Test* test = g_tests; test != nullptr; test = test->next) {
    if (argc > 1 && strcmp(argv[1], test->name) != 0) continue;
    test->run();
    ++ran;
  }
  if (ran == 0) fprintf(stderr, "no test of that name\n");
  return ran == 0 ? 1 : 0;
}
