// The inverse MDCT behind Opus, of 15 * 2^n numbers (libavcodec/mdct15.c), and behind AAC's rarer
// frames. Its transforms of 15 are computed two at once, those of 2^n two at once too, for which
// the former leave their results side by side. All sums are FFmpeg's, so that all bits stay the
// same.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#include <libavcodec/mdct15.h>

#include "complex.h"

void ff_imdct15_half(MDCT15Context *s, float *dst, const float *src, ptrdiff_t stride);
void portable_imdct15_half(MDCT15Context *s, float *dst, const float *src, ptrdiff_t stride);

enum {
    LEAST_BITS = 2,
    MOST_BITS = 5,
    MOST_NUMBERS = 15 << MOST_BITS,
    ROW = 16,        // numbers of a row: 15, and one that nobody reads
    ROW_PAIRS = 8,
    N_ROOTS = 15,    // of unity
    ROOTS_OF_5 = 19, // where they are in FFmpeg's table
};

// A number to multiply with, twice each: what is multiplied with the number as it is, and swapped.
typedef struct {
    v128_t re, im;
} Factor;

static Factor factor(float re, float im)
{
    return (Factor){ wasm_f32x4_splat(re), wasm_f32x4_make(-im, im, -im, im) };
}

static Complex2 times(Complex2 a, Factor b)
{
    return wasm_f32x4_add(wasm_f32x4_mul(a, b.re), wasm_f32x4_mul(swapped(a), b.im));
}

static struct {
    bool known;
    uint16_t places[MOST_NUMBERS]; // of the results, in rows
} sizes[MOST_BITS + 1];

static Factor roots[N_ROOTS];

static void prepare(const MDCT15Context *s, int bits)
{
    sizes[bits].known = true;
    for (int i = 0; i < 15 << bits; i++) {
        int place = s->pfa_postreindex[i];
        int row = place & ((1 << bits) - 1), column = place >> bits;
        sizes[bits].places[i] = (uint16_t)(ROW * row + column);
    }
    for (int i = 0; i < N_ROOTS; i++)
        roots[i] = factor(s->exptab[i].re, s->exptab[i].im);
}

static void fft5(Complex2 out[5], const Complex2 in[5], const FFTComplex root[2])
{
    v128_t re0 = wasm_f32x4_splat(root[0].re), im0 = wasm_f32x4_splat(root[0].im);
    v128_t re1 = wasm_f32x4_splat(root[1].re), im1 = wasm_f32x4_splat(root[1].im);
    Complex2 t0 = wasm_f32x4_add(in[1], in[4]), t1 = swapped(wasm_f32x4_sub(in[1], in[4]));
    Complex2 t2 = wasm_f32x4_add(in[2], in[3]), t3 = swapped(wasm_f32x4_sub(in[2], in[3]));
    Complex2 t4 = wasm_f32x4_sub(wasm_f32x4_mul(re0, t2), wasm_f32x4_mul(re1, t0));
    Complex2 t5 = wasm_f32x4_sub(wasm_f32x4_mul(im0, t3), wasm_f32x4_mul(im1, t1));
    Complex2 t6 = wasm_f32x4_sub(wasm_f32x4_mul(re0, t0), wasm_f32x4_mul(re1, t2));
    Complex2 t7 = wasm_f32x4_add(wasm_f32x4_mul(im0, t1), wasm_f32x4_mul(im1, t3));
    Complex2 z0 = wasm_f32x4_sub(t6, t7), z1 = wasm_f32x4_add(t4, t5);
    Complex2 z2 = wasm_f32x4_sub(t4, t5), z3 = wasm_f32x4_add(t6, t7);
    out[0] = in[0];
    for (int i = 1; i < 5; i++)
        out[0] = wasm_f32x4_add(out[0], in[i]);
    out[1] = wasm_f32x4_add(in[0], wasm_i32x4_shuffle(z3, z0, 0, 5, 2, 7));
    out[2] = wasm_f32x4_add(in[0], wasm_i32x4_shuffle(z2, z1, 0, 5, 2, 7));
    out[3] = wasm_f32x4_add(in[0], wasm_i32x4_shuffle(z1, z2, 0, 5, 2, 7));
    out[4] = wasm_f32x4_add(in[0], wasm_i32x4_shuffle(z0, z3, 0, 5, 2, 7));
}

