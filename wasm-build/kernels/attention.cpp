// Attention: for each head, softmax(scale * q k^T + mask) v, without ever holding all of the scores.
//
// Many queries (an encoder's 1500, or a prompt): keys and values are taken in blocks of kBlock. A block
// is widened and packed once (96 KiB each for heads of 64, for the second-level cache) and then serves
// four queries at a time:
//
//   scores (4 x kBlock)  = q k^T                tile.h; 6 KiB, in the first-level cache
//   probabilities        = exp(scores - max)    max is the largest so far; what was summed before is
//                                               scaled down when it grows
//   out (4 x head)      += probabilities v      tile.h, straight into the result
//
// and at the end every row is divided by the sum of its probabilities. Threads share the (head, four
// queries) pairs; each packs for itself. From kFixedQueries on, both products are in fixed point (fixed.h), unless a
// number is infinite or NaN.
//
// A decoder's keys and values of the audio are in fixed point; see cache.cpp.
//
// One query (a decoder's token): the scores of all keys by dot products (dot.h), a softmax, and the
// weighted sum of the values. Threads share the heads.
//
// A head's part of a row of keys is 128 bytes, its next row is the whole width of the model away, and
// a decoder finds nothing of it in the caches. Read like that the memory gives a quarter of what it
// could; so blocks of keys are the outer loop, heads the inner, and all that the heads will need of a
// block is first touched in order, for the memory to run ahead.

#include "attention.h"

#include "dot.h"
#include "fixed.h"
#include "scratch.h"
#include "softmax.h"
#include "tile.h"

#include "ggml-cpu-impl.h"
#include "ggml.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kernels {
namespace {

constexpr int kBlock = 384;
constexpr int kMaxHead = 128;
// From so many queries on it is worth while to make integers of keys and values.
constexpr int kFixedQueries = 24;
constexpr int kMaxHeads = 64;
static_assert(kBlock <= kFixedDepth && kMaxHead <= kFixedDepth);
// Keys touched at a time by a single query: 6 KiB of the smallest model's, 16 KiB of the largest's.
constexpr int kTouched = 8;

// The operands with their strides in elements (halves for keys, values and mask, floats else).
struct Attention {
    const float * q;
    const half * k;
    const half * v;
    const half * mask; // one row a query, or null
    float * out;
    int64_t q_stride, k_stride, v_stride, mask_stride, out_stride;
    int64_t keys;
    int head;    // size of one
    float scale; // times log2(e)
};

// Scores are kept in powers of two: scale has a factor of log2(e), and so the mask.

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

// Reads one number of every cache line of rows [first, first + n), `width` halves of each, in order.
[[gnu::noinline]] void touch(const half * rows, int64_t stride, int64_t first, int64_t n, int64_t width) {
    constexpr int kLine = 32;
    v128_t seen = wasm_i16x8_const_splat(0);
    for (int64_t i = first; i < first + n; i++) {
        const half * row = rows + i * stride;
        for (int64_t e = 0; e < width; e += kLine) {
            seen = wasm_v128_or(seen, wasm_v128_load(row + e));
        }
    }
    opaque(seen);
}

// ---------------------------------------------------------------------------------- many queries

// Some queries, [begin, end), of one head.
struct Share {
    Attention a;
    int64_t begin;
    int64_t end;
    float * largest; // one a query
    float * total;   // one a query
};

struct ManyScratch {
    float * k;      // kBlock x head, in panels of eight keys
    float * v;      // kBlock x head, in panels of eight numbers of each value
    float * q;      // head x 4 x 4
    float * scores; // 4 x kBlock
    float * p;      // kBlock x 4 x 4
    float * out;    // 4 x 8

