// A table of where the time goes, one line for each kind and shape of operation, printed to standard
// error when the program ends. Only in modules built with `build.py --profile`.

#ifdef WHISPERCTL_PROFILE

#include "ggml.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace {

struct Entry {
    int64_t time_us;
    int64_t runs;
    double flops;
};

using Table = std::map<std::string, Entry>;

Table & table() {
    static Table * entries = new Table;
    return *entries;
}

std::string shape(const ggml_tensor * tensor) {
    std::string text = ggml_type_name(tensor->type);
    for (int i = 0; i < ggml_n_dims(tensor); i++) {
        text += (i ? "x" : " ") + std::to_string(tensor->ne[i]);
    }
    return text;
}

void print() {
    std::vector<std::pair<std::string, Entry>> lines(table().begin(), table().end());
    std::sort(lines.begin(), lines.end(), [](auto & a, auto & b) { return a.second.time_us > b.second.time_us; });
    std::fprintf(stderr, "%9s %7s %8s  operation\n", "ms", "runs", "GFLOP/s");
    for (auto & [name, entry] : lines) {
        std::fprintf(stderr, "%9.2f %7lld %8.1f  %s\n", double(entry.time_us) / 1e3, (long long) entry.runs,
                     entry.flops / 1e3 / double(std::max<int64_t>(entry.time_us, 1)), name.c_str());
    }
}

} // namespace

// Called by the patched ggml, on its first thread, after every operation.
extern "C" void whisperctl_profile(const ggml_tensor * node, int64_t time_us) {
    if (table().empty()) {
        std::atexit(print);
    }
    std::string name = ggml_op_desc(node);
    for (int i = 0; i < GGML_MAX_SRC && node->src[i]; i++) {
        name += (i ? ", " : "  ") + shape(node->src[i]);
    }
    name += " -> " + shape(node);
    Entry & entry = table()[name];
    entry.time_us += time_us;
    entry.runs++;
    if (node->op == GGML_OP_MUL_MAT) {
        entry.flops += 2.0 * double(node->src[0]->ne[0]) * double(ggml_nelements(node));
    } else if (node->op == GGML_OP_FLASH_ATTN_EXT) {
        entry.flops += 4.0 * double(node->src[1]->ne[1]) * double(ggml_nelements(node));
    }
}

#endif