/// Two transforms of 15: of the numbers that begin at `places` of `in`, into two rows.
static void fft15(Complex2 *row0, Complex2 *row1, const float *in, const int *places,
                  const FFTComplex root[2])
{
    Complex2 part[3][5], out[ROW];
    for (int i = 0; i < 3; i++) {
        Complex2 numbers[5];
        for (int j = 0; j < 5; j++) {
            const float *a = in + places[i + 3 * j], *b = in + places[15 + i + 3 * j];
            numbers[j] = wasm_v128_load64_lane(b, wasm_v128_load64_zero(a), 1);
        }
        fft5(part[i], numbers, root);
    }
    for (int k = 0; k < 5; k++) {
        for (int j = 0; j < 3; j++) {
            int i = k + 5 * j;
            Complex2 a = times(part[1][k], roots[i]), b = times(part[2][k], roots[2 * i % 15]);
            out[i] = wasm_f32x4_add(wasm_f32x4_add(part[0][k], a), b);
        }
    }
    out[15] = out[14];
    for (int i = 0; i < ROW_PAIRS; i++) {
        row0[i] = firsts(out[2 * i], out[2 * i + 1]);
        row1[i] = seconds(out[2 * i], out[2 * i + 1]);
    }
}

/// One level of split-radix transforms of `quarter` * 4 rows, at a row of each quarter.
static inline void combine(Complex2 *z, size_t quarter, Complex2 a2, Complex2 a3)
{
    Complex2 *z1 = z + ROW_PAIRS * quarter, *z2 = z1 + ROW_PAIRS * quarter;
    Complex2 *z3 = z2 + ROW_PAIRS * quarter, a0 = *z, a1 = *z1;
    Complex2 sum = wasm_f32x4_add(a3, a2), across = turned(wasm_f32x4_sub(a2, a3));
    *z = wasm_f32x4_add(a0, sum);
    *z1 = wasm_f32x4_add(a1, across);
    *z2 = wasm_f32x4_sub(a0, sum);
    *z3 = wasm_f32x4_sub(a1, across);
}

/// Transforms of 2^bits rows, of all numbers in a row at once.
static void fft(Complex2 *z, int bits)
{
    if (bits == 0)
        return;
    if (bits == 1) {
        for (int i = 0; i < ROW_PAIRS; i++) {
            Complex2 a = z[i], b = z[ROW_PAIRS + i];
            z[i] = wasm_f32x4_add(a, b);
            z[ROW_PAIRS + i] = wasm_f32x4_sub(a, b);
        }
        return;
    }
    size_t quarter = (size_t)1 << bits >> 2;
    Complex2 *third = z + 2 * quarter * ROW_PAIRS, *fourth = z + 3 * quarter * ROW_PAIRS;
    fft(z, bits - 1);
    fft(third, bits - 2);
    fft(fourth, bits - 2);
    for (size_t i = 0; i < ROW_PAIRS; i++)
        combine(z + i, quarter, third[i], fourth[i]);
    for (size_t k = 1; k < quarter; k++) {
        float re = bits == 3 ? (float)0.70710678118654752440 : ff_cos_tabs[bits][k];
        float im = bits == 3 ? re : ff_cos_tabs[bits][quarter - k];
        Factor back = factor(re, -im), ahead = factor(re, im);
        for (size_t i = k * ROW_PAIRS; i < (k + 1) * ROW_PAIRS; i++)
            combine(z + i, quarter, times(third[i], back), times(fourth[i], ahead));
    }
}

