// The vector operations the kernels are written in, over WebAssembly's 128-bit registers.
//
// Everything is built from these, so that a kernel reads as arithmetic and another instruction set
// would be one more version of this file.
#pragma once

#include <cstdint>
#include <wasm_simd128.h>

namespace kernels {

using f32x4 = v128_t;
using half = uint16_t; // the bits of an IEEE 754 binary16 number

inline f32x4 zero() { return wasm_f32x4_const_splat(0.0f); }
inline f32x4 splat(float x) { return wasm_f32x4_splat(x); }
inline f32x4 load(const float * p) { return wasm_v128_load(p); }
inline f32x4 load_splat(const float * p) { return wasm_v128_load32_splat(p); }
inline void store(float * p, f32x4 x) { wasm_v128_store(p, x); }

// a * b + c. With relaxed SIMD the runtime fuses it where the machine can (Wasmtime does, Wasmer
// rounds the product first); the portable variant always rounds twice.
inline f32x4 madd(f32x4 a, f32x4 b, f32x4 c) {
#ifdef __wasm_relaxed_simd__
    return wasm_f32x4_relaxed_madd(a, b, c);
#else
    return wasm_f32x4_add(wasm_f32x4_mul(a, b), c);
#endif
}

// Keeps the compiler from looking behind x: it would load each lane of a loaded vector by itself.
inline f32x4 opaque(f32x4 x) {
    asm("" : "+r"(x));
    return x;
}
// The same for a pointer that moves in a loop: what is read next to it then uses the offset that a load
// can carry, instead of an addition for each.
template <class T> inline const T * opaque(const T * p) {
    asm("" : "+r"(p));
    return p;
}
template <int Lane> inline f32x4 splat_lane(f32x4 x) { return wasm_i32x4_shuffle(x, x, Lane, Lane, Lane, Lane); }

inline float sum(f32x4 x) {
    x = wasm_f32x4_add(x, wasm_i32x4_shuffle(x, x, 2, 3, 0, 1));
    return wasm_f32x4_extract_lane(x, 0) + wasm_f32x4_extract_lane(x, 1);
}

// The sums of four vectors, one a lane.
inline f32x4 sums(f32x4 a, f32x4 b, f32x4 c, f32x4 d) {
    f32x4 ab = wasm_f32x4_add(wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), wasm_i32x4_shuffle(a, b, 2, 6, 3, 7));
    f32x4 cd = wasm_f32x4_add(wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), wasm_i32x4_shuffle(c, d, 2, 6, 3, 7));
    return wasm_f32x4_add(wasm_i32x4_shuffle(ab, cd, 0, 1, 4, 5), wasm_i32x4_shuffle(ab, cd, 2, 3, 6, 7));
}

// ------------------------------------------------------------------------- binary16 to binary32
//
// A half moved thirteen bits to the left, its sign kept on top, is a float whose exponent is 112 too
// small: multiplying by 2^112 mends normal and subnormal numbers alike, exactly. What was infinite or
// not a number comes out as 65536 or more, and needs its exponent's bits set.

constexpr float kHalfScale = 0x1p112f;

// Halves as floats 2^112 too small; infinities and NaNs come out finite. A half is put into the upper
// part of its lane and shifted back three places, which copies the sign over the exponent's upper bits;
// the copies are cleared.
inline f32x4 to_small(v128_t upper) {
    return wasm_v128_and(wasm_i32x4_shr(upper, 3), wasm_i32x4_const_splat(int32_t(0x8fffffff)));
}
inline f32x4 small_low(v128_t halves) {
    return to_small(wasm_i16x8_shuffle(wasm_i16x8_const_splat(0), halves, 0, 8, 1, 9, 2, 10, 3, 11));
}
inline f32x4 small_high(v128_t halves) {
    return to_small(wasm_i16x8_shuffle(wasm_i16x8_const_splat(0), halves, 4, 12, 5, 13, 6, 14, 7, 15));
}

// The largest magnitudes of a and b, as 16-bit integers; `has_special` tells whether one of them is no
// finite number.
inline v128_t max_magnitude(v128_t a, v128_t halves) {
    return wasm_i16x8_max(a, wasm_v128_and(halves, wasm_i16x8_const_splat(0x7fff)));
}
inline bool has_special(v128_t magnitudes) {
    return wasm_v128_any_true(wasm_i16x8_gt(magnitudes, wasm_i16x8_const_splat(0x7bff)));
}

// Finite halves only.
inline f32x4 finite_low(v128_t halves) { return wasm_f32x4_mul(small_low(halves), wasm_f32x4_const_splat(kHalfScale)); }
inline f32x4 finite_high(v128_t halves) { return wasm_f32x4_mul(small_high(halves), wasm_f32x4_const_splat(kHalfScale)); }

// Arithmetic on subnormal floats takes an Intel processor a hundred times as long, and a few in a thousand
// of a model's weights are subnormal halves. So what follows multiplies nothing: it adds 112 to the
// exponent.

// Eight halves, neither infinite nor NaN nor subnormal (nor zero), as floats: the upper sixteen bits of
// them all in a vector, and the lower ones.
struct Normal {
    v128_t upper, lower;
    explicit Normal(v128_t halves)
        : upper(wasm_i16x8_add(wasm_v128_and(wasm_i16x8_shr(halves, 3), wasm_i16x8_const_splat(int16_t(0x8fff))),
                               wasm_i16x8_const_splat(112 << 7))),
          lower(wasm_i16x8_shl(halves, 13)) {}
    f32x4 low() const { return wasm_i16x8_shuffle(lower, upper, 0, 8, 1, 9, 2, 10, 3, 11); }
    f32x4 high() const { return wasm_i16x8_shuffle(lower, upper, 4, 12, 5, 13, 6, 14, 7, 15); }
};

