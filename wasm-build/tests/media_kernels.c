// The kernels in ../media against FFmpeg's portable functions: each result has to be the same.

#include <stdio.h>
#include <string.h>

#include <libavcodec/fft.h>
#include <libavcodec/mdct15.h>

void ff_imdct_half_c(FFTContext *s, FFTSample *output, const FFTSample *input);
void portable_imdct_half(FFTContext *s, FFTSample *output, const FFTSample *input);

typedef void Imdct15(MDCT15Context *s, float *output, const float *input, ptrdiff_t stride);
Imdct15 ff_imdct15_half, portable_imdct15_half;

typedef void Window(float *synth, float *window, int *dither, float *samples, ptrdiff_t step);
Window ff_mpadsp_apply_window_float, portable_window;

void ff_dct32_float(float *out, const float *in);
void portable_dct32(float *out, const float *in);

enum { LEAST_BITS = 6, MOST_BITS = 13, LEAST_BITS_15 = 3, MOST_BITS_15 = 7, SHORT_BLOCKS = 8,
       SYNTH = 1024, WINDOW = 768, SAMPLES = 32 };

static float noise(void)
{
    static unsigned state = 1;
    state = state * 1664525 + 1013904223;
    return (float)(int)state * 0x1p-31f;
}

static void fill(float *out, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = noise();
}

static void compare(const char *name, int size, const float *a, const float *b, int n)
{
    int n_different = 0;
    for (int i = 0; i < n; i++)
        n_different += !(a[i] == b[i]); // zeros may differ in their signs
    printf("%s %s %d\n", n_different ? "different" : "ok", name, size);
}

int main(void)
{
    static float input[1 << MOST_BITS], ours[1 << MOST_BITS], theirs[1 << MOST_BITS];
    for (int bits = LEAST_BITS; bits <= MOST_BITS; bits++) {
        FFTContext context;
        int n = 1 << (bits - 1);
        if (ff_mdct_init(&context, bits, 1, -1.0 / 3) < 0)
            return 1;
        fill(input, n);
        ff_imdct_half_c(&context, ours, input);
        portable_imdct_half(&context, theirs, input);
        compare("imdct", bits, ours, theirs, n);
        ff_mdct_end(&context);
    }
    for (int bits = LEAST_BITS_15; bits <= MOST_BITS_15; bits++) {
        MDCT15Context *context;
        int n = 15 << bits;
        if (ff_mdct15_init(&context, 1, bits, -1.0 / 3) < 0)
            return 1;
        for (int stride = 1; stride <= SHORT_BLOCKS && n * stride <= 1 << MOST_BITS;
             stride *= SHORT_BLOCKS) {
            fill(input, n * stride);
            ff_imdct15_half(context, ours, input, stride);
            portable_imdct15_half(context, theirs, input, stride);
            compare("imdct15", n, ours, theirs, n);
        }
        ff_mdct15_uninit(&context);
    }
    fill(input, SAMPLES);
    ff_dct32_float(ours, input);
    portable_dct32(theirs, input);
    compare("dct", SAMPLES, ours, theirs, SAMPLES);
    for (int step = 1; step <= 2; step++) {
        float synth[SYNTH], same[SYNTH];
        static float windows[2][WINDOW];
        int dither = 0;
        fill(synth, SYNTH);
        fill(windows[step - 1], WINDOW);
        memcpy(same, synth, sizeof synth);
        memset(ours, 0, sizeof ours);
        memset(theirs, 0, sizeof theirs);
        ff_mpadsp_apply_window_float(synth, windows[step - 1], &dither, ours, step);
        portable_window(same, windows[step - 1], &dither, theirs, step);
        compare("window", step, ours, theirs, SAMPLES * step);
    }
}
