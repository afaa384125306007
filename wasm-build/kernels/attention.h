// What the patched ggml calls; see attention.cpp.
#pragma once

struct ggml_compute_params;
struct ggml_tensor;

// Computes ggml_flash_attn_ext, this thread's part of it, or returns false for what it does not cover
// (the same answer on every thread): keys and values other than half-precision, biases, sinks.
bool whisperctl_flash_attention(const ggml_compute_params * params, ggml_tensor * dst);
