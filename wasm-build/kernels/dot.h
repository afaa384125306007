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

// out[v * out_stride] = sum over k of row[k] * vector v[k], for V packed vectors. Gathers in `largest`
// what tells whether the row holds an infinity or a NaN; if H cannot read them, the sums mean nothing.
//
// One row after the other, so that the matrix is one stream for the memory to fetch ahead. Several sums
// for each product, else the multiply-adds would wait for one another: eight or ten are in flight.
template <class H, int V>
inline void dot(const half * row, const float * vectors, int k, float * out, int64_t out_stride, v128_t & largest) {
    constexpr int U = V == 1 ? 4 : V <= 4 ? 2 : 3;
    constexpr int S = V == 1 ? 4 : V == 2 ? 2 : 1;
    f32x4 s[V][S];
    for (auto & sums : s) {
        for (auto & x : sums) {
            x = zero();
        }
    }
    v128_t seen = largest;
    auto step = [&](const half * from, const float * b, int u) __attribute__((always_inline)) {
        v128_t h = wasm_v128_load(from + 8 * u);
        if (H::kMustCheck) {
            seen = max_magnitude(seen, h);
        }
        f32x4 low = H::low(h), high = H::high(h);
        for (int v = 0; v < V; v++) {
            const float * at = b + 8 * (V * u + v);
            s[v][2 * u % S] = madd(low, load(at), s[v][2 * u % S]);
            s[v][(2 * u + 1) % S] = madd(high, load(at + 4), s[v][(2 * u + 1) % S]);
        }
    };
    int left = k;
    for (; left >= 8 * U; left -= 8 * U, row += 8 * U, vectors += 8 * U * V) {
        row = opaque(row);
        vectors = opaque(vectors);
        for (int u = 0; u < U; u++) {
            step(row, vectors, u);
        }
    }
    for (; left >= 8; left -= 8, row += 8, vectors += 8 * V) {
        step(row, vectors, 0);
    }
    if (left > 0) {
        half rest[8] = {};
        for (int i = 0; i < left; i++) {
            rest[i] = row[i];
        }
        step(rest, vectors, 0);
    }
    largest = seen;
    for (int v = 0; v < V; v++) {
        for (int n = S; n > 1; n /= 2) {
            for (int i = 0; i < n / 2; i++) {
                s[v][i] = wasm_f32x4_add(s[v][i], s[v][i + n / 2]);
            }
        }
        out[v * out_stride] = sum(s[v][0]) * H::kSum;
    }
}

// `dot` for many rows; false when they hold something that H cannot read.
template <class H, int V>
[[gnu::noinline]] bool dots(const half * rows, int64_t stride, int64_t n_rows, const float * vectors, int k, float * out, int64_t out_stride) {
    v128_t largest = wasm_i16x8_const_splat(0);
    for (int64_t i = 0; i < n_rows; i++) {
        dot<H, V>(rows + i * stride, vectors, k, out + i, out_stride, largest);
    }
    return !H::kMustCheck || !has_special(largest);
}

} // namespace kernels
