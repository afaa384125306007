// What all attention has in common: probabilities of scores that are kept in powers of two.
#pragma once

#include "simd.h"

#include <algorithm>
#include <cmath>

namespace kernels {

inline float largest_of(const float * x, int n) {
    constexpr int kVectors = 8;
    const f32x4 lowest = splat(-INFINITY);
    f32x4 a = lowest, b = lowest, c = lowest, d = lowest;
    int i = 0;
    for (; i + 4 * kVectors <= n; i += 4 * kVectors) {
        a = larger(larger(a, load(x + i)), load(x + i + 16));
        b = larger(larger(b, load(x + i + 4)), load(x + i + 20));
        c = larger(larger(c, load(x + i + 8)), load(x + i + 24));
        d = larger(larger(d, load(x + i + 12)), load(x + i + 28));
    }
    a = larger(larger(a, b), larger(c, d));
    for (; i + 4 <= n; i += 4) {
        a = larger(a, load(x + i));
    }
    float largest = std::max(std::max(wasm_f32x4_extract_lane(a, 0), wasm_f32x4_extract_lane(a, 1)),
                             std::max(wasm_f32x4_extract_lane(a, 2), wasm_f32x4_extract_lane(a, 3)));
    for (; i < n; i++) {
        largest = std::max(largest, x[i]);
    }
    return largest;
}

// What may not be seen has this probability, in powers of two: nothing beside the largest, which is 1, but neither
// its square (fixed.h) nor a product with a value is subnormal, which is slow (simd.h).
constexpr float kLeast = -62.0f;

// x = 2^(x - largest); their sum. Up to seven numbers behind the end are overwritten.
inline float exponentials(float * x, int n, float largest) {
    for (int i = n; i % 8 != 0; i++) {
        x[i] = -INFINITY;
    }
    f32x4 total0 = zero(), total1 = zero();
    const f32x4 top = splat(largest);
    auto eight = [&](float * at) __attribute__((always_inline)) {
        f32x4 a = exp2_nonpositive(wasm_f32x4_sub(load(at), top), kLeast);
        f32x4 b = exp2_nonpositive(wasm_f32x4_sub(load(at + 4), top), kLeast);
        store(at, a);
        store(at + 4, b);
        total0 = wasm_f32x4_add(total0, a);
        total1 = wasm_f32x4_add(total1, b);
    };
    int i = 0;
    for (; i + 32 <= n; i += 32) {
        eight(x + i);
        eight(x + i + 8);
        eight(x + i + 16);
        eight(x + i + 24);
    }
    for (; i < n; i += 8) {
        eight(x + i);
    }
    // What is behind the end came out as 2^kLeast and is lost in the sum, whose largest term is 1.
    return sum(wasm_f32x4_add(total0, total1));
}

inline void multiply(float * x, int n, float by) {
    for (int i = 0; i < n; i += 4) {
        store(x + i, wasm_f32x4_mul(load(x + i), splat(by)));
    }
}

} // namespace kernels
