// expf, in place of the C library's. whisper.cpp calls it for every word of the vocabulary, twice for
// each token, and the library's is one of the slow exact kind.
//
// In double precision nothing delicate is left: x log2(e) = n + f with n whole and |f| <= 1/2, e^x =
// 2^n 2^f, and 2^f by its Taylor polynomial, 5e-9 from the truth. Rounded to a float that is within 0.6
// units in the last place; what overflows or underflows does so in that rounding.

#include <cmath>
#include <cstdint>
#include <cstring>

extern "C" float expf(float x) {
    double t = double(x) * 1.4426950408889634;
    if (!(t > -160.0 && t < 160.0)) {
        return t >= 160.0 ? INFINITY : t <= -160.0 ? 0.0f : x;
    }
    double n = __builtin_nearbyint(t);
    double f = t - n;
    // Two halves of the polynomial, which the machine works on side by side.
    double f2 = f * f;
    double even = 1.0 + f2 * (2.402265069591007e-1 + f2 * (9.618129107628477e-3 + f2 * 1.5403530393381608e-4));
    double odd = 6.931471805599453e-1 + f2 * (5.550410866482158e-2 + f2 * (1.3333558146428443e-3 + f2 * 1.5252733804059841e-5));
    int64_t bits = (int64_t(n) + 1023) << 52;
    double power;
    std::memcpy(&power, &bits, sizeof power);
    return float((even + f * odd) * power);
}
