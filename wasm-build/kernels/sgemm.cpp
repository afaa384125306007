// Matrix products, behind the hook ggml has for llamafile's: c[j][i] = sum over k of a[i][k] * b[j][k],
// a the weights (m rows), b the activations (n rows), both with k next to each other, c in float.
//
// Many columns (an encoder's 1500): blocked for the caches.
//
//   for each block of k (kBlockK)                      one pass over c a block
//     for each block of rows of a (kBlockM)            packed once: at most 384 x 192 floats, 288 KiB,
//                                                      for the second-level cache
//       for each four rows of b                        packed once a block: 16 x 192 floats, 12 KiB,
//                                                      for the first-level cache
//         for each eight rows of the block of a        a tile (tile.h); its panel, 6 KiB, streams in
//                                                      from the second level
//
// The weights stay half-precision in memory and are widened while they are packed, which costs a few
// percent: a number of a is used once a column, one of b in up to 384 products. Threads share the
// columns, and each packs for itself: nobody waits for anybody.
//
// Of half-precision weights these products are in fixed point (fixed.h), unless a number is infinite or NaN. Its
// blocks are as large in bytes; a block of all columns is made integers once, before the blocks of rows.
//
// Few columns: every weight is used once a column, so nothing is packed but the columns; two rows of a are widened
// and serve them all; see dot.h. Threads share the rows. (A decoder's weights have products of their own, weights.cpp.)
//
// Quantized weights: see quantized.cpp.

#include "dot.h"
#include "fixed.h"
#include "quantized.h"
#include "scratch.h"
#include "share.h"
#include "tile.h"

#include "ggml-cpu-impl.h"
#include "ggml.h"

