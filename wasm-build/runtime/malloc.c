// The module's allocator.
//
// The toolchain's own rounds every large block up to a power of two and knows no threads. This one
// keeps physical neighbours linked by size (boundary tags), so that freed blocks merge, and keeps
// free blocks in size classes: one a 16 bytes up to 1 KiB, then four a power of two. A request takes
// the first block that fits in its own class, then any block of a larger class, then the end of
// memory, which grows by whole megabytes. One lock guards it all; allocation is rare while a graph
// is computed.

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lock.h"

#define ALIGN 16u
#define HEADER 16u
#define MIN_CHUNK 32u
#define IN_USE 1u
#define PAGE 65536u
#define GROW_PAGES 16u
#define MAX_REQUEST 0xfff00000u
#define CLASSES 160

typedef struct chunk {
    uint32_t size;      // with the header; the lowest bit says that it is in use
    uint32_t prev_size; // of the neighbour below, 0 for the first
    uint32_t padding[2];
    struct chunk * next; // from here on only in free chunks
    struct chunk * prev;
} chunk;

extern char __heap_base;

static chunk * bins[CLASSES];
static uint8_t * first;
static uint8_t * top;   // start of the memory that no chunk has
static uint8_t * fresh; // the highest top ever: from here on all is zero as it came from the host
static uint32_t top_prev_size;
static uint8_t * limit;
static whisperctl_lock lock;

static uint32_t size_of(const chunk * c) { return c->size & ~IN_USE; }
static chunk * at(void * p) { return (chunk *) p; }
static void * payload(chunk * c) { return (uint8_t *) c + HEADER; }
static chunk * from_payload(void * p) { return at((uint8_t *) p - HEADER); }
static uint8_t * after(chunk * c) { return (uint8_t *) c + size_of(c); }

static unsigned class_of(uint32_t size) {
    if (size < 1024) {
        return size / 16;
    }
    unsigned log2 = 31u - (unsigned) __builtin_clz(size);
    return 64 + (log2 - 10) * 4 + ((size >> (log2 - 2)) & 3);
}

static void bin_insert(chunk * c) {
    chunk ** bin = &bins[class_of(size_of(c))];
    c->prev = NULL;
    c->next = *bin;
    if (c->next) {
        c->next->prev = c;
    }
    *bin = c;
}

static void bin_remove(chunk * c) {
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        bins[class_of(size_of(c))] = c->next;
    }
    if (c->next) {
        c->next->prev = c->prev;
    }
}

// Tells the neighbour above, or the end of memory, how large the chunk below it is now.
static void note_size(chunk * c) {
    if (after(c) == top) {
        top_prev_size = size_of(c);
    } else {
        at(after(c))->prev_size = size_of(c);
    }
}

static int grow(uint32_t needed) {
    if (!first) {
        first = top = (uint8_t *) (((uintptr_t) &__heap_base + ALIGN - 1) & ~(uintptr_t) (ALIGN - 1));
        // One page is left out at the very end, so that no address arithmetic wraps around.
        limit = (uint8_t *) ((__builtin_wasm_memory_size(0) - 1) * PAGE);
        if (limit < top) {
            limit = top;
        }
    }
    if ((uint32_t) (limit - top) >= needed) {
        return 1;
    }
    uint32_t missing = needed - (uint32_t) (limit - top);
    uint32_t pages = (missing + PAGE - 1) / PAGE;
    uint32_t generous = (pages + GROW_PAGES - 1) / GROW_PAGES * GROW_PAGES;
    if (__builtin_wasm_memory_grow(0, generous) != (size_t) -1) {
        pages = generous;
    } else if (__builtin_wasm_memory_grow(0, pages) == (size_t) -1) {
        return 0;
    }
    limit += pages * PAGE;
    return 1;
}

static void raise_top(uint32_t by) {
    top += by;
    if (top > fresh) {
        fresh = top;
    }
}

// Cuts what is over `size` off a chunk that is in no bin and gives it back.
static void trim(chunk * c, uint32_t size);

static void release(chunk * c) {
    c->size &= ~IN_USE;
    if (c->prev_size) {
        chunk * below = at((uint8_t *) c - c->prev_size);
        if (!(below->size & IN_USE)) {
            bin_remove(below);
            below->size += c->size;
            c = below;
        }
    }
    if (after(c) != top) {
        chunk * above = at(after(c));
        if (!(above->size & IN_USE)) {
            bin_remove(above);
            c->size += above->size;
        }
    }
    if (after(c) == top) {
        top = (uint8_t *) c;
        top_prev_size = c->prev_size;
        return;
    }
    note_size(c);
    bin_insert(c);
}

static void trim(chunk * c, uint32_t size) {
    uint32_t rest = size_of(c) - size;
    if (rest < MIN_CHUNK) {
        return;
    }
    c->size = size | IN_USE;
    chunk * tail = at((uint8_t *) c + size);
    tail->size = rest | IN_USE;
    tail->prev_size = size;
    note_size(tail);
    release(tail);
}

static uint32_t chunk_size(size_t n) {
    uint32_t size = ((uint32_t) n + HEADER + ALIGN - 1) & ~(ALIGN - 1);
    return size < MIN_CHUNK ? MIN_CHUNK : size;
}

