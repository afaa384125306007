// Weights of a decoder in fixed point (fixed.h), for the few columns of a token or of its beams.
//
// Every weight is used once a column, so that making a number of a half would cost more than multiplying it. It
// is done once instead, when the model has been read: a row becomes 16-bit integers in the same place, in blocks
// of up to kFixedDepth with a scale each. A step then reads two rows at a time and multiplies them with up to
// five columns, all operands in their order in memory: eight products and four additions in an instruction.
// Threads share the rows. Columns are made integers by each thread for itself, kColumnsAtOnce at a time.
//
// Columns with a number that is not finite are multiplied as floats.

#include "weights.h"

#include "dot.h"
#include "fixed.h"
#include "scratch.h"
#include "share.h"

#include "ggml-cpu-impl.h"
#include "ggml.h"

#include <algorithm>
#include <cstdlib>

namespace kernels {
namespace {

// So many columns of a wide model's 1280 numbers stay in a second-level cache, and of the smallest's 384 in a first.
constexpr int kColumnsAtOnce = 8 * kVectorsAtOnce;

// How a row of k numbers is divided: blocks of equal width, whole vectors each; the last may be narrower.
struct Blocks {
    int n, width, k;
    explicit Blocks(int k) : n((k + kFixedDepth - 1) / kFixedDepth), width(fixed_width((k + n - 1) / n)), k(k) {
        n = (k + width - 1) / width;
    }
    int width_of(int block) const { return std::min(width, k - block * width); }
};

// Weights with the scales back of their blocks, row by row.
struct Fixed {
    const int16_t * rows;
    const float * back;
    Blocks blocks;
    explicit Fixed(const ggml_tensor * weights)
        : rows(static_cast<const int16_t *>(weights->data)), back(static_cast<const float *>(weights->extra)),
          blocks(int(weights->ne[0])) {}
    const int16_t * row(int64_t i) const { return rows + i * blocks.k; }
    const float * back_of(int64_t i) const { return back + i * blocks.n; }
};

void to_fixed(const float * in, int k, float there, int16_t * out, int64_t step) {
    const f32x4 by = splat(there);
    for (int i = 0; i < k; i += 8, out += step) {
        wasm_v128_store(out, eight_integers(in + i, by));
    }
}

void to_floats(const Fixed & from, int64_t row, float * out) {
    for (int b = 0; b < from.blocks.n; b++) {
        const int first = b * from.blocks.width;
        const f32x4 back = splat(from.back_of(row)[b]);
        for (int i = first; i < first + from.blocks.width_of(b); i += 4) {
            v128_t x = wasm_i32x4_load16x4(from.row(row) + i);
            store(out + i, wasm_f32x4_mul(wasm_f32x4_convert_i32x4(x), back));
        }
    }
}

bool all_finite(const half * x, int64_t n) {
    v128_t largest = wasm_i16x8_const_splat(0);
    for (int64_t i = 0; i < n; i += 8) {
        largest = max_magnitude(largest, wasm_v128_load(x + i));
    }
    return !has_special(largest);
}

// out[r][v] = sum over 8 `eights` numbers of row r * vector v, for V vectors packed in eights.
template <int V>
[[gnu::noinline]] void two_fixed_rows(const v128_t * row0, const v128_t * row1, const v128_t * vectors, int eights,
                                      int32_t * out) {
    v128_t s[2][V][1];
    two_rows_by<V>(row0, row1, vectors, eights, s, [](v128_t x, v128_t y, v128_t sum) __attribute__((always_inline)) {
        return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(x, y));
    });
    for (int r = 0; r < 2; r++) {
        for (int v = 0; v < V; v++) {
            v128_t x = s[r][v][0];
            x = wasm_i32x4_add(x, wasm_i32x4_shuffle(x, x, 2, 3, 0, 1));
            out[V * r + v] = wasm_i32x4_extract_lane(x, 0) + wasm_i32x4_extract_lane(x, 1);
        }
    }
}

using TwoFixedRows = void (*)(const v128_t *, const v128_t *, const v128_t *, int, int32_t *);

TwoFixedRows two_fixed_rows_of(int vectors) {
    static constexpr TwoFixedRows all[] = {nullptr,           two_fixed_rows<1>, two_fixed_rows<2>,
                                           two_fixed_rows<3>, two_fixed_rows<4>, two_fixed_rows<5>};
    return all[vectors];
}

// A product's operands: columns with a stride in floats, and where their results go.
struct Columns {
    const float * in;
    int64_t stride;
    float * out;
    int64_t out_stride;
    int n; // up to kColumnsAtOnce
};

size_t scratch_floats(int k) {
    return size_t(kColumnsAtOnce) * (k / 2 + Blocks(k).n) + size_t(kVectorsAtOnce + 2) * k;
}

// False when a column has a number that is not finite.
bool fixed_product(const Fixed & weights, const Columns & columns, Range rows, float * memory) {
    const Blocks & blocks = weights.blocks;
    const int n = columns.n, groups = groups_of(n, kVectorsAtOnce);
    // Of each group and block, its vectors; the scales back, block by block.
    auto * packed = reinterpret_cast<int16_t *>(memory);
    float * back = memory + size_t(kColumnsAtOnce) * blocks.k / 2;
    for (int g = 0; g < groups; g++) {
        const int first = group_begin(n, groups, g), size = group_begin(n, groups, g + 1) - first;
        for (int j = 0; j < size; j++) {
            for (int b = 0; b < blocks.n; b++) {
                const int begin = b * blocks.width, width = blocks.width_of(b);
                const float * in = columns.in + (first + j) * columns.stride + begin;
                const FixedScale scale = fixed_scale(in, width);
                if (!(scale.back * 0.0f == 0.0f)) {
                    return false;
                }
                back[b * n + first + j] = scale.back;
                to_fixed(in, width, scale.there, packed + first * blocks.k + begin * size + 8 * j, 8 * size);
            }
        }
    }
    for (int64_t i = rows.begin; i < rows.end; i += 2) {
        const int64_t next = std::min(i + 1, rows.end - 1);
        for (int g = 0; g < groups; g++) {
            const int first = group_begin(n, groups, g), size = group_begin(n, groups, g + 1) - first;
            float sums[2][kVectorsAtOnce] = {};
            for (int b = 0; b < blocks.n; b++) {
                const int begin = b * blocks.width;
                int32_t whole[2 * kVectorsAtOnce];
                two_fixed_rows_of(size)(reinterpret_cast<const v128_t *>(weights.row(i) + begin),
                                        reinterpret_cast<const v128_t *>(weights.row(next) + begin),
                                        reinterpret_cast<const v128_t *>(packed + first * blocks.k + begin * size),
                                        blocks.width_of(b) / 8, whole);
                const float back0 = weights.back_of(i)[b], back1 = weights.back_of(next)[b];
                for (int j = 0; j < size; j++) {
                    sums[0][j] += float(whole[j]) * (back0 * back[b * n + first + j]);
                    sums[1][j] += float(whole[size + j]) * (back1 * back[b * n + first + j]);
                }
            }
            for (int j = 0; j < size; j++) {
                float * out = columns.out + (first + j) * columns.out_stride;
                out[i] = sums[0][j];
                out[next] = sums[next > i][j];
            }
        }
    }
    return true;
}

void float_product(const Fixed & weights, const Columns & columns, Range rows, float * memory) {
    const int k = weights.blocks.k, groups = groups_of(columns.n, kVectorsAtOnce);
    float *row0 = memory, *row1 = row0 + k, *vectors = row1 + k;
    for (int g = 0; g < groups; g++) {
        const int first = group_begin(columns.n, groups, g), size = group_begin(columns.n, groups, g + 1) - first;
        pack_fours(columns.in + first * columns.stride, columns.stride, size, k, vectors);
        for (int64_t i = rows.begin; i < rows.end; i += 2) {
            const int64_t next = std::min(i + 1, rows.end - 1);
            to_floats(weights, i, row0);
            to_floats(weights, next, row1);
            float sums[2 * kVectorsAtOnce];
            two_rows_of(size)(row0, row1, vectors, k / 4, sums);
            for (int j = 0; j < size; j++) {
                float * out = columns.out + (first + j) * columns.out_stride;
                out[i] = sums[2 * j];
                out[next] = sums[2 * j + 1];
            }
        }
    }
}

} // namespace
} // namespace kernels