#include "llamafile/sgemm.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace kernels {
namespace {

constexpr int kBlockK = 192;
constexpr int kBlockM = 384;
constexpr int kFewColumns = 8;
constexpr int kFixedBlockK = 192;
constexpr int kFixedBlockM = 768;
// From so many columns on it is worth while to make integers of the weights.
constexpr int kFixedColumns = 24;

template <class A, class B>
void many_columns(const A * a, int64_t lda, const B * b, int64_t ldb, float * c, int64_t ldc, Range m, Range n,
                  int64_t k, float * memory) {
    float * packed_a = memory;
    float * packed_b = memory + kBlockM * kBlockK;
    // Blocks of equal size, whole vectors each.
    int64_t blocks = (k + kBlockK - 1) / kBlockK;
    int64_t block_k = ((k + blocks - 1) / blocks + 3) / 4 * 4;
    for (int64_t k0 = 0; k0 < k; k0 += block_k) {
        int depth = int(std::min(block_k, k - k0));
        for (int64_t m0 = m.begin; m0 < m.end; m0 += kBlockM) {
            int rows = int(std::min<int64_t>(kBlockM, m.end - m0));
            for (int i = 0; i < rows; i += kTileColumns) {
                pack(a + (m0 + i) * lda + k0, lda, std::min(kTileColumns, rows - i), depth, packed_a + i * depth);
            }
            for (int64_t j = n.begin; j < n.end; j += kTileRows) {
                int columns = int(std::min<int64_t>(kTileRows, n.end - j));
                spread(b + j * ldb + k0, ldb, columns, depth, 1.0f, packed_b);
                for (int i = 0; i < rows; i += kTileColumns) {
                    const float * panel = packed_a + i * depth;
                    float * out = c + j * ldc + m0 + i;
                    int width = std::min(kTileColumns, rows - i);
                    if (columns == kTileRows && width == kTileColumns) {
                        k0 == 0 ? tile<false>(panel, packed_b, depth, out, ldc)
                                : tile<true>(panel, packed_b, depth, out, ldc);
                        continue;
                    }
                    float whole[kTileRows * kTileColumns];
                    tile<false>(panel, packed_b, depth, whole, kTileColumns);
                    put_part(whole, columns, width, k0 > 0, out, ldc);
                }
            }
        }
    }
}

// The same in fixed point; false when it met a number that is not finite.
template <class B>
bool fixed_columns(const half * a, int64_t lda, const B * b, int64_t ldb, float * c, int64_t ldc, Range m, Range n,
                   int64_t k, int thread) {
    const int64_t columns = (n.end - n.begin + kTileRows - 1) / kTileRows * kTileRows;
    int64_t blocks = (k + kFixedBlockK - 1) / kFixedBlockK;
    const int64_t block_k = fixed_width(int((k + blocks - 1) / blocks));
    // Integers of weights and of columns, half a float each, four times of four columns; then the scales.
    auto * weights = reinterpret_cast<v128_t *>(scratch(
        thread, size_t(block_k * (kFixedBlockM + columns + kSpreadWidth) / 2 + kFixedBlockM + columns)));
    v128_t * fixed = weights + block_k * kFixedBlockM / 8;
    v128_t * spread = fixed + block_k * columns / 8;
    float * weights_back = reinterpret_cast<float *>(spread + block_k * kSpreadWidth / 8);
    float * back = weights_back + kFixedBlockM;
    for (int64_t k0 = 0; k0 < k; k0 += block_k) {
        const int depth = int(std::min(block_k, k - k0)), pairs = fixed_width(depth) / 2;
        for (int64_t j = n.begin; j < n.end; j += kTileRows) {
            v128_t * to = fixed + (j - n.begin) / kTileRows * pairs;
            int rows = int(std::min<int64_t>(kTileRows, n.end - j));
            if (!fix(b + j * ldb + k0, ldb, rows, depth, 1.0f, back + (j - n.begin),
                     [&](int p, v128_t x) { to[p] = x; })) {
                return false;
            }
        }
        for (int64_t m0 = m.begin; m0 < m.end; m0 += kFixedBlockM) {
            const int rows = int(std::min<int64_t>(kFixedBlockM, m.end - m0));
            for (int i = 0; i < rows; i += 4) {
                v128_t * to = weights + i / kTileColumns * kTileColumns * pairs / 4 + i / 4 % 2;
                if (!fix(a + (m0 + i) * lda + k0, lda, std::min(4, rows - i), depth, 1.0f, weights_back + i,
                         [&](int p, v128_t x) { to[2 * p] = x; })) {
                    return false;
                }
            }
            for (int64_t j = n.begin; j < n.end; j += kTileRows) {
                const int width = int(std::min<int64_t>(kTileRows, n.end - j));
                const v128_t * from = fixed + (j - n.begin) / kTileRows * pairs;
                for (int p = 0; p < pairs; p++) {
                    spread_pair(from[p], spread + kTileRows * p);
                }
                for (int i = 0; i < rows; i += kTileColumns) {
                    const v128_t * panel = weights + i * pairs / 4;
                    float * out = c + j * ldc + m0 + i;
                    const int height = std::min(kTileColumns, rows - i);
                    const float *panel_back = weights_back + i, *column_back = back + (j - n.begin);
                    if (width == kTileRows && height == kTileColumns) {
                        k0 == 0 ? fixed_tile<false>(panel, panel_back, spread, column_back, pairs, out, ldc)
                                : fixed_tile<true>(panel, panel_back, spread, column_back, pairs, out, ldc);
                        continue;
                    }
                    float whole[kTileRows * kTileColumns];
                    fixed_tile<false>(panel, panel_back, spread, column_back, pairs, whole, kTileColumns);
                    put_part(whole, width, height, k0 > 0, out, ldc);
                }
            }
        }
    }
    return true;
}

size_t few_columns_floats(int n, int k) { return size_t(n + 2) * ((k + 3) / 4 * 4); }

void few_columns(const half * a, int64_t lda, const float * b, int64_t ldb, float * c, int64_t ldc, Range m, int n,
                 int k, float * memory) {
    const int fours = (k + 3) / 4;
    // More than fit at once are divided in halves.
    const int first = n <= kVectorsAtOnce ? n : (n + 1) / 2, second = n - first;
    float *row0 = memory, *row1 = row0 + 4 * fours, *vectors = row1 + 4 * fours, *further = vectors + 4 * fours * first;
    pack_fours(b, ldb, first, k, vectors);
    pack_fours(b + first * ldb, ldb, second, k, further);
    for (int i = k; i < 4 * fours; i++) {
        row0[i] = row1[i] = 0.0f;
    }
    for (int64_t i = m.begin; i < m.end; i += 2) {
        const bool both = i + 1 < m.end;
        whisperctl_widen_row(a + i * lda, row0, k);
        if (both) {
            whisperctl_widen_row(a + (i + 1) * lda, row1, k);
        }
        float sums[2 * kFewColumns];
        two_rows_of(first)(row0, row1, vectors, fours, sums);
        if (second > 0) {
            two_rows_of(second)(row0, row1, further, fours, sums + 2 * first);
        }
        for (int j = 0; j < n; j++) {
            c[j * ldc + i] = sums[2 * j];
            if (both) {
                c[j * ldc + i + 1] = sums[2 * j + 1];
            }
        }
    }
}

template <class A, class B>
void product(const ggml_compute_params * params, const A * a, int64_t lda, const B * b, int64_t ldb, float * c,
             int64_t ldc, int64_t m, int64_t n, int64_t k) {
    bool by_columns = n >= 4 * kTileRows * params->nth;
    Range all_m = {0, m}, all_n = {0, n};
    if (by_columns) {
        all_n = share(n, kTileRows, params->ith, params->nth);
    } else {
        all_m = share(m, kTileColumns, params->ith, params->nth);
    }
    if constexpr (std::is_same_v<A, half>) {
        if (n >= kFixedColumns && fixed_columns(a, lda, b, ldb, c, ldc, all_m, all_n, k, params->ith)) {
            return;
        }
    }
    float * memory = scratch(params->ith, (kBlockM + kSpreadWidth) * kBlockK);
    many_columns(a, lda, b, ldb, c, ldc, all_m, all_n, k, memory);
}

} // namespace
} // namespace kernels

