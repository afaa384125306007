// The inner kernel of every large product: a tile of up to six rows by eight columns, in registers.
//
//   c[r][0..8) (+)= sum over k of  b[r][k] * panel[k][0..8)
//
// Twelve accumulators, two vectors of the panel, one number of b in all lanes and one copy of it (the
// fused multiply-add of x86 overwrites an operand) are sixteen registers, which is what x86-64 has.
// Twelve independent sums also hide the latency of the multiply-add, four cycles at two a cycle.
// Six rows of b stand at a fixed distance, so that all of them are reached from one pointer.
#pragma once

#include "simd.h"

namespace kernels {

constexpr int kTileRows = 6;
constexpr int kTileColumns = 8;

template <int R, int Stride, bool Add>
inline void tile(const float * panel, const float * b, int k, float * c, int64_t c_stride) {
    f32x4 sum0[R], sum1[R];
    for (int r = 0; r < R; r++) {
        sum0[r] = zero();
        sum1[r] = zero();
    }
    const int never = order_fence;
    auto step = [&](int u) __attribute__((always_inline)) {
        f32x4 p0 = load(panel + 8 * u);
        f32x4 p1 = load(panel + 8 * u + 4);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            f32x4 x = load_splat(b + r * Stride + u);
            sum0[r] = madd(x, p0, sum0[r]);
            sum1[r] = madd(x, p1, sum1[r]);
            if (fenced(never)) {
                return false;
            }
        }
        return true;
    };
    int left = k;
    for (; left >= 4; left -= 4, panel += 4 * 8, b += 4) {
        if (!(step(0) && step(1) && step(2) && step(3))) {
            break;
        }
    }
    for (; left > 0; left--, panel += 8, b++) {
        if (!step(0)) {
            break;
        }
    }
    for (int r = 0; r < R; r++) {
        float * out = c + r * c_stride;
        store(out, Add ? wasm_f32x4_add(load(out), sum0[r]) : sum0[r]);
        store(out + 4, Add ? wasm_f32x4_add(load(out + 4), sum1[r]) : sum1[r]);
    }
}

// `tile` for a number of rows known only at run time, 1 to kTileRows.
template <int Stride, bool Add>
inline void tile_of(int rows, const float * panel, const float * b, int k, float * c, int64_t c_stride) {
    switch (rows) {
        case 6: return tile<6, Stride, Add>(panel, b, k, c, c_stride);
        case 5: return tile<5, Stride, Add>(panel, b, k, c, c_stride);
        case 4: return tile<4, Stride, Add>(panel, b, k, c, c_stride);
        case 3: return tile<3, Stride, Add>(panel, b, k, c, c_stride);
        case 2: return tile<2, Stride, Add>(panel, b, k, c, c_stride);
        default: return tile<1, Stride, Add>(panel, b, k, c, c_stride);
    }
}

} // namespace kernels
