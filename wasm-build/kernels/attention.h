// What the patched whisper.cpp and ggml call; see attention.cpp and cache.cpp.
#pragma once

struct ggml_compute_params;
struct ggml_tensor;

// Computes ggml_flash_attn_ext, this thread's part of it, or returns false for what it does not cover
// (the same answer on every thread): keys and values other than half-precision or in a cache, biases, sinks.
bool whisperctl_flash_attention(const ggml_compute_params * params, ggml_tensor * dst);

extern "C" {

// Makes two tensors of half-precision numbers, all zero, caches of keys and of values in fixed point, for heads of
// `head` numbers; their type becomes GGML_TYPE_I16. Leaves them as they are if heads have a size that no kernel is for.
// What a cache holds beside its numbers stays for as long as the program runs.
void whisperctl_make_caches(ggml_tensor * keys, ggml_tensor * values, int head);

// Computes ggml_cpy of rows of floats into a view of a cache, this thread's part of it.
void whisperctl_fill_cache(const ggml_compute_params * params, ggml_tensor * dst);

}

namespace kernels {

// ggml_flash_attn_ext of keys and values in caches, this thread's part of it.
void cached_attention(const ggml_compute_params * params, ggml_tensor * dst);

} // namespace kernels
