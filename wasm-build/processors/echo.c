// Repetitions that fade away: an example of a processor that keeps samples.

struct channel {
  float *line;
  int at;
};

#include "processor.h"

DESCRIBE({"abi": 1, "name": "echo", "version": "1", "summary": "Add echoes that fade away.", "parameters": [
  {"name": "delay", "type": "float", "default": 250, "low": 1, "high": 2000, "unit": "ms",
   "help": "Time between echoes."},
  {"name": "feedback", "type": "float", "default": 0.35, "low": 0, "high": 0.95,
   "help": "Level of each echo, as a share of the one before it."},
  {"name": "mix", "type": "float", "default": 0.3, "low": 0, "high": 1,
   "help": "Level of the echoes; the recording keeps its own."}
]});

static int length;
static float feedback, mix;

static int start(void) {
  const double samples = value[0] * sample_rate / 1000;
  length = samples < 1 ? 1 : (int)samples;
  feedback = (float)value[1];
  mix = (float)value[2];
  for (int c = 0; c < n_channels; c++)
    if ((channels[c].line = take((size_t)length * sizeof(float))) == NULL) return 0;
  return 1;
}

static void run(struct channel *channel, const float *restrict in, float *restrict out, int n) {
  float *restrict line = channel->line;
  int at = channel->at;
  for (int i = 0; i < n; i++) {
    const float echo = line[at], kept = in[i] + feedback * echo;
    line[at] = __builtin_fabsf(kept) < 1e-15f ? 0 : kept;
    at = at + 1 == length ? 0 : at + 1;
    out[i] = in[i] + mix * echo;
  }
  channel->at = at;
}
