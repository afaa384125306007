// Butterworth filters of second order, as in Robert Bristow-Johnson's cookbook, in double precision: a
// low cutoff is lost in the rounding errors of floats. HIGH is whether high frequencies pass, or low ones.

#pragma once

struct channel {
  double s1, s2;
};

#include "processor.h"

static double b0, b1, b2, a1, a2;

static int start(void) {
  const double w = 2 * 3.14159265358979323846 * value[0] / sample_rate, c = __builtin_cos(w);
  // The quality is FFmpeg's.
  const double alpha = __builtin_sin(w) / (2 * 0.707), a0 = 1 + alpha, b = HIGH ? 1 + c : 1 - c;
  b0 = b2 = b / (2 * a0);
  b1 = (HIGH ? -b : b) / a0;
  a1 = -2 * c / a0;
  a2 = (1 - alpha) / a0;
  return 2 * value[0] < sample_rate;
}

// Zero instead of a number so small that processors compute with it slowly.
static double flushed(double x) { return __builtin_fabs(x) < 1e-30 ? 0 : x; }

static void run(struct channel *channel, const float *restrict in, float *restrict out, int n) {
  double s1 = channel->s1, s2 = channel->s2;
  for (int i = 0; i < n; i++) {
    const double x = in[i], y = b0 * x + s1;
    s1 = flushed(b1 * x - a1 * y + s2);
    s2 = flushed(b2 * x - a2 * y);
    out[i] = (float)y;
  }
  channel->s1 = s1;
  channel->s2 = s2;
}
