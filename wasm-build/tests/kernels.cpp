// Compares every kernel with a plain one in double precision, over shapes and numbers that are awkward:
// nothing a multiple of anything, one row, one column, subnormal and the largest halves, infinities.
//
// Prints a line a case: its name, the largest error found, and the error that is allowed; exits with 1
// when one is larger. A product's error is in units of what k roundings in single precision may add up
// to, (k + 16) * 2^-24 * sum |a b|, or, in fixed point, of what rounding both rows to integers may (fixed.h).
// Attention's is absolute, for values up to 1; in fixed point it is about what rounding these queries to
// halves costs. Conversions are exact.

#include "attention.h"
#include "cases.h"
#include "simd.h"
#include "weights.h"

#include "ggml-cpu-impl.h"
#include "ggml.h"
#include "llamafile/sgemm.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
ggml_fp16_t ggml_table_gelu_f16[1 << 16];
void whisperctl_widen_row(const uint16_t * in, float * out, int64_t n);
void whisperctl_narrow_row(const float * in, uint16_t * out, int64_t n);
void whisperctl_gelu_row(const float * in, float * out, int64_t n);
void whisperctl_norm_row(const float * in, float * out, int64_t n, float epsilon);

void ggml_abort(const char * file, int line, const char * format, ...) {
    std::printf("FAILED ggml_abort %s:%d %s\n", file, line, format);
    std::exit(1);
}
}

namespace {

bool failed = false;

} // namespace

void report(const std::string & name, double error, double allowed) {
    bool ok = error <= allowed;
    failed |= !ok;
    std::printf("%s %s error %.3g allowed %.3g\n", ok ? "ok" : "FAILED", name.c_str(), error, allowed);
}

static uint64_t state = 0x9e3779b97f4a7c15;
uint32_t random_bits() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return uint32_t(state >> 32);
}
float random_float() { return float(int32_t(random_bits())) * 0x1p-31f; } // [-1, 1]

// ------------------------------------------------------------------- plain versions of everything

static double plainly_widened(uint16_t h) {
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double sign = h & 0x8000 ? -1.0 : 1.0;
    if (exponent == 31) {
        return mantissa ? NAN : sign * INFINITY;
    }
    return sign * (exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24));
}

// All of them computed once, as the plain versions ask for millions.
double widened(uint16_t h) {
    static const std::vector<double> all = [] {
        std::vector<double> values;
        for (int i = 0; i < 65536; i++) {
            values.push_back(plainly_widened(uint16_t(i)));
        }
        return values;
    }();
    return all[h];
}

// To nearest, ties to even, by trying: the halves of one sign are ordered like their bits.
uint16_t narrowed(float x) {
    if (std::isnan(x)) {
        return 0x7e00 | (std::signbit(x) ? 0x8000 : 0);
    }
    double a = std::fabs(double(x));
    uint16_t low = 0, high = 0x7c00;
    while (high - low > 1) {
        uint16_t middle = uint16_t((low + high) / 2);
        (widened(middle) <= a ? low : high) = middle;
    }
    // What would come after the largest half decides where infinity begins.
    double above = high == 0x7c00 ? 65536.0 : widened(high), below = widened(low);
    uint16_t best = a - below < above - a ? low : a - below > above - a ? high : low & 1 ? high : low;
    return uint16_t(best | (std::signbit(x) ? 0x8000 : 0));
}

namespace {

double as_double(float x) { return x; }
double as_double(uint16_t x) { return widened(x); }

// -------------------------------------------------------------------------------------- the cases

void conversions() {
    std::vector<uint16_t> halves(65536);
    for (size_t i = 0; i < halves.size(); i++) {
        halves[i] = uint16_t(i);
    }
    int wrong = 0;
    for (size_t n : {size_t(65536), size_t(13), size_t(1)}) {
        std::vector<float> wide(n);
        whisperctl_widen_row(halves.data() + 65536 - n, wide.data(), int64_t(n));
        for (size_t i = 0; i < n; i++) {
            double expected = widened(halves[65536 - n + i]);
            wrong += std::isnan(expected) ? !std::isnan(wide[i])
                                          : expected != wide[i] || std::signbit(expected) != std::signbit(wide[i]);
        }
    }
    report("widen all halves", wrong, 0);

    std::vector<float> floats;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        // Each half, the tie above it, and the floats next to that.
        float x = float(widened(uint16_t(h))), tie = float((widened(uint16_t(h)) + (h == 0x7bff ? 65536.0 : widened(uint16_t(h + 1)))) / 2);
        for (float y : {x, tie, std::nextafter(tie, 0.0f), std::nextafter(tie, 1e9f)}) {
            floats.push_back(y);
            floats.push_back(-y);
        }
    }
    for (int i = 0; i < 100001; i++) {
        uint32_t bits = random_bits();
        float x;
        std::memcpy(&x, &bits, sizeof x);
        floats.push_back(x);
    }
    floats.insert(floats.end(), {INFINITY, -INFINITY, NAN, 65504.0f, 65519.996f, 65520.0f, 1e-45f, -0.0f, 3.4e38f});
    std::vector<uint16_t> narrow(floats.size());
    whisperctl_narrow_row(floats.data(), narrow.data(), int64_t(floats.size()));
    wrong = 0;
    for (size_t i = 0; i < floats.size(); i++) {
        wrong += std::isnan(floats[i]) ? (narrow[i] & 0x7fff) <= 0x7c00 : narrow[i] != narrowed(floats[i]);
    }
    report("narrow", wrong, 0);

