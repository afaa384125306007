// The synthesis window of MP3, which takes a third of the time of decoding when it is compiled from
// FFmpeg's portable code (libavcodec/mpegaudiodsp_template.c). This computes four samples at once
// in both halves of a block, by the same sums in the same order, so that all bits stay the same.

#include <stddef.h>
#include <string.h>
#include <wasm_simd128.h>

enum { TAPS = 8, STEP = 64, HALF = 16, GROUPS = HALF / 4 };

void ff_mpadsp_apply_window_float(float *synth, float *window, int *dither, float *samples,
                                  ptrdiff_t step);

// What of a window is multiplied from its end on, the other way round, so that it need not be turned
// for each block of samples.
static struct {
    const float *window;
    float first[TAPS][HALF], second[TAPS][HALF];
} mirrored;

static v128_t reversed(v128_t v)
{
    return wasm_i32x4_shuffle(v, v, 3, 2, 1, 0);
}

static void mirror(const float *window)
{
    for (int k = 0; k < TAPS; k++)
        for (int j = 0; j < HALF; j++) {
            mirrored.first[k][j] = window[k * STEP + 32 - j];
            mirrored.second[k][j] = window[k * STEP + 64 - j];
        }
    mirrored.window = window;
}

void ff_mpadsp_apply_window_float(float *synth, float *window, int *dither, float *samples,
                                  ptrdiff_t step)
{
    // All sums at once, which wait only for themselves and stay in registers.
    v128_t lower[GROUPS], upper[GROUPS];
    (void)dither; // floats are not rounded, so that nothing is carried over
    if (mirrored.window != window)
        mirror(window);
    memcpy(synth + 512, synth, 32 * sizeof *synth);
    for (int i = 0; i < GROUPS; i++)
        lower[i] = upper[i] = wasm_f32x4_splat(0);
#pragma clang loop unroll(disable)
    for (int k = 0; k < TAPS; k++) {
        const float *from = synth + 16 + k * STEP, *w = window + k * STEP, *m = mirrored.first[k];
#pragma clang loop unroll(full)
        for (int i = 0; i < GROUPS; i++) {
            v128_t p = wasm_v128_load(from + 4 * i);
            lower[i] = wasm_f32x4_add(lower[i], wasm_f32x4_mul(wasm_v128_load(w + 4 * i), p));
            upper[i] = wasm_f32x4_sub(upper[i], wasm_f32x4_mul(wasm_v128_load(m + 4 * i), p));
        }
    }
#pragma clang loop unroll(disable)
    for (int k = 0; k < TAPS; k++) {
        const float *from = synth + 33 + k * STEP, *w = window + 32 + k * STEP;
        const float *m = mirrored.second[k];
#pragma clang loop unroll(full)
        for (int i = 0; i < GROUPS; i++) {
            v128_t p = reversed(wasm_v128_load(from + 12 - 4 * i));
            lower[i] = wasm_f32x4_sub(lower[i], wasm_f32x4_mul(wasm_v128_load(w + 4 * i), p));
            upper[i] = wasm_f32x4_sub(upper[i], wasm_f32x4_mul(wasm_v128_load(m + 4 * i), p));
        }
    }
    float middle = 0;
    for (int k = 0; k < TAPS; k++)
        middle -= window[48 + k * STEP] * synth[32 + k * STEP];
    // In the order of the samples: the upper ones lie from the end on, and one too far.
    float made[2 * HALF + 1];
    for (int i = 0; i < GROUPS; i++) {
        wasm_v128_store(made + 4 * i, lower[i]);
        wasm_v128_store(made + 29 - 4 * i, reversed(upper[i]));
    }
    made[HALF] = middle;
    if (step == 1)
        memcpy(samples, made, 2 * HALF * sizeof *made);
    else
        for (int i = 0; i < 2 * HALF; i++)
            samples[i * step] = made[i];
}
