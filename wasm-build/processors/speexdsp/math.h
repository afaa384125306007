// What speexdsp takes of the C library's mathematics. The compiler's own library has all but the last
// two, which the processor defines.

#pragma once

#define M_PI 3.14159265358979323846

double cos(double);
double exp(double);
double fabs(double);
double log(double);
double sin(double);
double atan(double);
double pow(double, double);

// Instructions, where the compiler's library computes bit by bit.
static inline double floor(double x) { return __builtin_floor(x); }
static inline double sqrt(double x) { return __builtin_sqrt(x); }
