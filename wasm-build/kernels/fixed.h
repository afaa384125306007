// Large products in fixed point: sixteen-bit integers. `i32x4.dot_i16x8_s` multiplies eight and adds each two of the
// products in one instruction; floats take one to multiply four. Measured on Sapphire Rapids in the tile below
// and in the one of tile.h: 62 and 33 GFLOP/s, in Wasmtime and in Wasmer.
//
// A row of up to kFixedDepth numbers has its own scale, the largest for which no number is beyond 32767 and the
// row's norm (the root of the sum of squares) is at most kFixedNorm. By the Cauchy-Schwarz inequality no sum of
// products of two such rows, nor a part of it, is then beyond kFixedNorm^2 < 2^31: it cannot overflow, whatever
// the numbers are. The sum is exact; what is lost is lost in rounding to integers, an error of about 10^-5 of the
// product of both norms. (ggml rounds activations to halves on other machines, which costs about as much.)
//
// Integers are kept two and two, as they are multiplied; a pair is 32 bits of a vector.
#pragma once

#include "simd.h"
#include "tile.h"

#include <algorithm>
#include <cmath>
#include <cstring>

extern "C" void whisperctl_widen_row(const uint16_t * in, float * out, int64_t n);

namespace kernels {

constexpr int kFixedDepth = 384;
constexpr float kFixedNorm = 46200.0f; // rounding adds at most sqrt(kFixedDepth) / 2, and 2^15.5 = 46340.9
constexpr float kFixedLargest = 32766.0f;

// Integers in a row of k numbers, in vectors of eight: what is added is zero.
inline int fixed_width(int k) { return (k + 7) / 8 * 8; }

// Numbers are multiplied by `there` to become integers, and by `back` to become numbers again. `back` is not
// finite when one of the numbers is not.
struct FixedScale {
    float there, back;
};

// The largest of four magnitudes. They are ordered like their bits, and a NaN's are the largest.
inline int32_t largest_bits(v128_t x) {
    x = wasm_i32x4_max(x, wasm_i32x4_shuffle(x, x, 2, 3, 0, 1));
    return wasm_i32x4_extract_lane(wasm_i32x4_max(x, wasm_i32x4_shuffle(x, x, 1, 0, 3, 2)), 0);
}

// The scale of a row; k is a multiple of eight.
[[gnu::noinline]] inline FixedScale fixed_scale(const float * x, int k) {
    v128_t a = wasm_i32x4_const_splat(0), b = a;
    for (int i = 0; i < k; i += 8) {
        a = wasm_i32x4_max(a, wasm_f32x4_abs(load(x + i)));
        b = wasm_i32x4_max(b, wasm_f32x4_abs(load(x + i + 4)));
    }
    const int32_t bits = largest_bits(wasm_i32x4_max(a, b));
    // What is smaller than 2^-100 counts as zero. Otherwise a power of two makes the largest about one, so that no
    // square is too large for a float.
    const int32_t exponent = std::min(bits >> 23, 253);
    if (exponent < 27) {
        return {0.0f, 0.0f};
    }
    auto as_float = [](int32_t from) {
        float to;
        std::memcpy(&to, &from, sizeof to);
        return to;
    };
    const float power = as_float((254 - exponent) << 23);
    f32x4 s0 = zero(), s1 = zero();
    for (int i = 0; i < k; i += 8) {
        f32x4 y0 = wasm_f32x4_mul(load(x + i), splat(power)), y1 = wasm_f32x4_mul(load(x + i + 4), splat(power));
        s0 = madd(y0, y0, s0);
        s1 = madd(y1, y1, s1);
    }
    const float norm = std::sqrt(sum(wasm_f32x4_add(s0, s1)));
    const float there = std::min(kFixedNorm / norm, kFixedLargest / (as_float(bits) * power));
    return {there * power, as_float(exponent << 23) / there};
}

// Four numbers times `there`, to the nearest integer: adding 1.5 * 2^23 leaves it in the last bits.
inline v128_t to_integers(f32x4 x, f32x4 there) {
    const f32x4 round = splat(0x1.8p23f);
    return wasm_i32x4_sub(wasm_f32x4_add(wasm_f32x4_mul(x, there), round), round);
}

// Eight numbers times `there`, in 16 bits.
[[gnu::always_inline]] inline v128_t eight_integers(const float * x, f32x4 there) {
    return wasm_i16x8_narrow_i32x4(to_integers(load(x), there), to_integers(load(x + 4), there));
}

// Calls put(p, x) with pair p of each of the four rows, for all p < k / 2; k is a multiple of eight.
template <class Put> inline void to_pairs(const float * const row[4], const FixedScale scale[4], int k, Put put) {
    const float *row0 = row[0], *row1 = row[1], *row2 = row[2], *row3 = row[3];
    const f32x4 t0 = splat(scale[0].there), t1 = splat(scale[1].there), t2 = splat(scale[2].there),
                t3 = splat(scale[3].there);
    for (int i = 0; i < k; i += 8) {
        v128_t a = eight_integers(row0 + i, t0), b = eight_integers(row1 + i, t1);
        v128_t c = eight_integers(row2 + i, t2), d = eight_integers(row3 + i, t3);
        v128_t ab0 = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), ab1 = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
        v128_t cd0 = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), cd1 = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
        const int p = i / 2;
        put(p, wasm_i64x2_shuffle(ab0, cd0, 0, 2));
        put(p + 1, wasm_i64x2_shuffle(ab0, cd0, 1, 3));
        put(p + 2, wasm_i64x2_shuffle(ab1, cd1, 0, 2));
        put(p + 3, wasm_i64x2_shuffle(ab1, cd1, 1, 3));
    }
}

