// The mel spectrogram of whisper.cpp; see mel.cpp.
#pragma once

#include <cstdint>

extern "C" {

// Thread `ith` of `nth` computes its frames of a logarithmic mel spectrogram.
//
// samples: all that frames cover, (n_frames - 1) * step + 400
// window: 400 factors
// filters: n_mel rows of 201 factors, one for each frequency
// mel: n_mel rows, `row` numbers apart; their first n_frames are written
void whisperctl_mel(const float * samples, int64_t n_frames, int64_t step, const float * window,
                    const float * filters, int n_mel, float * mel, int64_t row, int ith, int nth);

// mel = (max(mel, least) + 4) / 4
void whisperctl_scale_mel(float * mel, int64_t n, float least);
}
