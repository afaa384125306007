// Products with quantized weights against plain ones in double precision; see kernels.cpp.
//
// The reference quantizes the activations as ggml's reference for x86 does, so it multiplies the same
// integers. An error is in units of what the roundings of a sum over the blocks may add up to,
// (3 * blocks + 16) * 2^-24 * sum over the blocks of |scales| * sum |integers' products| + |minimum * sum|.
// Each line ends with a hash of the result's bits, which must not depend on the runtime or the variant.

#include "cases.h"

#include "ggml-cpu-impl.h"
#include "ggml.h"
#include "llamafile/sgemm.h"

#define GGML_COMMON_DECL_CPP
#include "ggml-common.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <type_traits>
#include <vector>

// What ggml fills when it starts.
extern "C" float ggml_table_f32_f16[1 << 16];
float ggml_table_f32_f16[1 << 16];

namespace {

enum Content { kRandom, kLowest, kHighest, kNothing, kTinyScales, kHugeScales, kZeroActivations, kTinyActivations, kLoud };
const char * const kNames[] = {"",         " lowest integers",  " highest integers", " zero scales",      " subnormal scales",
                               " largest scales", " zero activations", " tiny activations", " one loud activation"};

uint16_t random_scale(Content content, bool negative) {
    uint16_t sign = negative && random_bits() & 1 ? 0x8000 : 0;
    switch (content) {
        case kNothing: return sign;
        case kTinyScales: return uint16_t(sign | (random_bits() % 0x3ff + 1));
        case kHugeScales: return uint16_t(sign | 0x7bff);
        default: return narrowed((random_float() + 1.5f) * (sign ? -0.01f : 0.01f));
    }
}

uint8_t random_byte(Content content) {
    return content == kLowest ? 0 : content == kHighest ? 255 : uint8_t(random_bits());
}

// Whether there is a minimum, the bits of an integer, what is subtracted from it.
template <class W> constexpr bool kMinimum = std::is_same_v<W, block_q4_1> || std::is_same_v<W, block_q5_1>;
template <class W> constexpr bool kFive = std::is_same_v<W, block_q5_0> || std::is_same_v<W, block_q5_1>;

template <class W> void fill(W & block, Content content) {
    for (auto & x : block.qs) {
        x = decltype(+x)(random_byte(content));
        if constexpr (std::is_same_v<W, block_q8_0>) {
            // -128 is in no file that ggml writes, but a file can have it.
            x = content == kLowest ? -128 : content == kHighest ? 127 : x;
        }
    }
    if constexpr (kFive<W>) {
        for (auto & x : block.qh) {
            x = random_byte(content);
        }
    }
    if constexpr (kMinimum<W>) {
        block.data.data.d = random_scale(content, false);
        block.data.data.m = random_scale(content, true);
    } else {
        block.d = random_scale(content, true);
    }
}

struct Plain {
    double scale, minimum;
    int integers[32];
};

template <class W> Plain plain(const W & block) {
    Plain out = {};
    if constexpr (kMinimum<W>) {
        out.scale = widened(block.data.data.d);
        out.minimum = widened(block.data.data.m);
    } else {
        out.scale = widened(block.d);
    }
    for (int i = 0; i < 32; i++) {
        if constexpr (std::is_same_v<W, block_q8_0>) {
            out.integers[i] = block.qs[i];
        } else {
            int value = i < 16 ? block.qs[i] & 15 : block.qs[i - 16] >> 4;
            if constexpr (kFive<W>) {
                value |= (block.qh[i / 8] >> i % 8 & 1) << 4;
            }
            out.integers[i] = kMinimum<W> ? value : value - (kFive<W> ? 16 : 8);
        }
    }
    return out;
}

// 32 activations; the minimum is what multiplies the weights' minimum.
Plain quantized(const float * x) {
    Plain out = {};
    float largest = 0;
    for (int i = 0; i < 32; i++) {
        largest = std::max(largest, std::fabs(x[i]));
    }
    float scale = largest / 127.0f, steps = largest != 0 ? 127.0f / largest : 0;
    int sum = 0;
    for (int i = 0; i < 32; i++) {
        out.integers[i] = int(std::nearbyint(x[i] * steps));
        sum += out.integers[i];
    }
    out.scale = widened(narrowed(scale));
    out.minimum = widened(narrowed(scale * float(sum)));
    return out;
}

template <class W>
void product(const char * type_name, ggml_type type, int m, int n, int blocks, int threads, Content content) {
    const int lda = blocks + 1, ldb = blocks * 32 + 5, ldc = m + 7;
    std::vector<W> a(size_t(m) * lda);
    std::vector<float> b(size_t(n) * ldb), c(size_t(n) * ldc);
    const float untouched = 12345.0f;
    std::fill(c.begin(), c.end(), untouched);
    for (auto & block : a) {
        fill(block, content);
    }
    for (auto & x : b) {
        x = content == kZeroActivations ? 0 : random_float() * (content == kTinyActivations ? 0x1p-18f : 3.0f);
        x *= content == kLoud && random_bits() % 50 == 0 ? 1e4f : 1.0f;
    }
    bool taken = true;
    for (int i = 0; i < threads; i++) {
        ggml_compute_params params = {};
        params.ith = i;
        params.nth = threads;
        taken &= llamafile_sgemm(&params, m, n, blocks, a.data(), lda, b.data(), ldb, c.data(), ldc, type, GGML_TYPE_F32,
                                 GGML_TYPE_F32);
    }
    std::vector<Plain> rows, columns;
    for (int i = 0; i < m * blocks; i++) {
        rows.push_back(plain(a[size_t(i / blocks) * lda + i % blocks]));
    }
    for (int j = 0; j < n * blocks; j++) {
        columns.push_back(quantized(&b[size_t(j / blocks) * ldb + j % blocks * 32]));
    }
    double worst = taken ? 0 : INFINITY;
    uint32_t hash = 2166136261u;
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < ldc; i++) {
            float got = c[size_t(j) * ldc + i];
            if (i >= m) {
                worst = got == untouched ? worst : INFINITY;
                continue;
            }
            uint32_t bits;
            std::memcpy(&bits, &got, sizeof bits);
            hash = (hash ^ bits) * 16777619u;
            double expected = 0, magnitude = 0;
            for (int k = 0; k < blocks; k++) {
                const Plain & x = rows[size_t(i) * blocks + k];
                const Plain & y = columns[size_t(j) * blocks + k];
                double total = 0, absolute = 0;
                for (int e = 0; e < 32; e++) {
                    total += x.integers[e] * y.integers[e];
                    absolute += std::abs(x.integers[e] * y.integers[e]);
                }
                expected += x.scale * y.scale * total + x.minimum * y.minimum;
                magnitude += std::fabs(x.scale * y.scale) * absolute + std::fabs(x.minimum * y.minimum);
            }
            double error = std::fabs(got - expected);
            double unit = (3 * blocks + 16) * 0x1p-24 * magnitude + 1e-37;
            worst = std::isnan(error) ? INFINITY : std::max(worst, error / unit);
        }
    }
    char name[200];
    std::snprintf(name, sizeof name, "quantized %s %dx%dx%d threads %d%s %08x", type_name, m, n, blocks * 32, threads,
                  kNames[content], unsigned(hash));
    report(name, worst, 1);
}

