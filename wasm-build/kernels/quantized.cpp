// Products of quantized weights with floats, in integers: the activations are quantized as ggml does on
// other machines (32 numbers a block, to the nearest of 255 steps), so that what comes out differs from a
// native build only by the rounding of sums. (ggml's WebAssembly version cuts off instead of rounding,
// which is why its quantized blocks are not what is taken here.)
//
// A block of a row of weights and one of a column of activations make
//
//   weights' scale * activations' scale * sum of 32 products of integers
//     + weights' minimum * activations' sum                                  (q5_1 and q4_1 only)
//
// The integers are widened to 16 bits, and i32x4.dot_i16x8_s does eight multiplications and four additions
// at once. No sum can overflow: 32 * 128 * 128 = 2^19. The relaxed dot product of 8-bit integers would do
// twice as many, but it wants one side to have seven bits, and where a runtime does not map it to the
// machine's own instruction it is slower: measured in a tile like the one below, 85 to 97 GOP/s in
// Wasmtime and 35 in Wasmer, against 83 in both for the 16-bit one, which says the same everywhere.
//
// Many columns: as in sgemm.cpp, weights packed for the second-level cache and activations for the first.
// Few columns: each row of weights is read once, and widened on the way.

#include "quantized.h"

#include "scratch.h"
#include "share.h"
#include "simd.h"

#define GGML_COMMON_DECL_CPP
#include "ggml-common.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

// ggml's own table of all halves as floats: a load each, for scales that come one by one.
extern "C" float ggml_table_f32_f16[1 << 16];

