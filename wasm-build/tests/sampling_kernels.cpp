// The kernels of sampling, compared with plain ones and with
// std::discrete_distribution; and that of the mel spectrogram, which must give the same bits as plain loops.

#include "cases.h"
#include "mel.h"
#include "sampling.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

namespace {

// A row of logits as they come: `suppressed` of them in a hundred are minus infinity.
std::vector<float> logits_row(size_t n, unsigned suppressed) {
    std::vector<float> x(n);
    for (auto & value : x) {
        const float level = random_bits() % 1000 == 0 ? 20 : 4; // a few stand out
        value = random_bits() % 100 < suppressed ? -INFINITY : random_float() * level + 3;
    }
    return x;
}

void softmax(size_t n, unsigned suppressed) {
    const std::vector<float> x = logits_row(n, suppressed);
    const float most = *std::max_element(x.begin(), x.end());
    // In single precision and one after the other, as whisper.cpp sums them.
    float total = 0;
    for (float value : x) {
        total += value == -INFINITY ? 0 : float(std::exp(double(value - most)));
    }
    const double log_total = most == -INFINITY ? -INFINITY : std::log(double(total)) + most;

    std::vector<float> logprobs(n), probs(n);
    const float sum = whisperctl_log_sum_exp(x.data(), int64_t(n));
    whisperctl_log_softmax(x.data(), logprobs.data(), int64_t(n));
    whisperctl_probabilities(logprobs.data(), probs.data(), int64_t(n));
    double worst_log = sum == log_total ? 0 : std::fabs(sum - log_total), worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double expected = double(x[i]) - log_total;
        if (x[i] == -INFINITY) {
            worst_log = logprobs[i] == -INFINITY && probs[i] == 0 ? worst_log : INFINITY;
            continue;
        }
        worst_log = std::max(worst_log, std::fabs(logprobs[i] - expected));
        worst = std::max(worst, std::fabs(probs[i] - std::exp(expected)) / std::exp(expected));
    }
    const std::string name = " of " + std::to_string(n) + " with " + std::to_string(suppressed) + " % suppressed";
    report("log softmax" + name, worst_log, 5e-6);
    report("probabilities, relative," + name, worst, 1e-5);

    bool right = whisperctl_max(x.data(), int64_t(n)) == most &&
                 whisperctl_argmax(x.data(), int64_t(n)) == std::max_element(x.begin(), x.end()) - x.begin();
    report("largest" + name, right ? 0 : 1, 0);

    // The same random numbers must draw the same tokens.
    std::mt19937 ours(7), theirs(7);
    std::discrete_distribution<> distribution(probs.begin(), probs.end());
    int wrong = 0;
    for (int i = 0; i < 200; i++) {
        double uniform[5];
        int drawn[5];
        for (double & u : uniform) {
            u = std::uniform_real_distribution<double>()(ours);
        }
        whisperctl_draw(probs.data(), int64_t(n), uniform, drawn, 5);
        for (int token : drawn) {
            wrong += token != distribution(theirs);
        }
    }
    report("draws" + name, wrong, 0);
}

// Rows that a broken model gives: no index may leave them.
void odd_rows() {
    const double uniform[] = {0.0, 0.5, 0x1.fffffffffffffp-1};
    for (float value : {NAN, INFINITY, -INFINITY, 0.0f}) {
        const std::vector<float> x(777, value);
        std::vector<float> y(777);
        int drawn[3];
        whisperctl_log_softmax(x.data(), y.data(), 777);
        whisperctl_probabilities(y.data(), y.data(), 777);
        whisperctl_draw(x.data(), 777, uniform, drawn, 3);
        bool inside = std::all_of(drawn, drawn + 3, [](int token) { return token >= 0 && token < 777; });
        const int64_t largest = whisperctl_argmax(x.data(), 777);
        report("rows of " + std::to_string(value), inside && largest == 0 ? 0 : 1, 0);
    }
}

constexpr int kFrame = 400, kBins = 201, kStep = 160;

float angle(size_t i, size_t n) { return float(2 * M_PI * double(i % n * (kFrame / n)) / kFrame); }