template <class W> void products(const char * name, ggml_type type) {
    // The first two numbers are rows and columns, the last is blocks of 32.
    const int shapes[][3] = {
        {1, 1, 1},  {3, 1, 2},  {77, 1, 5},  {200, 1, 12}, {13, 2, 3},   {13, 3, 4},    {13, 4, 6},    {13, 5, 7},
        {13, 6, 8}, {13, 8, 9}, {1, 9, 1},   {8, 12, 1},   {9, 13, 2},   {1, 50, 3},    {195, 29, 5},  {384, 10, 12},
        {31, 33, 17}, {16, 101, 12}, {10, 65, 48}, {5, 1, 160},
    };
    for (auto & s : shapes) {
        for (int threads : {1, 3}) {
            product<W>(name, type, s[0], s[1], s[2], threads, kRandom);
        }
    }
    for (int n : {1, 5, 19}) {
        for (Content content : {kLowest, kHighest, kNothing, kTinyScales, kHugeScales, kZeroActivations, kTinyActivations, kLoud}) {
            product<W>(name, type, 21, n, 6, 2, content);
        }
    }
}

// Activations that are no number, or infinite, must not vanish.
void not_finite() {
    for (float odd : {NAN, INFINITY, -INFINITY}) {
        for (int n : {1, 20}) {
            const int m = 9, blocks = 2;
            std::vector<block_q8_0> a(m * blocks);
            for (auto & block : a) {
                fill(block, kHighest);
            }
            std::vector<float> b(size_t(n) * blocks * 32, 1.0f), c(size_t(n) * m);
            b[7] = odd;
            ggml_compute_params params = {};
            params.nth = 1;
            bool ok = llamafile_sgemm(&params, m, n, blocks, a.data(), blocks, b.data(), blocks * 32, c.data(), m,
                                      GGML_TYPE_Q8_0, GGML_TYPE_F32, GGML_TYPE_F32);
            for (int i = 0; i < n * m; i++) {
                ok &= (i < m) != bool(std::isfinite(c[i]));
            }
            char name[100];
            std::snprintf(name, sizeof name, "quantized activations with %f, %d columns", odd, n);
            report(name, ok ? 0 : 1, 0);
        }
    }
}

} // namespace

void quantized_products() {
    for (uint32_t i = 0; i < 65536; i++) {
        ggml_table_f32_f16[i] = float(widened(uint16_t(i)));
    }
    products<block_q8_0>("q8_0", GGML_TYPE_Q8_0);
    products<block_q5_1>("q5_1", GGML_TYPE_Q5_1);
    products<block_q5_0>("q5_0", GGML_TYPE_Q5_0);
    products<block_q4_1>("q4_1", GGML_TYPE_Q4_1);
    products<block_q4_0>("q4_0", GGML_TYPE_Q4_0);
    not_finite();
}
