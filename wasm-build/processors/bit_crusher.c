// Fewer bits and fewer samples, as of early digital recorders.

struct channel {
  float held;
  int n_left;
};

#include "processor.h"

DESCRIBE({"abi": 1, "name": "bit_crusher", "version": "1",
 "summary": "Reduce the bits of samples, and the sample rate without a filter.", "parameters": [
  {"name": "bits", "type": "float", "default": 8, "low": 1, "high": 24, "unit": "bit",
   "help": "Bits of each sample, with the sign."},
  {"name": "hold", "type": "int", "default": 1, "low": 1, "high": 64, "unit": "samples",
   "help": "Keep one sample of so many, and repeat it in place of the others."}
]});

static float levels, step;
static int hold;

static int start(void) {
  levels = (float)__builtin_exp2(value[0] - 1);
  step = 1 / levels;
  hold = (int)value[1];
  return 1;
}

static void run(struct channel *channel, const float *restrict in, float *restrict out, int n) {
  if (hold == 1) {
    for (int i = 0; i < n; i++) out[i] = __builtin_rintf(in[i] * levels) * step;
    return;
  }
  for (int i = 0; i < n; i++) {
    if (channel->n_left-- == 0) {
      channel->held = __builtin_rintf(in[i] * levels) * step;
      channel->n_left = hold - 1;
    }
    out[i] = channel->held;
  }
}
