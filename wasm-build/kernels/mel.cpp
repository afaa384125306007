// The mel spectrogram: of every 10 ms, the power of 400 windowed samples at 201 frequencies, summed by
// the model's filters, as a logarithm. patches/whisper/0013 has whisper.cpp call it.
//
// Four frames are worked on at a time, one in each lane, so that every step is a vector's. The transform
// of 400 = 16 * 25 real numbers is made of 16 of 25, each with what is symmetric in them added up first,
// and of four levels of butterflies that keep only the half of a spectrum that the other half mirrors.
// The filters are narrow triangles: only what lies between their ends is summed.

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
constexpr int kLeafBins = kLeaf / 2 + 1;
constexpr int kMostBins = kLeaves * kLeafBins; // of all spectra of a level
constexpr int kLanes = 4;

struct Complex {
    f32x4 re;
    f32x4 im;
};

// cos and sin of 2 pi i / 400.
struct Circle {
    float cos[kFrame];
    float sin[kFrame];
    Circle() {
        for (int i = 0; i < kFrame; i++) {
            cos[i] = float(std::cos(2.0 * M_PI * i / kFrame));
            sin[i] = float(std::sin(2.0 * M_PI * i / kFrame));
        }
    }
};
const Circle circle;

// The first 13 frequencies of every 16th number.
void leaf(const f32x4 * x, Complex * out) {
    f32x4 even[kLeafBins], odd[kLeafBins];
    for (int n = 1; n < kLeafBins; n++) {
        even[n] = wasm_f32x4_add(x[kLeaves * n], x[kLeaves * (kLeaf - n)]);
        odd[n] = wasm_f32x4_sub(x[kLeaves * n], x[kLeaves * (kLeaf - n)]);
    }
    for (int k = 0; k < kLeafBins; k++) {
        f32x4 re = x[0];
        f32x4 im = zero();
        for (int n = 1; n < kLeafBins; n++) {
            const int angle = k * n % kLeaf * kLeaves;
            re = madd(even[n], load_splat(circle.cos + angle), re);
            im = wasm_f32x4_sub(im, wasm_f32x4_mul(odd[n], load_splat(circle.sin + angle)));
        }
        out[k] = {re, im};
    }
}

// The spectrum of `size` numbers, from those of its even and its odd ones.
void join(const Complex * even, const Complex * odd, int size, Complex * out) {
    const int half = size / 2;
    for (int k = 0; k <= half / 2; k++) {
        const f32x4 re = load_splat(circle.cos + k * (kFrame / size));
        const f32x4 im = load_splat(circle.sin + k * (kFrame / size));
        const f32x4 turned_re = wasm_f32x4_add(wasm_f32x4_mul(re, odd[k].re), wasm_f32x4_mul(im, odd[k].im));
        const f32x4 turned_im = wasm_f32x4_sub(wasm_f32x4_mul(re, odd[k].im), wasm_f32x4_mul(im, odd[k].re));
        out[k] = {wasm_f32x4_add(even[k].re, turned_re), wasm_f32x4_add(even[k].im, turned_im)};
        out[half - k] = {wasm_f32x4_sub(even[k].re, turned_re), wasm_f32x4_sub(turned_im, even[k].im)};
    }
}

// The powers of all frequencies of four frames, from their samples.
void powers(const f32x4 * x, f32x4 * out) {
    Complex buffers[2][kMostBins];
    Complex * now = buffers[0];
    Complex * next = buffers[1];
    for (int i = 0; i < kLeaves; i++) {
        leaf(x + i, now + i * kLeafBins);
    }
    int bins = kLeafBins;
    for (int size = 2 * kLeaf, count = kLeaves / 2; count > 0; size *= 2, count /= 2) {
        for (int i = 0; i < count; i++) {
            join(now + i * bins, now + (i + count) * bins, size, next + i * (size / 2 + 1));
        }
        bins = size / 2 + 1;
        std::swap(now, next);
    }
    for (int k = 0; k < kBins; k++) {
        out[k] = madd(now[k].re, now[k].re, wasm_f32x4_mul(now[k].im, now[k].im));
    }
}

// log10 of normal positive numbers: the exponent, and the logarithm of what is between sqrt(1/2) and
// sqrt(2) as 2 artanh((m - 1) / (m + 1)), in odd powers up to the ninth (2e-9 from the truth).
f32x4 log10_of(f32x4 x) {
    const v128_t shifted = wasm_i32x4_sub(x, wasm_i32x4_const_splat(0x3f3504f3));
    const v128_t exponent = wasm_i32x4_shr(shifted, 23);
    const f32x4 m = wasm_i32x4_sub(x, wasm_i32x4_shl(exponent, 23));
    const f32x4 one = splat(1.0f);
    const f32x4 t = wasm_f32x4_div(wasm_f32x4_sub(m, one), wasm_f32x4_add(m, one));
    const f32x4 t2 = wasm_f32x4_mul(t, t);
    // 2 / ln(10) / (2 i + 1)
    f32x4 p = madd(t2, splat(0.0965096616f), splat(0.124083849f));
    p = madd(p, t2, splat(0.173717389f));
    p = madd(p, t2, splat(0.289528985f));
    p = madd(p, t2, splat(0.868588964f));
    return madd(wasm_f32x4_convert_i32x4(exponent), splat(0.301029996f), wasm_f32x4_mul(p, t));
}

struct Filter {
    int begin;
    int end;
};

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
        while (at.begin < at.end && filter[at.begin] == 0.0f) {
            at.begin++;
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
            f32x4 total = zero();
            for (int k = ends[size_t(j)].begin; k < ends[size_t(j)].end; k++) {
                total = madd(power[k], load_splat(filter + k), total);
            }
            total = log10_of(wasm_f32x4_max(total, splat(1e-10f)));
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
