// The kernels of sampling and of the mel spectrogram, compared with plain ones in double precision and
// with std::discrete_distribution.

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
        value = random_bits() % 100 < suppressed ? -INFINITY : random_float() * 20 + 3;
    }
    return x;
}

void softmax(size_t n, unsigned suppressed) {
    const std::vector<float> x = logits_row(n, suppressed);
    const float most = *std::max_element(x.begin(), x.end());
    double total = 0;
    for (float value : x) {
        total += std::exp(double(value) - most);
    }
    const double log_total = most == -INFINITY ? -INFINITY : std::log(total) + most;

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

void spectrogram(int n_mel, int n_frames, int threads, double amplitude) {
    constexpr int kFrame = 400, kBins = 201, kStep = 160;
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
    std::vector<double> cosines(kFrame), sines(kFrame);
    for (int i = 0; i < kFrame; i++) {
        cosines[size_t(i)] = std::cos(2 * M_PI * i / kFrame);
        sines[size_t(i)] = std::sin(2 * M_PI * i / kFrame);
    }
    double worst = 0;
    for (int i = 0; i < n_frames; i++) {
        std::vector<double> power(kBins);
        for (int k = 0; k < kBins; k++) {
            double re = 0, im = 0;
            for (int n = 0; n < kFrame; n++) {
                const double x = double(samples[size_t(i * kStep + n)]) * window[size_t(n)];
                re += x * cosines[size_t(k * n % kFrame)];
                im += x * sines[size_t(k * n % kFrame)];
            }
            power[size_t(k)] = re * re + im * im;
        }
        for (int j = 0; j < n_mel; j++) {
            double sum = 0;
            for (int k = 0; k < kBins; k++) {
                sum += power[size_t(k)] * filters[size_t(j * kBins + k)];
            }
            worst = std::max(worst, std::fabs(mel[size_t(j * row + i)] - std::log10(std::max(sum, 1e-10))));
        }
    }
    for (int j = 0; j < n_mel; j++) {
        worst = std::all_of(&mel[size_t(j * row + n_frames)], &mel[size_t(j * row)] + row, [](float x) { return x == 7.0f; }) ? worst : INFINITY;
    }
    report("mel spectrogram of " + std::to_string(n_frames) + " frames, " + std::to_string(n_mel) + " filters, " +
               std::to_string(threads) + " threads, amplitude " + std::to_string(amplitude),
           worst, 1e-5);
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
