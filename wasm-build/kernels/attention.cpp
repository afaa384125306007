// Attention: for each head, softmax(scale * q k^T + mask) v, without ever holding all of the scores.
//
// Many queries (an encoder's 1500, or a prompt): keys and values are taken in blocks of kBlock. A block
// is widened and packed once (64 KiB each for heads of 64, for the second-level cache) and then serves
// six queries at a time:
//
//   scores (6 x kBlock)  = q k^T                tile.h; 6 KiB, in the first-level cache
//   probabilities        = exp(scores - max)    max is the largest so far; what was summed before is
//                                               scaled down when it grows
//   out (6 x head)      += probabilities v      tile.h, straight into the result
//
// and at the end every row is divided by the sum of its probabilities. Threads share the (head, six
// queries) pairs; each packs for itself.
//
// One query (a decoder's token): the scores of all keys by dot products (dot.h), a softmax, and the
// weighted sum of the values; everything is read once. Threads share the heads.

#include "attention.h"

#include "dot.h"
#include "scratch.h"
#include "tile.h"

#include "ggml-cpu-impl.h"
#include "ggml.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kernels {
namespace {

constexpr int kBlock = 256;
constexpr int kMaxHead = 128;

// The operands with their strides in elements (halves for keys, values and mask, floats else).
struct Attention {
    const float * q;
    const half * k;
    const half * v;
    const half * mask; // one row a query, or null
    float * out;
    int64_t q_stride, k_stride, v_stride, mask_stride, out_stride;
    int64_t queries, keys;
    int head;    // size of one
    float scale; // times log2(e)
};

// Scores are kept in powers of two: scale has a factor of log2(e), and so the mask.

float largest_of(const float * x, int n) {
    f32x4 a = splat(-INFINITY), b = a;
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        a = larger(a, load(x + i));
        b = larger(b, load(x + i + 4));
    }
    a = larger(a, b);
    float largest = std::max(std::max(wasm_f32x4_extract_lane(a, 0), wasm_f32x4_extract_lane(a, 1)),
                             std::max(wasm_f32x4_extract_lane(a, 2), wasm_f32x4_extract_lane(a, 3)));
    for (; i < n; i++) {
        largest = std::max(largest, x[i]);
    }
    return largest;
}

void add_mask(float * x, int n, const half * mask) {
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        v128_t h = wasm_v128_load(mask + i);
        store(x + i, madd(widen_low(h), splat(kLog2E), load(x + i)));
        store(x + i + 4, madd(widen_high(h), splat(kLog2E), load(x + i + 4)));
    }
    for (; i < n; i++) {
        x[i] += widen(mask[i]) * kLog2E;
    }
}

// x = 2^(x - largest); their sum. Up to seven numbers behind the end are overwritten.
float exponentials(float * x, int n, float largest) {
    for (int i = n; i % 8 != 0; i++) {
        x[i] = 0.0f;
    }
    f32x4 total0 = zero(), total1 = zero();
    const f32x4 top = splat(largest);
    for (int i = 0; i < n; i += 8) {
        f32x4 a = exp2_nonpositive(wasm_f32x4_sub(load(x + i), top));
        f32x4 b = exp2_nonpositive(wasm_f32x4_sub(load(x + i + 4), top));
        if (i + 8 > n) {
            // Lanes behind the end count for nothing.
            const v128_t lane = wasm_i32x4_const(0, 1, 2, 3);
            a = wasm_v128_and(a, wasm_i32x4_lt(lane, wasm_i32x4_splat(n - i)));
            b = wasm_v128_and(b, wasm_i32x4_lt(lane, wasm_i32x4_splat(n - i - 4)));
        }
        store(x + i, a);
        store(x + i + 4, b);
        total0 = wasm_f32x4_add(total0, a);
        total1 = wasm_f32x4_add(total1, b);
    }
    return sum(wasm_f32x4_add(total0, total1));
}

void multiply(float * x, int n, float by) {
    for (int i = 0; i < n; i += 4) {
        store(x + i, wasm_f32x4_mul(load(x + i), splat(by)));
    }
}

// ---------------------------------------------------------------------------------- many queries

struct ManyScratch {
    float * k;      // kBlock x head, in panels of eight keys
    float * v;      // kBlock x head, in panels of eight numbers of each value
    float * q;      // head x 8
    float * scores; // 6 x kBlock
    float * p;      // kBlock x 8
    float * out;    // 6 x head
    float * largest; // one a query
    float * total;   // one a query

    static size_t floats(int head, int64_t queries) {
        return size_t(2 * kBlock * head + 8 * head + kTileRows * kBlock + kBlock * kPackedWidth + kTileRows * head +
                      2 * queries);
    }
    ManyScratch(float * memory, int head, int64_t queries) {
        k = memory;
        v = k + kBlock * head;
        q = v + kBlock * head;
        scores = q + 8 * head;
        p = scores + kTileRows * kBlock;
        out = p + kBlock * kPackedWidth;
        largest = out + kTileRows * head;
        total = largest + queries;
    }
};