    for (uint32_t i = 0; i < 65536; i++) {
        ggml_table_gelu_f16[i] = uint16_t(i * 40503u % 0x7c00);
    }
    std::vector<float> x(1003), y(1003);
    for (auto & value : x) {
        value = random_float() * 12;
    }
    x[1001] = 10.0f;
    x[1002] = -10.0f;
    whisperctl_gelu_row(x.data(), y.data(), int64_t(x.size()));
    wrong = 0;
    for (size_t i = 0; i < x.size(); i++) {
        double expected = x[i] <= -10 ? 0 : x[i] >= 10 ? x[i] : widened(ggml_table_gelu_f16[narrowed(x[i])]);
        wrong += y[i] != expected;
    }
    report("gelu looks up ggml's table", wrong, 0);
}

void exponential() {
    double worst = 0;
    for (int i = 0; i < 300000; i++) {
        float x = random_float() * 110;
        float expected = float(std::exp(double(x)));
        double place = double(std::nextafter(expected, INFINITY)) - expected;
        double error = std::fabs(double(expf(x)) - std::exp(double(x)));
        worst = std::isinf(expected) ? (expf(x) == expected ? worst : INFINITY) : std::max(worst, error / place);
    }
    report("expf, in units in the last place", worst, 0.6);
    bool edges = expf(0.0f) == 1.0f && expf(-INFINITY) == 0.0f && expf(INFINITY) == INFINITY &&
                 std::isnan(expf(NAN)) && expf(-1e30f) == 0.0f && expf(1e30f) == INFINITY && expf(-104.0f) == 0.0f;
    report("expf at the edges", edges ? 0 : 1, 0);
}

// Numbers of size 1 around `offset`. The mean's own rounding is what an offset costs.
void normalization(int n, float offset) {
    std::vector<float> x(n), y(n);
    double mean = 0, variance = 0;
    for (float & value : x) {
        value = random_float() + offset;
        mean += value;
    }
    mean /= n;
    for (float value : x) {
        variance += (value - mean) * (value - mean);
    }
    const double scale = 1 / std::sqrt(variance / n + 1e-5);
    whisperctl_norm_row(x.data(), y.data(), n, 1e-5f);
    double worst = 0;
    for (int i = 0; i < n; i++) {
        worst = std::max(worst, std::fabs(y[i] - (x[i] - mean) * scale));
    }
    report("normalization of " + std::to_string(n) + " around " + std::to_string(int(offset)), worst,
           (4 + std::fabs(offset)) * scale * 0x1p-22);
}

void normalizations() {
    for (int n : {1, 3, 4, 15, 16, 17, 63, 384, 1280, 1283}) {
        normalization(n, 0.0f);
        normalization(n, 100.0f);
    }
}

// Products of so many columns, and attention of so many queries, are computed in fixed point: a product with an
// error of so much of the rows' norms.
constexpr int kFixedFrom = 24;
constexpr double kFixedError = 0x1p-14;

enum Numbers { kPlain, kSubnormal, kLargest, kSpecial, kHuge };

float number(Numbers kind, bool of_a) {
    switch (kind) {
        case kSubnormal: return of_a ? random_float() * 0x1p-14f : random_float();
        case kLargest: return of_a ? (random_bits() & 1 ? 65504.0f : -65504.0f) : random_float();
        case kSpecial: return of_a && random_bits() % 97 == 0 ? (random_bits() & 1 ? INFINITY : -INFINITY) : random_float() + 1.5f;
        case kHuge: return of_a ? random_float() * 0x1p-10f : random_float() * 0x1p100f;
        default: return random_float();
    }
}

