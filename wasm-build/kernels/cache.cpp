// Attention of a decoder to the audio: keys and values in fixed point (fixed.h), for few queries.
//
// Keys and values are computed once a window and read by every step, so they are made integers when they are
// stored, and laid out as the tiles of fixed.h read them. A cache is divided into blocks of kKeys keys, a block into
// heads, 16 KiB each for heads of 64:
//
//   keys:   panels of eight keys, pairs of a head's numbers        scores: eight keys at a time
//   values: panels of eight numbers of a head, pairs of keys       results: eight numbers at a time
//
// A key's part of a head has a scale of its own, by its norm, and a value's by its largest number, of up to
// kLargestValue. That scale goes to the probabilities, which are made integers for kKeys values at a time: their sum is
// at most kProbabilities, so that no sum of products can overflow.
//
// Each head is computed by one thread, for up to kQueries queries at a time: the scores of all keys, a softmax, and the
// weighted sum of the values. What is not finite comes out as NaN.

#include "attention.h"

#include "fixed.h"
#include "scratch.h"
#include "share.h"
#include "softmax.h"

#include "ggml-cpu-impl.h"
#include "ggml.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace kernels {
namespace {

constexpr int kKeys = 128;
constexpr int kMaxHead = 128;
// As many rows of a tile as leave registers for a panel, a row and a product.
constexpr int kQueries = 5;
constexpr float kLargestValue = 8191.0f;
// With half of kKeys, what rounding adds at most, times kLargestValue below 2^31.
constexpr float kProbabilities = 262000.0f;
static_assert((kProbabilities + kKeys / 2) * kLargestValue < 0x1p31f);

// What belongs to all views of a cache.
struct Cache {
    bool values;
    int head;
    float * back; // of each key and head, in the order of the cache
};

// A part of a cache that begins with a block: a layer's.
struct Part {
    const Cache & cache;
    int16_t * numbers;
    float * back;
    explicit Part(const ggml_tensor * view)
        : cache(*static_cast<const Cache *>(view->view_src->extra)), numbers(static_cast<int16_t *>(view->data)),
          back(cache.back + view->view_offs / sizeof(int16_t) / size_t(cache.head)) {}
    // Of a head and a block of keys, of `heads` heads.
    int64_t chunk(int64_t heads, int64_t block, int64_t head) const { return (block * heads + head) * kKeys; }
    v128_t * numbers_of(int64_t chunk) const { return reinterpret_cast<v128_t *>(numbers + chunk * cache.head); }
    float * back_of(int64_t chunk) const { return back + chunk; }
};

// Stores up to kKeys keys of a head; zeros behind them.
void store_keys(const float * rows, int64_t stride, int keys, int head, v128_t * out, float * back) {
    for (int i = 0; i < kKeys; i += 4) {
        v128_t * to = out + i / kTileColumns * head + i / 4 % 2;
        if (i >= keys) {
            for (int p = 0; p < head / 2; p++) {
                to[2 * p] = zero();
            }
            store(back + i, zero());
            continue;
        }
        const int n = std::min(4, keys - i);
        fix(rows + i * stride, stride, n, head, 1.0f, back + i, [&](int p, v128_t x) { to[2 * p] = x; });
        // An infinite key's scale is infinite; as NaN, no score hides it.
        const f32x4 scales = load(back + i);
        store(back + i, madd(scales, zero(), scales));
        // Keys that are not there came out as the first.
        for (int r = n; r < 4; r++) {
            back[i + r] = 0.0f;
        }
    }
}

// The scale of a value: by its largest number.
FixedScale value_scale(const float * x, int head) {
    v128_t largest = zero();
    for (int d = 0; d < head; d += 4) {
        largest = wasm_i32x4_max(largest, wasm_f32x4_abs(load(x + d)));
    }
    const int32_t bits = largest_bits(largest);
    float most;
    std::memcpy(&most, &bits, sizeof most);
    // What is smaller than this counts as zero; it has no scale.
    return most < 0x1p-100f ? FixedScale{0.0f, 0.0f} : FixedScale{kLargestValue / most, most * (1.0f / kLargestValue) + most * 0.0f};
}

// Stores up to kKeys values of a head; zeros behind them.
void store_values(const float * rows, int64_t stride, int keys, int head, v128_t * out, float * back) {
    for (int i = 0; i < kKeys; i += 2) {
        const float * row[2];
        f32x4 there[2];
        for (int e = 0; e < 2; e++) {
            row[e] = rows + std::min(i + e, keys - 1) * stride;
            const FixedScale scale = i + e < keys ? value_scale(row[e], head) : FixedScale{0.0f, 0.0f};
            there[e] = splat(scale.there);
            back[i + e] = scale.back;
        }
        for (int d = 0; d < head; d += 8) {
            v128_t x[2];
            for (int e = 0; e < 2; e++) {
                x[e] = eight_integers(row[e] + d, there[e]);
            }
            v128_t * to = out + d / 8 * kKeys + i;
            to[0] = wasm_i16x8_shuffle(x[0], x[1], 0, 8, 1, 9, 2, 10, 3, 11);
            to[1] = wasm_i16x8_shuffle(x[0], x[1], 4, 12, 5, 13, 6, 14, 7, 15);
        }
    }
}

// Some queries of a head, and where their results go.
struct Queries {
    const float * q;
    float * out;
    int64_t q_stride, out_stride;
    float scale; // times log2(e)
};

template <int N> struct Scratch {
    v128_t q[kMaxHead / 2 * N];
    v128_t p[kKeys / 2 * N];
    float weighted[N][kKeys];
    float q_back[N < 4 ? 4 : 8], p_back[N];
};

// Queries as integers, each pair of numbers four times; false when one is not finite.
template <int N> bool take_queries(const Queries & queries, int head, Scratch<N> & s) {
    bool good = true;
    for (int first = 0; first < N; first += 4) {
        const int n = std::min(4, N - first);
        good &= fix(queries.q + first * queries.q_stride, queries.q_stride, n, head, queries.scale, s.q_back + first,
                    [&](int p, v128_t x) {
                        v128_t four[4];
                        spread_pair(x, four);
                        std::copy_n(four, n, s.q + N * p + first);
                    });
    }
    return good;
}

// Probabilities of a block of keys, with the scales of its values, as integers, each pair four times.
template <int N> void take_probabilities(const float * p, int64_t stride, const float * back, Scratch<N> & s) {
    for (int r = 0; r < N; r++) {
        f32x4 most = zero(), total = zero();
        float * weighted = s.weighted[r];
        for (int i = 0; i < kKeys; i += 4) {
            f32x4 x = wasm_f32x4_mul(load(p + r * stride + i), load(back + i));
            store(weighted + i, x);
            most = larger(most, x);
            total = wasm_f32x4_add(total, x);
        }
        const float all = sum(total);
        const float largest = largest_of(reinterpret_cast<const float *>(&most), 4);
        // A value that is not finite has a scale that is not, and so the sum. All zero: any scale will do.
        const float there = std::min(kProbabilities / std::max(all, 0x1p-100f), kFixedLargest / std::max(largest, 0x1p-100f));
        s.p_back[r] = all * 0.0f == 0.0f ? 1.0f / there : all;
        const f32x4 by = splat(all * 0.0f == 0.0f ? there : 0.0f);
        for (int i = 0; i < kKeys; i += 8) {
            v128_t x = eight_integers(weighted + i, by);
            v128_t * to = s.p + N * i / 2 + r;
            to[0] = splat_lane<0>(x);
            to[N] = splat_lane<1>(x);
            to[2 * N] = splat_lane<2>(x);
            to[3 * N] = splat_lane<3>(x);
        }
    }
}

// N queries of a head. `scores` has room for a row of all keys for each of them.
template <int N>
[[gnu::noinline]] void attend(const Part & keys, const Part & values, int64_t heads, int64_t blocks, int64_t h,
                              const Queries & queries, float * scores) {
    static constexpr float kOne[kTileColumns] = {1, 1, 1, 1, 1, 1, 1, 1};
    const int head = keys.cache.head;
    const int64_t stride = blocks * kKeys;
    Scratch<N> s;
    if (!take_queries<N>(queries, head, s)) {
        for (int r = 0; r < N; r++) {
            std::fill_n(queries.out + r * queries.out_stride, head, NAN);
        }
        return;
    }
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t chunk = keys.chunk(heads, b, h);
        const v128_t * numbers = keys.numbers_of(chunk);
        for (int i = 0; i < kKeys; i += kTileColumns) {
            fixed_tile<false, N>(numbers + i / kTileColumns * head, keys.back_of(chunk) + i, s.q, s.q_back, head / 2,
                                 scores + b * kKeys + i, stride);
        }
    }
    float total[N];
    for (int r = 0; r < N; r++) {
        total[r] = exponentials(scores + r * stride, int(stride), largest_of(scores + r * stride, int(stride)));
    }
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t chunk = values.chunk(heads, b, h);
        const v128_t * numbers = values.numbers_of(chunk);
        take_probabilities<N>(scores + b * kKeys, stride, values.back_of(chunk), s);
        for (int d = 0; d < head; d += kTileColumns) {
            (b == 0 ? fixed_tile<false, N> : fixed_tile<true, N>)(numbers + d / kTileColumns * kKeys, kOne, s.p, s.p_back,
                                                                  kKeys / 2, queries.out + d, queries.out_stride);
        }
    }
    for (int r = 0; r < N; r++) {
        multiply(queries.out + r * queries.out_stride, head, 1.0f / total[r]);
    }
}