namespace kernels {
namespace {

constexpr int kBlock = 32;          // numbers in a block, of weights and of activations
constexpr int kPairs = kBlock / 2;  // multiplied and added two and two
constexpr int kTileRows = 8;        // rows of weights
constexpr int kTileColumns = 4;     // columns of activations
constexpr int kPanelBlocks = 16;    // blocks packed at a time: 18 KiB of activations, for the first-level cache,
constexpr int kPanelRows = 192;     // and of so many rows: 216 KiB of weights, for the second-level cache
constexpr int kFewColumns = 8;
constexpr int kColumnsAtOnce = 4;

// ------------------------------------------------------------------------------------------- weights

inline v128_t low_nibbles(v128_t bytes) { return wasm_v128_and(bytes, wasm_i8x16_const_splat(15)); }
inline v128_t high_nibbles(v128_t bytes) { return wasm_u8x16_shr(bytes, 4); }

// A byte 0xff for each bit that is not set, of the 16 in byte 2 * Half and the next of `bits`. (Opaque, as
// the compiler would turn it around, and x86 compares for equality only.)
template <int Half> inline v128_t bytes_from_zeros(v128_t bits) {
    constexpr int a = 2 * Half, b = a + 1;
    v128_t spread = wasm_i8x16_shuffle(bits, bits, a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b);
    const v128_t each = wasm_u8x16_const(1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
    return opaque(wasm_i8x16_eq(wasm_v128_and(spread, each), wasm_i8x16_const_splat(0)));
}

inline void extend_signed(v128_t low, v128_t high, v128_t out[4]) {
    out[0] = wasm_i16x8_extend_low_i8x16(low);
    out[1] = wasm_i16x8_extend_high_i8x16(low);
    out[2] = wasm_i16x8_extend_low_i8x16(high);
    out[3] = wasm_i16x8_extend_high_i8x16(high);
}

inline void extend_unsigned(v128_t low, v128_t high, v128_t out[4]) {
    out[0] = wasm_u16x8_extend_low_u8x16(low);
    out[1] = wasm_u16x8_extend_high_u8x16(low);
    out[2] = wasm_u16x8_extend_low_u8x16(high);
    out[3] = wasm_u16x8_extend_high_u8x16(high);
}

// A block's 32 integers in order, eight a vector.

inline void unpack(const block_q8_0 & block, v128_t out[4]) {
    for (int i = 0; i < 4; i++) {
        out[i] = wasm_i16x8_load8x8(block.qs + 8 * i);
    }
}

inline void unpack(const block_q4_0 & block, v128_t out[4]) {
    v128_t quants = wasm_v128_load(block.qs);
    const v128_t middle = wasm_i8x16_const_splat(8);
    extend_signed(wasm_i8x16_sub(low_nibbles(quants), middle), wasm_i8x16_sub(high_nibbles(quants), middle), out);
}

inline void unpack(const block_q4_1 & block, v128_t out[4]) {
    v128_t quants = wasm_v128_load(block.qs);
    extend_unsigned(low_nibbles(quants), high_nibbles(quants), out);
}

inline void unpack(const block_q5_0 & block, v128_t out[4]) {
    v128_t quants = wasm_v128_load(block.qs), bits = wasm_v128_load32_zero(block.qh);
    // 16 is subtracted where the fifth bit is not set: as bytes, 0xf0 is added to a nibble.
    const v128_t sixteen_less = wasm_i8x16_const_splat(int8_t(0xf0));
    v128_t low = wasm_v128_and(sixteen_less, bytes_from_zeros<0>(bits));
    v128_t high = wasm_v128_and(sixteen_less, bytes_from_zeros<1>(bits));
    extend_signed(wasm_v128_or(low_nibbles(quants), low), wasm_v128_or(high_nibbles(quants), high), out);
}

inline void unpack(const block_q5_1 & block, v128_t out[4]) {
    v128_t quants = wasm_v128_load(block.qs), bits = wasm_v128_load32_zero(block.qh);
    const v128_t sixteen = wasm_i8x16_const_splat(16);
    v128_t low = wasm_v128_andnot(sixteen, bytes_from_zeros<0>(bits));
    v128_t high = wasm_v128_andnot(sixteen, bytes_from_zeros<1>(bits));
    extend_unsigned(wasm_v128_or(low_nibbles(quants), low), wasm_v128_or(high_nibbles(quants), high), out);
}

template <class W> constexpr bool kHasMinimum = std::is_same_v<W, block_q4_1> || std::is_same_v<W, block_q5_1>;

template <class W> inline const float * scale_of(const W & block) {
    if constexpr (kHasMinimum<W>) {
        return ggml_table_f32_f16 + block.data.data.d;
    } else {
        return ggml_table_f32_f16 + block.d;
    }
}
template <class W> inline const float * minimum_of(const W & block) {
    if constexpr (kHasMinimum<W>) {
        return ggml_table_f32_f16 + block.data.data.m;
    } else {
        return ggml_table_f32_f16; // The half with bits 0 is zero.
    }
}

// --------------------------------------------------------------------------------------- activations

struct Quantized {
    float scale;
    float sum; // of the numbers, that is scale * sum of the integers
    int8_t quants[kBlock];
};

// The largest magnitude of the lanes. Magnitudes are ordered like their bits, and a NaN's are the largest.
inline float largest_lane(v128_t magnitudes) {
    v128_t x = wasm_i32x4_max(magnitudes, wasm_i32x4_shuffle(magnitudes, magnitudes, 2, 3, 0, 1));
    return wasm_f32x4_extract_lane(wasm_i32x4_max(x, wasm_i32x4_shuffle(x, x, 1, 0, 3, 2)), 0);
}

// Like ggml's quantize_row_q8_0 and quantize_row_q8_1 for x86, bit by bit where everything is finite. A
// NaN makes a scale that is none.
[[gnu::noinline]] void quantize(const float * x, int64_t blocks, Quantized * out) {
    for (; blocks > 0; blocks--, x += kBlock, out++) {
        v128_t largest = wasm_i32x4_const_splat(0);
        for (int i = 0; i < kBlock; i += 4) {
            largest = wasm_i32x4_max(largest, wasm_f32x4_abs(load(x + i)));
        }
        float magnitude = largest_lane(largest);
        float scale = magnitude / 127.0f;
        f32x4 steps = splat(magnitude != 0.0f ? 127.0f / magnitude : 0.0f);
        // Adding 1.5 * 2^23 rounds to a whole number, ties to even, and leaves it in the last bits.
        const f32x4 round = splat(0x1.8p23f);
        auto four = [&](int i) {
            return wasm_i32x4_sub(wasm_f32x4_add(wasm_f32x4_mul(load(x + i), steps), round), round);
        };
        v128_t sum = wasm_i32x4_const_splat(0);
        for (int i = 0; i < kBlock; i += 16) {
            v128_t low = wasm_i16x8_narrow_i32x4(four(i), four(i + 4));
            v128_t high = wasm_i16x8_narrow_i32x4(four(i + 8), four(i + 12));
            sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_i16x8_add(low, high), wasm_i16x8_const_splat(1)));
            wasm_v128_store(out->quants + i, wasm_i8x16_narrow_i16x8(low, high));
        }
        sum = wasm_i32x4_add(sum, wasm_i32x4_shuffle(sum, sum, 2, 3, 0, 1));
        int total = wasm_i32x4_extract_lane(sum, 0) + wasm_i32x4_extract_lane(sum, 1);
        // Both as ggml keeps them, in half precision.
        f32x4 both = wasm_f32x4_make(scale, scale * float(total), 0.0f, 0.0f);
        both = widen_low(narrow(both, both));
        out->scale = wasm_f32x4_extract_lane(both, 0);
        out->sum = wasm_f32x4_extract_lane(both, 1);
    }
}

// -------------------------------------------------------------------------------------- many columns

// A block of eight rows, for the tile: of each pair of numbers, those of four rows to a vector.
struct WeightPanel {
    v128_t pairs[kPairs][2];
    f32x4 scale[2];
    f32x4 minimum[2];
};

// A block of four columns: every pair, scale and sum four times, a vector of its own.
struct ActivationPanel {
    v128_t pairs[kPairs][kTileColumns];
    f32x4 scale[kTileColumns];
    f32x4 sum[kTileColumns];
};

// c[j][0..8) += a panel of weights times a panel of activations, `pairs` > 0 (a multiple of 16) deep.
//
// The form is what Cranelift, the compiler of both runtimes, makes fast code of. It leaves loads and
// stores where they are and puts arithmetic off to the end of its basic block: hence each step is a block
// of its own, ended by a test, and the floats are added in memory. What is alive in a step (eight sums,
// two vectors of weights, four of activations, a product) fits into sixteen registers.
template <bool Minimum>
[[gnu::noinline]] void tile(const WeightPanel * w, const ActivationPanel * x, int pairs, float * c, int64_t stride) {
    v128_t s[kTileColumns][2];
    auto step = [&](int u) __attribute__((always_inline)) {
        v128_t w0 = w->pairs[u][0], w1 = w->pairs[u][1];
#pragma clang loop unroll(full)
        for (int j = 0; j < kTileColumns; j++) {
            v128_t y = x->pairs[u][j];
            v128_t p0 = wasm_i32x4_dot_i16x8(w0, y), p1 = wasm_i32x4_dot_i16x8(w1, y);
            s[j][0] = u == 0 ? p0 : wasm_i32x4_add(s[j][0], p0);
            s[j][1] = u == 0 ? p1 : wasm_i32x4_add(s[j][1], p1);
        }
    };
    for (;; w++, x++) {
        w = opaque(w);
        x = opaque(x);
#pragma clang loop unroll(full)
        for (int u = 0; u < kPairs; u++) {
            step(u);
            if (--pairs == 0) {
                break;
            }
        }
#pragma clang loop unroll(full)
        for (int j = 0; j < kTileColumns; j++) {
            f32x4 scale = x->scale[j];
#pragma clang loop unroll(full)
            for (int half = 0; half < 2; half++) {
                float * out = c + j * stride + 4 * half;
                f32x4 product = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(s[j][half]), wasm_f32x4_mul(w->scale[half], scale));
                if (Minimum) {
                    product = wasm_f32x4_add(product, wasm_f32x4_mul(w->minimum[half], x->sum[j]));
                }
                store(out, wasm_f32x4_add(load(out), product));
            }
        }
        if (pairs == 0) {
            return;
        }
    }
}

