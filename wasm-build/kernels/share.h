// How threads divide the work of an operation.
#pragma once

#include <algorithm>
#include <cstdint>

namespace kernels {

struct Range {
    int64_t begin;
    int64_t end;
};

// The part of [0, n) that is thread `ith`'s of `nth`, cut at multiples of `unit`.
inline Range share(int64_t n, int64_t unit, int ith, int nth) {
    int64_t units = (n + unit - 1) / unit;
    return {std::min(n, units * ith / nth * unit), std::min(n, units * (ith + 1) / nth * unit)};
}

// Groups of about equal size, up to `most` each, that n things are taken in; and where one of them begins.
template <class T> T groups_of(T n, int most) { return (n + most - 1) / most; }
template <class T> T group_begin(T n, T groups, T group) { return n * group / groups; }

} // namespace kernels