    static size_t floats(int head) {
        return size_t(2 * kBlock * head + kSpreadWidth * head + kTileRows * kBlock + kBlock * kSpreadWidth +
                      kTileRows * kTileColumns);
    }
    ManyScratch(float * memory, int head) {
        k = memory;
        v = k + kBlock * head;
        q = v + kBlock * head;
        scores = q + kSpreadWidth * head;
        p = scores + kTileRows * kBlock;
        out = p + kBlock * kSpreadWidth;
    }
};

// Turns the scores of a block of keys into probabilities, up to the sum that is known at the end; what was summed
// before is made to fit. Behind the last key is a multiple of eight of them.
void soften(const Share & share, int64_t first, int keys, int64_t query, int rows, float * all_scores) {
    const Attention & a = share.a;
    float * out = a.out + query * a.out_stride;
    for (int r = 0; r < rows; r++) {
        float * scores = all_scores + r * kBlock;
        if (a.mask) {
            add_mask(scores, keys, a.mask + (query + r) * a.mask_stride + first);
        }
        float & largest = share.largest[query - share.begin + r];
        float & total = share.total[query - share.begin + r];
        float now = std::max(largest, largest_of(scores, keys));
        if (now == -INFINITY) {
            std::fill_n(scores, (keys + 7) / 8 * 8, 0.0f);
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
}

void take(const Attention & a, int64_t first, int keys, const ManyScratch & s) {
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
void four_queries(const Share & share, int64_t first, int keys, int64_t query, int rows, const ManyScratch & s) {
    const Attention & a = share.a;
    spread(a.q + query * a.q_stride, a.q_stride, rows, a.head, a.scale, s.q);
    for (int i = 0; i < keys; i += kTileColumns) {
        tile<false>(s.k + i * a.head, s.q, a.head, s.scores + i, kBlock);
    }
    soften(share, first, keys, query, rows, s.scores);
    float * out = a.out + query * a.out_stride;
    spread(s.scores, kBlock, rows, keys, 1.0f, s.p);
    for (int d = 0; d < a.head; d += kTileColumns) {
        const float * panel = s.v + d * keys;
        if (rows == kTileRows) {
            first == 0 ? tile<false>(panel, s.p, keys, out + d, a.out_stride)
                       : tile<true>(panel, s.p, keys, out + d, a.out_stride);
            continue;
        }
        tile<false>(panel, s.p, keys, s.out, kTileColumns);
        put_part(s.out, rows, kTileColumns, first > 0, out + d, a.out_stride);
    }
}

// The same in fixed point, for finite numbers: integers, and the scales of keys and of values back.
struct FixedScratch {
    v128_t * k;     // kBlock x head, in panels of eight keys
    v128_t * v;     // kBlock x head, in panels of eight numbers of each value
    v128_t * q;     // head x 4 x 4
    v128_t * p;     // kBlock x 4 x 4
    float * k_back; // kBlock
    float * v_back; // head
    float * scores; // 4 x kBlock
    float * out;    // 4 x 8

    static size_t floats(int head) {
        return size_t(kBlock * head + kSpreadWidth / 2 * (head + kBlock) + kBlock + head + kTileRows * kBlock +
                      kTileRows * kTileColumns);
    }
    FixedScratch(float * memory, int head) {
        k = reinterpret_cast<v128_t *>(memory);
        v = k + kBlock * head / 8;
        q = v + kBlock * head / 8;
        p = q + kSpreadWidth / 8 * head;
        k_back = reinterpret_cast<float *>(p + kSpreadWidth / 8 * kBlock);
        v_back = k_back + kBlock;
        scores = v_back + head;
        out = scores + kTileRows * kBlock;
    }
};

// Numbers [0, 8) of some values, as integers in pairs of values; `keys` may be odd.
void fix_values(const half * v, int64_t stride, int keys, v128_t * out, float * back) {
    // Finite halves are at most 65504, so that neither their squares nor the sums of these are too large.
    f32x4 largest[2] = {zero(), zero()}, squares[2] = {zero(), zero()};
    for (int i = 0; i < keys; i++) {
        v128_t h = wasm_v128_load(v + i * stride);
        f32x4 x[2] = {widen_low(h), widen_high(h)};
        for (int e = 0; e < 2; e++) {
            largest[e] = larger(largest[e], wasm_f32x4_abs(x[e]));
            squares[e] = madd(x[e], x[e], squares[e]);
        }
    }
    f32x4 there[2];
    for (int e = 0; e < 2; e++) {
        // All zero: any scale will do.
        f32x4 norm = larger(splat(0x1p-30f), wasm_f32x4_sqrt(squares[e]));
        there[e] = wasm_f32x4_min(wasm_f32x4_div(splat(kFixedNorm), norm),
                                  wasm_f32x4_div(splat(kFixedLargest), larger(splat(0x1p-30f), largest[e])));
        store(back + 4 * e, wasm_f32x4_div(splat(1.0f), there[e]));
    }
    for (int i = 0; i < keys; i += 2) {
        v128_t row[2];
        for (int e = 0; e < 2; e++) {
            v128_t h = i + e < keys ? wasm_v128_load(v + (i + e) * stride) : zero();
            row[e] = wasm_i16x8_narrow_i32x4(to_integers(widen_low(h), there[0]), to_integers(widen_high(h), there[1]));
        }
        out[i] = wasm_i16x8_shuffle(row[0], row[1], 0, 8, 1, 9, 2, 10, 3, 11);
        out[i + 1] = wasm_i16x8_shuffle(row[0], row[1], 4, 12, 5, 13, 6, 14, 7, 15);
    }
}

void take(const Attention & a, int64_t first, int keys, const FixedScratch & s) {
    for (int i = 0; i < keys; i += 4) {
        v128_t * to = s.k + i / kTileColumns * a.head + i / 4 % 2;
        fix(a.k + (first + i) * a.k_stride, a.k_stride, std::min(4, keys - i), a.head, 1.0f, s.k_back + i,
            [&](int p, v128_t x) { to[2 * p] = x; });
    }
    const int pairs = fixed_width(keys) / 2;
    for (int d = 0; d < a.head; d += kTileColumns) {
        v128_t * to = s.v + d / kTileColumns * 2 * pairs;
        std::fill_n(to + (keys + 1) / 2 * 2, 2 * pairs - (keys + 1) / 2 * 2, zero());
        fix_values(a.v + first * a.v_stride + d, a.v_stride, keys, to, s.v_back + d);
    }
}

void four_queries(const Share & share, int64_t first, int keys, int64_t query, int rows, const FixedScratch & s) {
    const Attention & a = share.a;
    float back[kTileRows];
    fix(a.q + query * a.q_stride, a.q_stride, rows, a.head, a.scale, back,
        [&](int p, v128_t x) { spread_pair(x, s.q + kTileRows * p); });
    for (int i = 0; i < keys; i += kTileColumns) {
        fixed_tile<false>(s.k + i / kTileColumns * a.head, s.k_back + i, s.q, back, a.head / 2, s.scores + i, kBlock);
    }
    soften(share, first, keys, query, rows, s.scores);
    float * out = a.out + query * a.out_stride;
    const int pairs = fixed_width(keys) / 2;
    fix(s.scores, kBlock, rows, 2 * pairs, 1.0f, back, [&](int p, v128_t x) { spread_pair(x, s.p + kTileRows * p); });
    for (int d = 0; d < a.head; d += kTileColumns) {
        const v128_t * panel = s.v + d / kTileColumns * 2 * pairs;
        if (rows == kTileRows) {
            first == 0 ? fixed_tile<false>(panel, s.v_back + d, s.p, back, pairs, out + d, a.out_stride)
                       : fixed_tile<true>(panel, s.v_back + d, s.p, back, pairs, out + d, a.out_stride);
            continue;
        }
        fixed_tile<false>(panel, s.v_back + d, s.p, back, pairs, s.out, kTileColumns);
        put_part(s.out, rows, kTileColumns, first > 0, out + d, a.out_stride);
    }
}

// Whether all keys, values and queries of a share are finite.
bool all_finite(const Share & share) {
    const Attention & a = share.a;
    v128_t halves = zero(), floats = zero();
    for (int64_t i = 0; i < a.keys; i++) {
        for (int d = 0; d < a.head; d += 8) {
            halves = max_magnitude(halves, wasm_v128_load(a.k + i * a.k_stride + d));
            halves = max_magnitude(halves, wasm_v128_load(a.v + i * a.v_stride + d));
        }
    }
    for (int64_t i = share.begin; i < share.end; i++) {
        for (int d = 0; d < a.head; d += 4) {
            floats = wasm_i32x4_max(floats, wasm_f32x4_abs(load(a.q + i * a.q_stride + d)));
        }
    }
    return !has_special(halves) && largest_bits(floats) < 0x7f800000;
}

template <class Scratch> void many_queries(const Share * shares, int64_t n, const Scratch & s) {
    const Attention & one = shares[0].a;
    for (int64_t i = 0; i < n; i++) {
        int64_t queries = shares[i].end - shares[i].begin;
        std::fill_n(shares[i].largest, queries, -INFINITY);
        std::fill_n(shares[i].total, queries, 0.0f);
    }
    for (int64_t first = 0; first < one.keys; first += kBlock) {
        int keys = int(std::min<int64_t>(kBlock, one.keys - first));
        touch(one.k, one.k_stride, first, keys, n * one.head);
        touch(one.v, one.v_stride, first, keys, n * one.head);
        for (int64_t i = 0; i < n; i++) {
            take(shares[i].a, first, keys, s);
            for (int64_t query = shares[i].begin; query < shares[i].end; query += kTileRows) {
                int rows = int(std::min<int64_t>(kTileRows, shares[i].end - query));
                four_queries(shares[i], first, keys, query, rows, s);
            }
        }
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t query = shares[i].begin; query < shares[i].end; query++) {
            float total = shares[i].total[query - shares[i].begin];
            multiply(shares[i].a.out + query * shares[i].a.out_stride, one.head, total == 0.0f ? 0.0f : 1.0f / total);
        }
    }
}

// ------------------------------------------------------------------------------------- one query

// out[0..8 N) += sum over keys of p * value[0..8 N); false when a value is infinite or NaN and H cannot
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
        store(out + 8 * d, madd(s[d][0], splat(H::kSum), load(out + 8 * d)));
        store(out + 8 * d + 4, madd(s[d][1], splat(H::kSum), load(out + 8 * d + 4)));
    }
    return !H::kMustCheck || !has_special(largest);
}

// The only query of `n` heads that follow one another. Memory: kMaxHead + round_up(keys) floats a head.
template <class H> bool one_query(const Attention * heads, int64_t n, float * memory) {
    const int64_t keys = heads[0].keys, room = kMaxHead + (keys + 7) / 8 * 8;
    const int head = heads[0].head;
    auto q_of = [&](int64_t h) { return memory + h * room; };
    auto p_of = [&](int64_t h) { return memory + h * room + kMaxHead; };
    for (int64_t h = 0; h < n; h++) {
        pack_vectors(heads[h].q, 0, 1, head, H::kVector, q_of(h));
        std::memset(heads[h].out, 0, size_t(head) * sizeof(float));
    }
    bool good = true;
    for (int64_t first = 0; first < keys; first += kTouched) {
        const int64_t some = std::min<int64_t>(kTouched, keys - first);
        touch(heads[0].k, heads[0].k_stride, first, some, n * head);
        for (int64_t h = 0; h < n; h++) {
            const Attention & a = heads[h];
            good &= dots<H, 1>(a.k + first * a.k_stride, a.k_stride, some, q_of(h), head, p_of(h) + first, 0);
        }
    }
    for (int64_t h = 0; h < n; h++) {
        float * p = p_of(h);
        multiply(p, int((keys + 3) / 4 * 4), heads[h].scale);
        if (heads[h].mask) {
            add_mask(p, int(keys), heads[h].mask);
        }
        float largest = largest_of(p, int(keys));
        if (largest == -INFINITY) {
            // Nothing may be seen.
            std::memset(p, 0, size_t(keys) * sizeof(float));
            continue;
        }
        float total = exponentials(p, int(keys), largest);
        multiply(p, int((keys + 3) / 4 * 4), H::kVector / total);
    }
    for (int64_t first = 0; first < keys; first += kTouched) {
        const int64_t some = std::min<int64_t>(kTouched, keys - first);
        touch(heads[0].v, heads[0].v_stride, first, some, n * head);
        for (int64_t h = 0; h < n; h++) {
            const Attention & a = heads[h];
            const half * v = a.v + first * a.v_stride;
            const float * p = p_of(h) + first;
            int d = 0;
            for (; d + 32 <= head; d += 32) {
                good &= weighted_sum<H, 4>(v + d, a.v_stride, p, some, a.out + d);
            }
            for (; d < head; d += 8) {
                good &= weighted_sum<H, 1>(v + d, a.v_stride, p, some, a.out + d);
            }
        }
    }
    return good;
}

} // namespace
} // namespace kernels

