// The inner kernel of products with few columns: dot products of rows of a matrix with up to eight
// vectors, the matrix read once and converted on the way. Bound by memory and by the conversion.
#pragma once

#include "simd.h"

#include <cmath>

namespace kernels {

// How rows are read. The vectors are multiplied by kVector when they are packed, the sums by kSum.

// Halves without mending: as floats 2^112 too small (see simd.h). The vectors carry 2^64 of that, which
// keeps the products in the middle of a float's range, and the sums the rest.
struct QuickHalf {
    using Element = half;
    static constexpr float kVector = 0x1p64f;
    static constexpr float kSum = 0x1p48f;
    static constexpr bool kMustCheck = true;
    // The largest magnitude a vector's elements may have.
    static constexpr float kLimit = 0x1p60f;
    static f32x4 low(v128_t h) { return small_low(h); }
    static f32x4 high(v128_t h) { return small_high(h); }
};

// Halves that may be infinite or NaN.
struct AnyHalf {
    using Element = half;
    static constexpr float kVector = 1.0f;
    static constexpr float kSum = 1.0f;
    static constexpr bool kMustCheck = false;
    static f32x4 low(v128_t h) { return widen_low(h); }
    static f32x4 high(v128_t h) { return widen_high(h); }
};

// out[i][v][8] = in[v][8 i .. 8 i + 8) * scale, zeros behind the end.
inline void pack_vectors(const float * in, int64_t stride, int vectors, int k, float scale, float * out) {
    for (int i = 0; i < k; i += 8) {
        for (int v = 0; v < vectors; v++, out += 8) {
            const float * from = in + v * stride + i;
            if (i + 8 <= k) {
                store(out, wasm_f32x4_mul(load(from), splat(scale)));
                store(out + 4, wasm_f32x4_mul(load(from + 4), splat(scale)));
            } else {
                for (int e = 0; e < 8; e++) {
                    out[e] = i + e < k ? from[e] * scale : 0.0f;
                }
            }
        }
    }
}

// Whether every element's magnitude is below the limit (NaN is not).
inline bool all_below(const float * in, int64_t stride, int vectors, int k, float limit) {
    for (int v = 0; v < vectors; v++) {
        const float * row = in + v * stride;
        v128_t below = wasm_i32x4_const_splat(-1);
        int i = 0;
        for (; i + 4 <= k; i += 4) {
            below = wasm_v128_and(below, wasm_f32x4_lt(wasm_f32x4_abs(load(row + i)), splat(limit)));
        }
        bool ok = wasm_i32x4_all_true(below);
        for (; i < k; i++) {
            ok = ok && std::fabs(row[i]) < limit;
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

// out[v * out_stride + r] = sum over k of rows[r][k] * vector v[k], for R rows and V packed vectors.
// False when the rows hold an infinity or a NaN that H cannot read: then the sums mean nothing.
template <class H, int R, int V>
inline bool dot(const half * rows, int64_t stride, const float * vectors, int k, float * out, int64_t out_stride) {
    // With a single vector two sums a row, else the multiply-adds would wait for one another.
    constexpr int S = V == 1 ? 2 : 1;
    f32x4 s[R][V][S];
    for (int r = 0; r < R; r++) {
        for (int v = 0; v < V; v++) {
            for (int i = 0; i < S; i++) {
                s[r][v][i] = zero();
            }
        }
    }
    v128_t largest = wasm_i16x8_const_splat(0);
    auto step = [&](const half * const * from, const float * b) __attribute__((always_inline)) {
        for (int r = 0; r < R; r++) {
            v128_t h = wasm_v128_load(from[r]);
            if (H::kMustCheck) {
                largest = max_magnitude(largest, h);
            }
            f32x4 low = H::low(h), high = H::high(h);
            for (int v = 0; v < V; v++) {
                s[r][v][0] = madd(low, load(b + 8 * v), s[r][v][0]);
                s[r][v][S - 1] = madd(high, load(b + 8 * v + 4), s[r][v][S - 1]);
            }
        }
    };
    const half * at[R];
    for (int r = 0; r < R; r++) {
        at[r] = rows + r * stride;
    }
    const float * b = vectors;
    int left = k;
    for (; left >= 8; left -= 8, b += 8 * V) {
        step(at, b);
        for (int r = 0; r < R; r++) {
            at[r] += 8;
        }
    }
    if (left > 0) {
        half rest[R][8] = {};
        for (int r = 0; r < R; r++) {
            for (int i = 0; i < left; i++) {
                rest[r][i] = at[r][i];
            }
            at[r] = rest[r];
        }
        step(at, b);
    }
    for (int r = 0; r < R; r++) {
        for (int v = 0; v < V; v++) {
            f32x4 all = S == 2 ? wasm_f32x4_add(s[r][v][0], s[r][v][S - 1]) : s[r][v][0];
            out[v * out_stride + r] = sum(all) * H::kSum;
        }
    }
    return !H::kMustCheck || !has_special(largest);
}

// `dot` for any number of rows.
template <class H, int V>
inline bool dots(const half * rows, int64_t stride, int64_t n_rows, const float * vectors, int k, float * out, int64_t out_stride) {
    constexpr int R = V <= 2 ? 4 : V <= 4 ? 2 : 1;
    bool good = true;
    int64_t i = 0;
    for (; i + R <= n_rows; i += R) {
        good &= dot<H, R, V>(rows + i * stride, stride, vectors, k, out + i, out_stride);
    }
    for (; i < n_rows; i++) {
        good &= dot<H, 1, V>(rows + i * stride, stride, vectors, k, out + i, out_stride);
    }
    return good;
}

} // namespace kernels