void pack_keys_and_values(const Attention & a, int64_t first, int keys, const ManyScratch & s) {
    for (int i = 0; i < keys; i += kTileColumns) {
        pack(a.k + (first + i) * a.k_stride, a.k_stride, std::min(kTileColumns, keys - i), a.head, s.k + i * a.head);
    }
    for (int i = 0; i < keys; i++) {
        const half * row = a.v + (first + i) * a.v_stride;
        for (int d = 0; d < a.head; d += kTileColumns) {
            v128_t h = wasm_v128_load(row + d);
            float * to = s.v + d * keys + i * kTileColumns;
            store(to, widen_low(h));
            store(to + 4, widen_high(h));
        }
    }
}

// Takes a block of keys into account for queries [query, query + rows).
void six_queries(const Attention & a, int64_t first, int keys, int64_t query, int rows, const ManyScratch & s) {
    pack(a.q + query * a.q_stride, a.q_stride, rows, a.head, s.q);
    multiply(s.q, kPackedWidth * a.head, a.scale);
    for (int i = 0; i < keys; i += kTileColumns) {
        tile<false>(s.k + i * a.head, s.q, a.head, s.scores + i, kBlock);
    }
    float * out = a.out + query * a.out_stride;
    for (int r = 0; r < rows; r++) {
        float * scores = s.scores + r * kBlock;
        if (a.mask) {
            add_mask(scores, keys, a.mask + (query + r) * a.mask_stride + first);
        }
        float & largest = s.largest[query + r];
        float & total = s.total[query + r];
        float now = std::max(largest, largest_of(scores, keys));
        if (now == -INFINITY) {
            std::memset(scores, 0, keys * sizeof(float));
            continue;
        }
        if (now > largest && first > 0) {
            float shrink = std::exp2(largest - now);
            total *= shrink;
            multiply(out + r * a.out_stride, a.head, shrink);
        }
        largest = now;
        total += exponentials(scores, keys, now);
    }
    pack(s.scores, kBlock, rows, keys, s.p);
    for (int d = 0; d < a.head; d += kTileColumns) {
        const float * panel = s.v + d * keys;
        if (rows == kTileRows) {
            first == 0 ? tile<false>(panel, s.p, keys, out + d, a.out_stride)
                       : tile<true>(panel, s.p, keys, out + d, a.out_stride);
            continue;
        }
        tile<false>(panel, s.p, keys, s.out, kTileColumns);
        for (int r = 0; r < rows; r++) {
            for (int e = 0; e < kTileColumns; e++) {
                float & to = out[r * a.out_stride + d + e];
                float value = s.out[r * kTileColumns + e];
                to = first == 0 ? value : to + value;
            }
        }
    }
}

// Queries [begin, end) of one head.
void many_queries(const Attention & a, int64_t begin, int64_t end, const ManyScratch & s) {
    for (int64_t i = begin; i < end; i++) {
        s.largest[i] = -INFINITY;
        s.total[i] = 0.0f;
    }
    for (int64_t first = 0; first < a.keys; first += kBlock) {
        int keys = int(std::min<int64_t>(kBlock, a.keys - first));
        pack_keys_and_values(a, first, keys, s);
        for (int64_t query = begin; query < end; query += kTileRows) {
            six_queries(a, first, keys, query, int(std::min<int64_t>(kTileRows, end - query)), s);
        }
    }
    for (int64_t i = begin; i < end; i++) {
        multiply(a.out + i * a.out_stride, a.head, s.total[i] == 0.0f ? 0.0f : 1.0f / s.total[i]);
    }
}

// ------------------------------------------------------------------------------------- one query

// out[0..32) = sum over keys of p * value[0..32); false when a value is infinite or NaN and H cannot
// read it.
template <class H, int N>
bool weighted_sum(const half * v, int64_t stride, const float * p, int64_t keys, float * out) {
    f32x4 s[N][2];
    for (auto & x : s) {
        x[0] = x[1] = zero();
    }
    v128_t largest = wasm_i16x8_const_splat(0);
    for (int64_t i = 0; i < keys; i++, v += stride) {
        f32x4 weight = load_splat(p + i);
        for (int d = 0; d < N; d++) {
            v128_t h = wasm_v128_load(v + 8 * d);
            if (H::kMustCheck) {
                largest = max_magnitude(largest, h);
            }
            s[d][0] = madd(weight, H::low(h), s[d][0]);
            s[d][1] = madd(weight, H::high(h), s[d][1]);
        }
    }
    for (int d = 0; d < N; d++) {
        store(out + 8 * d, wasm_f32x4_mul(s[d][0], splat(H::kSum)));
        store(out + 8 * d + 4, wasm_f32x4_mul(s[d][1], splat(H::kSum)));
    }
    return !H::kMustCheck || !has_special(largest);
}

