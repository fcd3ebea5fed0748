/* For files with inner loops: include it first. They are compiled with -O2 whatever the build asks for elsewhere (most cores' default is
 * -Os, 25 % slower here); not on AVR, where flash is scarce and a float operation is a call anyway.
 */
#ifndef HIL_RNN_HOT_H
#define HIL_RNN_HOT_H

#if defined(__GNUC__) && !defined(__clang__) && !defined(__AVR__)
#pragma GCC optimize("O2")
#endif

/* The rare way out of an inner loop: kept out of its line. */
#if defined(__GNUC__)
#define HIL_RNN_RARELY(condition) __builtin_expect(!!(condition), 0)
#define HIL_RNN_COLD __attribute__((noinline, cold))
#else
#define HIL_RNN_RARELY(condition) (condition)
#define HIL_RNN_COLD
#endif

/* Stands before a for loop. */
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8
#define HIL_RNN_PRAGMA(text) _Pragma(#text)
#define HIL_RNN_UNROLL(times) HIL_RNN_PRAGMA(GCC unroll times)
#else
#define HIL_RNN_UNROLL(times)
#endif

#endif
