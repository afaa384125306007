// Distortion by a curve.

struct channel {
  char none;
};

#include "processor.h"

DESCRIBE({"abi": 1, "name": "wave_shaper", "version": "1",
 "summary": "Distort by a curve that keeps full scale where it is.", "parameters": [
  {"name": "drive", "type": "float", "default": 0.5, "low": 0, "high": 0.99,
   "help": "Strength of the distortion; 0 is none."},
  {"name": "curve", "type": "str", "default": "soft", "choices": ["soft", "hard"],
   "help": "Round peaks off, or cut them off."}
]});

static float amount;
static int hard;

static int start(void) {
  amount = (float)(2 * value[0] / (1 - value[0]));
  hard = value[1] != 0;
  return 1;
}

static void run(struct channel *channel, const float *restrict in, float *restrict out, int n) {
  (void)channel;
  const float factor = 1 + amount;
  if (hard) {
    for (int i = 0; i < n; i++) {
      const float x = in[i] * factor;
      out[i] = x > 1 ? 1 : x < -1 ? -1 : x;
    }
  } else {
    for (int i = 0; i < n; i++) out[i] = factor * in[i] / (1 + amount * __builtin_fabsf(in[i]));
  }
}
