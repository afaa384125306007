// Suppression of steady noise by speexdsp's preprocessor: spectral subtraction after Ephraim and Malah.

#include <speex/speex_preprocess.h>

struct channel {
  SpeexPreprocessState *state;
  spx_int16_t *in, *out;
  int at;
};

#include "processor.h"

DESCRIBE({"abi": 1, "name": "denoise", "version": "1", "summary": "Suppress steady noise.", "parameters": [
  {"name": "reduction", "type": "int", "default": 15, "low": 0, "high": 60, "unit": "dB",
   "help": "Largest attenuation of the noise."}
]});

static int frame;

void *speex_alloc(int bytes) {
  void *memory = take((size_t)bytes);
  if (memory == NULL) __builtin_trap();
  return memory;
}

// For the scale of frequencies, once at the start.
double atan(double x) {
  if (x < 0) return -atan(-x);
  if (x > 1) return 1.57079632679489661923 - atan(1 / x);
  if (x > 0.25) return 2 * atan(x / (1 + __builtin_sqrt(1 + x * x)));
  double sum = 0, power = x;
  for (int n = 1; n < 20; n += 2, power *= -x * x) sum += power / n;
  return sum;
}

// For gain control and for an echo canceller, of which there is none.
double pow(double x, double y) { return __builtin_exp2(y * __builtin_log2(x)); }
void speex_echo_get_residual(void *echo, float *residual, int n) {
  (void)echo, (void)residual, (void)n;
}

static int start(void) {
  if (sample_rate < 8000 || sample_rate > 48000) return 0;
  frame = sample_rate / 50;
  // A frame is collected, and the next is added to the half of it that overlaps.
  delay = 2 * frame;
  for (int c = 0; c < n_channels; c++) {
    struct channel *channel = &channels[c];
    int suppress = -(int)value[0];
    channel->state = speex_preprocess_state_init(frame, sample_rate);
    channel->in = speex_alloc(frame * (int)sizeof(spx_int16_t));
    channel->out = speex_alloc(frame * (int)sizeof(spx_int16_t));
    speex_preprocess_ctl(channel->state, SPEEX_PREPROCESS_SET_NOISE_SUPPRESS, &suppress);
  }
  return 1;
}

static spx_int16_t to_int(float x) {
  const float scaled = __builtin_rintf(x * 32768);
  return scaled > 32767 ? 32767 : scaled < -32768 ? -32768 : (spx_int16_t)scaled;
}

static void run(struct channel *channel, const float *restrict in, float *restrict out, int n) {
  for (int i = 0; i < n; i++) {
    channel->in[channel->at] = to_int(in[i]);
    out[i] = (float)channel->out[channel->at] / 32768;
    if (++channel->at == frame) {
      spx_int16_t *swapped = channel->in;
      channel->in = channel->out;
      channel->out = swapped;
      speex_preprocess_run(channel->state, swapped);
      channel->at = 0;
    }
  }
}
