// The two streams of this program. The host answers requests for bytes of the file on standard
// input, between the requests that it makes of us: it sends one only when we wait for one.

#include <stdbool.h>

#include "host.h"

#include <errno.h>
#include <libavutil/error.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    // FFmpeg's own size: it decides where seeking is not worth it by it.
    BUFFER_BYTES = 32 << 10,
    // A read after a seek is small, as video may come next, and each that follows it twice as large.
    LEAST_BYTES = 32 << 10,
    COUNT_BYTES = 4,
    LINE_BYTES = 128,
    SPAN_CHARACTERS = 32,
};

#define READ_ERROR 0xFFFFFFFFu

struct file {
    int64_t size;
    int64_t position;
    Foresight foresight;
    // The stretches that came last, one behind the other and behind the count they came with.
    struct span spans[MOST_SPANS];
    int n_spans;
    size_t next_bytes;
    uint8_t answer[COUNT_BYTES + MOST_BYTES];
};

// What came with a line and is not part of it.
static uint8_t rest[LINE_BYTES];
static size_t rest_at, rest_end;

_Noreturn void host_broken(void)
{
    exit(1);
}

/// Reads at least one byte and at most `n_bytes`; 0 at the end of the input.
static size_t read_some(uint8_t *out, size_t n_bytes)
{
    if (rest_at < rest_end) {
        size_t n = rest_end - rest_at < n_bytes ? rest_end - rest_at : n_bytes;
        memcpy(out, rest + rest_at, n);
        rest_at += n;
        return n;
    }
    ssize_t n = read(STDIN_FILENO, out, n_bytes);
    return n > 0 ? (size_t)n : 0;
}

static void write_all(const void *data, size_t n_bytes)
{
    const uint8_t *left = data;
    while (n_bytes) {
        ssize_t n = write(STDOUT_FILENO, left, n_bytes);
        if (n <= 0)
            host_broken();
        left += n;
        n_bytes -= (size_t)n;
    }
}

bool host_request(char *line, size_t size)
{
    size_t length = 0;
    for (;;) {
        if (rest_at == rest_end) {
            rest_at = 0;
            rest_end = 0;
            rest_end = read_some(rest, sizeof rest);
            if (!rest_end)
                return false;
        }
        char c = (char)rest[rest_at++];
        if (c == '\n') {
            line[length] = 0;
            return true;
        }
        if (length + 1 == size)
            host_broken();
        line[length++] = c;
    }
}

void host_event(AVBPrint *event, const void *payload, size_t n_bytes)
{
    av_bprintf(event, "\n");
    if (payload)
        av_bprintf(event, "#%zu\n", n_bytes);
    if (!av_bprint_is_complete(event))
        host_broken();
    write_all(event->str, event->len);
    av_bprint_finalize(event, NULL);
    if (payload)
        write_all(payload, n_bytes);
}

/// Asks for the file's first `n_spans` spans. Returns 0, or an error of FFmpeg's.
static int ask(struct file *file, int n_spans)
{
    char line[MOST_SPANS * SPAN_CHARACTERS + LINE_BYTES];
    int length = 0;
    size_t n_bytes = 0;
    for (int i = 0; i < n_spans; i++) {
        n_bytes += file->spans[i].length;
        length += snprintf(line + length, sizeof line - (size_t)length, "%s[%lld,%zu]",
                           i ? "," : "{\"event\":\"read\",\"spans\":[",
                           (long long)file->spans[i].offset, file->spans[i].length);
    }
    length += snprintf(line + length, sizeof line - (size_t)length, "]}\n");
    file->n_spans = 0;
    write_all(line, (size_t)length);
    size_t have = 0, wanted = COUNT_BYTES;
    while (have < wanted) {
        // Count and bytes in one read where they come together.
        size_t n = read_some(file->answer + have, COUNT_BYTES + n_bytes - have);
        if (!n)
            host_broken();
        if (have < COUNT_BYTES && have + n >= COUNT_BYTES) {
            uint32_t count = AV_RL32(file->answer);
            if (count == READ_ERROR)
                return AVERROR(EIO);
            if (count > n_bytes)
                host_broken();
            wanted = COUNT_BYTES + count;
        }
        have += n;
    }
    if (have > wanted)
        host_broken();
    // A file that became shorter lacks the last of them.
    size_t left = wanted - COUNT_BYTES;
    while (left && file->n_spans < n_spans) {
        struct span *span = &file->spans[file->n_spans++];
        if (span->length > left)
            span->length = left;
        left -= span->length;
    }
    return file->n_spans ? 0 : AVERROR_EOF;
}

