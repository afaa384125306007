// The cosine transform of MP3's synthesis, which FFmpeg's portable code (libavcodec/dct32_template.c)
// does one number at a time. This does four, by the same sums, so that all bits stay the same.
//
// Each pass adds and subtracts a block's numbers and those from its end on, and goes on with both
// halves. A half of differences is kept from its end on, where that code has signs instead.

#include <wasm_simd128.h>

void ff_dct32_float(float *out, const float *in);

typedef struct {
    v128_t sums, differences;
} Halves;

static v128_t reversed(v128_t v)
{
    return wasm_i32x4_shuffle(v, v, 3, 2, 1, 0);
}

static Halves butterfly(v128_t a, v128_t b, v128_t cosines)
{
    return (Halves){
        wasm_f32x4_add(a, b),
        wasm_f32x4_mul(cosines, wasm_f32x4_sub(a, b)),
    };
}

static void transpose(v128_t v[4])
{
    v128_t a = wasm_i32x4_shuffle(v[0], v[1], 0, 4, 1, 5);
    v128_t b = wasm_i32x4_shuffle(v[2], v[3], 0, 4, 1, 5);
    v128_t c = wasm_i32x4_shuffle(v[0], v[1], 2, 6, 3, 7);
    v128_t d = wasm_i32x4_shuffle(v[2], v[3], 2, 6, 3, 7);
    v[0] = wasm_i64x2_shuffle(a, b, 0, 2);
    v[1] = wasm_i64x2_shuffle(a, b, 1, 3);
    v[2] = wasm_i64x2_shuffle(c, d, 0, 2);
    v[3] = wasm_i64x2_shuffle(c, d, 1, 3);
}

/// The last two passes, with four blocks of four side by side, each number in a vector of its own.
static void last_passes(v128_t v[4])
{
    const v128_t cos3_0 = wasm_f32x4_splat((float)(0.54119610014619698439 / 2) * 2);
    const v128_t cos3_1 = wasm_f32x4_splat((float)(1.30656296487637652785 / 4) * 4);
    const v128_t cos4_0 = wasm_f32x4_splat((float)(0.70710678118654752440 / 2) * 2);
    Halves outer = butterfly(v[0], v[3], cos3_0), inner = butterfly(v[1], v[2], cos3_1);
    Halves sums = butterfly(outer.sums, inner.sums, cos4_0);
    Halves differences = butterfly(outer.differences, inner.differences, cos4_0);
    v[0] = sums.sums;
    v[1] = sums.differences;
    v[2] = wasm_f32x4_add(differences.sums, differences.differences);
    v[3] = differences.differences;
}

void ff_dct32_float(float *out, const float *in)
{
    static const float cos0[16] = {
        (float)(0.50060299823519630134 / 2) * 2,  (float)(0.50547095989754365998 / 2) * 2,
        (float)(0.51544730992262454697 / 2) * 2,  (float)(0.53104259108978417447 / 2) * 2,
        (float)(0.55310389603444452782 / 2) * 2,  (float)(0.58293496820613387367 / 2) * 2,
        (float)(0.62250412303566481615 / 2) * 2,  (float)(0.67480834145500574602 / 2) * 2,
        (float)(0.74453627100229844977 / 2) * 2,  (float)(0.83934964541552703873 / 2) * 2,
        (float)(0.97256823786196069369 / 2) * 2,  (float)(1.16943993343288495515 / 4) * 4,
        (float)(1.48416461631416627724 / 4) * 4,  (float)(2.05778100995341155085 / 8) * 8,
        (float)(3.40760841846871878570 / 8) * 8,  (float)(10.19000812354805681150 / 32) * 32,
    };
    static const float cos1[8] = {
        (float)(0.50241928618815570551 / 2) * 2,  (float)(0.52249861493968888062 / 2) * 2,
        (float)(0.56694403481635770368 / 2) * 2,  (float)(0.64682178335999012954 / 2) * 2,
        (float)(0.78815462345125022473 / 2) * 2,  (float)(1.06067768599034747134 / 4) * 4,
        (float)(1.72244709823833392782 / 4) * 4,  (float)(5.10114861868916385802 / 16) * 16,
    };
    const v128_t cos2 = wasm_f32x4_make(
        (float)(0.50979557910415916894 / 2) * 2, (float)(0.60134488693504528054 / 2) * 2,
        (float)(0.89997622313641570463 / 2) * 2, (float)(2.56291544774150617881 / 8) * 8);
    // Blocks of 16, 8 and 4 numbers, in vectors: first those of sums, then those of differences.
    v128_t sixteens[2][4], eights[4][2], even[4], odd[4];
    for (int k = 0; k < 4; k++) {
        Halves halves = butterfly(wasm_v128_load(in + 4 * k),
                                  reversed(wasm_v128_load(in + 28 - 4 * k)),
                                  wasm_v128_load(cos0 + 4 * k));
        sixteens[0][k] = halves.sums;
        sixteens[1][k] = halves.differences;
    }
    for (int block = 0; block < 2; block++)
        for (int k = 0; k < 2; k++) {
            Halves halves = butterfly(sixteens[block][k], reversed(sixteens[block][3 - k]),
                                      wasm_v128_load(cos1 + 4 * k));
            eights[2 * block][k] = halves.sums;
            eights[2 * block + 1][k] = halves.differences;
        }
    for (int block = 0; block < 4; block++) {
        Halves halves = butterfly(eights[block][0], reversed(eights[block][1]), cos2);
        even[block] = halves.sums;
        odd[block] = halves.differences;
    }
    transpose(even);
    transpose(odd);
    last_passes(even);
    last_passes(odd);
    odd[0] = wasm_f32x4_add(odd[0], odd[2]);
    odd[2] = wasm_f32x4_add(odd[2], odd[1]);
    odd[1] = wasm_f32x4_add(odd[1], odd[3]);
    transpose(even);
    transpose(odd);

    // Now even[k] has numbers 8 * k and on, and odd[k] those from 8 * k + 4 on.
    const v128_t zero = wasm_f32x4_splat(0);
#define MOVED(v) wasm_i32x4_shuffle(v, zero, 2, 3, 1, 4)
    v128_t moved = MOVED(even[1]);
    even[1] = wasm_f32x4_add(even[1], odd[1]);
    odd[1] = wasm_f32x4_add(odd[1], moved);
    moved = MOVED(even[3]);
    even[3] = wasm_f32x4_add(even[3], odd[3]);
    odd[3] = wasm_f32x4_add(odd[3], moved);
    v128_t first[4] = {
        even[0], wasm_f32x4_add(even[2], even[3]), even[1], wasm_f32x4_add(even[3], odd[2]),
    };
    v128_t second[4] = {
        odd[0], wasm_f32x4_add(odd[2], odd[3]), odd[1], wasm_f32x4_add(odd[3], MOVED(even[2])),
    };
    transpose(first);
    transpose(second);
    static const int places[4] = { 0, 16, 8, 24 };
    for (int k = 0; k < 4; k++) {
        wasm_v128_store(out + places[k], first[k]);
        wasm_v128_store(out + places[k] + 4, second[k]);
    }
}
