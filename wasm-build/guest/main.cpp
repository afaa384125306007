// The guest: whisper.cpp as a plain WASI command that speaks the protocol of ../PROTOCOL.md, requests
// on standard input, events on standard output. It opens no file, reads no environment and takes no
// arguments; whatever a WASI runtime gives it beyond the two streams and a clock stays unused.

#include "whisper.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#define JSON_NOEXCEPTION
#include "json.hpp"

#ifndef WHISPERCTL_VARIANT
#error "the build names the variant"
#endif

extern "C" size_t whisperctl_memory_bytes(void);
extern "C" void whisperctl_forget_random_numbers(whisper_context * context);
extern "C" void whisperctl_forget_text(whisper_context * context);
extern "C" int whisperctl_fallbacks(whisper_context * context);
#ifdef WHISPERCTL_THREADS
extern "C" void whisperctl_threads_exit(void);
constexpr int kMaxThreads = 64;
#else
static void whisperctl_threads_exit(void) {}
constexpr int kMaxThreads = 1;
#endif

using Json = nlohmann::ordered_json;

namespace {

constexpr int kProtocol = 2;
constexpr int kPollMs = 1; // Wasmer takes a timeout of nothing for one without end.
constexpr size_t kMaxRequestLine = 1 << 20;
constexpr size_t kMinSamples = WHISPER_N_FFT;
constexpr int64_t kMaxSamples = int64_t(WHISPER_SAMPLE_RATE) * 60 * 60 * 12;
constexpr int64_t kMaxQuantizedValues = 1 << 21;
constexpr int kShortestTimestamp = 8; // in the 20 ms of a timestamp token

[[noreturn]] void die(const char * format, ...) {
    va_list args;
    va_start(args, format);
    std::vfprintf(stderr, format, args);
    va_end(args);
    std::fputc('\n', stderr);
    std::_Exit(1);
}

// ---------------------------------------------------------------------------------------- streams

// Standard input: lines of JSON, with raw bytes after some of them.
class Input {
  public:
    // One line without its end, or false at the end of the stream.
    bool line(std::string & out) {
        out.clear();
        for (;;) {
            if (begin_ == end_ && !fill()) {
                return !out.empty();
            }
            const char * start = buffer_ + begin_;
            const char * newline = static_cast<const char *>(std::memchr(start, '\n', end_ - begin_));
            size_t n = newline ? size_t(newline - start) : end_ - begin_;
            out.append(start, n);
            begin_ += n + (newline ? 1 : 0);
            if (newline) {
                return true;
            }
            if (out.size() > kMaxRequestLine) {
                die("protocol: a request line is longer than %zu bytes", kMaxRequestLine);
            }
        }
    }

    // Exactly n bytes, large ones straight to where they belong. A null `out` skips them.
    void bytes(void * out, size_t n) {
        char * to = static_cast<char *>(out);
        while (n > 0) {
            size_t have = end_ - begin_;
            if (have > 0) {
                size_t part = std::min(have, n);
                if (to) {
                    std::memcpy(to, buffer_ + begin_, part);
                    to += part;
                }
                begin_ += part;
                n -= part;
            } else if (to && n >= sizeof buffer_) {
                size_t part = raw_read(to, n);
                if (part == 0) {
                    die("protocol: input ended %zu bytes before the end of a payload", n);
                }
                to += part;
                n -= part;
            } else if (!fill()) {
                die("protocol: input ended %zu bytes before the end of a payload", n);
            }
        }
    }

