#pragma once

#include <libavutil/frame.h>

/// Bytes of each sample that `frame_samples` writes: 2 for int16, 4 for float32.
size_t sample_bytes(const AVFrame *frame);

/// Writes samples `first` to `first + count` of all channels of a frame to `out`, interleaved: int16
/// as they are, others as float32, full scale [-1, 1]. Returns false for a sample format that is not
/// one of FFmpeg's twelve for PCM.
bool frame_samples(void *out, const AVFrame *frame, int first, int count);