void put(float & to, float x) { to = x; }
void put(uint16_t & to, float x) { to = narrowed(x); }

template <class A, class B>
void product(const char * types, ggml_type a_type, ggml_type b_type, int m, int n, int k, int threads, Numbers kind) {
    const int lda = k + 3, ldb = k + 5, ldc = m + 7;
    std::vector<A> a(size_t(m) * lda);
    std::vector<B> b(size_t(n) * ldb);
    const float untouched = 12345.0f;
    std::vector<float> c(size_t(n) * ldc, untouched);
    for (auto & x : a) {
        put(x, number(kind, true));
    }
    for (auto & x : b) {
        put(x, number(kind, false));
    }
    const bool fixed = a_type == GGML_TYPE_F16 && n >= kFixedFrom;
    bool taken = true;
    for (int i = 0; i < threads; i++) {
        ggml_compute_params params = {};
        params.ith = i;
        params.nth = threads;
        taken &= llamafile_sgemm(&params, m, n, k, a.data(), lda, b.data(), ldb, c.data(), ldc, a_type, b_type, GGML_TYPE_F32);
    }
    double worst = taken ? 0 : INFINITY;
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < ldc; i++) {
            double got = c[size_t(j) * ldc + i];
            if (i >= m) {
                worst = got == untouched ? worst : INFINITY;
                continue;
            }
            double expected = 0, magnitude = 0, norm_a = 0, norm_b = 0;
            for (int e = 0; e < k; e++) {
                double x = as_double(a[size_t(i) * lda + e]), y = as_double(b[size_t(j) * ldb + e]);
                expected += x * y;
                magnitude += std::fabs(x * y);
                norm_a += x * x;
                norm_b += y * y;
            }
            if (!std::isfinite(expected)) {
                bool same = std::isnan(expected) ? std::isnan(got) : got == expected;
                worst = same ? worst : INFINITY;
                continue;
            }
            double error = std::fabs(got - expected);
            double unit = (k + 16) * 0x1p-24 * magnitude + 1e-37;
            if (fixed) {
                unit += kFixedError * std::sqrt(norm_a * norm_b);
            }
            worst = std::isnan(got) ? INFINITY : std::max(worst, error / unit);
        }
    }
    char name[160];
    static const char * const kinds[] = {"", " subnormal", " largest", " infinite", " huge"};
    std::snprintf(name, sizeof name, "product %s %dx%dx%d threads %d%s", types, m, n, k, threads, kinds[kind]);
    report(name, worst, 1);
}

void products() {
    const int shapes[][3] = {
        {1, 1, 1},    {1, 1, 7},     {8, 1, 8},     {3, 1, 64},     {5, 1, 384},   {77, 1, 129},  {13, 2, 31},
        {13, 3, 33},  {13, 4, 40},   {13, 5, 100},  {13, 6, 65},    {13, 7, 66},   {13, 8, 67},   {13, 9, 68},
        {1, 9, 5},    {1, 50, 1},    {8, 6, 4},     {9, 12, 512},   {17, 13, 513}, {200, 29, 70}, {193, 61, 1030},
        {384, 11, 9}, {16, 100, 384}, {40, 1, 1536}, {31, 33, 1537}, {5, 51, 193}, {770, 49, 9},
    };
    for (auto & s : shapes) {
        for (int threads : {1, 3}) {
            product<uint16_t, float>("f16 f32", GGML_TYPE_F16, GGML_TYPE_F32, s[0], s[1], s[2], threads, kPlain);
            product<uint16_t, uint16_t>("f16 f16", GGML_TYPE_F16, GGML_TYPE_F16, s[0], s[1], s[2], threads, kPlain);
            product<float, float>("f32 f32", GGML_TYPE_F32, GGML_TYPE_F32, s[0], s[1], s[2], threads, kPlain);
            product<float, uint16_t>("f32 f16", GGML_TYPE_F32, GGML_TYPE_F16, s[0], s[1], s[2], threads, kPlain);
        }
    }
    for (int n : {1, 2, 3, 5, 8, 9, 31, 61}) {
        for (Numbers kind : {kSubnormal, kLargest, kSpecial, kHuge}) {
            product<uint16_t, float>("f16 f32", GGML_TYPE_F16, GGML_TYPE_F32, 21, n, 203, 2, kind);
        }
    }
}

