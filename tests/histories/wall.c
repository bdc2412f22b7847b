/* Preloaded into a node: adds the seconds that stand in the file $WALL_FILE to its wall clock, and to no other clock. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
  int failed = syscall(SYS_clock_gettime, clock, time);
  if (!failed && clock == CLOCK_REALTIME) {
    char text[32] = {0};
    int file = open(getenv("WALL_FILE"), O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
      if (read(file, text, sizeof text - 1) > 0) time->tv_sec += atol(text);
      close(file);
    }
  }
  return failed;
}
