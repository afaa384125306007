// What the patched whisper.cpp and ggml call; see weights.cpp.
#pragma once

struct ggml_compute_params;
struct ggml_tensor;

extern "C" {

// Makes a matrix of half-precision weights fixed, in place, and its type GGML_TYPE_I16. Leaves it as it is if it has
// another type, rows that are no multiple of eight, or a number that is not finite. The scales stay for as long as
// the program runs.
void whisperctl_fix_weights(ggml_tensor * weights);

// Computes ggml_mul_mat, this thread's part of it, where the first operand is fixed weights and the second a matrix
// of floats.
void whisperctl_fixed_product(const ggml_compute_params * params, ggml_tensor * dst);

// Computes ggml_get_rows of fixed weights, all of it.
void whisperctl_fixed_rows(ggml_tensor * dst);

}
