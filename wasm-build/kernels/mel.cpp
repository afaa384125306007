// The mel spectrogram: of every 10 ms, the power of 400 windowed samples at 201 frequencies, summed by
// the model's filters, as a logarithm. patches/whisper/0013 has whisper.cpp call it.
//
// Four frames are worked on at a time, one in each lane, by the very operations that whisper.cpp does with
// one, in the same order: 16 plain transforms of 25 numbers and four levels of butterflies. A cleverer
// transform would take a third of the time, but its roundings are others, and they show: the encoder rounds what
// comes of them to half precision, and a token's probability changes in the fourth place. What can be
// left out without a trace is left out: multiplying by the zeros of a filter, frequencies that the others mirror.

#include "mel.h"
#include "simd.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace {

using namespace kernels;

constexpr int kFrame = 400;
constexpr int kBins = kFrame / 2 + 1;
constexpr int kLeaf = 25;
constexpr int kLeaves = kFrame / kLeaf;
constexpr int kLanes = 4;

struct Complex {
    f32x4 re;
    f32x4 im;
};

// cos and sin of 2 pi i / 400, as whisper.cpp rounds them.
struct Circle {
    float cos[kFrame];
    float sin[kFrame];
    Circle() {
        for (int i = 0; i < kFrame; i++) {
            const double angle = 2 * M_PI * i / kFrame;
            cos[i] = cosf(float(angle));
            sin[i] = sinf(float(angle));
        }
    }
};
const Circle circle;

// The spectrum of every 16th number.
void leaf(const f32x4 * x, Complex * out) {
    for (int k = 0; k < kLeaf; k++) {
        f32x4 re = zero();
        f32x4 im = zero();
        for (int n = 0, angle = 0; n < kLeaf; n++) {
            re = wasm_f32x4_add(re, wasm_f32x4_mul(x[kLeaves * n], load_splat(circle.cos + angle)));
            im = wasm_f32x4_sub(im, wasm_f32x4_mul(x[kLeaves * n], load_splat(circle.sin + angle)));
            angle += k * kLeaves;
            angle -= angle >= kFrame ? kFrame : 0;
        }
        out[k] = {re, im};
    }
}

// The spectrum of `size` numbers, from those of its even and its odd ones.
void join(const Complex * even, const Complex * odd, int size, Complex * out) {
    const int half = size / 2;
    for (int k = 0; k < half; k++) {
        const f32x4 c = load_splat(circle.cos + k * (kFrame / size));
        const f32x4 s = load_splat(circle.sin + k * (kFrame / size));
        const f32x4 c_re = wasm_f32x4_mul(c, odd[k].re), c_im = wasm_f32x4_mul(c, odd[k].im);
        const f32x4 s_re = wasm_f32x4_mul(s, odd[k].re), s_im = wasm_f32x4_mul(s, odd[k].im);
        out[k] = {wasm_f32x4_add(wasm_f32x4_add(even[k].re, c_re), s_im),
                  wasm_f32x4_sub(wasm_f32x4_add(even[k].im, c_im), s_re)};
        if (size == kFrame && k > 0) {
            continue; // What lies beyond half the rate mirrors what lies below.
        }
        out[k + half] = {wasm_f32x4_sub(wasm_f32x4_sub(even[k].re, c_re), s_im),
                         wasm_f32x4_add(wasm_f32x4_sub(even[k].im, c_im), s_re)};
    }
}

// The powers of all frequencies of four frames, from their samples.
void powers(const f32x4 * x, f32x4 * out) {
    Complex buffers[2][kFrame];
    Complex * now = buffers[0];
    Complex * next = buffers[1];
    for (int i = 0; i < kLeaves; i++) {
        leaf(x + i, now + i * kLeaf);
    }
    for (int size = 2 * kLeaf, count = kLeaves / 2; count > 0; size *= 2, count /= 2) {
        for (int i = 0; i < count; i++) {
            join(now + i * (size / 2), now + (i + count) * (size / 2), size, next + i * size);
        }
        std::swap(now, next);
    }
    for (int k = 0; k < kBins; k++) {
        out[k] = wasm_f32x4_add(wasm_f32x4_mul(now[k].re, now[k].re), wasm_f32x4_mul(now[k].im, now[k].im));
    }
}

// log10 of two normal positive doubles: the exponent, and the logarithm of what is between sqrt(1/2) and
// sqrt(2) as 2 artanh((m - 1) / (m + 1)), in odd powers up to the 21st (1e-16 from the truth).
v128_t log10_of(v128_t x) {
    const v128_t shifted = wasm_i64x2_sub(x, wasm_i64x2_const_splat(0x3fe6a09e667f3bcd));
    const v128_t exponent = wasm_i64x2_shr(shifted, 52);
    const v128_t m = wasm_i64x2_sub(x, wasm_i64x2_shl(exponent, 52));
    const v128_t one = wasm_f64x2_const_splat(1.0);
    const v128_t t = wasm_f64x2_div(wasm_f64x2_sub(m, one), wasm_f64x2_add(m, one));
    const v128_t t2 = wasm_f64x2_mul(t, t);
    v128_t p = wasm_f64x2_const_splat(0.0);
    for (int i = 21; i > 0; i -= 2) {
        p = wasm_f64x2_add(wasm_f64x2_mul(p, t2), wasm_f64x2_splat(1.0 / i));
    }
    p = wasm_f64x2_mul(wasm_f64x2_mul(p, t), wasm_f64x2_const_splat(2 * 0.43429448190325182765));
    const v128_t whole = wasm_f64x2_convert_low_i32x4(wasm_i32x4_shuffle(exponent, exponent, 0, 2, 0, 2));
    return wasm_f64x2_add(wasm_f64x2_mul(whole, wasm_f64x2_const_splat(0.30102999566398119521)), p);
}

