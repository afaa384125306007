// FFmpeg's demuxers and decoders behind two streams: ../PROTOCOL.md, "media.wasm", is what is said.
//
// It opens, demuxes and decodes as PyAV does, which is what whisperctl reads media with outside of
// a sandbox, so that both give the same samples with the same times.

#include <stdbool.h>

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/bprint.h>
#include <libavutil/dict.h>
#include <libavutil/error.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host.h"
#include "json.h"
#include "samples.h"

// Formats that hold their media themselves: no playlist, no list of files, no device.
static const char FORMATS[] =
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,dtshd,eac3,flac,flv,gsm,loas,matroska,mlp,"
    "mov,mp3,mpeg,mpegts,ogg,tak,truehd,tta,voc,w64,wav,wv,xwma";

enum {
    BLOCK_SAMPLES = 65536,      // of each channel; the host puts together what has less
    SPARE_SAMPLES = 8192,       // by which a block's last frame may exceed it
    BLOCK_BYTES = 4 << 20,      // with many channels, fewer samples
    BLOCK_ENTRIES = 4096,
    MOST_CHANNELS = 1024,
    MOST_TAGS = 16,
    ENTRIES_TRIED = 256,        // of an index, in search of a packet's place
    LEAST_GAP = 32 << 10,       // between packets; FFmpeg reads over a smaller one
    FORESEEN_BYTES = 512 << 10,
};

static struct {
    AVIOContext *file;
    AVFormatContext *format;
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *frame;
    int stream;        // index of the one that is decoded
    int entry;         // of its index, the last that was found
    bool receiving;    // the decoder was given a packet, and may have more of its frames
    bool received;     // it gave one
    bool draining;     // the file has ended, and the decoder has what is left
    bool ended;
    bool began;        // there was a frame with samples
    int done;          // samples of `frame` that are in a block already
    bool left;         // `frame` has more
} media;

static uint8_t *block;

// ------------------------------------------------------------------------------------------------

static void say_error(const char *kind, const char *message)
{
    AVBPrint event;
    av_bprint_init(&event, 0, AV_BPRINT_SIZE_UNLIMITED);
    av_bprintf(&event, "{\"event\":\"error\",\"kind\":\"%s\",\"message\":", kind);
    json_string(&event, message);
    av_bprintf(&event, "}");
    host_event(&event, NULL, 0);
}