// Packs `blocks` blocks of up to eight rows; rows that are not there count as zero.
template <class W> [[gnu::noinline]] void pack(const W * a, int64_t lda, int rows, int blocks, WeightPanel * out) {
    for (int i = 0; i < blocks; i++, a++, out++) {
        float scale[kTileRows] = {}, minimum[kTileRows] = {};
        v128_t quants[kTileRows][4];
        std::memset(quants, 0, sizeof quants);
        for (int r = 0; r < rows; r++) {
            const W & block = a[r * lda];
            unpack(block, quants[r]);
            scale[r] = *scale_of(block);
            minimum[r] = *minimum_of(block);
        }
        for (int half = 0; half < 2; half++) {
            out->scale[half] = load(scale + 4 * half);
            out->minimum[half] = load(minimum + 4 * half);
            for (int v = 0; v < 4; v++) {
                const int r = 4 * half;
                v128_t p = quants[r][v], q = quants[r + 1][v], s = quants[r + 2][v], t = quants[r + 3][v];
                v128_t pq0 = wasm_i32x4_shuffle(p, q, 0, 4, 1, 5), pq1 = wasm_i32x4_shuffle(p, q, 2, 6, 3, 7);
                v128_t st0 = wasm_i32x4_shuffle(s, t, 0, 4, 1, 5), st1 = wasm_i32x4_shuffle(s, t, 2, 6, 3, 7);
                out->pairs[4 * v][half] = wasm_i64x2_shuffle(pq0, st0, 0, 2);
                out->pairs[4 * v + 1][half] = wasm_i64x2_shuffle(pq0, st0, 1, 3);
                out->pairs[4 * v + 2][half] = wasm_i64x2_shuffle(pq1, st1, 0, 2);
                out->pairs[4 * v + 3][half] = wasm_i64x2_shuffle(pq1, st1, 1, 3);
            }
        }
    }
}

