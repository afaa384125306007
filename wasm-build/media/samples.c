// From every sample format to interleaved float32. Integers are divided by a power of two, which
// is exact in any order; those of 16 bits are left to the host, as half the bytes. The loops are
// plain, so that the compiler makes vectors of them.

#include <stdbool.h>

#include "samples.h"

#include <stddef.h>
#include <stdint.h>

#define CONVERSION(name, made, type, value)                                                 \
    static void name##_row(made *restrict out, const type *restrict in, size_t n)           \
    {                                                                                       \
        for (size_t i = 0; i < n; i++) {                                                    \
            type x = in[i];                                                                 \
            out[i] = (value);                                                               \
        }                                                                                   \
    }                                                                                       \
    static void name##_pair(                                                                \
        made *restrict out, const type *restrict left, const type *restrict right, size_t n) \
    {                                                                                       \
        for (size_t i = 0; i < n; i++) {                                                    \
            type x = left[i];                                                               \
            made even = (value);                                                            \
            x = right[i];                                                                   \
            out[2 * i] = even;                                                              \
            out[2 * i + 1] = (value);                                                       \
        }                                                                                   \
    }                                                                                       \
    static void name(made *out, const AVFrame *frame, size_t first, size_t n, bool planar)  \
    {                                                                                       \
        size_t channels = (size_t)frame->ch_layout.nb_channels;                             \
        const type *const *planes = (const type *const *)frame->extended_data;              \
        if (!planar) {                                                                      \
            name##_row(out, planes[0] + first * channels, n * channels);                    \
        } else if (channels == 1) {                                                         \
            name##_row(out, planes[0] + first, n);                                          \
        } else if (channels == 2) {                                                         \
            name##_pair(out, planes[0] + first, planes[1] + first, n);                      \
        } else {                                                                            \
            for (size_t channel = 0; channel < channels; channel++) {                       \
                const type *in = planes[channel] + first;                                   \
                for (size_t i = 0; i < n; i++) {                                            \
                    type x = in[i];                                                         \
                    out[i * channels + channel] = (value);                                  \
                }                                                                           \
            }                                                                               \
        }                                                                                   \
    }

CONVERSION(from_u8, float, uint8_t, ((float)x - 128.0f) * 0x1p-7f)
CONVERSION(from_s16, int16_t, int16_t, x)
CONVERSION(from_s32, float, int32_t, (float)x * 0x1p-31f)
CONVERSION(from_s64, float, int64_t, (float)((double)x * 0x1p-63))
CONVERSION(from_flt, float, float, x)
CONVERSION(from_dbl, float, double, (float)x)

size_t sample_bytes(const AVFrame *frame)
{
    bool is_short = av_get_packed_sample_fmt(frame->format) == AV_SAMPLE_FMT_S16;
    return is_short ? sizeof(int16_t) : sizeof(float);
}

bool frame_samples(void *out, const AVFrame *frame, int first, int count)
{
    size_t from = (size_t)first, n = (size_t)count;
    bool planar = av_sample_fmt_is_planar(frame->format) == 1;
    switch (av_get_packed_sample_fmt(frame->format)) {
    case AV_SAMPLE_FMT_U8: from_u8(out, frame, from, n, planar); return true;
    case AV_SAMPLE_FMT_S16: from_s16(out, frame, from, n, planar); return true;
    case AV_SAMPLE_FMT_S32: from_s32(out, frame, from, n, planar); return true;
    case AV_SAMPLE_FMT_S64: from_s64(out, frame, from, n, planar); return true;
    case AV_SAMPLE_FMT_FLT: from_flt(out, frame, from, n, planar); return true;
    case AV_SAMPLE_FMT_DBL: from_dbl(out, frame, from, n, planar); return true;
    default: return false;
    }
}
