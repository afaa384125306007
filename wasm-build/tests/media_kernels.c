// The kernels in ../media against FFmpeg's portable functions: each result has to be the same.

#include <stdio.h>
#include <string.h>

#include <libavcodec/fft.h>

void ff_imdct_half_c(FFTContext *s, FFTSample *output, const FFTSample *input);
void portable_imdct_half(FFTContext *s, FFTSample *output, const FFTSample *input);

typedef void Window(float *synth, float *window, int *dither, float *samples, ptrdiff_t step);
Window ff_mpadsp_apply_window_float, portable_window;

void ff_dct32_float(float *out, const float *in);
void portable_dct32(float *out, const float *in);

enum { LEAST_BITS = 6, MOST_BITS = 13, SYNTH = 1024, WINDOW = 768, SAMPLES = 32 };

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