    // Whether a cancel request is what comes next; takes it if so. Anything else that comes stays for
    // the next call of line().
    bool take_cancel() {
        static const char cancel[] = "{\"op\": \"cancel\"}\n";
        constexpr size_t length = sizeof cancel - 1;
        while (end_ - begin_ < length && !ended_) {
            if (std::memcmp(buffer_ + begin_, cancel, end_ - begin_) != 0) {
                return false;
            }
            pollfd ready = {STDIN_FILENO, POLLIN, 0};
            if (::poll(&ready, 1, kPollMs) <= 0) {
                return false;
            }
            std::memmove(buffer_, buffer_ + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
            size_t got = raw_read(buffer_ + end_, sizeof buffer_ - end_);
            end_ += got;
            ended_ = got == 0;
        }
        if (end_ - begin_ < length || std::memcmp(buffer_ + begin_, cancel, length) != 0) {
            return false;
        }
        begin_ += length;
        return true;
    }

  private:
    bool fill() {
        begin_ = 0;
        end_ = ended_ ? 0 : raw_read(buffer_, sizeof buffer_);
        return end_ > 0;
    }

    static size_t raw_read(char * to, size_t n) {
        for (;;) {
            ssize_t got = ::read(STDIN_FILENO, to, std::min(n, size_t(1) << 20));
            if (got >= 0) {
                return size_t(got);
            }
            if (errno != EINTR && errno != EAGAIN) {
                die("cannot read input: %s", std::strerror(errno));
            }
        }
    }

    char buffer_[1 << 16];
    size_t begin_ = 0;
    size_t end_ = 0;
    bool ended_ = false;
};

Input input;

void emit(const Json & event) {
    // Bytes that are no UTF-8 (a token may hold half a character) become U+FFFD here; `data` fields
    // carry the bytes themselves.
    std::string line = event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    const char * p = line.data();
    size_t left = line.size();
    while (left > 0) {
        ssize_t put = ::write(STDOUT_FILENO, p, left);
        if (put < 0) {
            if (errno == EINTR || errno == EAGAIN) {
                continue;
            }
            die("cannot write output: %s", std::strerror(errno));
        }
        p += put;
        left -= size_t(put);
    }
}

std::string base64(const void * bytes, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t * data = static_cast<const uint8_t *>(bytes);
    std::string out;
    out.reserve((n + 2) / 3 * 4);
    for (size_t i = 0; i < n; i += 3) {
        uint32_t bits = uint32_t(data[i]) << 16;
        bits |= i + 1 < n ? uint32_t(data[i + 1]) << 8 : 0;
        bits |= i + 2 < n ? uint32_t(data[i + 2]) : 0;
        out += digits[bits >> 18];
        out += digits[bits >> 12 & 63];
        out += i + 1 < n ? digits[bits >> 6 & 63] : '=';
        out += i + 2 < n ? digits[bits & 63] : '=';
    }
    return out;
}

// -------------------------------------------------------------------------------------------- log

// The first error of a request is the cause; those after it say only what else failed by it.
std::string first_error;

void on_log(ggml_log_level level, const char * text, void *) {
    if (level == GGML_LOG_LEVEL_DEBUG) {
        return;
    }
    std::string line(text);
    while (!line.empty() && line.back() == '\n') {
        line.pop_back();
    }
    if (line.empty()) {
        return;
    }
    if (level == GGML_LOG_LEVEL_ERROR && first_error.empty()) {
        first_error = line;
    }
    const char * name = level == GGML_LOG_LEVEL_ERROR ? "error" : level == GGML_LOG_LEVEL_WARN ? "warn" : "info";
    emit({{"event", "log"}, {"level", name}, {"text", line}});
}

void emit_error(const std::string & message) {
    emit({{"event", "error"}, {"message", first_error.empty() ? message : message + ": " + first_error}});
}

// ----------------------------------------------------------------------------------------- cancel

struct Run {
    bool active = false;
    bool cancelled = false;
    // Off while a graph computes that whisper.cpp takes for granted: one of its alignment, where it
    // aborts the process when a graph was cut short.
    bool may_stop_graphs = true;
    int64_t looked_us = 0;
};

Run run;

// Looking takes a millisecond or two (see kPollMs), so it is done rarely enough not to be felt.
constexpr int64_t kLookEveryUs = 100'000;

bool cancelled() {
    if (run.active && !run.cancelled) {
        int64_t now = ggml_time_us();
        if (now - run.looked_us >= kLookEveryUs) {
            run.looked_us = now;
            run.cancelled = input.take_cancel();
        }
    }
    return run.cancelled;
}

} // namespace

// Asked by ggml between the operations of a graph (see ../patches), on its first thread.
extern "C" bool whisperctl_stop_requested(void) {
    return run.may_stop_graphs && cancelled();
}

namespace {

// Whether the run was cancelled, which then has been said.
bool end_run() {
    const bool was_cancelled = run.cancelled;
    run = {};
    if (was_cancelled) {
        emit({{"event", "cancelled"}});
    }
    return was_cancelled;
}

// --------------------------------------------------------------------------------------- requests

// Reads a request's fields and remembers what was wrong and what was not asked for by name, so that a
// misspelt parameter is an error and not a default.
class Fields {
  public:
    explicit Fields(const Json & object) : object_(object) {}