using Attend = void (*)(const Part &, const Part &, int64_t, int64_t, int64_t, const Queries &, float *);

Cache * cache_of(const ggml_tensor * view) {
    return view->view_src ? static_cast<Cache *>(view->view_src->extra) : nullptr;
}

// Whether so many keys of a view are whole blocks of its cache.
bool whole_blocks(const ggml_tensor * view, int64_t heads, int64_t keys) {
    const Cache * cache = cache_of(view);
    if (!cache) {
        return false;
    }
    const int64_t first = int64_t(view->view_offs / sizeof(int16_t)), width = heads * cache->head;
    return first % (width * kKeys) == 0 && keys % kKeys == 0 && first + keys * width <= view->view_src->ne[0];
}

} // namespace

void cached_attention(const ggml_compute_params * params, ggml_tensor * dst) {
    const ggml_tensor *q = dst->src[0], *k = dst->src[1], *v = dst->src[2];
    float scale;
    std::memcpy(&scale, dst->op_params, sizeof scale);
    const int64_t heads = q->ne[2], n = q->ne[1], blocks = k->ne[1] / kKeys;
    GGML_ASSERT(!dst->src[3] && q->type == GGML_TYPE_F32 && q->nb[0] == sizeof(float) && q->ne[3] == 1 &&
                k->ne[2] == heads && v->ne[2] == heads && v->ne[1] == k->ne[1] && whole_blocks(k, heads, k->ne[1]) &&
                whole_blocks(v, heads, k->ne[1]) && cache_of(k)->head == q->ne[0] && cache_of(v)->head == q->ne[0]);
    static constexpr Attend all[] = {nullptr, attend<1>, attend<2>, attend<3>, attend<4>, attend<5>};
    const Part keys(k), values(v);
    float * scores = scratch(params->ith, size_t(kQueries * blocks * kKeys));
    const Range mine = share(heads, 1, params->ith, params->nth);
    for (int64_t h = mine.begin; h < mine.end; h++) {
        const int64_t groups = groups_of(n, kQueries);
        for (int64_t g = 0; g < groups; g++) {
            const int64_t first = group_begin(n, groups, g), size = group_begin(n, groups, g + 1) - first;
            const Queries queries = {
                reinterpret_cast<const float *>(static_cast<const char *>(q->data) + h * q->nb[2] + first * q->nb[1]),
                // The result's dimensions are (number, head, query).
                reinterpret_cast<float *>(static_cast<char *>(dst->data) + h * dst->nb[1] + first * dst->nb[2]),
                int64_t(q->nb[1] / sizeof(float)),
                int64_t(dst->nb[2] / sizeof(float)),
                scale * kLog2E,
            };
            all[size](keys, values, heads, blocks, h, queries, scores);
        }
    }
}

} // namespace kernels