ggml_tensor tensor(ggml_type type, void * data, int64_t n0, int64_t n1, int64_t n2, size_t s0, size_t s1, size_t s2) {
    ggml_tensor t = {};
    t.type = type;
    t.data = data;
    t.ne[0] = n0, t.ne[1] = n1, t.ne[2] = n2, t.ne[3] = 1;
    t.nb[0] = s0, t.nb[1] = s1, t.nb[2] = s2, t.nb[3] = s2 * size_t(n2);
    return t;
}

// Weights of a decoder, made fixed, by n columns; `infinite` is the number of a column that is so, or -1.
void weights(int m, int n, int k, int threads, Numbers kind, int infinite = -1) {
    const size_t row = size_t(k);
    std::vector<uint16_t> a(m * row);
    std::vector<float> b(n * row), c(size_t(n) * m, 12345.0f), rows(m * row);
    for (auto & x : a) {
        x = narrowed(infinite < 0 ? number(kind, true) : random_float() + 1.5f);
    }
    for (auto & x : b) {
        x = number(kind, false);
    }
    if (infinite >= 0) {
        b[size_t(infinite) * row + row - 1] = INFINITY;
    }
    const std::vector<uint16_t> halves = a;
    std::vector<int32_t> all(m);
    for (int i = 0; i < m; i++) {
        all[i] = i;
    }
    ggml_tensor ta = tensor(GGML_TYPE_F16, a.data(), k, m, 1, 2, 2 * row, 2 * a.size());
    ggml_tensor tb = tensor(GGML_TYPE_F32, b.data(), k, n, 1, 4, 4 * row, 4 * b.size());
    ggml_tensor tc = tensor(GGML_TYPE_F32, c.data(), m, n, 1, 4, 4 * size_t(m), 4 * c.size());
    ggml_tensor which = tensor(GGML_TYPE_I32, all.data(), m, 1, 1, 4, 4 * all.size(), 4 * all.size());
    ggml_tensor taken = tensor(GGML_TYPE_F32, rows.data(), k, m, 1, 4, 4 * row, 4 * rows.size());
    whisperctl_fix_weights(&ta);
    tc.src[0] = taken.src[0] = &ta;
    tc.src[1] = &tb;
    taken.src[1] = &which;
    for (int i = 0; i < threads; i++) {
        ggml_compute_params params = {};
        params.ith = i;
        params.nth = threads;
        whisperctl_fixed_product(&params, &tc);
    }
    whisperctl_fixed_rows(&taken);
    double worst = ta.type == GGML_TYPE_I16 ? 0 : INFINITY;
    for (int i = 0; i < m; i++) {
        double norm_a = 0, difference = 0;
        for (int e = 0; e < k; e++) {
            double x = widened(halves[i * row + e]);
            norm_a += x * x;
            difference += (rows[i * row + e] - x) * (rows[i * row + e] - x);
        }
        worst = std::max(worst, std::sqrt(difference) / (0x1p-12 * std::sqrt(norm_a) + 1e-37));
        for (int j = 0; j < n; j++) {
            double expected = 0, norm_b = 0;
            for (int e = 0; e < k; e++) {
                double x = widened(halves[i * row + e]), y = b[j * row + e];
                expected += x * y;
                norm_b += y * y;
            }
            double got = c[size_t(j) * m + i];
            double error = std::isfinite(expected) ? std::fabs(got - expected) : got == expected ? 0.0 : INFINITY;
            double unit = std::isfinite(expected) ? kFixedError * std::sqrt(norm_a * norm_b) + 1e-37 : 1.0;
            worst = std::isnan(error) ? INFINITY : std::max(worst, error / unit);
        }
    }
    char name[160];
    std::snprintf(name, sizeof name, "weights %dx%dx%d threads %d kind %d%s", m, n, k, threads, int(kind),
                  infinite < 0 ? "" : " infinite");
    report(name, worst, 1);
}

// Weights that cannot be made fixed stay as they are.
void other_weights(const char * name, ggml_type type, int k, uint16_t last) {
    std::vector<uint16_t> a(size_t(k) * 3, 0x3c00);
    a.back() = last;
    const std::vector<uint16_t> before = a;
    ggml_tensor t = tensor(type, a.data(), k, 3, 1, 2, 2 * size_t(k), 2 * a.size());
    whisperctl_fix_weights(&t);
    report(std::string("weights that stay: ") + name, t.type == type && !t.extra && a == before ? 0 : 1, 0);
}

