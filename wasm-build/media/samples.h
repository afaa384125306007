#pragma once

#include <libavutil/frame.h>

/// Writes samples `first` to `first + count` of all channels of a frame to `out`, interleaved, full
/// scale [-1, 1]. Returns false for a sample format that is not one of FFmpeg's twelve for PCM.
bool frame_samples(float *out, const AVFrame *frame, int first, int count);