using namespace kernels;

extern "C" void whisperctl_make_caches(ggml_tensor * keys, ggml_tensor * values, int head) {
    if (head <= 0 || head % 8 != 0 || head > kMaxHead) {
        return;
    }
    for (ggml_tensor * tensor : {keys, values}) {
        auto * back = static_cast<float *>(std::calloc(size_t(tensor->ne[0] / head), sizeof(float)));
        GGML_ASSERT(back && "no memory for the scales of a cache");
        tensor->type = GGML_TYPE_I16;
        tensor->extra = new Cache{tensor == values, head, back};
    }
}

extern "C" void whisperctl_fill_cache(const ggml_compute_params * params, ggml_tensor * dst) {
    const ggml_tensor * rows = dst->src[0];
    const int64_t keys = rows->ne[1], width = rows->ne[0];
    GGML_ASSERT(rows->type == GGML_TYPE_F32 && rows->nb[0] == sizeof(float) && cache_of(dst) && width % cache_of(dst)->head == 0);
    const int head = cache_of(dst)->head;
    const int64_t heads = width / head, blocks = (keys + kKeys - 1) / kKeys;
    GGML_ASSERT(whole_blocks(dst, heads, blocks * kKeys));
    const Part part(dst);
    const Range mine = share(heads * blocks, 1, params->ith, params->nth);
    const int64_t stride = int64_t(rows->nb[1] / sizeof(float));
    for (int64_t i = mine.begin; i < mine.end; i++) {
        const int64_t block = i / heads, h = i % heads, chunk = part.chunk(heads, block, h);
        const float * from = static_cast<const float *>(rows->data) + block * kKeys * stride + h * head;
        (part.cache.values ? store_values : store_keys)(from, stride, int(std::min<int64_t>(kKeys, keys - block * kKeys)), head,
                                                       part.numbers_of(chunk), part.back_of(chunk));
    }
}