// The same for up to four columns.
[[gnu::noinline]] void pack(const Quantized * b, int64_t ldb, int columns, int blocks, ActivationPanel * out) {
    static const Quantized nothing = {};
    for (int i = 0; i < blocks; i++, b++, out++) {
        for (int j = 0; j < kTileColumns; j++) {
            const Quantized & from = j < columns ? b[j * ldb] : nothing;
            out->scale[j] = splat(from.scale);
            out->sum[j] = splat(from.sum);
            for (int v = 0; v < 4; v++) {
                v128_t quants = wasm_i16x8_load8x8(from.quants + 8 * v);
                out->pairs[4 * v][j] = splat_lane<0>(quants);
                out->pairs[4 * v + 1][j] = splat_lane<1>(quants);
                out->pairs[4 * v + 2][j] = splat_lane<2>(quants);
                out->pairs[4 * v + 3][j] = splat_lane<3>(quants);
            }
        }
    }
}

// Working memory, one part after the other.
struct Memory {
    char * at;
    template <class T> T * take(int64_t count) {
        T * out = reinterpret_cast<T *>(at);
        at += count * int64_t(sizeof(T));
        return out;
    }
};

Memory memory_of(const ggml_compute_params * params, int64_t bytes) {
    return {reinterpret_cast<char *>(scratch(params->ith, size_t(bytes) / sizeof(float) + 1))};
}