static chunk * take(uint32_t size) {
    unsigned own = class_of(size);
    for (chunk * c = bins[own]; c; c = c->next) {
        if (c->size >= size) {
            bin_remove(c);
            c->size |= IN_USE;
            trim(c, size);
            return c;
        }
    }
    for (unsigned i = own + 1; i < CLASSES; i++) {
        chunk * c = bins[i];
        if (c) {
            bin_remove(c);
            c->size |= IN_USE;
            trim(c, size);
            return c;
        }
    }
    if (!grow(size)) {
        return NULL;
    }
    chunk * c = at(top);
    c->size = size | IN_USE;
    c->prev_size = top_prev_size;
    raise_top(size);
    top_prev_size = size;
    return c;
}

static void * out_of_memory(size_t n) {
    // Said here because callers differ in what they do next, and some only trap.
    char text[64];
    int length = snprintf(text, sizeof text, "out of memory: %zu bytes refused\n", n);
    (void) !write(2, text, (size_t) length);
    errno = ENOMEM;
    return NULL;
}

void * malloc(size_t n) {
    chunk * c = NULL;
    if (n <= MAX_REQUEST) {
        whisperctl_lock_acquire(&lock);
        c = take(chunk_size(n));
        whisperctl_lock_release(&lock);
    }
    return c ? payload(c) : out_of_memory(n);
}

void free(void * p) {
    if (p) {
        whisperctl_lock_acquire(&lock);
        release(from_payload(p));
        whisperctl_lock_release(&lock);
    }
}

void * calloc(size_t count, size_t size) {
    size_t n;
    if (__builtin_mul_overflow(count, size, &n)) {
        return out_of_memory(SIZE_MAX);
    }
    if (n > MAX_REQUEST) {
        return out_of_memory(n);
    }
    whisperctl_lock_acquire(&lock);
    uint8_t * used_end = fresh;
    chunk * c = take(chunk_size(n));
    whisperctl_lock_release(&lock);
    if (!c) {
        return out_of_memory(n);
    }
    // Fresh memory is zero, and takes up none of the machine's as long as nobody writes to it: ggml's
    // schedulers ask for megabytes that they hardly use.
    uint8_t * p = payload(c);
    if (p < used_end) {
        memset(p, 0, (size_t) (used_end - p) < n ? (size_t) (used_end - p) : n);
    }
    return p;
}

void * realloc(void * p, size_t n) {
    if (!p) {
        return malloc(n);
    }
    if (n == 0) {
        free(p);
        return NULL;
    }
    if (n > MAX_REQUEST) {
        return out_of_memory(n);
    }
    chunk * c = from_payload(p);
    uint32_t size = chunk_size(n);
    uint32_t old_size = size_of(c);
    whisperctl_lock_acquire(&lock);
    int in_place = old_size >= size;
    if (in_place) {
        trim(c, size);
    } else if (after(c) == top && grow(size - old_size)) {
        raise_top(size - old_size);
        c->size = size | IN_USE;
        top_prev_size = size;
        in_place = 1;
    }
    whisperctl_lock_release(&lock);
    if (in_place) {
        return p;
    }
    void * moved = malloc(n);
    if (moved) {
        memcpy(moved, p, old_size - HEADER);
        free(p);
    }
    return moved;
}

void * aligned_alloc(size_t alignment, size_t n) {
    if (alignment <= ALIGN) {
        return malloc(n);
    }
    if (n > MAX_REQUEST - alignment - MIN_CHUNK) {
        return out_of_memory(n);
    }
    uint32_t size = chunk_size(n);
    whisperctl_lock_acquire(&lock);
    chunk * c = take(size + (uint32_t) alignment + MIN_CHUNK);
    if (c) {
        uintptr_t start = (uintptr_t) payload(c);
        uintptr_t aligned = (start + alignment - 1) & ~(uintptr_t) (alignment - 1);
        if (aligned != start) {
            // The part in front becomes a free chunk of its own, so it must be large enough.
            if (aligned - start < MIN_CHUNK) {
                aligned += alignment;
            }
            uint32_t front = (uint32_t) (aligned - start);
            chunk * rest = at((uint8_t *) c + front);
            rest->size = (size_of(c) - front) | IN_USE;
            rest->prev_size = front;
            note_size(rest);
            c->size = front | IN_USE;
            release(c);
            c = rest;
        }
        trim(c, size);
    }
    whisperctl_lock_release(&lock);
    return c ? payload(c) : out_of_memory(n);
}

int posix_memalign(void ** out, size_t alignment, size_t n) {
    void * p = aligned_alloc(alignment, n);
    if (!p) {
        return ENOMEM;
    }
    *out = p;
    return 0;
}

void * memalign(size_t alignment, size_t n) { return aligned_alloc(alignment, n); }

size_t malloc_usable_size(void * p) { return p ? size_of(from_payload(p)) - HEADER : 0; }

// The end of memory, in bytes: what the host sees the module take.
size_t whisperctl_memory_bytes(void) { return (size_t) __builtin_wasm_memory_size(0) * PAGE; }
