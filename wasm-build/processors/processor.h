// What every processor shares: memory, parameters, the exports and decibels.
//
// A processor defines `struct channel`, its state for one channel, includes this file, describes
// itself with DESCRIBE, and defines `start` and `run`. Channels are processed one by one, each with
// its own state, so that speakers on separate channels are treated separately. All that is done to a
// sample depends on the samples before it and on nothing else, so that the output is the same wherever
// blocks are cut. docs/processors.md describes the interface.

#pragma once

#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(#name)))
#define MOST_PARAMETERS 16

// Puts JSON into a section of the module, which a host reads without running anything. It is quoted
// twice: once for C, and once for the assembler.
#define DESCRIBE(...) \
  __asm__(".section .custom_section.whisperctl.processor,\"\",@\n.ascii " TWICE(#__VA_ARGS__) "\n")
#define TWICE(...) QUOTED(__VA_ARGS__)
#define QUOTED(...) #__VA_ARGS__

// Prepares for the values and the sample rate; false refuses them.
static int start(void);

// Processes n samples of one channel, whose state is zero at first.
static void run(struct channel *, const float *restrict in, float *restrict out, int n);

static double value[MOST_PARAMETERS];
static int sample_rate, n_channels, largest_block, delay;
static struct channel *channels;

// ------------------------------------------------------------------------------------------ memory

extern unsigned char __heap_base;

// Zeroed memory that is never given back; NULL if there is no more. For use before processing.
static void *take(size_t bytes) {
  static uintptr_t end = 0;
  if (end == 0) end = (uintptr_t)&__heap_base;
  const uintptr_t from = (end + 15) & ~(uintptr_t)15;
  if (bytes > INT32_MAX || from > INT32_MAX) return NULL;
  const size_t has = __builtin_wasm_memory_size(0) << 16;
  if (from + bytes > has &&
      __builtin_wasm_memory_grow(0, (from + bytes - has + 0xFFFF) >> 16) == SIZE_MAX)
    return NULL;
  end = from + bytes;
  return (void *)from;
}

// ----------------------------------------------------------------------------------------- exports

EXPORT(alloc) float *alloc(int n) {
  return n < 0 || n > INT32_MAX / 4 ? NULL : take((size_t)n * sizeof(float));
}

EXPORT(set) void set(int parameter, double number) {
  if (parameter >= 0 && parameter < MOST_PARAMETERS) value[parameter] = number;
}

EXPORT(setup) int setup(int rate, int n, int block) {
  if (rate <= 0 || n <= 0 || n > 0xFFFF || block <= 0) return 1;
  sample_rate = rate;
  n_channels = n;
  largest_block = block;
  channels = take((size_t)n * sizeof(struct channel));
  return channels == NULL || !start();
}

EXPORT(process) void process(const float *in, float *out, int n) {
  for (int c = 0; c < n_channels; c++)
    run(&channels[c], in + (size_t)c * largest_block, out + (size_t)c * largest_block, n);
}

EXPORT(latency) int latency(void) { return delay; }

// -------------------------------------------------------------------------------------- arithmetic

// The factor of the amplitude.
static inline double from_db(double db) { return __builtin_exp2(db * (3.32192809488736234787 / 20)); }

// How much of its distance a smoothed value keeps in each sample, to be 63 % there after a time.
static inline float smoothing(double ms) {
  return (float)__builtin_exp(-1000 / (ms * sample_rate));
}
