/* The smallest board's limits, so that the tests meet them. */
#ifndef HIL_BUILD_CONFIG_H
#define HIL_BUILD_CONFIG_H

#define HIL_BOARD_ID "testboard"
#define HIL_MCU "TESTMCU"
#define HIL_BUILD_ID 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16
#define HIL_MODEL_SHA256 \
  32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1
#define HIL_ARENA_CAPACITY 512
#define ARENA_SIZE 128
#define HIL_MAX_FRAME_BYTES 256
#define HIL_RX_RING_BYTES 512
#define HIL_BAUD 115200

#endif
