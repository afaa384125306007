// Working memory of the kernels: a buffer for each of ggml's threads, kept for the next operation.
#pragma once

#include <cstddef>

namespace kernels {

// At least `floats` numbers for thread `thread` of the running operation, aligned to a cache line; what
// was there before is lost.
float * scratch(int thread, size_t floats);

} // namespace kernels