    bool flag(const char * name) {
        const Json * v = find(name);
        return v && v->is_boolean() ? v->get<bool>() : bad(name, "true or false");
    }
    double number(const char * name) {
        const Json * v = find(name);
        return v && v->is_number() ? v->get<double>() : bad(name, "a number");
    }
    int64_t integer(const char * name, int64_t low, int64_t high) {
        const Json * v = find(name);
        if (v && v->is_number_integer()) {
            int64_t value = v->get<int64_t>();
            if (value >= low && value <= high) {
                return value;
            }
        }
        return bad(name, ("an integer from " + std::to_string(low) + " to " + std::to_string(high)).c_str());
    }
    std::string string(const char * name) {
        const Json * v = find(name);
        if (v && v->is_string()) {
            return v->get<std::string>();
        }
        bad(name, "a string");
        return {};
    }

    // Empty when every field was right and known.
    std::string problem() const {
        if (problem_.empty() && object_.is_object()) {
            for (const auto & item : object_.items()) {
                if (std::find(known_.begin(), known_.end(), item.key()) == known_.end()) {
                    return "unknown field \"" + item.key() + "\"";
                }
            }
        }
        return problem_;
    }

  private:
    const Json * find(const char * name) {
        known_.push_back(name);
        auto it = object_.find(name);
        return it == object_.end() ? nullptr : &*it;
    }
    int bad(const char * name, const char * expected) {
        if (problem_.empty()) {
            problem_ = std::string("field \"") + name + "\" must be " + expected;
        }
        return 0;
    }