v128_t lower(f32x4 x) { return wasm_f64x2_promote_low_f32x4(x); }
v128_t upper(f32x4 x) { return wasm_f64x2_promote_low_f32x4(wasm_i64x2_shuffle(x, x, 1, 1)); }

// Ends of what is not zero in a filter, at multiples of four: so many products are summed in single
// precision, and these sums in double precision.
struct Filter {
    int begin;
    int end;
};

// The logarithms of four frames' powers, summed by a filter.
f32x4 filtered(const f32x4 * power, const float * filter, Filter ends) {
    v128_t low = wasm_f64x2_const_splat(0.0), high = low;
    for (int k = ends.begin; k < ends.end; k += 4) {
        f32x4 four = wasm_f32x4_mul(power[k], load_splat(filter + k));
        for (int i = k + 1; i < std::min(k + 4, kBins); i++) {
            four = wasm_f32x4_add(four, wasm_f32x4_mul(power[i], load_splat(filter + i)));
        }
        low = wasm_f64x2_add(low, lower(four));
        high = wasm_f64x2_add(high, upper(four));
    }
    const v128_t least = wasm_f64x2_const_splat(1e-10);
    low = wasm_f32x4_demote_f64x2_zero(log10_of(wasm_f64x2_max(low, least)));
    high = wasm_f32x4_demote_f64x2_zero(log10_of(wasm_f64x2_max(high, least)));
    return wasm_i64x2_shuffle(low, high, 0, 2);
}

} // namespace

extern "C" void whisperctl_mel(const float * samples, int64_t n_frames, int64_t step, const float * window,
                               const float * filters, int n_mel, float * mel, int64_t row, int ith, int nth) {
    std::vector<Filter> ends(size_t(n_mel), Filter{0, 0});
    for (int j = 0; j < n_mel; j++) {
        const float * filter = filters + int64_t(j) * kBins;
        Filter & at = ends[size_t(j)];
        at.end = kBins;
        while (at.end > 0 && filter[at.end - 1] == 0.0f) {
            at.end--;
        }
        while (at.begin + 4 < at.end && std::all_of(filter + at.begin, filter + at.begin + 4, [](float x) { return x == 0.0f; })) {
            at.begin += 4;
        }
    }
    f32x4 x[kFrame], power[kBins];
    for (int64_t i = ith * kLanes; i < n_frames; i += nth * kLanes) {
        const float * from[kLanes];
        for (int lane = 0; lane < kLanes; lane++) {
            from[lane] = samples + std::min(i + lane, n_frames - 1) * step;
        }
        for (int n = 0; n < kFrame; n += kLanes) {
            const f32x4 hann = load(window + n);
            f32x4 a = wasm_f32x4_mul(load(from[0] + n), hann), b = wasm_f32x4_mul(load(from[1] + n), hann);
            f32x4 c = wasm_f32x4_mul(load(from[2] + n), hann), d = wasm_f32x4_mul(load(from[3] + n), hann);
            f32x4 ab_low = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), ab_high = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
            f32x4 cd_low = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), cd_high = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
            x[n] = wasm_i64x2_shuffle(ab_low, cd_low, 0, 2);
            x[n + 1] = wasm_i64x2_shuffle(ab_low, cd_low, 1, 3);
            x[n + 2] = wasm_i64x2_shuffle(ab_high, cd_high, 0, 2);
            x[n + 3] = wasm_i64x2_shuffle(ab_high, cd_high, 1, 3);
        }
        powers(x, power);
        for (int j = 0; j < n_mel; j++) {
            const float * filter = filters + int64_t(j) * kBins;
            const f32x4 total = filtered(power, filter, ends[size_t(j)]);
            float * to = mel + j * row + i;
            if (i + kLanes <= n_frames) {
                store(to, total);
            } else {
                float four[kLanes];
                store(four, total);
                std::copy(four, four + (n_frames - i), to);
            }
        }
    }
}

extern "C" void whisperctl_scale_mel(float * mel, int64_t n, float least) {
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
        f32x4 x = larger(splat(least), load(mel + i));
        store(mel + i, wasm_f32x4_mul(wasm_f32x4_add(x, splat(4.0f)), splat(0.25f)));
    }
    for (; i < n; i++) {
        mel[i] = ((mel[i] < least ? least : mel[i]) + 4.0f) / 4.0f;
    }
}