// A row as floats, zeros added up to a multiple of eight; in `room` unless it is one already.
inline const float * wide_row(const float * in, int k, float * room) {
    if (k % 8 == 0) {
        return in;
    }
    std::copy_n(in, k, room);
    std::fill(room + k, room + fixed_width(k), 0.0f);
    return room;
}
inline const float * wide_row(const half * in, int k, float * room) {
    whisperctl_widen_row(in, room, k);
    std::fill(room + k, room + fixed_width(k), 0.0f);
    return room;
}

// Up to four rows as integers, for `put` as above; their scales back, times `by`, go to `back`. Rows that are
// not there come out as the first. False when a number is not finite.
template <class T, class Put>
inline bool fix(const T * in, int64_t stride, int rows, int k, float by, float * back, Put put) {
    float room[4][kFixedDepth];
    const float * row[4];
    FixedScale scale[4];
    f32x4 nothing = zero();
    for (int r = 0; r < 4; r++) {
        row[r] = r < rows ? wide_row(in + r * stride, k, room[r]) : row[0];
        scale[r] = r < rows ? fixed_scale(row[r], fixed_width(k)) : scale[0];
        back[r] = scale[r].back * by;
        nothing = wasm_f32x4_add(nothing, splat(scale[r].back * 0.0f));
    }
    to_pairs(row, scale, fixed_width(k), put);
    return wasm_f32x4_extract_lane(nothing, 0) == 0.0f;
}

// A pair of each of four columns, each of them four times.
inline void spread_pair(v128_t x, v128_t * out) {
    out[0] = splat_lane<0>(x);
    out[1] = splat_lane<1>(x);
    out[2] = splat_lane<2>(x);
    out[3] = splat_lane<3>(x);
}

// c[r][0..8) (+)= back_b[r] * back_panel[0..8) * sum over pairs of  b[pair][r] * panel[pair][0..8), for r < Rows
//
// The form is that of tile.h, for the same reasons. pairs > 0.
template <bool Add, int Rows = kTileRows>
[[gnu::noinline]] void fixed_tile(const v128_t * panel, const float * back_panel, const v128_t * b, const float * back_b,
                                  int pairs, float * c, int64_t c_stride) {
    constexpr int kSteps = 64;
    v128_t s[Rows][2];
    for (auto & row : s) {
        row[0] = row[1] = zero();
    }
    auto step = [&](int u) __attribute__((always_inline)) {
        v128_t p0 = panel[2 * u], p1 = panel[2 * u + 1];
#pragma clang loop unroll(full)
        for (int r = 0; r < Rows; r++) {
            v128_t x = b[Rows * u + r];
            s[r][0] = wasm_i32x4_add(s[r][0], wasm_i32x4_dot_i16x8(x, p0));
            s[r][1] = wasm_i32x4_add(s[r][1], wasm_i32x4_dot_i16x8(x, p1));
        }
    };
    for (;;) {
        panel = opaque(panel);
        b = opaque(b);
#pragma clang loop unroll(full)
        for (int u = 0; u < kSteps; u++) {
            step(u);
            if (--pairs == 0) {
                goto done;
            }
        }
        panel += 2 * kSteps;
        b += Rows * kSteps;
    }
done:
    const f32x4 back0 = load(back_panel), back1 = load(back_panel + 4);
    for (int r = 0; r < Rows; r++) {
        float * out = c + r * c_stride;
        f32x4 back = load_splat(back_b + r);
        f32x4 low = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(s[r][0]), wasm_f32x4_mul(back0, back));
        f32x4 high = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(s[r][1]), wasm_f32x4_mul(back1, back));
        store(out, Add ? wasm_f32x4_add(load(out), low) : low);
        store(out + 4, Add ? wasm_f32x4_add(load(out + 4), high) : high);
    }
}

} // namespace kernels