/// The input in pairs from both of its ends, each turned.
static void turn(const MDCT15Context *s, FFTComplex *out, const float *src, ptrdiff_t stride)
{
    const FFTComplex *by = s->twiddle_exptab;
    ptrdiff_t n = s->len4;
    const float *last = src + (2 * n - 1) * stride;
    if (stride != 1) {
        for (ptrdiff_t i = 0; i < n; i++) {
            float re = last[-2 * i * stride], im = src[2 * i * stride];
            out[i].re = re * by[i].re - im * by[i].im;
            out[i].im = re * by[i].im + im * by[i].re;
        }
        return;
    }
    for (ptrdiff_t i = 0; i < n; i += 4) {
        v128_t a = wasm_v128_load(src + 2 * i), b = wasm_v128_load(src + 2 * i + 4);
        v128_t c = wasm_v128_load(last - 2 * i - 3), d = wasm_v128_load(last - 2 * i - 7);
        Complex4 in = { wasm_i32x4_shuffle(c, d, 3, 1, 7, 5), wasm_i32x4_shuffle(a, b, 0, 2, 4, 6) };
        Complex4 root = load(by + i);
        store(out + i, multiply(in, root.re, root.im));
    }
}

static Complex4 gather(const FFTComplex *z, const uint16_t *places)
{
    Complex2 low = wasm_v128_load64_zero(z + places[0]), high = wasm_v128_load64_zero(z + places[2]);
    return apart(wasm_v128_load64_lane(z + places[1], low, 1),
                 wasm_v128_load64_lane(z + places[3], high, 1));
}

/// The results in their order, each turned, from the middle to both ends.
static void turn_back(const MDCT15Context *s, FFTComplex *out, const FFTComplex *z,
                      const uint16_t *places)
{
    const FFTComplex *by = s->twiddle_exptab;
    size_t half = (size_t)s->len4 / 2, i = 0;
    for (; i + 4 <= half; i += 4) {
        size_t below = half - i - 4, above = half + i;
        Complex4 a = gather(z, places + below), b = gather(z, places + above);
        Complex4 root_a = load(by + below), root_b = load(by + above);
        a = multiply((Complex4){ a.im, a.re }, root_a.im, root_a.re);
        b = multiply((Complex4){ b.im, b.re }, root_b.im, root_b.re);
        store(out + below, (Complex4){ a.re, reversed(b.im) });
        store(out + above, (Complex4){ b.re, reversed(a.im) });
    }
    for (; i < half; i++) {
        size_t below = half - i - 1, above = half + i;
        FFTComplex a = z[places[below]], b = z[places[above]];
        out[below].re = a.im * by[below].im - a.re * by[below].re;
        out[above].im = a.im * by[below].re + a.re * by[below].im;
        out[above].re = b.im * by[above].im - b.re * by[above].re;
        out[below].im = b.im * by[above].re + b.re * by[above].im;
    }
}

void ff_imdct15_half(MDCT15Context *s, float *dst, const float *src, ptrdiff_t stride)
{
    int bits = s->ptwo_fft.nbits, n_rows = 1 << bits;
    if (bits < LEAST_BITS || bits > MOST_BITS) {
        portable_imdct15_half(s, dst, src, stride);
        return;
    }
    if (!sizes[bits].known)
        prepare(s, bits);
    // FFmpeg's room for intermediate numbers has several times as many.
    FFTComplex *in = s->tmp + ROW * n_rows;
    Complex2 *rows = (Complex2 *)s->tmp;
    turn(s, in, src, stride);
    for (int i = 0; i < n_rows; i += 2) {
        const uint16_t *order = s->ptwo_fft.revtab;
        fft15(rows + ROW_PAIRS * order[i], rows + ROW_PAIRS * order[i + 1], (const float *)in,
              s->pfa_prereindex + 15 * i, s->exptab + ROOTS_OF_5);
    }
    fft(rows, bits);
    turn_back(s, (FFTComplex *)dst, s->tmp, sizes[bits].places);
}