void fixed_weights() {
    const int shapes[][3] = {
        {1, 1, 8}, {7, 1, 384}, {40, 2, 512}, {9, 3, 1280}, {31, 4, 384}, {33, 5, 1536}, {8, 6, 392}, {5, 8, 768},
        {3, 13, 384}, {4, 61, 1024}, {2, 224, 5120},
    };
    for (auto & s : shapes) {
        for (int threads : {1, 3}) {
            weights(s[0], s[1], s[2], threads, kPlain);
        }
    }
    for (Numbers kind : {kSubnormal, kLargest, kHuge}) {
        weights(21, 5, 400, 2, kind);
    }
    weights(5, 7, 384, 2, kPlain, 3);
    weights(5, 50, 1536, 1, kPlain, 49);
    other_weights("infinite", GGML_TYPE_F16, 16, 0x7c00);
    other_weights("not whole vectors", GGML_TYPE_F16, 12, 0x3c00);
    other_weights("bfloat16", GGML_TYPE_BF16, 16, 0x3c00);
}

// Where keys and values are: in half-precision tensors, or, as floats before, in the second layer of caches.
enum Stored { kHalves, kCaches };
enum Infinite { kNothing, kValue, kKey }; // which of the first head's is infinite

void attention(int queries, int keys, int heads, int head, int threads, bool masked, Infinite infinite = kNothing,
               Stored stored = kHalves) {
    const int64_t row = int64_t(heads) * head;
    std::vector<float> q(queries * row), out(queries * row, 12345.0f);
    std::vector<uint16_t> k(keys * row), v(keys * row), mask(size_t(queries) * keys, 0);
    for (auto & x : q) {
        x = random_float() * 4;
    }
    for (auto & x : k) {
        x = narrowed(random_float() * 4);
    }
    for (auto & x : v) {
        x = narrowed(random_float());
    }
    // A cache's last keys, which are not filled, count as zeros.
    const int filled = stored == kCaches ? keys - std::min(keys - 1, 101) : keys;
    std::fill(k.begin() + filled * row, k.end(), uint16_t(0));
    std::fill(v.begin() + filled * row, v.end(), uint16_t(0));
    if (infinite) {
        (infinite == kKey ? k : v)[(filled - 1) * row] = 0x7c00;
    }
    for (int i = 0; i < queries; i++) {
        for (int j = 0; j < keys; j++) {
            // As in a decoder, what comes later is hidden; and one query sees nothing at all.
            bool hidden = j > i + keys / 2 || (i == 3);
            mask[size_t(i) * keys + j] = hidden ? 0xfc00 : narrowed(random_float());
        }
    }
    size_t r = size_t(row), d = size_t(head);
    ggml_tensor tq = tensor(GGML_TYPE_F32, q.data(), head, queries, heads, 4, 4 * r, 4 * d);
    ggml_tensor tk = tensor(GGML_TYPE_F16, k.data(), head, keys, heads, 2, 2 * r, 2 * d);
    ggml_tensor tv = tensor(GGML_TYPE_F16, v.data(), head, keys, heads, 2, 2 * r, 2 * d);
    std::vector<int16_t> cached[2];
    ggml_tensor caches[2];
    for (auto & cache : cached) {
        cache.assign(2 * keys * r, 0);
    }
    for (int i = 0; i < 2; i++) {
        caches[i] = tensor(GGML_TYPE_F16, cached[i].data(), 2 * keys * row, 1, 1, 2, 4 * keys * r, 4 * keys * r);
    }
    if (stored == kCaches) {
        whisperctl_make_caches(&caches[0], &caches[1], head);
        for (int i = 0; i < 2; i++) {
            ggml_tensor & view = i == 0 ? tk : tv;
            std::vector<float> rows(filled * r);
            for (size_t e = 0; e < rows.size(); e++) {
                rows[e] = float(widened(i == 0 ? k[e] : v[e]));
            }
            ggml_tensor from = tensor(GGML_TYPE_F32, rows.data(), row, filled, 1, 4, 4 * r, 4 * rows.size());
            view.type = caches[i].type;
            view.view_src = &caches[i];
            view.view_offs = 2 * keys * r;
            view.data = static_cast<char *>(caches[i].data) + view.view_offs;
            ggml_tensor to = view;
            to.src[0] = &from;
            for (int t = 0; t < threads; t++) {
                ggml_compute_params params = {};
                params.ith = t;
                params.nth = threads;
                whisperctl_fill_cache(&params, &to);
            }
        }
    }
    ggml_tensor tm = tensor(GGML_TYPE_F16, mask.data(), keys, queries, 1, 2, 2 * size_t(keys), 2 * mask.size());
    ggml_tensor to = tensor(GGML_TYPE_F32, out.data(), head, heads, queries, 4, 4 * d, 4 * r);
    to.src[0] = &tq;
    to.src[1] = &tk;
    to.src[2] = &tv;
    to.src[3] = masked ? &tm : nullptr;
    const float scale = 0.125f;
    std::memcpy(to.op_params, &scale, sizeof scale);
    bool taken = true;
    for (int i = 0; i < threads; i++) {
        ggml_compute_params params = {};
        params.ith = i;
        params.nth = threads;
        taken &= whisperctl_flash_attention(&params, &to);
    }
    double worst = taken ? 0 : INFINITY;
    std::vector<double> p(keys);
    for (int h = 0; h < heads; h++) {
        for (int i = 0; i < queries; i++) {
            double largest = -INFINITY, total = 0;
            for (int j = 0; j < keys; j++) {
                double s = 0;
                for (int e = 0; e < head; e++) {
                    s += double(q[i * row + h * head + e]) * widened(k[j * row + h * head + e]);
                }
                p[j] = s * scale + (masked ? widened(mask[size_t(i) * keys + j]) : 0);
                largest = std::max(largest, p[j]);
            }
            for (double & x : p) {
                x = largest == -INFINITY ? 0 : std::exp(x - largest);
                total += x;
            }
            for (int e = 0; e < head; e++) {
                double expected = 0;
                for (int j = 0; j < keys; j++) {
                    expected += p[j] * widened(v[j * row + h * head + e]);
                }
                expected = total == 0 ? 0 : expected / total;
                if (infinite && stored == kCaches && h == 0) {
                    expected = NAN; // of the whole head
                }
                if (!std::isfinite(expected)) {
                    double got = out[i * row + h * head + e];
                    worst = got == expected || (std::isnan(expected) && std::isnan(got)) ? worst : INFINITY;
                    continue;
                }
                double error = std::fabs(out[i * row + h * head + e] - expected);
                worst = std::isnan(error) ? INFINITY : std::max(worst, error);
            }
        }
    }
    char name[160];
    std::snprintf(name, sizeof name, "attention %d queries %d keys %d heads of %d threads %d%s", queries, keys, heads,
                  head, threads, masked ? " masked" : infinite == kKey ? " infinite key" : infinite ? " infinite" : stored == kCaches ? " cached" : "");
    report(name, worst, stored == kCaches ? 1.5e-3 : queries >= kFixedFrom && !infinite ? 1e-3 : 1e-5);
}

