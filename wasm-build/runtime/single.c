// What stands in for threads.c where there is one thread: a barrier that nobody waits at.

#include <stdint.h>

void whisperctl_barrier_wait(int32_t * passed, int32_t seen);
void whisperctl_barrier_wake(int32_t * passed);

void whisperctl_barrier_wait(int32_t * passed, int32_t seen) {
    (void) passed;
    (void) seen;
}

void whisperctl_barrier_wake(int32_t * passed) { (void) passed; }