template <class H> bool one_query(const Attention & a, float * memory) {
    float * q = memory;
    float * p = q + kMaxHead;
    pack_vectors(a.q, 0, 1, a.head, H::kVector, q);
    if (!dots<H, 1>(a.k, a.k_stride, a.keys, q, a.head, p, 0)) {
        return false;
    }
    multiply(p, int((a.keys + 3) / 4 * 4), a.scale);
    if (a.mask) {
        add_mask(p, int(a.keys), a.mask);
    }
    float largest = largest_of(p, int(a.keys));
    if (largest == -INFINITY) {
        std::memset(a.out, 0, a.head * sizeof(float));
        return true;
    }
    float total = exponentials(p, int(a.keys), largest);
    multiply(p, int((a.keys + 3) / 4 * 4), H::kVector);
    int d = 0;
    bool good = true;
    for (; d + 32 <= a.head; d += 32) {
        good &= weighted_sum<H, 4>(a.v + d, a.v_stride, p, a.keys, a.out + d);
    }
    for (; d < a.head; d += 8) {
        good &= weighted_sum<H, 1>(a.v + d, a.v_stride, p, a.keys, a.out + d);
    }
    multiply(a.out, a.head, 1.0f / total);
    return good;
}

} // namespace
} // namespace kernels

bool whisperctl_flash_attention(const ggml_compute_params * params, ggml_tensor * dst) {
    using namespace kernels;
    const ggml_tensor *q = dst->src[0], *k = dst->src[1], *v = dst->src[2], *mask = dst->src[3];
    float options[3]; // scale, largest bias, soft cap
    std::memcpy(options, dst->op_params, sizeof options);
    bool covered = q->type == GGML_TYPE_F32 && k->type == GGML_TYPE_F16 && v->type == GGML_TYPE_F16 && !dst->src[4] &&
                   options[1] == 0.0f && options[2] == 0.0f && q->ne[0] == v->ne[0] && q->ne[0] % 8 == 0 &&
                   q->ne[0] <= kMaxHead && q->ne[3] == 1 && q->ne[2] == k->ne[2] && q->ne[2] == v->ne[2] &&
                   q->nb[0] == sizeof(float) && k->nb[0] == sizeof(half) && v->nb[0] == sizeof(half) &&
                   (!mask || (mask->type == GGML_TYPE_F16 && mask->ne[2] == 1));
    if (!covered) {
        return false;
    }
    const int64_t heads = q->ne[2], queries = q->ne[1], keys = k->ne[1];
    const int head = int(q->ne[0]);
    auto of_head = [&](int64_t h) {
        Attention a = {};
        a.q = reinterpret_cast<const float *>(static_cast<const char *>(q->data) + h * q->nb[2]);
        a.k = reinterpret_cast<const half *>(static_cast<const char *>(k->data) + h * k->nb[2]);
        a.v = reinterpret_cast<const half *>(static_cast<const char *>(v->data) + h * v->nb[2]);
        a.mask = mask ? static_cast<const half *>(mask->data) : nullptr;
        // The result's dimensions are (number, head, query).
        a.out = reinterpret_cast<float *>(static_cast<char *>(dst->data) + h * dst->nb[1]);
        a.q_stride = int64_t(q->nb[1] / sizeof(float));
        a.k_stride = int64_t(k->nb[1] / sizeof(half));
        a.v_stride = int64_t(v->nb[1] / sizeof(half));
        a.mask_stride = mask ? int64_t(mask->nb[1] / sizeof(half)) : 0;
        a.out_stride = int64_t(dst->nb[2] / sizeof(float));
        a.queries = queries;
        a.keys = keys;
        a.head = head;
        a.scale = options[0] * kLog2E;
        return a;
    };
    if (queries == 1) {
        float * memory = scratch(params->ith, size_t(kMaxHead + keys + 8));
        for (int64_t h = heads * params->ith / params->nth; h < heads * (params->ith + 1) / params->nth; h++) {
            Attention a = of_head(h);
            bool quick = all_below(a.q, 0, 1, head, QuickHalf::kLimit);
            if (!quick || !one_query<QuickHalf>(a, memory)) {
                one_query<AnyHalf>(a, memory);
            }
        }
        return true;
    }
    ManyScratch s(scratch(params->ith, ManyScratch::floats(head, queries)), head, queries);
    const int64_t per_head = (queries + kTileRows - 1) / kTileRows;
    int64_t unit = heads * per_head * params->ith / params->nth;
    const int64_t end = heads * per_head * (params->ith + 1) / params->nth;
    while (unit < end) {
        int64_t h = unit / per_head, first = unit % per_head;
        int64_t last = std::min(per_head, first + (end - unit));
        many_queries(of_head(h), first * kTileRows, std::min(queries, last * kTileRows), s);
        unit += last - first;
    }
    return true;
}