/// Where the byte at the file's position lies among those that came, and how many follow it there.
static const uint8_t *find(const struct file *file, size_t *n_bytes)
{
    const uint8_t *at = file->answer + COUNT_BYTES;
    for (int i = 0; i < file->n_spans; i++) {
        const struct span *span = &file->spans[i];
        if (file->position >= span->offset
            && file->position < span->offset + (int64_t)span->length) {
            size_t before = (size_t)(file->position - span->offset);
            *n_bytes = span->length - before;
            return at + before;
        }
        at += span->length;
    }
    return NULL;
}

/// Asks for what is at the file's position, `least` bytes if they are not foreseen, and for more.
static int ask_ahead(struct file *file, size_t least)
{
    if (file->foresight) {
        int n_spans = file->foresight(file->position, file->spans);
        if (n_spans)
            return ask(file, n_spans);
    }
    size_t n_bytes = LEAST_BYTES;
    if (file->n_spans) {
        const struct span *last = &file->spans[file->n_spans - 1];
        if (file->position == last->offset + (int64_t)last->length)
            n_bytes = file->next_bytes;
    }
    if (n_bytes < least)
        n_bytes = least < MOST_BYTES ? least : MOST_BYTES;
    if ((int64_t)n_bytes > file->size - file->position)
        n_bytes = (size_t)(file->size - file->position);
    file->next_bytes = 2 * n_bytes < MOST_BYTES ? 2 * n_bytes : MOST_BYTES;
    file->spans[0] = (struct span){ file->position, n_bytes };
    return ask(file, 1);
}

static int file_read(void *opaque, uint8_t *out, int size)
{
    struct file *file = opaque;
    if (size <= 0)
        return AVERROR(EINVAL);
    if (file->position >= file->size)
        return AVERROR_EOF;
    size_t n;
    const uint8_t *found = find(file, &n);
    if (!found) {
        int result = ask_ahead(file, (size_t)size);
        if (result < 0)
            return result;
        found = find(file, &n);
        if (!found)
            return AVERROR_EOF;
    }
    if (n > (size_t)size)
        n = (size_t)size;
    memcpy(out, found, n);
    file->position += (int64_t)n;
    return (int)n;
}

static int64_t file_seek(void *opaque, int64_t offset, int whence)
{
    struct file *file = opaque;
    if (whence & AVSEEK_SIZE)
        return file->size;
    switch (whence & ~AVSEEK_FORCE) {
    case SEEK_SET: break;
    case SEEK_CUR:
        if (offset > INT64_MAX - file->position)
            return AVERROR(EINVAL);
        offset += file->position;
        break;
    case SEEK_END:
        if (offset > INT64_MAX - file->size)
            return AVERROR(EINVAL);
        offset += file->size;
        break;
    default: return AVERROR(EINVAL);
    }
    if (offset < 0)
        return AVERROR(EINVAL);
    return file->position = offset;
}

AVIOContext *host_file_open(int64_t size)
{
    struct file *file = av_malloc(sizeof *file);
    uint8_t *buffer = av_malloc(BUFFER_BYTES);
    AVIOContext *context = NULL;
    if (file && buffer)
        context = avio_alloc_context(buffer, BUFFER_BYTES, 0, file, file_read, NULL, file_seek);
    if (!context) {
        av_free(buffer);
        av_free(file);
        return NULL;
    }
    file->size = size;
    file->position = 0;
    file->foresight = NULL;
    file->n_spans = 0;
    file->next_bytes = LEAST_BYTES;
    return context;
}

void host_file_foresee(AVIOContext *context, Foresight foresight)
{
    ((struct file *)context->opaque)->foresight = foresight;
}

void host_file_close(AVIOContext **file)
{
    if (!*file)
        return;
    // FFmpeg may have replaced the buffer.
    av_freep(&(*file)->buffer);
    av_freep(&(*file)->opaque);
    avio_context_free(file);
}