template <class W>
void many_columns(const ggml_compute_params * params, const W * a, int64_t lda, const float * b, int64_t ldb, float * c,
                  int64_t ldc, Range m, Range n, int64_t blocks) {
    constexpr int64_t kPanelTiles = kPanelRows / kTileRows;
    const int64_t columns = n.end - n.begin;
    Memory memory = memory_of(params, kPanelTiles * kPanelBlocks * int64_t(sizeof(WeightPanel)) +
                                          kPanelBlocks * int64_t(sizeof(ActivationPanel)) +
                                          columns * blocks * int64_t(sizeof(Quantized)));
    auto * weights = memory.take<WeightPanel>(kPanelTiles * kPanelBlocks);
    auto * activations = memory.take<ActivationPanel>(kPanelBlocks);
    auto * quantized = memory.take<Quantized>(columns * blocks);
    for (int64_t j = 0; j < columns; j++) {
        quantize(b + (n.begin + j) * ldb, blocks, quantized + j * blocks);
    }
    for (int64_t k0 = 0; k0 < blocks; k0 += kPanelBlocks) {
        int depth = int(std::min<int64_t>(kPanelBlocks, blocks - k0));
        for (int64_t m0 = m.begin; m0 < m.end; m0 += kPanelRows) {
            int rows = int(std::min<int64_t>(kPanelRows, m.end - m0));
            for (int i = 0; i < rows; i += kTileRows) {
                pack(a + (m0 + i) * lda + k0, lda, std::min(kTileRows, rows - i), depth, weights + i / kTileRows * depth);
            }
            for (int64_t j = 0; j < columns; j += kTileColumns) {
                int width = int(std::min<int64_t>(kTileColumns, columns - j));
                pack(quantized + j * blocks + k0, blocks, width, depth, activations);
                for (int i = 0; i < rows; i += kTileRows) {
                    const WeightPanel * panel = weights + i / kTileRows * depth;
                    float * out = c + (n.begin + j) * ldc + m0 + i;
                    int height = std::min(kTileRows, rows - i);
                    if (k0 == 0) {
                        for (int r = 0; r < width; r++) {
                            std::fill_n(out + r * ldc, height, 0.0f);
                        }
                    }
                    if (width == kTileColumns && height == kTileRows) {
                        tile<kHasMinimum<W>>(panel, activations, kPairs * depth, out, ldc);
                        continue;
                    }
                    float whole[kTileColumns * kTileRows] = {};
                    tile<kHasMinimum<W>>(panel, activations, kPairs * depth, whole, kTileRows);
                    for (int r = 0; r < width; r++) {
                        for (int e = 0; e < height; e++) {
                            out[r * ldc + e] += whole[r * kTileRows + e];
                        }
                    }
                }
            }
        }
    }
}

// --------------------------------------------------------------------------------------- few columns

// A block of a column. The sum is in one lane, as the lanes are added up in the end.
struct Column {
    v128_t quants[4];
    f32x4 scale;
    f32x4 sum;
};

// Keeps the compiler from making versions of a loop for each x.
inline int unknown(int x) {
    asm("" : "+r"(x));
    return x;
}

// out[j][i] = rows[i] times column j of up to four, for all rows. Blocks of columns are four apart.
//
// Again basic blocks are kept short by tests, here whether there is another column. One column alone, the
// usual case, leaves more registers for the weights' constants.
template <class W, bool One>
[[gnu::noinline]] void dots(const W * rows, int64_t stride, int64_t n_rows, const Column * columns, int n_columns,
                            int blocks, float * out, int64_t out_stride) {
    constexpr int kSteps = 4;
    for (int64_t i = 0; i < n_rows; i++, rows += stride, out++) {
        f32x4 s[kColumnsAtOnce] = {zero(), zero(), zero(), zero()};
        const W * w = rows;
        const Column * x = columns;
        for (int left = blocks;;) {
            w = opaque(w);
            x = opaque(x);
#pragma clang loop unroll(full)
            for (int u = 0; u < kSteps; u++) {
                v128_t quants[4];
                unpack(w[u], quants);
                f32x4 scale = load_splat(scale_of(w[u])), minimum = kHasMinimum<W> ? load_splat(minimum_of(w[u])) : zero();
                const int n = unknown(n_columns);
#pragma clang loop unroll(full)
                for (int j = 0; j < kColumnsAtOnce; j++) {
                    const Column & column = x[u * kColumnsAtOnce + j];
                    v128_t p0 = wasm_i32x4_dot_i16x8(quants[0], column.quants[0]);
                    v128_t p1 = wasm_i32x4_dot_i16x8(quants[1], column.quants[1]);
                    v128_t p2 = wasm_i32x4_dot_i16x8(quants[2], column.quants[2]);
                    v128_t p3 = wasm_i32x4_dot_i16x8(quants[3], column.quants[3]);
                    v128_t p = wasm_i32x4_add(wasm_i32x4_add(p0, p1), wasm_i32x4_add(p2, p3));
                    s[j] = wasm_f32x4_add(s[j], wasm_f32x4_mul(wasm_f32x4_convert_i32x4(p), wasm_f32x4_mul(scale, column.scale)));
                    if (kHasMinimum<W>) {
                        s[j] = wasm_f32x4_add(s[j], wasm_f32x4_mul(minimum, column.sum));
                    }
                    if (One || n == j + 1) {
                        break;
                    }
                }
                if (--left == 0) {
                    goto done;
                }
            }
            w += kSteps;
            x += kSteps * kColumnsAtOnce;
        }
    done:
        for (int j = 0; j < (One ? 1 : n_columns); j++) {
            out[j * out_stride] = sum(s[j]);
        }
    }
}