    const Json & object_;
    std::vector<std::string> known_;
    std::string problem_;
};

struct Payload {
    size_t left;
    bool past_end;
};

// whisper.cpp reads tensor after tensor into place, so a model is never in memory twice.
whisper_model_loader loader_of(Payload & payload) {
    whisper_model_loader loader = {};
    loader.context = &payload;
    loader.read = [](void * ctx, void * out, size_t n) {
        auto & p = *static_cast<Payload *>(ctx);
        size_t part = std::min(n, p.left);
        p.past_end |= n > p.left;
        input.bytes(out, part);
        p.left -= part;
        return part;
    };
    loader.eof = [](void * ctx) { return static_cast<Payload *>(ctx)->past_end; };
    loader.close = [](void *) {};
    return loader;
}

// Models whose alignment heads whisper.cpp knows.
constexpr std::pair<const char *, whisper_alignment_heads_preset> kAlignment[] = {
    {"", WHISPER_AHEADS_NONE},
    {"tiny.en", WHISPER_AHEADS_TINY_EN},
    {"tiny", WHISPER_AHEADS_TINY},
    {"base.en", WHISPER_AHEADS_BASE_EN},
    {"base", WHISPER_AHEADS_BASE},
    {"small.en", WHISPER_AHEADS_SMALL_EN},
    {"small", WHISPER_AHEADS_SMALL},
    {"medium.en", WHISPER_AHEADS_MEDIUM_EN},
    {"medium", WHISPER_AHEADS_MEDIUM},
    {"large-v1", WHISPER_AHEADS_LARGE_V1},
    {"large-v2", WHISPER_AHEADS_LARGE_V2},
    {"large-v3", WHISPER_AHEADS_LARGE_V3},
    {"large-v3-turbo", WHISPER_AHEADS_LARGE_V3_TURBO},
};

// Whether the loaded model aligns tokens with what is heard.
bool aligning = false;

void load(const Json & request, whisper_context *& context) {
    Fields fields(request);
    fields.string("op");
    size_t size = size_t(fields.integer("bytes", 1, INT64_C(0xffffffff)));
    bool flash_attn = fields.flag("flash_attn");
    const std::string heads = fields.string("dtw_aheads_preset");
    size_t dtw_mem_size = size_t(fields.integer("dtw_mem_size", 0, INT64_C(0x7fffffff)));
    const auto * alignment = std::find_if(std::begin(kAlignment), std::end(kAlignment),
                                          [&](const auto & known) { return heads == known.first; });
    std::string problem = fields.problem();
    if (problem.empty() && alignment == std::end(kAlignment)) {
        problem = "field \"dtw_aheads_preset\" must be a model's name or empty";
    }
    if (problem.empty() && flash_attn && !heads.empty()) {
        problem = "flash_attn gives no attention to align by";
    }
    if (!problem.empty()) {
        die("protocol: load: %s", problem.c_str());
    }
    if (context) {
        die("protocol: load: a model is loaded already");
    }

    Payload payload{size, false};
    whisper_model_loader loader = loader_of(payload);
    whisper_context_params params = whisper_context_default_params();
    params.use_gpu = false;
    params.flash_attn = flash_attn;
    params.dtw_token_timestamps = aligning = !heads.empty();
    params.dtw_aheads_preset = alignment->second;
    params.dtw_mem_size = dtw_mem_size;
    context = whisper_init_with_params(&loader, params);
    input.bytes(nullptr, payload.left);
    if (!context) {
        emit_error("whisper.cpp refused the model");
        return;
    }
    emit({{"event", "ready"},
          {"type", whisper_model_type_readable(context)},
          {"multilingual", whisper_is_multilingual(context) != 0},
          {"n_vocab", whisper_n_vocab(context)},
          {"ftype", whisper_model_ftype(context)},
          {"memory_bytes", whisperctl_memory_bytes()}});
}

// What of a run its callbacks need.
struct Transcription {
    bool token_times = false;
    bool forget_text = false;
    float temperature = 0.0f;
    float temperature_inc = 0.0f;
    int windows = 0;
    int emitted = 0;
    int fallbacks = 0; // of all windows before the present one

