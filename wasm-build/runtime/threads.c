// The few pthread functions that ggml and whisper.cpp use, over the `wasi.thread-spawn` import and
// the atomic instructions. The toolchain's libc has only stubs of them.
//
// Threads are kept and used again: ggml makes and joins its threads for every graph, that is for
// every token, and a spawn costs the host a new instance of the module. A worker that has finished
// its function waits on its own word for the next one.

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lock.h"

#define STACK_BYTES (1u << 20)

enum { IDLE = 0, RUNNING = 1, EXIT = 2 };

typedef struct worker {
    // The first two are read by wasi_thread_start, in thread_start.s.
    void * stack_top;
    void * tls;
    int32_t state; // what the worker waits on
    int32_t done;  // what a joiner waits on
    void * (*function)(void *);
    void * argument;
    void * result;
    struct worker * next;
} worker;

__attribute__((import_module("wasi"), import_name("thread-spawn"))) int32_t
wasi_thread_spawn(void * start_arg);

static worker * idle;
static whisperctl_lock pool_lock;

static void wait_while(int32_t * word, int32_t value) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) {
        __builtin_wasm_memory_atomic_wait32(word, value, WHISPERCTL_WAIT_NS);
    }
}

static void set_and_wake(int32_t * word, int32_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    __builtin_wasm_memory_atomic_notify(word, 1);
}

// Called by wasi_thread_start on the new thread's own stack.
void whisperctl_thread_main(int32_t id, worker * self) {
    (void) id;
    for (;;) {
        wait_while(&self->state, IDLE);
        if (__atomic_load_n(&self->state, __ATOMIC_ACQUIRE) == EXIT) {
            return;
        }
        self->result = self->function(self->argument);
        __atomic_store_n(&self->state, IDLE, __ATOMIC_RELEASE);
        set_and_wake(&self->done, 1);
    }
}

static worker * spawn(void) {
    size_t tls_size = __builtin_wasm_tls_size();
    size_t tls_align = __builtin_wasm_tls_align();
    if (tls_align < 16) {
        tls_align = 16;
    }
    worker * self = calloc(1, sizeof(worker));
    char * stack = aligned_alloc(16, STACK_BYTES);
    self->tls = aligned_alloc(tls_align, tls_size ? tls_size : 1);
    self->stack_top = stack + STACK_BYTES;
    if (wasi_thread_spawn(self) < 0) {
        free(stack);
        free(self->tls);
        free(self);
        return NULL;
    }
    return self;
}

int pthread_create(pthread_t * out, const pthread_attr_t * attributes, void * (*function)(void *),
                   void * argument) {
    (void) attributes;
    whisperctl_lock_acquire(&pool_lock);
    worker * self = idle;
    if (self) {
        idle = self->next;
    }
    whisperctl_lock_release(&pool_lock);
    if (!self) {
        self = spawn();
        if (!self) {
            return EAGAIN;
        }
    }
    self->function = function;
    self->argument = argument;
    __atomic_store_n(&self->done, 0, __ATOMIC_RELEASE);
    set_and_wake(&self->state, RUNNING);
    *out = (pthread_t) self;
    return 0;
}

int pthread_join(pthread_t thread, void ** result) {
    worker * self = (worker *) thread;
    wait_while(&self->done, 0);
    if (result) {
        *result = self->result;
    }
    whisperctl_lock_acquire(&pool_lock);
    self->next = idle;
    idle = self;
    whisperctl_lock_release(&pool_lock);
    return 0;
}

// Lets every waiting worker return, so that the host's threads end with the program.
void whisperctl_threads_exit(void) {
    whisperctl_lock_acquire(&pool_lock);
    for (worker * self = idle; self; self = self->next) {
        set_and_wake(&self->state, EXIT);
    }
    idle = NULL;
    whisperctl_lock_release(&pool_lock);
}

static whisperctl_lock * mutex_lock(pthread_mutex_t * mutex) { return (whisperctl_lock *) mutex; }

int pthread_mutex_init(pthread_mutex_t * mutex, const pthread_mutexattr_t * attributes) {
    (void) attributes;
    memset(mutex, 0, sizeof *mutex);
    return 0;
}

int pthread_mutex_destroy(pthread_mutex_t * mutex) {
    (void) mutex;
    return 0;
}

int pthread_mutex_lock(pthread_mutex_t * mutex) {
    whisperctl_lock_acquire(mutex_lock(mutex));
    return 0;
}

int pthread_mutex_trylock(pthread_mutex_t * mutex) {
    return whisperctl_lock_try(mutex_lock(mutex)) ? 0 : EBUSY;
}

int pthread_mutex_unlock(pthread_mutex_t * mutex) {
    whisperctl_lock_release(mutex_lock(mutex));
    return 0;
}

// A condition is a counter of broadcasts: a waiter sleeps while it is unchanged.
static int32_t * cond_word(pthread_cond_t * cond) { return (int32_t *) cond; }

int pthread_cond_init(pthread_cond_t * restrict cond, const pthread_condattr_t * restrict attributes) {
    (void) attributes;
    memset(cond, 0, sizeof *cond);
    return 0;
}

int pthread_cond_destroy(pthread_cond_t * cond) {
    (void) cond;
    return 0;
}

int pthread_cond_wait(pthread_cond_t * restrict cond, pthread_mutex_t * restrict mutex) {
    int32_t seen = __atomic_load_n(cond_word(cond), __ATOMIC_ACQUIRE);
    pthread_mutex_unlock(mutex);
    __builtin_wasm_memory_atomic_wait32(cond_word(cond), seen, WHISPERCTL_WAIT_NS);
    pthread_mutex_lock(mutex);
    return 0;
}

static int cond_wake(pthread_cond_t * cond, uint32_t count) {
    __atomic_fetch_add(cond_word(cond), 1, __ATOMIC_RELEASE);
    __builtin_wasm_memory_atomic_notify(cond_word(cond), count);
    return 0;
}

int pthread_cond_broadcast(pthread_cond_t * cond) { return cond_wake(cond, UINT32_MAX); }

int pthread_cond_signal(pthread_cond_t * cond) { return cond_wake(cond, 1); }

// ggml's barrier (see ../patches): the word counts the barriers passed, and changes when the last thread
// has come. Barriers are met every few microseconds while the threads run side by side, so sleeping at
// once would cost more than it saves: waking takes longer than most operations of a decoder. About a tenth
// of a millisecond is more than the shares of a product differ by, and little to lose where threads have to
// take turns on one processor.
#define BARRIER_SPINS 100000

static int32_t sleepers;

void whisperctl_barrier_wait(int32_t * passed, int32_t seen) {
    for (int i = 0; i < BARRIER_SPINS; i++) {
        if (__atomic_load_n(passed, __ATOMIC_ACQUIRE) != seen) {
            return;
        }
    }
    __atomic_fetch_add(&sleepers, 1, __ATOMIC_SEQ_CST);
    wait_while(passed, seen);
    __atomic_fetch_sub(&sleepers, 1, __ATOMIC_SEQ_CST);
}

void whisperctl_barrier_wake(int32_t * passed) {
    if (__atomic_load_n(&sleepers, __ATOMIC_SEQ_CST) > 0) {
        __builtin_wasm_memory_atomic_notify(passed, UINT32_MAX);
    }
}
