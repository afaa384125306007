// The inner kernel of every large product: a tile of four rows by eight columns, in registers.
//
//   c[r][0..8) (+)= sum over k of  b[k][r] * panel[k][0..8)
//
// Both operands are packed, so that all is reached from two pointers by constant offsets; of b, every
// number is stored four times, a vector of its own, which is cheaper than shuffles or loads that splat.
//
// The form is what Cranelift, the compiler of both runtimes, makes fast code of. It leaves loads where
// they are and puts arithmetic off to the end of its basic block: a loop unrolled as usual loads
// everything first and spills. So each step is a block of its own, ended by a test; what is alive in
// one (eight sums, two vectors of the panel, four of b, a product) fits into the sixteen vector
// registers of x86-64. Wasmtime's check at every turn of a loop, whether it should stop, spills the
// sums: hence many steps a turn. Measured on Zen 4, in Wasmtime and in Wasmer: 48 and 50 GFLOP/s; 19
// and 44 for one step a turn; 34 and 35 for a tile of six rows, two steps and shuffles.
#pragma once

#include "simd.h"

namespace kernels {

constexpr int kTileRows = 4;
constexpr int kTileColumns = 8;
// Numbers between a packed column of b and the next.
constexpr int kSpreadWidth = 4 * kTileRows;

// k > 0.
template <bool Add>
[[gnu::noinline]] void tile(const float * panel, const float * b, int k, float * c, int64_t c_stride) {
    constexpr int kSteps = 64;
    f32x4 s[kTileRows][2];
    for (auto & row : s) {
        row[0] = row[1] = zero();
    }
    auto step = [&](int u) __attribute__((always_inline)) {
        f32x4 p0 = load(panel + kTileColumns * u), p1 = load(panel + kTileColumns * u + 4);
        for (int r = 0; r < kTileRows; r++) {
            f32x4 x = load(b + kSpreadWidth * u + 4 * r);
            s[r][0] = madd(x, p0, s[r][0]);
            s[r][1] = madd(x, p1, s[r][1]);
        }
    };
    for (;;) {
        panel = opaque(panel);
        b = opaque(b);
#pragma clang loop unroll(full)
        for (int u = 0; u < kSteps; u++) {
            step(u);
            if (--k == 0) {
                goto done;
            }
        }
        panel += kSteps * kTileColumns;
        b += kSteps * kSpreadWidth;
    }
done:
    for (int r = 0; r < kTileRows; r++) {
        float * out = c + r * c_stride;
        store(out, Add ? wasm_f32x4_add(load(out), s[r][0]) : s[r][0]);
        store(out + 4, Add ? wasm_f32x4_add(load(out + 4), s[r][1]) : s[r][1]);
    }
}

// Sets `rows` by `columns` numbers of c to those of a tile of which not all count, or adds them.
inline void put_part(const float * tile, int rows, int columns, bool add, float * c, int64_t c_stride) {
    for (int r = 0; r < rows; r++) {
        for (int e = 0; e < columns; e++) {
            float & to = c[r * c_stride + e];
            float value = tile[r * kTileColumns + e];
            to = add ? to + value : value;
        }
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

// Four rows to be packed side by side; one that is not there reads zeros, and stays where it is.
template <class T> struct FourRows {
    const T * row[4];
    int step[4];

    FourRows(const T * in, int64_t stride, int rows) {
        static const T nothing[4] = {};
        for (int r = 0; r < 4; r++) {
            step[r] = r < rows;
            row[r] = r < rows ? in + r * stride : nothing;
        }
    }
};

// Calls put(i, column) with the four rows' numbers i for all i < k, one a lane.
template <class T, class Put> inline void transpose(const FourRows<T> & in, int k, Put put) {
    const T *row0 = in.row[0], *row1 = in.row[1], *row2 = in.row[2], *row3 = in.row[3];
    const int step0 = 4 * in.step[0], step1 = 4 * in.step[1], step2 = 4 * in.step[2], step3 = 4 * in.step[3];
    v128_t largest = wasm_i16x8_const_splat(0);
    auto four = [&](int i) __attribute__((always_inline)) {
        f32x4 a = load_four(row0, largest), b = load_four(row1, largest);
        f32x4 c = load_four(row2, largest), d = load_four(row3, largest);
        f32x4 ab0 = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), ab1 = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
        f32x4 cd0 = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), cd1 = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
        put(i, wasm_i64x2_shuffle(ab0, cd0, 0, 2));
        put(i + 1, wasm_i64x2_shuffle(ab0, cd0, 1, 3));
        put(i + 2, wasm_i64x2_shuffle(ab1, cd1, 0, 2));
        put(i + 3, wasm_i64x2_shuffle(ab1, cd1, 1, 3));
        row0 += step0;
        row1 += step1;
        row2 += step2;
        row3 += step3;
    };
    int i = 0;
    for (; i + 16 <= k; i += 16) {
        four(i);
        four(i + 4);
        four(i + 8);
        four(i + 12);
    }
    for (; i + 4 <= k; i += 4) {
        four(i);
    }
    // Back to the beginning when something was not finite, to read it all one by one.
    for (i = has_special(largest) ? 0 : i; i < k; i++) {
        float one[4];
        for (int r = 0; r < 4; r++) {
            one[r] = load_one(in.row[r] + in.step[r] * i);
        }
        put(i, load(one));
    }
}

// out[i][r] = in[r][i] for r < rows <= 8 and i < k, zero for the other r < 8. `stride` in elements.
template <class T> [[gnu::noinline]] void pack(const T * in, int64_t stride, int rows, int k, float * out) {
    for (int group = 0; group < kTileColumns; group += 4) {
        FourRows<T> four(in + group * stride, stride, rows - group);
        transpose(four, k, [&](int i, f32x4 column) { store(out + kTileColumns * i + group, column); });
    }
}

// out[i][r][0..4) = in[r][i] * scale for r < rows <= 4 and i < k, zero for the other r < 4.
template <class T>
[[gnu::noinline]] void spread(const T * in, int64_t stride, int rows, int k, float scale, float * out) {
    transpose(FourRows<T>(in, stride, rows), k, [&](int i, f32x4 column) {
        column = wasm_f32x4_mul(column, splat(scale));
        float * to = out + kSpreadWidth * i;
        store(to, splat_lane<0>(column));
        store(to + 4, splat_lane<1>(column));
        store(to + 8, splat_lane<2>(column));
        store(to + 12, splat_lane<3>(column));
    });
}

} // namespace kernels
