// The inner kernel of every large product: a tile of six rows by eight columns, in registers.
//
//   c[r][0..8) (+)= sum over k of  b[k][r] * panel[k][0..8)
//
// Twelve accumulators, two vectors of the panel and two for a column of b are the sixteen vector
// registers of x86-64. Both operands are packed, so that all is reached from two pointers by constant
// offsets. Two steps a turn: the runtime's own check at every turn of a loop (whether it should stop)
// costs moves of the accumulators; with four, the compiler of the runtime, which loads everything
// first, runs out of registers. Measured in Wasmtime on Zen 4: 23 GFLOP/s for one step, 34 for two, 30
// for four; 27 for two with broadcasts from memory in place of the shuffles.
#pragma once

#include "simd.h"

namespace kernels {

constexpr int kTileRows = 6;
constexpr int kTileColumns = 8;
// Numbers between a packed column of b and the next: six, and two that are zero.
constexpr int kPackedWidth = 8;

template <bool Add>
[[gnu::noinline]] void tile(const float * panel, const float * b, int k, float * c, int64_t c_stride) {
    f32x4 s[kTileRows][2];
    for (auto & row : s) {
        row[0] = row[1] = zero();
    }
    auto step = [&](int u) __attribute__((always_inline)) {
        f32x4 p0 = load(panel + 8 * u), p1 = load(panel + 8 * u + 4);
        f32x4 rows0 = opaque(load(b + 8 * u)), rows1 = opaque(load(b + 8 * u + 4));
        auto row = [&](int r, f32x4 x) __attribute__((always_inline)) {
            s[r][0] = madd(x, p0, s[r][0]);
            s[r][1] = madd(x, p1, s[r][1]);
        };
        row(0, splat_lane<0>(rows0));
        row(1, splat_lane<1>(rows0));
        row(2, splat_lane<2>(rows0));
        row(3, splat_lane<3>(rows0));
        row(4, splat_lane<0>(rows1));
        row(5, splat_lane<1>(rows1));
    };
    int left = k;
    for (; left >= 2; left -= 2, panel += 2 * 8, b += 2 * 8) {
        step(0);
        step(1);
    }
    if (left > 0) {
        step(0);
    }
    for (int r = 0; r < kTileRows; r++) {
        float * out = c + r * c_stride;
        store(out, Add ? wasm_f32x4_add(load(out), s[r][0]) : s[r][0]);
        store(out + 4, Add ? wasm_f32x4_add(load(out + 4), s[r][1]) : s[r][1]);
    }
}

// Reads four numbers as floats, halves without mending what is not finite: `largest` gathers whether
// there was any.
inline f32x4 load_four(const float * p, v128_t &) { return load(p); }
inline f32x4 load_four(const half * p, v128_t & largest) {
    v128_t h = wasm_v128_load64_zero(p);
    largest = max_magnitude(largest, h);
    return finite_low(h);
}
inline float load_one(const float * p) { return *p; }
inline float load_one(const half * p) { return widen(*p); }

// out[i][r] = in[r][i] for four rows; `step` is 0 for a row that is not there and stays on `in`.
template <class T> [[gnu::noinline]] void pack_four(const T * const in[4], const int step[4], int k, float * out) {
    const T *row0 = in[0], *row1 = in[1], *row2 = in[2], *row3 = in[3];
    const int step0 = 4 * step[0], step1 = 4 * step[1], step2 = 4 * step[2], step3 = 4 * step[3];
    v128_t largest = wasm_i16x8_const_splat(0);
    int i = 0;
    for (; i + 4 <= k; i += 4, out += 4 * kPackedWidth) {
        f32x4 a = load_four(row0, largest), b = load_four(row1, largest);
        f32x4 c = load_four(row2, largest), d = load_four(row3, largest);
        f32x4 ab0 = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), ab1 = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
        f32x4 cd0 = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), cd1 = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
        store(out, wasm_i64x2_shuffle(ab0, cd0, 0, 2));
        store(out + kPackedWidth, wasm_i64x2_shuffle(ab0, cd0, 1, 3));
        store(out + 2 * kPackedWidth, wasm_i64x2_shuffle(ab1, cd1, 0, 2));
        store(out + 3 * kPackedWidth, wasm_i64x2_shuffle(ab1, cd1, 1, 3));
        row0 += step0;
        row1 += step1;
        row2 += step2;
        row3 += step3;
    }
    // Back to the beginning when something was not finite, to read it all one by one.
    int from = has_special(largest) ? 0 : i;
    out -= (i - from) * kPackedWidth;
    for (i = from; i < k; i++, out += kPackedWidth) {
        for (int r = 0; r < 4; r++) {
            out[r] = load_one(in[r] + step[r] * i);
        }
    }
}

// out[i][r] = in[r][i] for r < rows <= 8 and i < k, zero for the other r < 8. `stride` in elements.
template <class T> inline void pack(const T * in, int64_t stride, int rows, int k, float * out) {
    static const T nothing[4] = {};
    for (int group = 0; group < 8; group += 4) {
        const T * row[4];
        int step[4];
        for (int r = 0; r < 4; r++) {
            step[r] = group + r < rows;
            row[r] = step[r] ? in + (group + r) * stride : nothing;
        }
        pack_four(row, step, k, out + group);
    }
}

} // namespace kernels
