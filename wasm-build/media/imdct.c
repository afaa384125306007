// The inverse MDCT behind AAC, AC-3 and Vorbis, whose half (libavcodec/mdct_template.c with
// fft_template.c) is scalar code where FFmpeg has no assembler. This computes four results at once,
// by the same sums, so that all bits stay the same.

#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#include <libavcodec/fft.h>

void ff_imdct_half_c(FFTContext *s, FFTSample *output, const FFTSample *input);

// Four complex numbers.
typedef struct {
    v128_t re, im;
} Complex4;

static Complex4 load(const FFTComplex *z)
{
    v128_t low = wasm_v128_load(z), high = wasm_v128_load(z + 2);
    return (Complex4){
        wasm_i32x4_shuffle(low, high, 0, 2, 4, 6),
        wasm_i32x4_shuffle(low, high, 1, 3, 5, 7),
    };
}

static v128_t first_two(Complex4 a)
{
    return wasm_i32x4_shuffle(a.re, a.im, 0, 4, 1, 5);
}

static v128_t last_two(Complex4 a)
{
    return wasm_i32x4_shuffle(a.re, a.im, 2, 6, 3, 7);
}

static void store(FFTComplex *z, Complex4 a)
{
    wasm_v128_store(z, first_two(a));
    wasm_v128_store(z + 2, last_two(a));
}

static v128_t reversed(v128_t v)
{
    return wasm_i32x4_shuffle(v, v, 3, 2, 1, 0);
}

static Complex4 add(Complex4 a, Complex4 b)
{
    return (Complex4){ wasm_f32x4_add(a.re, b.re), wasm_f32x4_add(a.im, b.im) };
}

static Complex4 subtract(Complex4 a, Complex4 b)
{
    return (Complex4){ wasm_f32x4_sub(a.re, b.re), wasm_f32x4_sub(a.im, b.im) };
}

static Complex4 multiply(Complex4 a, v128_t re, v128_t im)
{
    return (Complex4){
        wasm_f32x4_sub(wasm_f32x4_mul(a.re, re), wasm_f32x4_mul(a.im, im)),
        wasm_f32x4_add(wasm_f32x4_mul(a.re, im), wasm_f32x4_mul(a.im, re)),
    };
}

static void fft4(FFTComplex *z)
{
    float t1 = z[0].re + z[1].re, t2 = z[0].im + z[1].im;
    float t3 = z[0].re - z[1].re, t4 = z[0].im - z[1].im;
    float t5 = z[2].im + z[3].im, t6 = z[3].re + z[2].re;
    float t7 = z[2].im - z[3].im, t8 = z[3].re - z[2].re;
    z[0] = (FFTComplex){ t1 + t6, t2 + t5 };
    z[1] = (FFTComplex){ t3 + t7, t4 + t8 };
    z[2] = (FFTComplex){ t1 - t6, t2 - t5 };
    z[3] = (FFTComplex){ t3 - t7, t4 - t8 };
}

/// One level of a split-radix transform of `quarter` * 4 numbers, at `i` of each quarter.
static void combine(FFTComplex *z, size_t quarter, size_t i, v128_t re, v128_t im)
{
    Complex4 a0 = load(z + i), a1 = load(z + quarter + i);
    Complex4 a2 = multiply(load(z + 2 * quarter + i), re, wasm_f32x4_neg(im));
    Complex4 a3 = multiply(load(z + 3 * quarter + i), re, im);
    Complex4 sum = add(a3, a2), difference = subtract(a3, a2);
    Complex4 turned = { wasm_f32x4_neg(difference.im), difference.re };
    store(z + i, add(a0, sum));
    store(z + quarter + i, add(a1, turned));
    store(z + 2 * quarter + i, subtract(a0, sum));
    store(z + 3 * quarter + i, subtract(a1, turned));
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
    const float half = (float)0.70710678118654752440;
    fft4(z);
    float r0 = z[4].re + z[5].re, i0 = z[4].im + z[5].im;
    float r1 = z[4].re - z[5].re, i1 = z[4].im - z[5].im;
    float r2 = z[6].re + z[7].re, i2 = z[6].im + z[7].im;
    float r3 = z[6].re - z[7].re, i3 = z[6].im - z[7].im;
    float a1 = r1 * half + i1 * half, a2 = i1 * half - r1 * half;
    float a5 = r3 * half - i3 * half, a6 = r3 * half + i3 * half;
    FFTComplex s0 = { r2 + r0, i0 + i2 }, d0 = { i0 - i2, r2 - r0 };
    FFTComplex s1 = { a5 + a1, a2 + a6 }, d1 = { a2 - a6, a5 - a1 };
    z[4] = (FFTComplex){ z[0].re - s0.re, z[0].im - s0.im };
    z[0] = (FFTComplex){ z[0].re + s0.re, z[0].im + s0.im };
    z[6] = (FFTComplex){ z[2].re - d0.re, z[2].im - d0.im };
    z[2] = (FFTComplex){ z[2].re + d0.re, z[2].im + d0.im };
    z[5] = (FFTComplex){ z[1].re - s1.re, z[1].im - s1.im };
    z[1] = (FFTComplex){ z[1].re + s1.re, z[1].im + s1.im };
    z[7] = (FFTComplex){ z[3].re - d1.re, z[3].im - d1.im };
    z[3] = (FFTComplex){ z[3].re + d1.re, z[3].im + d1.im };
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
