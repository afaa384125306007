// Silence between words.

struct channel {
  float level, gain;
  int n_open;
};

#include "processor.h"

DESCRIBE({"abi": 1, "name": "gate", "version": "1",
 "summary": "Attenuate what is quieter than a threshold.", "parameters": [
  {"name": "threshold", "type": "float", "default": -50, "low": -90, "high": 0, "unit": "dB",
   "help": "Level below which the gate closes."},
  {"name": "range", "type": "float", "default": 40, "low": 0, "high": 90, "unit": "dB",
   "help": "Attenuation while it is closed."},
  {"name": "attack", "type": "float", "default": 1, "low": 0.1, "high": 100, "unit": "ms",
   "help": "Time to open."},
  {"name": "hold", "type": "float", "default": 100, "low": 0, "high": 2000, "unit": "ms",
   "help": "Time to stay open after the last sound."},
  {"name": "release", "type": "float", "default": 100, "low": 5, "high": 2000, "unit": "ms",
   "help": "Time to close."}
]});

static float threshold, closed, attack, release, fall;
static int hold;

static int start(void) {
  threshold = (float)from_db(value[0]);
  closed = (float)from_db(-value[1]);
  attack = smoothing(value[2]);
  hold = (int)(value[3] * sample_rate / 1000);
  release = smoothing(value[4]);
  fall = smoothing(10);  // a level between the peaks of the lowest voices
  return 1;
}

static void run(struct channel *channel, const float *restrict in, float *restrict out, int n) {
  float level = channel->level, gain = channel->gain;
  int n_open = channel->n_open;
  for (int i = 0; i < n; i++) {
    const float now = __builtin_fabsf(in[i]);
    level = now > level ? now : now + fall * (level - now);
    if (level < 1e-15f) level = 0;
    if (level >= threshold)
      n_open = hold + 1;
    else if (n_open > 0)
      n_open--;
    const float target = n_open > 0 ? 1 : closed, kept = target > gain ? attack : release;
    gain = target + kept * (gain - target);
    out[i] = in[i] * gain;
  }
  channel->level = level;
  channel->gain = gain;
  channel->n_open = n_open;
}
