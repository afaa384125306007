// Rows of logits and probabilities, for whisper.cpp's sampling; see sampling.cpp.
#pragma once

#include <cstdint>

extern "C" {

// The largest number; minus infinity if there is none.
float whisperctl_max(const float * x, int64_t n);

// Where the largest number stands first; 0 if there is none.
int64_t whisperctl_argmax(const float * x, int64_t n);

// log(sum(exp(x))), summed in single precision from the first to the last.
float whisperctl_log_sum_exp(const float * x, int64_t n);

// y = x - log(sum(exp(x))).
void whisperctl_log_softmax(const float * x, float * y, int64_t n);

// y = exp(logprobs), of numbers up to 0.
void whisperctl_probabilities(const float * logprobs, float * y, int64_t n);

// Draws k tokens, each from a number in [0, 1), as std::discrete_distribution would; n - 1 for what it
// cannot draw.
void whisperctl_draw(const float * probs, int64_t n, const double * uniform, int * drawn, int64_t k);
}