template <class W>
void few_columns(const ggml_compute_params * params, const W * a, int64_t lda, const float * b, int64_t ldb, float * c,
                 int64_t ldc, Range m, int64_t n, int64_t blocks) {
    Memory memory = memory_of(params, kColumnsAtOnce * blocks * int64_t(sizeof(Column)) + blocks * int64_t(sizeof(Quantized)));
    auto * columns = memory.take<Column>(kColumnsAtOnce * blocks);
    auto * quantized = memory.take<Quantized>(blocks);
    for (int64_t j = 0; j < n; j += kColumnsAtOnce) {
        int width = int(std::min<int64_t>(kColumnsAtOnce, n - j));
        for (int r = 0; r < width; r++) {
            quantize(b + (j + r) * ldb, blocks, quantized);
            for (int64_t k = 0; k < blocks; k++) {
                Column & out = columns[k * kColumnsAtOnce + r];
                for (int v = 0; v < 4; v++) {
                    out.quants[v] = wasm_i16x8_load8x8(quantized[k].quants + 8 * v);
                }
                out.scale = splat(quantized[k].scale);
                out.sum = wasm_f32x4_make(quantized[k].sum, 0.0f, 0.0f, 0.0f);
            }
        }
        auto * all = width == 1 ? dots<W, true> : dots<W, false>;
        all(a + m.begin * lda, lda, m.end - m.begin, columns, width, int(blocks), c + j * ldc + m.begin, ldc);
    }
}

template <class W>
bool product(const ggml_compute_params * params, const void * a, int64_t lda, const float * b, int64_t ldb, float * c,
             int64_t ldc, int64_t m, int64_t n, int64_t blocks) {
    auto * weights = static_cast<const W *>(a);
    Range rows = share(m, kTileRows, params->ith, params->nth);
    if (n <= kFewColumns) {
        few_columns(params, weights, lda, b, ldb, c, ldc, rows, n, blocks);
    } else if (n >= 4 * kTileColumns * params->nth) {
        Range columns = share(n, kTileColumns, params->ith, params->nth);
        many_columns(params, weights, lda, b, ldb, c, ldc, {0, m}, columns, blocks);
    } else {
        many_columns(params, weights, lda, b, ldb, c, ldc, rows, {0, n}, blocks);
    }
    return true;
}

} // namespace

bool quantized_product(const ggml_compute_params * params, int64_t m, int64_t n, int64_t blocks, const void * a,
                       int64_t lda, const float * b, int64_t ldb, float * c, int64_t ldc, ggml_type a_type) {
    switch (a_type) {
        case GGML_TYPE_Q8_0: return product<block_q8_0>(params, a, lda, b, ldb, c, ldc, m, n, blocks);
        case GGML_TYPE_Q5_1: return product<block_q5_1>(params, a, lda, b, ldb, c, ldc, m, n, blocks);
        case GGML_TYPE_Q5_0: return product<block_q5_0>(params, a, lda, b, ldb, c, ldc, m, n, blocks);
        case GGML_TYPE_Q4_1: return product<block_q4_1>(params, a, lda, b, ldb, c, ldc, m, n, blocks);
        case GGML_TYPE_Q4_0: return product<block_q4_0>(params, a, lda, b, ldb, c, ldc, m, n, blocks);
        default: return false;
    }
}

} // namespace kernels
