// The inverse MDCT behind AAC, AC-3 and Vorbis, whose half (libavcodec/mdct_template.c with
// fft_template.c) is scalar code where FFmpeg has no assembler. This computes four results at once,
// by the same sums, so that all bits stay the same.

#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#include "complex.h"

void ff_imdct_half_c(FFTContext *s, FFTSample *output, const FFTSample *input);

static Complex4 add(Complex4 a, Complex4 b)
{
    return (Complex4){ wasm_f32x4_add(a.re, b.re), wasm_f32x4_add(a.im, b.im) };
}

static Complex4 subtract(Complex4 a, Complex4 b)
{
    return (Complex4){ wasm_f32x4_sub(a.re, b.re), wasm_f32x4_sub(a.im, b.im) };
}

static void fft4(FFTComplex *z)
{
    Complex2 low = wasm_v128_load(z), high = wasm_v128_load(z + 2);
    Complex2 even = firsts(low, high), odd = seconds(low, high);
    Complex2 sum = wasm_f32x4_add(even, odd), difference = wasm_f32x4_sub(even, odd);
    Complex2 a = firsts(sum, difference);
    Complex2 b = seconds(sum, turned(difference));
    wasm_v128_store(z, wasm_f32x4_add(a, b));
    wasm_v128_store(z + 2, wasm_f32x4_sub(a, b));
}

/// One level of a split-radix transform of `quarter` * 4 numbers, at `i` of each quarter.
static void combine(FFTComplex *z, size_t quarter, size_t i, v128_t re, v128_t im)
{
    Complex4 a0 = load(z + i), a1 = load(z + quarter + i);
    Complex4 a2 = multiply(load(z + 2 * quarter + i), re, wasm_f32x4_neg(im));
    Complex4 a3 = multiply(load(z + 3 * quarter + i), re, im);
    Complex4 sum = add(a3, a2), difference = subtract(a3, a2);
    Complex4 across = { wasm_f32x4_neg(difference.im), difference.re };
    store(z + i, add(a0, sum));
    store(z + quarter + i, add(a1, across));
    store(z + 2 * quarter + i, subtract(a0, sum));
    store(z + 3 * quarter + i, subtract(a1, across));
}

static void pass(FFTComplex *z, const FFTSample *cosines, size_t quarter)
{
    const FFTSample *sines = cosines + quarter;
    // The first number is not turned; its sine is not quite 0 in the table.
    v128_t im = wasm_f32x4_replace_lane(reversed(wasm_v128_load(sines - 3)), 0, 0.0f);
    combine(z, quarter, 0, wasm_v128_load(cosines), im);
    for (size_t i = 4; i < quarter; i += 4)
        combine(z, quarter, i, wasm_v128_load(cosines + i),
                reversed(wasm_v128_load(sines - i - 3)));
}

static void fft8(FFTComplex *z)
{
    const v128_t half = wasm_f32x4_splat((float)0.70710678118654752440);
    fft4(z);
    Complex2 z0 = wasm_v128_load(z), z2 = wasm_v128_load(z + 2);
    Complex2 z4 = wasm_v128_load(z + 4), z6 = wasm_v128_load(z + 6);
    Complex2 even = firsts(z4, z6), odd = seconds(z4, z6);
    Complex2 sums = wasm_f32x4_add(even, odd);
    // The differences, turned by an eighth: the first backwards, the second forwards.
    Complex2 scaled = wasm_f32x4_mul(wasm_f32x4_sub(even, odd), half);
        Complex2 eighths =
        wasm_f32x4_add(scaled, wasm_v128_xor(swapped(scaled), wasm_f32x4_const(0, -0.0f, -0.0f, 0)));
    Complex2 a = firsts(sums, eighths), b = seconds(sums, eighths);
    Complex2 sum = wasm_f32x4_add(a, b), difference = turned(wasm_f32x4_sub(a, b));
    wasm_v128_store(z, wasm_f32x4_add(z0, sum));
    wasm_v128_store(z + 2, wasm_f32x4_add(z2, difference));
    wasm_v128_store(z + 4, wasm_f32x4_sub(z0, sum));
    wasm_v128_store(z + 6, wasm_f32x4_sub(z2, difference));
}

static void fft(FFTComplex *z, int bits)
{
    if (bits == 2) {
        fft4(z);
    } else if (bits == 3) {
        fft8(z);
    } else {
        size_t quarter = (size_t)1 << (bits - 2);
        fft(z, bits - 1);
        fft(z + 2 * quarter, bits - 2);
        fft(z + 3 * quarter, bits - 2);
        pass(z, ff_cos_tabs[bits], quarter);
    }
}

void ff_imdct_half_c(FFTContext *s, FFTSample *output, const FFTSample *input)
{
    FFTComplex *z = (FFTComplex *)output;
    size_t n = (size_t)1 << (s->mdct_bits - 2), half = n / 2;
    const FFTSample *last = input + 2 * n - 4, *tcos = s->tcos, *tsin = s->tsin;
    const uint16_t *revtab = s->revtab;
    for (size_t k = 0; k < n; k += 4) {
        v128_t a = wasm_v128_load(input + 2 * k), b = wasm_v128_load(input + 2 * k + 4);
        v128_t c = wasm_v128_load(last - 2 * k), d = wasm_v128_load(last - 2 * k - 4);
        Complex4 in = {
            wasm_i32x4_shuffle(c, d, 3, 1, 7, 5),
            wasm_i32x4_shuffle(a, b, 0, 2, 4, 6),
        };
        in = multiply(in, wasm_v128_load(tcos + k), wasm_v128_load(tsin + k));
        size_t i0 = revtab[k], i1 = revtab[k + 1], i2 = revtab[k + 2], i3 = revtab[k + 3];
        wasm_v128_store64_lane(z + i0, first_two(in), 0);
        wasm_v128_store64_lane(z + i1, first_two(in), 1);
        wasm_v128_store64_lane(z + i2, last_two(in), 0);
        wasm_v128_store64_lane(z + i3, last_two(in), 1);
    }
    fft(z, s->nbits);
    for (size_t k = 0; k < half; k += 4) {
        size_t below = half - k - 4, above = half + k;
        Complex4 a = load(z + below), b = load(z + above);
        a = multiply((Complex4){ a.im, a.re }, wasm_v128_load(tsin + below),
                     wasm_v128_load(tcos + below));
        b = multiply((Complex4){ b.im, b.re }, wasm_v128_load(tsin + above),
                     wasm_v128_load(tcos + above));
        store(z + below, (Complex4){ a.re, reversed(b.im) });
        store(z + above, (Complex4){ b.re, reversed(a.im) });
    }
}
