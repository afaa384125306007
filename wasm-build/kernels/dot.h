// The inner kernels of products with few columns: dot products of rows of a matrix with up to eight
// vectors. The matrix is read once, for all of them: two rows are widened into the first-level cache (rows.cpp)
// and multiplied with all vectors there.
#pragma once

#include "simd.h"

#include <cmath>

// Floats of `n` halves, any of them; in rows.cpp.
extern "C" void whisperctl_widen_row(const uint16_t * in, float * out, int64_t n);

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

// Vectors that `two_rows` takes at most: twice as many sums, two numbers of rows, one of a vector and a
// product fit into the sixteen vector registers of x86-64.
constexpr int kVectorsAtOnce = 5;

// Never true, which the compilers cannot know.
inline bool never(int n) {
    asm volatile("" : "+r"(n));
    return n == 0;
}

// s[r][v] = sums, lane by lane, of the products of row r and vector v, for V vectors whose registers are packed in
// turns, `steps` of each. multiply(x, y, sum) adds the products of two registers to a sum.
//
// As in tile.h, basic blocks are kept short by tests: here each vector has one of its own, or Cranelift would
// load all of them first and spill the sums. Where these would wait for one another, as there are few
// vectors, each has several.
template <int V, int Sums, class Multiply>
[[gnu::always_inline]] inline void two_rows_by(const v128_t * row0, const v128_t * row1, const v128_t * vectors, int steps,
                                               v128_t (&s)[2][V][Sums], Multiply multiply) {
    constexpr int kSteps = 16;
    for (auto & row : s) {
        for (auto & vector : row) {
            for (auto & x : vector) {
                x = zero();
            }
        }
    }
    for (;;) {
        row0 = opaque(row0);
        row1 = opaque(row1);
        vectors = opaque(vectors);
#pragma clang loop unroll(full)
        for (int u = 0; u < kSteps; u++) {
            v128_t x0 = wasm_v128_load(row0 + u), x1 = wasm_v128_load(row1 + u);
#pragma clang loop unroll(full)
            for (int v = 0; v < V; v++) {
                v128_t y = wasm_v128_load(vectors + V * u + v);
                s[0][v][u % Sums] = multiply(x0, y, s[0][v][u % Sums]);
                s[1][v][u % Sums] = multiply(x1, y, s[1][v][u % Sums]);
                if (v + 1 < V && never(steps)) {
                    return;
                }
            }
            if (--steps == 0) {
                return;
            }
        }
        row0 += kSteps;
        row1 += kSteps;
        vectors += V * kSteps;
    }
}

// out[2 v + r] = sum over i < 4 `fours` of row r [i] * vector v [i], for V vectors packed in fours.
template <int V>
[[gnu::noinline]] void two_rows(const float * row0, const float * row1, const float * vectors, int fours, float * out) {
    constexpr int kSums = V == 1 ? 4 : V == 2 ? 2 : 1;
    auto registers = [](const float * x) { return reinterpret_cast<const v128_t *>(x); };
    f32x4 s[2][V][kSums];
    two_rows_by<V>(registers(row0), registers(row1), registers(vectors), fours, s,
                   [](f32x4 x, f32x4 y, f32x4 sum) __attribute__((always_inline)) { return madd(x, y, sum); });
    for (int r = 0; r < 2; r++) {
        for (int v = 0; v < V; v++) {
            f32x4 * x = s[r][v];
            for (int n = kSums; n > 1; n /= 2) {
                for (int i = 0; i < n / 2; i++) {
                    x[i] = wasm_f32x4_add(x[i], x[i + n / 2]);
                }
            }
            out[2 * v + r] = sum(x[0]);
        }
    }
}

using TwoRows = void (*)(const float *, const float *, const float *, int, float *);

// `two_rows` for so many vectors, up to kVectorsAtOnce.
inline TwoRows two_rows_of(int vectors) {
    static constexpr TwoRows all[] = {nullptr, two_rows<1>, two_rows<2>, two_rows<3>, two_rows<4>, two_rows<5>};
    return all[vectors];
}

// out[i][v][4] = in[v][4 i .. 4 i + 4), zeros behind the end.
inline void pack_fours(const float * in, int64_t stride, int vectors, int k, float * out) {
    for (int i = 0; i < k; i += 4) {
        for (int v = 0; v < vectors; v++, out += 4) {
            const float * from = in + v * stride + i;
            for (int e = 0; e < 4; e++) {
                out[e] = i + e < k ? from[e] : 0.0f;
            }
        }
    }
}

} // namespace kernels