using namespace kernels;

extern "C" void whisperctl_fix_weights(ggml_tensor * weights) {
    const int64_t k = weights->ne[0], n = weights->ne[1];
    auto * rows = static_cast<half *>(weights->data);
    if (weights->type != GGML_TYPE_F16 || k % 8 != 0 || !all_finite(rows, k * n)) {
        return;
    }
    const Blocks blocks{int(k)};
    auto * back = static_cast<float *>(std::malloc(size_t(n * blocks.n) * sizeof(float)));
    GGML_ASSERT(back && "no memory for the scales of weights");
    float * row = scratch(0, size_t(k));
    for (int64_t i = 0; i < n; i++) {
        half * to = rows + i * k;
        whisperctl_widen_row(to, row, k);
        for (int b = 0; b < blocks.n; b++) {
            const int begin = b * blocks.width, width = blocks.width_of(b);
            const FixedScale scale = fixed_scale(row + begin, width);
            back[i * blocks.n + b] = scale.back;
            to_fixed(row + begin, width, scale.there, reinterpret_cast<int16_t *>(to) + begin, 8);
        }
    }
    weights->type = GGML_TYPE_I16;
    weights->extra = back;
}

extern "C" void whisperctl_fixed_product(const ggml_compute_params * params, ggml_tensor * dst) {
    const ggml_tensor *weights = dst->src[0], *columns = dst->src[1];
    GGML_ASSERT(columns->type == GGML_TYPE_F32 && columns->nb[0] == sizeof(float) && columns->ne[2] == 1 &&
                columns->ne[3] == 1 && weights->ne[2] == 1 && weights->ne[3] == 1);
    const Fixed fixed(weights);
    const Range rows = share(weights->ne[1], 2, params->ith, params->nth);
    float * memory = scratch(params->ith, scratch_floats(fixed.blocks.k));
    for (int64_t j = 0; j < columns->ne[1]; j += kColumnsAtOnce) {
        const Columns some = {
            reinterpret_cast<const float *>(static_cast<const char *>(columns->data) + j * columns->nb[1]),
            int64_t(columns->nb[1] / sizeof(float)),
            reinterpret_cast<float *>(static_cast<char *>(dst->data) + j * dst->nb[1]),
            int64_t(dst->nb[1] / sizeof(float)),
            int(std::min<int64_t>(kColumnsAtOnce, columns->ne[1] - j)),
        };
        if (!fixed_product(fixed, some, rows, memory)) {
            float_product(fixed, some, rows, memory);
        }
    }
}

extern "C" void whisperctl_fixed_rows(ggml_tensor * dst) {
    const ggml_tensor *weights = dst->src[0], *which = dst->src[1];
    const Fixed fixed(weights);
    for (int64_t i = 0; i < which->ne[0]; i++) {
        const int64_t row = *reinterpret_cast<const int32_t *>(static_cast<const char *>(which->data) + i * which->nb[0]);
        GGML_ASSERT(row >= 0 && row < weights->ne[1]);
        to_floats(fixed, row, reinterpret_cast<float *>(static_cast<char *>(dst->data) + i * dst->nb[1]));
    }
}
