// Complex numbers in vectors, for the transforms of this folder.

#ifndef WHISPERCTL_COMPLEX_H
#define WHISPERCTL_COMPLEX_H

#include <wasm_simd128.h>

#include <libavcodec/fft.h>

// Four complex numbers.
typedef struct {
    v128_t re, im;
} Complex4;

// Two complex numbers, as they lie in memory.
typedef v128_t Complex2;

static inline Complex4 apart(Complex2 low, Complex2 high)
{
    return (Complex4){
        wasm_i32x4_shuffle(low, high, 0, 2, 4, 6),
        wasm_i32x4_shuffle(low, high, 1, 3, 5, 7),
    };
}

static inline Complex4 load(const FFTComplex *z)
{
    return apart(wasm_v128_load(z), wasm_v128_load(z + 2));
}

static inline Complex2 first_two(Complex4 a)
{
    return wasm_i32x4_shuffle(a.re, a.im, 0, 4, 1, 5);
}

static inline Complex2 last_two(Complex4 a)
{
    return wasm_i32x4_shuffle(a.re, a.im, 2, 6, 3, 7);
}

static inline void store(FFTComplex *z, Complex4 a)
{
    wasm_v128_store(z, first_two(a));
    wasm_v128_store(z + 2, last_two(a));
}

static inline v128_t reversed(v128_t v)
{
    return wasm_i32x4_shuffle(v, v, 3, 2, 1, 0);
}

static inline Complex4 multiply(Complex4 a, v128_t re, v128_t im)
{
    return (Complex4){
        wasm_f32x4_sub(wasm_f32x4_mul(a.re, re), wasm_f32x4_mul(a.im, im)),
        wasm_f32x4_add(wasm_f32x4_mul(a.re, im), wasm_f32x4_mul(a.im, re)),
    };
}

static inline Complex2 firsts(Complex2 a, Complex2 b)
{
    return wasm_i64x2_shuffle(a, b, 0, 2);
}

static inline Complex2 seconds(Complex2 a, Complex2 b)
{
    return wasm_i64x2_shuffle(a, b, 1, 3);
}

static inline v128_t swapped(Complex2 a)
{
    return wasm_i32x4_shuffle(a, a, 1, 0, 3, 2);
}

/// Each number times -i.
static inline Complex2 turned(Complex2 a)
{
    return wasm_v128_xor(swapped(a), wasm_f32x4_const(0, -0.0f, 0, -0.0f));
}

#endif
