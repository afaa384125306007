// Less difference between loud and quiet.

struct channel {
  float level;
};

#include "processor.h"

DESCRIBE({"abi": 1, "name": "compressor", "version": "1",
 "summary": "Attenuate what is louder than a threshold, so that loud and quiet differ less.", "parameters": [
  {"name": "threshold", "type": "float", "default": -24, "low": -60, "high": 0, "unit": "dB",
   "help": "Level above which the compressor works."},
  {"name": "ratio", "type": "float", "default": 4, "low": 1, "high": 20,
   "help": "Input above the threshold, in dB, for 1 dB of output."},
  {"name": "attack", "type": "float", "default": 5, "low": 0.1, "high": 200, "unit": "ms",
   "help": "Time to follow a rising level."},
  {"name": "release", "type": "float", "default": 100, "low": 5, "high": 2000, "unit": "ms",
   "help": "Time to follow a falling level."},
  {"name": "makeup", "type": "float", "default": 0, "low": 0, "high": 40, "unit": "dB",
   "help": "Gain applied to the output."}
]});

static float threshold, log_threshold, slope, attack, release, makeup;

static int start(void) {
  threshold = (float)from_db(value[0]);
  log_threshold = (float)__builtin_log2(from_db(value[0]));
  slope = (float)(1 / value[1] - 1);
  attack = smoothing(value[2]);
  release = smoothing(value[3]);
  makeup = (float)from_db(value[4]);
  return 1;
}

static void run(struct channel *channel, const float *restrict in, float *restrict out, int n) {
  float level = channel->level;
  for (int i = 0; i < n; i++) {
    const float now = __builtin_fabsf(in[i]), kept = now > level ? attack : release;
    level = now + kept * (level - now);
    if (level < 1e-15f) level = 0;
    float gain = makeup;
    if (level > threshold)
      gain *= __builtin_exp2f((__builtin_log2f(level) - log_threshold) * slope);
    out[i] = in[i] * gain;
  }
  channel->level = level;
}