    // whisper.cpp tries one temperature after the other, up to 1.
    float temperature_of_window(whisper_context * context) const {
        float now = temperature;
        for (int left = whisperctl_fallbacks(context) - fallbacks; left > 0; left--) {
            if (!(now + temperature_inc < 1.0f + 1e-6f)) {
                break;
            }
            now += temperature_inc;
        }
        return now;
    }
};

// Segments that were not emitted yet, all of one window.
void emit_segments(whisper_context * context, Transcription & transcription) {
    const whisper_token eot = whisper_token_eot(context);
    const int n = whisper_full_n_segments(context);
    for (int & i = transcription.emitted; i < n; i++) {
        Json tokens = Json::array();
        for (int j = 0; j < whisper_full_n_tokens(context, i); j++) {
            whisper_token_data token = whisper_full_get_token_data(context, i, j);
            if (token.id < eot) {
                const char * bytes = whisper_token_to_str(context, token.id);
                Json fields = {token.id, token.p, base64(bytes, std::strlen(bytes))};
                if (transcription.token_times) {
                    fields.push_back(token.t0);
                    fields.push_back(token.t1);
                    fields.push_back(token.t_dtw);
                }
                tokens.push_back(std::move(fields));
            }
        }
        emit({{"event", "segment"},
              {"t0", whisper_full_get_segment_t0(context, i)},
              {"t1", whisper_full_get_segment_t1(context, i)},
              {"text", whisper_full_get_segment_text(context, i)},
              {"no_speech", whisper_full_get_segment_no_speech_prob(context, i)},
              {"temperature", transcription.temperature_of_window(context)},
              {"tokens", std::move(tokens)}});
    }
}

void transcribe(const Json & request, whisper_context * context) {
    Fields fields(request);
    fields.string("op");
    int64_t n_samples = fields.integer("samples", 0, kMaxSamples);
    const std::string strategy = fields.string("strategy");
    whisper_full_params params = whisper_full_default_params(
        strategy == "beam_search" ? WHISPER_SAMPLING_BEAM_SEARCH : WHISPER_SAMPLING_GREEDY);
    params.n_threads = int(fields.integer("threads", 1, kMaxThreads));
    params.greedy.best_of = int(fields.integer("best_of", 1, 8));
    params.beam_search.beam_size = int(fields.integer("beam_size", 1, 8));
    params.temperature = float(fields.number("temperature"));
    params.temperature_inc = float(fields.number("temperature_inc"));
    params.entropy_thold = float(fields.number("entropy_thold"));
    params.logprob_thold = float(fields.number("logprob_thold"));
    params.no_speech_thold = float(fields.number("no_speech_thold"));
    params.n_max_text_ctx = int(fields.integer("n_max_text_ctx", 0, 16384));
    params.no_context = fields.flag("no_context");
    params.carry_initial_prompt = fields.flag("carry_initial_prompt");
    params.suppress_nst = fields.flag("suppress_nst");
    params.token_timestamps = fields.flag("token_timestamps");
    params.translate = fields.flag("translate");
    const std::string language = fields.string("language");
    const std::string prompt = fields.string("initial_prompt");
    const std::string suppressed = fields.string("suppress_regex");
    Transcription transcription;
    transcription.forget_text = fields.flag("forget_text");
    transcription.token_times = params.token_timestamps || aligning;
    transcription.temperature = params.temperature;
    transcription.temperature_inc = params.temperature_inc;
    params.language = language.c_str();
    params.initial_prompt = prompt.empty() ? nullptr : prompt.c_str();
    params.suppress_regex = suppressed.empty() ? nullptr : suppressed.c_str();

    std::string problem = fields.problem();
    if (problem.empty() && strategy != "greedy" && strategy != "beam_search") {
        problem = "field \"strategy\" must be greedy or beam_search";
    }
    if (!problem.empty()) {
        // Where the next request starts is not known, so nothing after this could be trusted.
        die("protocol: transcribe: %s", problem.c_str());
    }

    params.print_special = false;
    params.print_progress = false;
    params.print_realtime = false;
    params.print_timestamps = false;

    // Padded where there is less than one window of the Fourier transform: whisper.cpp would read beyond
    // its end and, without any sample, transcribe the recording before once more.
    std::vector<float> samples(std::max(static_cast<size_t>(n_samples), kMinSamples));
    input.bytes(samples.data(), static_cast<size_t>(n_samples) * sizeof(float));
    if (!context) {
        emit_error("no model is loaded");
        return;
    }

    // While it aligns, whisper.cpp gives wrong counts of new segments, and gives them before they have
    // their times: there they go out with the window's end, which is where progress is reported.
    if (!aligning) {
        params.new_segment_callback = [](whisper_context * ctx, whisper_state *, int, void * data) {
            emit_segments(ctx, *static_cast<Transcription *>(data));
        };
        params.new_segment_callback_user_data = &transcription;
    }
    params.progress_callback = [](whisper_context * ctx, whisper_state *, int percent, void * data) {
        auto & t = *static_cast<Transcription *>(data);
        emit_segments(ctx, t);
        t.fallbacks = whisperctl_fallbacks(ctx);
        emit({{"event", "progress"}, {"percent", percent}});
    };
    params.progress_callback_user_data = &transcription;
    params.encoder_begin_callback = [](whisper_context * ctx, whisper_state *, void * data) {
        auto & t = *static_cast<Transcription *>(data);
        if (t.windows++ > 0 && t.forget_text) {
            whisperctl_forget_text(ctx);
        }
        run.may_stop_graphs = true;
        return true;
    };
    params.encoder_begin_callback_user_data = &transcription;
    // The next window begins where the last timestamp says, and whisper.cpp cannot align what lies before it
    // when that is next to nothing. So a segment may not end within 0.14 s of its window's start.
    if (aligning) {
        params.logits_filter_callback = [](whisper_context * ctx, whisper_state *,
                                           const whisper_token_data *, int n_tokens, float * logits,
                                           void *) {
            if (n_tokens > 0) {
                float * first = logits + whisper_token_beg(ctx) + 1;
                std::fill(first, first + kShortestTimestamp - 1, -INFINITY);
            }
        };
    }
    // Asked after a pass of the encoder and after each of the decoder, the last of which the alignment
    // follows.
    params.abort_callback = [](void *) {
        run.may_stop_graphs = !aligning;
        return cancelled();
    };

    first_error.clear();
    whisperctl_forget_random_numbers(context);
    whisper_reset_timings(context);
    transcription.fallbacks = whisperctl_fallbacks(context);
    run = {true, false, true, ggml_time_us()};
    int status = whisper_full(context, params, samples.data(), int(samples.size()));
    if (end_run()) {
        return;
    }
    if (status != 0) {
        emit_error("whisper_full failed with status " + std::to_string(status));
        return;
    }
    whisper_print_timings(context);
    // No segment means that nothing was decoded, and then the language is whatever came before.
    emit({{"event", "result"},
          {"segments", whisper_full_n_segments(context)},
          {"language", whisper_lang_str(whisper_full_lang_id(context))},
          {"memory_bytes", whisperctl_memory_bytes()}});
}

void load_vad(const Json & request, whisper_vad_context *& detector) {
    Fields fields(request);
    fields.string("op");
    size_t size = size_t(fields.integer("bytes", 1, INT64_C(0xffffffff)));
    whisper_vad_context_params params = whisper_vad_default_context_params();
    params.n_threads = int(fields.integer("threads", 1, kMaxThreads));
    params.use_gpu = false;
    if (!fields.problem().empty()) {
        die("protocol: load_vad: %s", fields.problem().c_str());
    }
    if (detector) {
        die("protocol: load_vad: a model is loaded already");
    }
    Payload payload{size, false};
    whisper_model_loader loader = loader_of(payload);
    detector = whisper_vad_init_with_params(&loader, params);
    input.bytes(nullptr, payload.left);
    if (!detector) {
        emit_error("whisper.cpp refused the model");
        return;
    }
    emit({{"event", "ready"}, {"memory_bytes", whisperctl_memory_bytes()}});
}

void detect(const Json & request, whisper_vad_context * detector) {
    Fields fields(request);
    fields.string("op");
    const int64_t n_samples = fields.integer("samples", 1, kMaxSamples);
    whisper_vad_params params = whisper_vad_default_params();
    params.threshold = float(fields.number("threshold"));
    params.min_speech_duration_ms = int(fields.integer("min_speech_duration_ms", 0, 60'000));
    params.min_silence_duration_ms = int(fields.integer("min_silence_duration_ms", 0, 60'000));
    params.max_speech_duration_s = float(fields.number("max_speech_duration_s"));
    params.speech_pad_ms = int(fields.integer("speech_pad_ms", 0, 60'000));
    if (!fields.problem().empty()) {
        die("protocol: detect: %s", fields.problem().c_str());
    }
    std::vector<float> samples(static_cast<size_t>(n_samples));
    input.bytes(samples.data(), samples.size() * sizeof(float));
    if (!detector) {
        emit_error("no detector is loaded");
        return;
    }
    first_error.clear();
    run = {true, false, true, ggml_time_us()};
    const bool done = whisper_vad_detect_speech(detector, samples.data(), int(n_samples));
    if (end_run()) {
        return;
    }
    // A graph that failed ends it early, and only the log says so.
    if (!done || !first_error.empty()) {
        emit_error("whisper_vad_detect_speech failed");
        return;
    }
    whisper_vad_segments * segments = whisper_vad_segments_from_probs(detector, params);
    if (!segments) {
        emit_error("whisper_vad_segments_from_probs failed");
        return;
    }
    Json spans = Json::array();
    for (int i = 0; i < whisper_vad_segments_n_segments(segments); i++) {
        spans.push_back({whisper_vad_segments_get_segment_t0(segments, i),
                         whisper_vad_segments_get_segment_t1(segments, i)});
    }
    whisper_vad_free_segments(segments);
    emit({{"event", "detected"},
          {"spans", std::move(spans)},
          {"probabilities", base64(whisper_vad_probs(detector),
                                   size_t(whisper_vad_n_probs(detector)) * sizeof(float))},
          {"memory_bytes", whisperctl_memory_bytes()}});
}

// Rows of numbers in one of ggml's formats, made by the function that whisper.cpp's quantize tool calls.
// Every row is quantized by itself, so a host may send a tensor in as many parts as it likes.
void quantize(const Json & request) {
    Fields fields(request);
    fields.string("op");
    const std::string name = fields.string("type");
    const int64_t columns = fields.integer("columns", 1, kMaxQuantizedValues);
    const int64_t rows = fields.integer("rows", 1, kMaxQuantizedValues);
    std::string problem = fields.problem();
    ggml_type type = GGML_TYPE_COUNT;
    for (ggml_type known : {GGML_TYPE_Q4_0, GGML_TYPE_Q4_1, GGML_TYPE_Q5_0, GGML_TYPE_Q5_1, GGML_TYPE_Q8_0}) {
        if (name == ggml_type_name(known)) {
            type = known;
        }
    }
    if (problem.empty() && type == GGML_TYPE_COUNT) {
        problem = "field \"type\" must be q4_0, q4_1, q5_0, q5_1 or q8_0";
    }
    if (problem.empty() && columns % ggml_blck_size(type) != 0) {
        problem = "field \"columns\" must be a multiple of " + std::to_string(ggml_blck_size(type));
    }
    if (problem.empty() && columns * rows > kMaxQuantizedValues) {
        problem = "at most " + std::to_string(kMaxQuantizedValues) + " values at a time";
    }
    if (!problem.empty()) {
        die("protocol: quantize: %s", problem.c_str());
    }
    std::vector<float> values(static_cast<size_t>(columns * rows));
    input.bytes(values.data(), values.size() * sizeof(float));
    std::vector<uint8_t> quantized(static_cast<size_t>(rows) * ggml_row_size(type, columns));
    ggml_quantize_chunk(type, values.data(), quantized.data(), 0, rows, columns, nullptr);
    emit({{"event", "quantized"}, {"data", base64(quantized.data(), quantized.size())}});
}

} // namespace

int main() {
    whisper_log_set(on_log, nullptr);
    emit({{"event", "hello"},
          {"protocol", kProtocol},
          {"variant", WHISPERCTL_VARIANT},
          {"max_threads", kMaxThreads},
          {"whisper", whisper_version()},
          {"system_info", whisper_print_system_info()}});

    std::string line;
    whisper_context * context = nullptr;
    whisper_vad_context * detector = nullptr;
    while (input.line(line)) {
        if (line.empty()) {
            continue;
        }
        Json request = Json::parse(line, nullptr, false);
        if (!request.is_object()) {
            die("protocol: a request is not a JSON object");
        }
        std::string op = request.value("op", "");
        if (op == "load") {
            load(request, context);
        } else if (op == "transcribe") {
            transcribe(request, context);
        } else if (op == "load_vad") {
            load_vad(request, detector);
        } else if (op == "detect") {
            detect(request, detector);
        } else if (op == "quantize") {
            quantize(request);
        } else if (op == "cancel") {
            // It came when the run it was meant for was over.
        } else if (op == "quit") {
            break;
        } else {
            die("protocol: unknown op \"%s\"", op.c_str());
        }
    }
    whisper_free(context);
    whisper_vad_free(detector);
    whisperctl_threads_exit();
    return 0;
}