// A spectrum as whisper.cpp computes it: real and imaginary parts by turns.
std::vector<float> transform(const std::vector<float> & x) {
    const size_t n = x.size(), half = n / 2;
    std::vector<float> out(2 * n);
    if (n % 2 == 1) {
        for (size_t k = 0; k < n; k++) {
            for (size_t i = 0; i < n; i++) {
                out[2 * k] += x[i] * cosf(angle(k * i, n));
                out[2 * k + 1] -= x[i] * sinf(angle(k * i, n));
            }
        }
        return out;
    }
    std::vector<float> even(half), odd(half);
    for (size_t i = 0; i < half; i++) {
        even[i] = x[2 * i];
        odd[i] = x[2 * i + 1];
    }
    const std::vector<float> e = transform(even), o = transform(odd);
    for (size_t k = 0; k < half; k++) {
        const float re = cosf(angle(k, n)), im = -sinf(angle(k, n));
        out[2 * k] = e[2 * k] + re * o[2 * k] - im * o[2 * k + 1];
        out[2 * k + 1] = e[2 * k + 1] + re * o[2 * k + 1] + im * o[2 * k];
        out[2 * (k + half)] = e[2 * k] - re * o[2 * k] + im * o[2 * k + 1];
        out[2 * (k + half) + 1] = e[2 * k + 1] - re * o[2 * k + 1] - im * o[2 * k];
    }
    return out;
}

void spectrogram(int n_mel, int n_frames, int threads, double amplitude) {
    const int row = n_frames + 3;
    std::vector<float> samples(size_t((n_frames - 1) * kStep + kFrame)), window(kFrame), filters(size_t(n_mel * kBins));
    for (auto & value : samples) {
        value = float(random_float() * amplitude);
    }
    for (int i = 0; i < kFrame; i++) {
        window[size_t(i)] = float(0.5 - 0.5 * std::cos(2 * M_PI * i / kFrame));
    }
    // Triangles; one filter is of nothing but zeros, the last of no zeros.
    for (int j = 0; j < n_mel; j++) {
        for (int k = 0; k < kBins; k++) {
            const double middle = double(j) * kBins / n_mel;
            const double height = j == n_mel - 1 ? 1 : j == 1 ? 0 : std::max(0.0, 3 - std::fabs(k - middle));
            filters[size_t(j * kBins + k)] = float(height * 0.01);
        }
    }
    std::vector<float> mel(size_t(n_mel * row), 7.0f);
    for (int i = 0; i < threads; i++) {
        whisperctl_mel(samples.data(), n_frames, kStep, window.data(), filters.data(), n_mel, mel.data(), row, i, threads);
    }
    int wrong = 0;
    for (int i = 0; i < n_frames; i++) {
        std::vector<float> frame(kFrame), power(kBins);
        for (int n = 0; n < kFrame; n++) {
            frame[size_t(n)] = window[size_t(n)] * samples[size_t(i * kStep + n)];
        }
        const std::vector<float> spectrum = transform(frame);
        for (size_t k = 0; k < kBins; k++) {
            power[k] = spectrum[2 * k] * spectrum[2 * k] + spectrum[2 * k + 1] * spectrum[2 * k + 1];
        }
        for (int j = 0; j < n_mel; j++) {
            double sum = 0;
            const float * filter = &filters[size_t(j * kBins)];
            for (size_t k = 0; k < kBins - 1; k += 4) {
                sum += power[k] * filter[k] + power[k + 1] * filter[k + 1] + power[k + 2] * filter[k + 2] + power[k + 3] * filter[k + 3];
            }
            sum += power[kBins - 1] * filter[kBins - 1];
            wrong += mel[size_t(j * row + i)] != float(std::log10(std::max(sum, 1e-10)));
        }
    }
    for (int j = 0; j < n_mel; j++) {
        wrong += std::count_if(&mel[size_t(j * row + n_frames)], &mel[size_t(j * row)] + row, [](float x) { return x != 7.0f; });
    }
    report("mel spectrogram of " + std::to_string(n_frames) + " frames, " + std::to_string(n_mel) + " filters, " +
               std::to_string(threads) + " threads, amplitude " + std::to_string(amplitude),
           wrong, 0);
}

void scaling() {
    std::vector<float> x(1003), y;
    for (auto & value : x) {
        value = random_float() * 10;
    }
    y = x;
    whisperctl_scale_mel(y.data(), int64_t(y.size()), -3.5f);
    int wrong = 0;
    for (size_t i = 0; i < x.size(); i++) {
        wrong += y[i] != float((double(std::max(x[i], -3.5f)) + 4.0) / 4.0);
    }
    report("scaled mel", wrong, 0);
}

} // namespace

void sampling() {
    for (unsigned suppressed : {0u, 3u, 97u}) {
        for (size_t n : {size_t(51864), size_t(1501), size_t(255), size_t(7), size_t(1)}) {
            softmax(n, suppressed);
        }
    }
    softmax(300, 100);
    odd_rows();
    spectrogram(80, 9, 1, 1.0);
    spectrogram(128, 13, 3, 1e-3);
    spectrogram(2, 1, 2, 0.0);
    scaling();
}
