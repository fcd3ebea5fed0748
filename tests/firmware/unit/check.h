/* TEST(name) { CHECK(...); }: each test registers itself; `unit NAME` runs one, so that pytest shows each by its own id. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>

struct Test {
  const char* name;
  void (*run)();
  Test* next;
};

extern Test* g_tests;

struct Registration {
  explicit Registration(Test* test) {
    test->next = g_tests;
    g_tests = test;
  }
};

#define TEST(name)                                         \
  static void test_##name();                               \
  static Test node_##name = {#name, test_##name, nullptr}; \
  static Registration registration_##name(&node_##name);   \
  static void test_##name()

#define CHECK(...)                                                                    \
  do {                                                                                \
    if (!(__VA_ARGS__)) {                                                             \
      fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #__VA_ARGS__); \
      exit(1);                                                                        \
    }                                                                                 \
  } while (0)

#define CHECK_EQ(actual, expected)                                                                                                      \
  do {                                                                                                                                  \
    long long actual_ = static_cast<long long>(actual), expected_ = static_cast<long long>(expected);                                   \
    if (actual_ != expected_) {                                                                                                         \
      fprintf(stderr, "%s:%d: %s is %lld (0x%llx), expected %lld (0x%llx)\n", __FILE__, __LINE__, #actual, actual_, actual_, expected_, \
              expected_);                                                                                                               \
      exit(1);                                                                                                                          \
    }                                                                                                                                   \
  } while (0)

#endif