// Makes those halves that `Normal` cannot read the least of all, as unsigned numbers; `has_abnormal` tells
// whether there is one in such a vector, or in the least of several.
inline v128_t abnormal_least(v128_t halves) {
    return wasm_v128_and(wasm_i16x8_add(halves, wasm_i16x8_const_splat(0x400)), wasm_i16x8_const_splat(0x7fff));
}
inline bool has_abnormal(v128_t least) {
    return wasm_v128_any_true(wasm_u16x8_lt(least, wasm_i16x8_const_splat(0x800)));
}

// Any halves. To add 112 to the exponent gives a subnormal half the leading one that it does not have, at
// 2^-15. One more in the exponent and it is at 2^-14, to be subtracted; what was normal comes out too large
// like that. So the smaller of the two is right.
inline f32x4 widen_small(f32x4 small) {
    v128_t magnitude = wasm_v128_and(small, wasm_i32x4_const_splat(0x7fffffff));
    v128_t normal = wasm_i32x4_add(magnitude, wasm_i32x4_const_splat(112 << 23));
    f32x4 doubled = wasm_i32x4_add(magnitude, wasm_i32x4_const_splat(113 << 23));
    v128_t finite = wasm_i32x4_min(normal, wasm_f32x4_sub(doubled, wasm_f32x4_const_splat(0x1p-14f)));
    v128_t special = wasm_i32x4_gt(magnitude, wasm_i32x4_const_splat((31 << 23) - 1));
    finite = wasm_v128_or(finite, wasm_v128_and(special, wasm_i32x4_const_splat(0x7f800000)));
    return wasm_v128_or(finite, wasm_v128_and(small, wasm_i32x4_const_splat(int32_t(0x80000000))));
}
inline f32x4 widen_low(v128_t halves) { return widen_small(small_low(halves)); }
inline f32x4 widen_high(v128_t halves) { return widen_small(small_high(halves)); }

inline float widen(half h) {
    return wasm_f32x4_extract_lane(widen_low(wasm_i16x8_splat(int16_t(h))), 0);
}

// ------------------------------------------------------------------------- binary32 to binary16

// The magnitudes of four floats as halves, rounded to nearest even, in 32-bit lanes.
inline v128_t narrow_magnitude(f32x4 x) {
    v128_t bits = wasm_v128_and(x, wasm_i32x4_const_splat(0x7fffffff));
    // Subnormal halves are multiples of 2^-24, which is the last place of a float in [0.5, 1).
    f32x4 half_ = wasm_f32x4_const_splat(0.5f);
    v128_t subnormal = wasm_i32x4_sub(wasm_f32x4_add(bits, half_), half_);
    // Otherwise the thirteen bits too many are rounded away, a carry running into the exponent.
    v128_t odd = wasm_v128_and(wasm_u32x4_shr(bits, 13), wasm_i32x4_const_splat(1));
    v128_t rounded = wasm_i32x4_add(wasm_i32x4_add(bits, odd), wasm_i32x4_const_splat(0xfff - (112 << 23)));
    v128_t normal = wasm_i32x4_min(wasm_u32x4_shr(rounded, 13), wasm_i32x4_const_splat(0x7c00));
    v128_t out = wasm_v128_bitselect(subnormal, normal, wasm_i32x4_lt(bits, wasm_i32x4_const_splat(0x38800000)));
    v128_t nan = wasm_i32x4_gt(bits, wasm_i32x4_const_splat(0x7f800000));
    return wasm_v128_bitselect(wasm_i32x4_const_splat(0x7e00), out, nan);
}

// Eight floats as halves.
inline v128_t narrow(f32x4 low, f32x4 high) {
    v128_t magnitudes = wasm_i16x8_narrow_i32x4(narrow_magnitude(low), narrow_magnitude(high));
    v128_t signs = wasm_i16x8_narrow_i32x4(wasm_i32x4_shr(low, 16), wasm_i32x4_shr(high, 16));
    return wasm_v128_or(magnitudes, wasm_v128_and(signs, wasm_i16x8_const_splat(int16_t(0x8000))));
}

// ------------------------------------------------------------------------------------------- exp

// The larger, lane by lane; b where one of them is NaN. (What WebAssembly calls max is seven
// instructions on x86, for NaN's and zero's sake.)
inline f32x4 larger(f32x4 a, f32x4 b) { return wasm_f32x4_pmax(b, a); }

constexpr float kLog2E = 1.44269504f;

// 2^x for x <= 0, with a relative error below 3e-7; what is below 2^least, of at least 2^-126, comes out as
// that.
// x = n + f with n whole and |f| <= 1/2: 2^f by its Taylor polynomial, 2^n by adding n to the exponent.
// Adding 1.5 * 2^23 rounds to a whole number and leaves it in the last bits.
inline f32x4 exp2_nonpositive(f32x4 x, float least) {
    const f32x4 round = splat(0x1.8p23f);
    x = larger(splat(least), x);
    f32x4 whole = wasm_f32x4_add(x, round);
    f32x4 f = wasm_f32x4_sub(x, wasm_f32x4_sub(whole, round));
    f32x4 p = madd(f, splat(1.54035304e-4f), splat(1.33335581e-3f));
    p = madd(p, f, splat(9.61812911e-3f));
    p = madd(p, f, splat(5.55041087e-2f));
    p = madd(p, f, splat(2.40226507e-1f));
    p = madd(p, f, splat(6.93147181e-1f));
    p = madd(p, f, splat(1.0f));
    return wasm_i32x4_add(p, wasm_i32x4_shl(whole, 23));
}

} // namespace kernels
