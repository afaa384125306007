#pragma once

#include <libavformat/avio.h>
#include <libavutil/bprint.h>

/// The two streams of this program, and the one file that the host serves through them.

/// Reads the next request into `line`, without its newline. Returns false at the end of the input.
bool host_request(char *line, size_t size);

/// Writes one event, frees its text, and then writes a payload of `n_bytes` if that is not NULL.
void host_event(AVBPrint *event, const void *payload, size_t n_bytes);

/// Ends the process, because where the next request starts is not known any more.
_Noreturn void host_broken(void);

/// The file of `size` bytes as FFmpeg reads files; NULL without memory for it.
AVIOContext *host_file_open(int64_t size);

void host_file_close(AVIOContext **file);
