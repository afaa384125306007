#pragma once

#include <libavformat/avio.h>
#include <libavutil/bprint.h>
#include <stddef.h>
#include <stdint.h>

/// The two streams of this program, and the one file that the host serves through them.

/// Reads the next request into `line`, without its newline. Returns false at the end of the input.
bool host_request(char *line, size_t size);

/// Writes one event, frees its text, and then writes a payload of `n_bytes` if that is not NULL.
void host_event(AVBPrint *event, const void *payload, size_t n_bytes);

/// Ends the process, because where the next request starts is not known any more.
_Noreturn void host_broken(void);

/// A stretch of the file.
struct span {
    int64_t offset;
    size_t length;
};

enum { MOST_SPANS = 128, MOST_BYTES = 1 << 20 };

/// Fills in the stretches that will be read from `position` on, in order, at most MOST_SPANS of
/// MOST_BYTES in all, and returns their number: 0 if nobody knows.
typedef int (*Foresight)(int64_t position, struct span *spans);

/// Has the file ask for several stretches at once where `foresight` knows them.
void host_file_foresee(AVIOContext *file, Foresight foresight);

/// The file of `size` bytes as FFmpeg reads files; NULL without memory for it.
AVIOContext *host_file_open(int64_t size);

void host_file_close(AVIOContext **file);
