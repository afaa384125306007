// What sampling does with a row of logits, one number for each of some 52 000 tokens, several times for
// every token of every beam. patches/whisper/0012 has whisper.cpp call these.
//
// A token that is suppressed has a logit of minus infinity. That, and what is no number, has a log
// probability of minus infinity and a probability of zero.

#include "sampling.h"
#include "simd.h"

#include <algorithm>
#include <cmath>

namespace {

using namespace kernels;

constexpr int64_t kBlock = 256; // numbers whose sum is kept, when tokens are drawn

// e^x for x <= 0, with a relative error below 1e-6 where x > -20; zero below 2^-126 and for NaN.
f32x4 exp_nonpositive(f32x4 x) {
    f32x4 t = wasm_f32x4_mul(x, splat(kLog2E));
    return wasm_v128_and(exp2_nonpositive(wasm_f32x4_min(t, zero()), -126.0f), wasm_f32x4_gt(t, splat(-126.0f)));
}

double sum_of(const float * x, int64_t n) {
    v128_t low = wasm_f64x2_const_splat(0.0);
    v128_t high = low;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        v128_t four = load(x + i);
        low = wasm_f64x2_add(low, wasm_f64x2_promote_low_f32x4(four));
        high = wasm_f64x2_add(high, wasm_f64x2_promote_low_f32x4(wasm_i64x2_shuffle(four, four, 1, 1)));
    }
    low = wasm_f64x2_add(low, high);
    double total = wasm_f64x2_extract_lane(low, 0) + wasm_f64x2_extract_lane(low, 1);
    for (; i < n; i++) {
        total += double(x[i]);
    }
    return total;
}

// The sum of e^(x - offset), one term after the other, as whisper.cpp has it: summed otherwise, thousands of terms
// would count that are too small to change a float, and probabilities differ in the fourth place. Where four
// terms in a row are that small they are left out, which changes nothing.
float sum_of_exp(const float * x, int64_t n, float offset) {
    const f32x4 by = splat(offset);
    float total = 0.0f;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        f32x4 terms = exp_nonpositive(wasm_f32x4_sub(load(x + i), by));
        // Less than half of the total's last place, whatever its mantissa is.
        if (!wasm_v128_any_true(wasm_f32x4_gt(terms, splat(total * 0x1p-25f)))) {
            continue;
        }
        total += wasm_f32x4_extract_lane(terms, 0);
        total += wasm_f32x4_extract_lane(terms, 1);
        total += wasm_f32x4_extract_lane(terms, 2);
        total += wasm_f32x4_extract_lane(terms, 3);
    }
    for (; i < n; i++) {
        total += wasm_f32x4_extract_lane(exp_nonpositive(splat(x[i] - offset)), 0);
    }
    return total;
}

} // namespace

extern "C" float whisperctl_max(const float * x, int64_t n) {
    f32x4 most[4];
    for (auto & lane : most) {
        lane = splat(-INFINITY);
    }
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (int j = 0; j < 4; j++) {
            most[j] = larger(load(x + i + 4 * j), most[j]);
        }
    }
    f32x4 all = larger(larger(most[0], most[1]), larger(most[2], most[3]));
    all = larger(all, wasm_i32x4_shuffle(all, all, 2, 3, 0, 1));
    float out = std::max(wasm_f32x4_extract_lane(all, 0), wasm_f32x4_extract_lane(all, 1));
    for (; i < n; i++) {
        out = x[i] > out ? x[i] : out;
    }
    return out;
}

extern "C" int64_t whisperctl_argmax(const float * x, int64_t n) {
    const float most = whisperctl_max(x, n);
    int64_t i = 0;
    while (i + 4 <= n && !wasm_v128_any_true(wasm_f32x4_eq(load(x + i), splat(most)))) {
        i += 4;
    }
    while (i < n && x[i] != most) {
        i++;
    }
    return i < n ? i : 0;
}

extern "C" float whisperctl_log_sum_exp(const float * x, int64_t n) {
    const float most = whisperctl_max(x, n);
    return most > -INFINITY ? logf(sum_of_exp(x, n, most)) + most : -INFINITY;
}

extern "C" void whisperctl_log_softmax(const float * x, float * y, int64_t n) {
    const float total = whisperctl_log_sum_exp(x, n);
    const f32x4 none = splat(-INFINITY);
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        f32x4 four = load(x + i);
        store(y + i, wasm_v128_bitselect(wasm_f32x4_sub(four, splat(total)), none, wasm_f32x4_gt(four, none)));
    }
    for (; i < n; i++) {
        y[i] = x[i] > -INFINITY ? x[i] - total : -INFINITY;
    }
}

extern "C" void whisperctl_probabilities(const float * logprobs, float * y, int64_t n) {
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        store(y + i, exp_nonpositive(load(logprobs + i)));
    }
    for (; i < n; i++) {
        y[i] = wasm_f32x4_extract_lane(exp_nonpositive(splat(logprobs[i])), 0);
    }
}

// std::discrete_distribution divides every number by their sum, in a vector of doubles, and makes a
// second one of the running sums, to search it. Here the running sums stay in blocks, and only the
// block that the drawn number falls into is gone through.
extern "C" void whisperctl_draw(const float * probs, int64_t n, const double * uniform, int * drawn, int64_t k) {
    double total = 0.0;
    for (int64_t start = 0; start < n; start += kBlock) {
        total += sum_of(probs + start, std::min(kBlock, n - start));
    }
    for (int64_t i = 0; i < k; i++) {
        drawn[i] = -1;
    }
    double before = 0.0;
    for (int64_t start = 0; start < n; start += kBlock) {
        const int64_t end = std::min(start + kBlock, n);
        const double after = before + sum_of(probs + start, end - start);
        for (int64_t i = 0; i < k; i++) {
            const double wanted = uniform[i] * total;
            if (drawn[i] >= 0 || !(after > wanted)) {
                continue;
            }
            // Summed in another order, the block may end a little below what is wanted of it; its last
            // token that can be drawn is meant then.
            double running = before;
            for (int64_t j = start; j < end && !(running > wanted); j++) {
                running += double(probs[j]);
                drawn[i] = probs[j] > 0.0f ? int(j) : drawn[i];
            }
        }
        before = after;
    }
    for (int64_t i = 0; i < k; i++) {
        // Nothing but zeros, or what is no number.
        drawn[i] = drawn[i] < 0 ? int(n - 1) : drawn[i];
    }
}
