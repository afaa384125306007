#include "scratch.h"

#include "ggml.h"

#include <cstdlib>

namespace kernels {

namespace {

constexpr int kMaxThreads = 64;
constexpr size_t kLine = 64;

// One operation runs at a time, and its threads have numbers of their own, so no lock is needed.
struct Buffer {
    float * data;
    size_t floats;
} buffers[kMaxThreads];

} // namespace

float * scratch(int thread, size_t floats) {
    GGML_ASSERT(thread < kMaxThreads);
    Buffer & buffer = buffers[thread];
    if (buffer.floats < floats) {
        std::free(buffer.data);
        size_t bytes = (floats * sizeof(float) + kLine - 1) / kLine * kLine;
        buffer.data = static_cast<float *>(std::aligned_alloc(kLine, bytes));
        GGML_ASSERT(buffer.data && "no memory for the kernels");
        buffer.floats = floats;
    }
    return buffer.data;
}

} // namespace kernels