bool whisperctl_flash_attention(const ggml_compute_params * params, ggml_tensor * dst) {
    using namespace kernels;
    const ggml_tensor *q = dst->src[0], *k = dst->src[1], *v = dst->src[2], *mask = dst->src[3];
    if (k->type == GGML_TYPE_I16) {
        cached_attention(params, dst);
        return true;
    }
    float options[3]; // scale, largest bias, soft cap
    std::memcpy(options, dst->op_params, sizeof options);
    bool covered = q->type == GGML_TYPE_F32 && k->type == GGML_TYPE_F16 && v->type == GGML_TYPE_F16 && !dst->src[4] &&
                   options[1] == 0.0f && options[2] == 0.0f && q->ne[0] == v->ne[0] && q->ne[0] % 8 == 0 &&
                   q->ne[0] <= kMaxHead && q->ne[3] == 1 && q->ne[2] == k->ne[2] && q->ne[2] == v->ne[2] &&
                   q->ne[2] <= kMaxHeads && k->nb[2] == k->nb[0] * k->ne[0] && v->nb[2] == v->nb[0] * v->ne[0] &&
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
        a.keys = keys;
        a.head = head;
        a.scale = options[0] * kLog2E;
        return a;
    };
    // The heads of this thread, and of each the queries.
    Share shares[kMaxHeads];
    int64_t n = 0;
    if (queries == 1) {
        Attention mine[kMaxHeads];
        bool quick = true;
        for (int64_t h = heads * params->ith / params->nth; h < heads * (params->ith + 1) / params->nth; h++) {
            mine[n] = of_head(h);
            quick = quick && all_below(mine[n].q, 0, 1, head, QuickHalf::kLimit);
            n++;
        }
        if (n > 0) {
            float * memory = scratch(params->ith, size_t(n * (kMaxHead + (keys + 7) / 8 * 8)));
            if (!quick || !one_query<QuickHalf>(mine, n, memory)) {
                one_query<AnyHalf>(mine, n, memory);
            }
        }
        return true;
    }
    // Two states for each query of each head come last.
    const size_t working = std::max(ManyScratch::floats(head), FixedScratch::floats(head));
    float * memory = scratch(params->ith, working + size_t(2 * heads * queries));
    float * states = memory + working;
    const int64_t per_head = (queries + kTileRows - 1) / kTileRows;
    int64_t unit = heads * per_head * params->ith / params->nth;
    const int64_t end = heads * per_head * (params->ith + 1) / params->nth;
    while (unit < end) {
        int64_t h = unit / per_head, first = unit % per_head;
        int64_t last = std::min(per_head, first + (end - unit));
        float * state = states + 2 * queries * n;
        shares[n++] = {of_head(h), first * kTileRows, std::min(queries, last * kTileRows), state, state + queries};
        unit += last - first;
    }
    if (n == 0) {
        return true;
    }
    if (queries >= kFixedQueries && std::all_of(shares, shares + n, all_finite)) {
        many_queries(shares, n, FixedScratch(memory, head));
    } else {
        many_queries(shares, n, ManyScratch(memory, head));
    }
    return true;
}
