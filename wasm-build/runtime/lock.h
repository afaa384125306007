// A lock small enough for the allocator: a word that is free, held, or held with someone waiting.
#pragma once

#include <stdint.h>

typedef struct {
    int32_t word;
} whisperctl_lock;

#ifdef WHISPERCTL_THREADS

// A wait ends by itself after this long, so that a host which interrupts at loop headers (Wasmtime's
// epochs) gets a thread that sleeps as well as one that computes.
#define WHISPERCTL_WAIT_NS 50000000LL

static inline void whisperctl_lock_acquire(whisperctl_lock * lock) {
    int32_t seen = 0;
    if (__atomic_compare_exchange_n(&lock->word, &seen, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return;
    }
    while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0) {
        __builtin_wasm_memory_atomic_wait32(&lock->word, 2, WHISPERCTL_WAIT_NS);
    }
}

static inline int whisperctl_lock_try(whisperctl_lock * lock) {
    int32_t seen = 0;
    return __atomic_compare_exchange_n(&lock->word, &seen, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void whisperctl_lock_release(whisperctl_lock * lock) {
    if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2) {
        __builtin_wasm_memory_atomic_notify(&lock->word, 1);
    }
}

#else

static inline void whisperctl_lock_acquire(whisperctl_lock * lock) { (void) lock; }
static inline int whisperctl_lock_try(whisperctl_lock * lock) { (void) lock; return 1; }
static inline void whisperctl_lock_release(whisperctl_lock * lock) { (void) lock; }

#endif