static void say_failure(int error)
{
    char message[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(error, message, sizeof message);
    switch (error) {
    case AVERROR(ENOMEM): say_error("memory", message); break;
    case AVERROR_PATCHWELCOME:
    case AVERROR_DEMUXER_NOT_FOUND:
    case AVERROR_DECODER_NOT_FOUND:
    case AVERROR(ENOSYS): say_error("unsupported", message); break;
    default: say_error("invalid", message);
    }
}

/// A number or null.
static void number(AVBPrint *out, const char *name, int64_t value)
{
    if (value == AV_NOPTS_VALUE)
        av_bprintf(out, ",\"%s\":null", name);
    else
        av_bprintf(out, ",\"%s\":%lld", name, (long long)value);
}

static void text(AVBPrint *out, const char *name, const AVDictionary *tags, const char *key)
{
    const AVDictionaryEntry *entry = av_dict_get(tags, key, NULL, AV_DICT_MATCH_CASE);
    av_bprintf(out, ",\"%s\":", name);
    json_string(out, entry ? entry->value : "");
}

/// The tags that say how long a track is.
static void durations(AVBPrint *out, const AVDictionary *tags)
{
    const AVDictionaryEntry *entry = NULL;
    int n = 0;
    av_bprintf(out, ",\"tags\":[");
    while (n < MOST_TAGS && (entry = av_dict_get(tags, "DURATION", entry, AV_DICT_IGNORE_SUFFIX))) {
        if (strlen(entry->key) != 8 && entry->key[8] != '-')
            continue;
        av_bprintf(out, n++ ? ",[" : "[");
        json_string(out, entry->key);
        av_bprintf(out, ",");
        json_string(out, entry->value);
        av_bprintf(out, "]");
    }
    av_bprintf(out, "]");
}

/// Whether there is a decoder; that of FLAC does not know the frames of 32 bits.
static bool is_decoded(const AVCodecParameters *coding)
{
    return avcodec_find_decoder(coding->codec_id)
           && !(coding->codec_id == AV_CODEC_ID_FLAC && coding->bits_per_raw_sample == 32);
}

static void track(AVBPrint *out, const AVStream *stream)
{
    const AVCodecParameters *coding = stream->codecpar;
    bool known = is_decoded(coding);
    av_bprintf(out, "{\"codec\":");
    json_string(out, known ? avcodec_get_name(coding->codec_id) : "");
    av_bprintf(out, ",\"sample_rate\":%d,\"channels\":%d", known ? coding->sample_rate : 0,
               known ? coding->ch_layout.nb_channels : 0);
    text(out, "language", stream->metadata, "language");
    text(out, "title", stream->metadata, "title");
    av_bprintf(out, ",\"default\":%s",
               stream->disposition & AV_DISPOSITION_DEFAULT ? "true" : "false");
    durations(out, stream->metadata);
    if (stream->time_base.num > 0 && stream->time_base.den > 0)
        av_bprintf(out, ",\"time_base\":[%d,%d]", stream->time_base.num, stream->time_base.den);
    else
        av_bprintf(out, ",\"time_base\":null");
    number(out, "start", stream->start_time);
    number(out, "duration", stream->duration);
    av_bprintf(out, "}");
}

static void say_media(const AVFormatContext *format)
{
    AVBPrint event;
    int n_video = 0, n_audio = 0;
    av_bprint_init(&event, 0, AV_BPRINT_SIZE_UNLIMITED);
    av_bprintf(&event, "{\"event\":\"media\",\"format\":");
    json_string(&event, format->iformat->name);
    number(&event, "start_us", format->start_time);
    number(&event, "duration_us", format->duration);
    av_bprintf(&event, ",\"tracks\":[");
    for (unsigned i = 0; i < format->nb_streams; i++) {
        enum AVMediaType type = format->streams[i]->codecpar->codec_type;
        n_video += type == AVMEDIA_TYPE_VIDEO;
        if (type == AVMEDIA_TYPE_AUDIO) {
            av_bprintf(&event, n_audio++ ? "," : "");
            track(&event, format->streams[i]);
        }
    }
    av_bprintf(&event, "],\"n_video\":%d}", n_video);
    host_event(&event, NULL, 0);
}

// ------------------------------------------------------------------------------------------------

/// Nothing but the one file is ever opened, whatever it refers to.
static int refuse(AVFormatContext *format, AVIOContext **file, const char *url, int flags,
                  AVDictionary **options)
{
    (void)format, (void)url, (void)flags, (void)options;
    *file = NULL;
    return AVERROR(EACCES);
}

static void close_media(void)
{
    avcodec_free_context(&media.decoder);
    avformat_close_input(&media.format);
    host_file_close(&media.file);
    av_packet_free(&media.packet);
    av_frame_free(&media.frame);
    memset(&media, 0, sizeof media);
}

static int open_input(int64_t size)
{
    AVDictionary *options = NULL;
    media.file = host_file_open(size);
    media.format = avformat_alloc_context();
    media.packet = av_packet_alloc();
    media.frame = av_frame_alloc();
    if (!media.file || !media.format || !media.packet || !media.frame)
        return AVERROR(ENOMEM);
    media.format->flags |= AVFMT_FLAG_GENPTS;
    media.format->pb = media.file;
    media.format->io_open = refuse;
    int result = av_dict_set(&options, "format_whitelist", FORMATS, 0);
    if (result >= 0)
        result = avformat_open_input(&media.format, "", NULL, &options);
    av_dict_free(&options);
    return result < 0 ? result : avformat_find_stream_info(media.format, NULL);
}

static void open_media(int64_t size)
{
    close_media();
    int result = open_input(size);
    if (result < 0) {
        close_media();
        say_failure(result);
    } else {
        say_media(media.format);
    }
}

/// The places of the next packets, where the file has an index of them: a film's sound lies between
/// its pictures, and asking for each packet when it is wanted takes longer than decoding.
static int next_packets(int64_t position, struct span *spans)
{
    AVStream *stream = media.format->streams[media.stream];
    int n_entries = avformat_index_get_entries_count(stream), n_spans = 0;
    int first = media.entry, tried = 0;
    const AVIndexEntry *entry = NULL;
    for (; tried < ENTRIES_TRIED && first < n_entries; tried++, first++) {
        entry = avformat_index_get_entry(stream, first);
        if (entry->size <= 0)
            return 0;
        if (entry->pos == position)
            break;
    }
    if (tried == ENTRIES_TRIED || first >= n_entries)
        return 0;
    media.entry = first;
    size_t n_bytes = 0;
    for (int i = first; i < n_entries; i++) {
        entry = avformat_index_get_entry(stream, i);
        struct span *last = n_spans ? &spans[n_spans - 1] : NULL;
        int64_t end = last ? last->offset + (int64_t)last->length : 0;
        int64_t gap = last ? entry->pos - end : 0;
        bool joined = last && gap >= 0 && gap <= LEAST_GAP;
        int64_t more = entry->size + (joined ? gap : 0);
        if (entry->size <= 0 || entry->pos < 0 || (last && gap < 0)
            || (int64_t)n_bytes + more > FORESEEN_BYTES || (!joined && n_spans == MOST_SPANS))
            break;
        if (joined)
            last->length += (size_t)more;
        else
            spans[n_spans++] = (struct span){ entry->pos, (size_t)more };
        n_bytes += (size_t)more;
    }
    return n_spans;
}

static void open_decoder(int track)
{
    AVFormatContext *format = media.format;
    AVStream *chosen = NULL;
    if (!format || media.decoder || media.ended)
        host_broken();
    for (unsigned i = 0; i < format->nb_streams; i++) {
        AVStream *stream = format->streams[i];
        if (stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO && --track == 0)
            chosen = stream;
        else
            stream->discard = AVDISCARD_ALL;
    }
    if (!chosen)
        host_broken();
    media.stream = chosen->index;
    const AVCodec *codec = avcodec_find_decoder(chosen->codecpar->codec_id);
    media.decoder = codec ? avcodec_alloc_context3(codec) : NULL;
    // A decoder that cannot be opened gives nothing.
    media.ended = true;
    if (media.decoder && avcodec_parameters_to_context(media.decoder, chosen->codecpar) >= 0) {
        media.decoder->pkt_timebase = chosen->time_base;
        media.ended = avcodec_open2(media.decoder, codec, NULL) < 0;
        host_file_foresee(media.file, next_packets);
    }
}

// ------------------------------------------------------------------------------------------------

enum outcome { FRAME, FAILED, END };

/// The next frame, in `media.frame`, or the next packet that cannot be decoded.
///
/// As PyAV has it: what a decoder finds wrong with a packet that gave frames is passed over, and
/// nothing is drained from it when the file cannot be read to its end.
static enum outcome next_frame(void)
{
    int result;
    for (;;) {
        if (media.receiving) {
            result = avcodec_receive_frame(media.decoder, media.frame);
            if (result >= 0) {
                media.received = true;
                return FRAME;
            }
            media.receiving = false;
            media.ended = media.draining;
            if (result != AVERROR(EAGAIN) && result != AVERROR_EOF
                && !(result == AVERROR_INVALIDDATA && media.received))
                return FAILED;
        }
        if (media.ended)
            return END;
        result = av_read_frame(media.format, media.packet);
        if (result < 0 && result != AVERROR_EOF) {
            media.ended = true;
            return FAILED;
        }
        media.draining = result == AVERROR_EOF;
        if (!media.draining && media.packet->stream_index != media.stream) {
            av_packet_unref(media.packet);
            continue;
        }
        result = avcodec_send_packet(media.decoder, media.draining ? NULL : media.packet);
        av_packet_unref(media.packet);
        if (result < 0) {
            media.ended = media.draining;
            return FAILED;
        }
        media.receiving = true;
        media.received = false;
    }
}

static void say_block(AVBPrint *event, int rate, int channels, size_t width, int n_samples)
{
    av_bprintf(event, "],\"rate\":%d,\"channels\":%d,\"format\":\"%s\"}", rate, channels,
               width == sizeof(int16_t) ? "s16" : "f32");
    host_event(event, block, (size_t)n_samples * (size_t)channels * width);
}

/// Decodes frames of one rate, channel count and width of samples until they are enough for a block.
static void next_block(void)
{
    const AVFrame *frame = media.frame;
    AVBPrint event;
    int rate = 0, channels = 0, most = 0, room = 0, n_samples = 0, n_entries = 0;
    size_t width = sizeof(float);
    av_bprint_init(&event, 0, AV_BPRINT_SIZE_UNLIMITED);
    av_bprintf(&event, "{\"event\":\"block\",\"frames\":[");
    while (n_entries < BLOCK_ENTRIES && (n_samples < most || !most)) {
        enum outcome outcome = media.left ? FRAME : next_frame();
        if (outcome == END)
            break;
        if (outcome == FRAME && !media.left) {
            if (frame->sample_rate <= 0 || frame->nb_samples <= 0)
                continue;
            media.done = 0;
            media.left = true;
        }
        // What fails before the first frame leans on what was cut off: it is passed over. With a
        // format or channels that nobody can use, a frame is no better.
        int wide = frame->ch_layout.nb_channels;
        if (outcome == FAILED || wide < 1 || wide > MOST_CHANNELS) {
            media.left = false;
            if (media.began)
                av_bprintf(&event, n_entries++ ? ",[-1,null]" : "[-1,null]");
            continue;
        }
        if (!n_samples) {
            rate = frame->sample_rate;
            channels = wide;
            width = sample_bytes(frame);
            room = BLOCK_BYTES / (int)sizeof(float) / channels;
            most = room < BLOCK_SAMPLES ? room : BLOCK_SAMPLES;
            if (room > BLOCK_SAMPLES + SPARE_SAMPLES)
                room = BLOCK_SAMPLES + SPARE_SAMPLES;
        }
        int count = frame->nb_samples - media.done;
        if (frame->sample_rate != rate || wide != channels || sample_bytes(frame) != width
            || (n_samples && count > room - n_samples))
            break;
        // A frame that is larger than a block is taken apart; only its first part has its time.
        if (!n_samples && count > most)
            count = most;
        uint8_t *out = block + (size_t)n_samples * (size_t)channels * width;
        if (!frame_samples(out, frame, media.done, count)) {
            media.left = false;
            continue;
        }
        av_bprintf(&event, n_entries++ ? ",[%d" : "[%d", count);
        if (media.done || frame->pts == AV_NOPTS_VALUE)
            av_bprintf(&event, ",null]");
        else
            av_bprintf(&event, ",%lld]", (long long)frame->pts);
        media.began = true;
        media.done += count;
        media.left = media.done < frame->nb_samples;
        n_samples += count;
    }
    if (n_entries) {
        // A block of failures alone has no samples; any channel count fits them.
        say_block(&event, rate ? rate : 1, channels ? channels : 1, width, n_samples);
        return;
    }
    av_bprint_finalize(&event, NULL);
    av_bprint_init(&event, 0, AV_BPRINT_SIZE_UNLIMITED);
    av_bprintf(&event, "{\"event\":\"end\"}");
    host_event(&event, NULL, 0);
}

// ------------------------------------------------------------------------------------------------

static int64_t argument(const char *line, size_t name)
{
    char *end;
    errno = 0;
    long long value = strtoll(line + name, &end, 10);
    if (errno || end == line + name || *end || value < 0)
        host_broken();
    return value;
}

int main(void)
{
    char line[64];
    AVBPrint event;
    block = av_malloc(BLOCK_BYTES);
    if (!block)
        return 1;
    av_log_set_level(AV_LOG_QUIET);
    av_bprint_init(&event, 0, AV_BPRINT_SIZE_UNLIMITED);
    av_bprintf(&event, "{\"event\":\"hello\",\"protocol\":1,\"ffmpeg\":");
    json_string(&event, av_version_info());
    av_bprintf(&event, "}");
    host_event(&event, NULL, 0);
    while (host_request(line, sizeof line)) {
        if (!strncmp(line, "open ", 5))
            open_media(argument(line, 5));
        else if (!strncmp(line, "decode ", 7))
            open_decoder((int)argument(line, 7));
        else if (!strcmp(line, "next") && (media.decoder || media.ended))
            next_block();
        else
            host_broken();
    }
    return 0;
}
