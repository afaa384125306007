// Amplification by a constant factor.

struct channel {
  char none;
};

#include "processor.h"

DESCRIBE({"abi": 1, "name": "gain", "version": "2", "summary": "Amplify or attenuate.", "parameters": [
  {"name": "db", "type": "float", "default": 0, "low": -120, "high": 60, "unit": "dB",
   "help": "Gain; 6 doubles the amplitude."}
]});

static float factor;

static int start(void) {
  factor = (float)from_db(value[0]);
  return 1;
}

static void run(struct channel *channel, const float *restrict in, float *restrict out, int n) {
  (void)channel;
  for (int i = 0; i < n; i++) out[i] = in[i] * factor;
}
