// Whole rows at a time: conversions between half and single precision, GELU, and layer normalization.

#include "simd.h"

#include "ggml.h"

#include <cmath>
#include <cstdint>
#include <cstring>

using namespace kernels;

extern "C" {

// ggml's table of GELU for every half; the native engine looks up the same numbers.
extern ggml_fp16_t ggml_table_gelu_f16[1 << 16];

// Most halves are normal: then nothing is to be mended, which is looked at 32 at a time.
void whisperctl_widen_row(const half * in, float * out, int64_t n) {
    constexpr int kBlock = 32;
    auto exactly = [](const half * from, float * to) __attribute__((always_inline)) {
        v128_t h = wasm_v128_load(from);
        store(to, widen_low(h));
        store(to + 4, widen_high(h));
    };
    int64_t i = 0;
    for (; i + kBlock <= n; i += kBlock) {
        in = opaque(in);
        v128_t least = wasm_i16x8_const_splat(-1);
#pragma clang loop unroll(full)
        for (int j = 0; j < kBlock; j += 8) {
            v128_t h = wasm_v128_load(in + j);
            least = wasm_u16x8_min(least, abnormal_least(h));
            Normal x(h);
            store(out + j, x.low());
            store(out + j + 4, x.high());
        }
        if (has_abnormal(least)) {
            for (int j = 0; j < kBlock; j += 8) {
                exactly(in + j, out + j);
            }
        }
        in += kBlock;
        out += kBlock;
    }
    for (; i + 8 <= n; i += 8, in += 8, out += 8) {
        exactly(in, out);
    }
    for (; i < n; i++) {
        *out++ = widen(*in++);
    }
}

void whisperctl_narrow_row(const float * in, half * out, int64_t n) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        wasm_v128_store(out + i, narrow(load(in + i), load(in + i + 4)));
    }
    if (i < n) {
        float rest[8] = {};
        half narrowed[8];
        std::memcpy(rest, in + i, size_t(n - i) * sizeof(float));
        wasm_v128_store(narrowed, narrow(load(rest), load(rest + 4)));
        std::memcpy(out + i, narrowed, size_t(n - i) * sizeof(half));
    }
}

void whisperctl_gelu_row(const float * in, float * out, int64_t n) {
    auto four = [](f32x4 x, v128_t h) __attribute__((always_inline)) {
        f32x4 y = widen_low(h);
        y = wasm_v128_andnot(y, wasm_f32x4_le(x, splat(-10.0f)));
        return wasm_v128_bitselect(x, y, wasm_f32x4_ge(x, splat(10.0f)));
    };
    float rest[8] = {};
    for (int64_t i = 0; i < n; i += 8) {
        bool whole = i + 8 <= n;
        if (!whole) {
            std::memcpy(rest, in + i, size_t(n - i) * sizeof(float));
        }
        const float * from = whole ? in + i : rest;
        f32x4 low = load(from), high = load(from + 4);
        v128_t at = narrow(low, high);
        const ggml_fp16_t * table = ggml_table_gelu_f16;
        v128_t looked_up = wasm_u16x8_make(
            table[wasm_u16x8_extract_lane(at, 0)], table[wasm_u16x8_extract_lane(at, 1)],
            table[wasm_u16x8_extract_lane(at, 2)], table[wasm_u16x8_extract_lane(at, 3)],
            table[wasm_u16x8_extract_lane(at, 4)], table[wasm_u16x8_extract_lane(at, 5)],
            table[wasm_u16x8_extract_lane(at, 6)], table[wasm_u16x8_extract_lane(at, 7)]);
        f32x4 y0 = four(low, looked_up);
        f32x4 y1 = four(high, wasm_i64x2_shuffle(looked_up, looked_up, 1, 1));
        if (whole) {
            store(out + i, y0);
            store(out + i + 4, y1);
        } else {
            store(rest, y0);
            store(rest + 4, y1);
            std::memcpy(out + i, rest, size_t(n - i) * sizeof(float));
        }
    }
}

// out = (in - mean) / sqrt(variance + epsilon), both over the row.
void whisperctl_norm_row(const float * in, float * out, int64_t n, float epsilon) {
    constexpr int kSums = 4;
    auto total = [&](auto of) __attribute__((always_inline)) {
        f32x4 s[kSums] = {zero(), zero(), zero(), zero()};
        int64_t i = 0;
        for (; i + 4 * kSums <= n; i += 4 * kSums) {
            for (int j = 0; j < kSums; j++) {
                s[j] = wasm_f32x4_add(s[j], of(load(in + i + 4 * j)));
            }
        }
        float rest = 0;
        for (; i < n; i++) {
            rest += wasm_f32x4_extract_lane(of(splat(in[i])), 0);
        }
        return sum(wasm_f32x4_add(wasm_f32x4_add(s[0], s[1]), wasm_f32x4_add(s[2], s[3]))) + rest;
    };
    const float mean = total([](f32x4 x) { return x; }) / float(n);
    const float variance = total([&](f32x4 x) {
        x = wasm_f32x4_sub(x, splat(mean));
        return wasm_f32x4_mul(x, x);
    }) / float(n);
    const float scale = 1.0f / std::sqrt(variance + epsilon);
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        store(out + i, wasm_f32x4_mul(wasm_f32x4_sub(load(in + i), splat(mean)), splat(scale)));
    }
    for (; i < n; i++) {
        out[i] = (in[i] - mean) * scale;
    }
}

}