void attentions() {
    attention(1, 37, 3, 64, 1, false, kValue);
    attention(7, 37, 3, 64, 1, false, kValue);
    attention(50, 37, 3, 64, 1, false, kValue);
    attention(5, 256, 3, 64, 2, false, kValue, kCaches);
    attention(5, 256, 3, 64, 2, false, kKey, kCaches);
    for (int threads : {1, 3}) {
        attention(1, 256, 3, 64, threads, false, kNothing, kCaches);
        attention(2, 256, 2, 64, threads, false, kNothing, kCaches);
        attention(3, 512, 3, 64, threads, false, kNothing, kCaches);
        attention(4, 128, 1, 128, threads, false, kNothing, kCaches);
        attention(5, 1536, 6, 64, threads, false, kNothing, kCaches);
        attention(8, 256, 2, 8, threads, false, kNothing, kCaches);
        attention(61, 256, 2, 80, threads, false, kNothing, kCaches);
    }
    for (bool masked : {false, true}) {
        for (int threads : {1, 2, 5}) {
            attention(1, 1, 2, 64, threads, masked);
            attention(1, 37, 6, 64, threads, masked);
            attention(1, 1536, 3, 64, threads, masked);
            attention(2, 5, 1, 64, threads, masked);
            attention(5, 300, 3, 64, threads, masked);
            attention(7, 256, 2, 64, threads, masked);
            attention(50, 777, 3, 64, threads, masked);
            attention(67, 385, 2, 80, threads, masked);
            attention(1, 33, 2, 80, threads, masked);
            attention(13, 33, 2, 80, threads, masked);
        }
    }
}

} // namespace

int main() {
    conversions();
    exponential();
    sampling();
    normalizations();
    products();
    quantized_products();
    fixed_weights();
    attentions();
    return failed ? 1 : 0;
}