extern "C" bool llamafile_sgemm(const ggml_compute_params * params, int64_t m, int64_t n, int64_t k, const void * a,
                                int64_t lda, const void * b, int64_t ldb, void * c, int64_t ldc, int a_type, int b_type,
                                int c_type) {
    using namespace kernels;
    if (b_type == GGML_TYPE_F32 && c_type == GGML_TYPE_F32 && m > 0 && n > 0 && k > 0 &&
        quantized_product(params, m, n, k, a, lda, static_cast<const float *>(b), ldb, static_cast<float *>(c), ldc,
                          ggml_type(a_type))) {
        return true;
    }
    bool a_half = a_type == GGML_TYPE_F16, b_half = b_type == GGML_TYPE_F16;
    if ((!a_half && a_type != GGML_TYPE_F32) || (!b_half && b_type != GGML_TYPE_F32) || c_type != GGML_TYPE_F32) {
        return false;
    }
    if (m <= 0 || n <= 0 || k <= 0) {
        return false;
    }
    auto * out = static_cast<float *>(c);
    auto * a16 = static_cast<const half *>(a), * b16 = static_cast<const half *>(b);
    auto * a32 = static_cast<const float *>(a), * b32 = static_cast<const float *>(b);
    if (a_half && !b_half && n <= kFewColumns) {
        Range mine = share(m, kTileColumns, params->ith, params->nth);
        float * memory = scratch(params->ith, few_columns_floats(int(n), int(k)));
        few_columns(a16, lda, b32, ldb, out, ldc, mine, int(n), int(k), memory);
        return true;
    }
    if (a_half && !b_half) {
        product(params, a16, lda, b32, ldb, out, ldc, m, n, k);
    } else if (a_half) {
        product(params, a16, lda, b16, ldb, out, ldc, m, n, k);
    } else if (!b_half) {
        product(params, a32, lda, b32, ldb, out, ldc, m, n, k);
    } else {
        product(params, a32, lda, b16, ldb, out, ldc, m, n, k);
    }
    return true;
}
