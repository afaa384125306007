// Matrix products with quantized weights; called by llamafile_sgemm in sgemm.cpp.
#pragma once

#include "ggml-cpu-impl.h"
#include "ggml.h"

#include <cstdint>

namespace kernels {

// c[j][i] = sum over k of a[i][k] * b[j][k]: a are m rows of `blocks` quantized blocks each, b n rows of
// floats, c n rows of floats. lda is in blocks, ldb and ldc in floats. Each thread of the operation calls
// it for its part. False, and nothing done, if `a_type` is not one of q8_0, q5_1, q5_0, q4_1, q4_0.
bool quantized_product(const ggml_compute_params * params, int64_t m, int64_t n, int64_t blocks, const void * a,
                       int64_t lda, const float * b, int64_t ldb, float * c, int64_t ldc, ggml_type a_type);

} // namespace kernels
