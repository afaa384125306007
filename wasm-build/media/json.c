#include "json.h"

#include <stddef.h>

// A title or a language is text for people. Whoever puts a book there gets its beginning.
enum { MOST_BYTES = 1000 };

/// The length of the character at `text`; 0 if it is ill-formed, and then `bad` is how many bytes
/// one U+FFFD stands for (the maximal subpart of Unicode's section 3.9). The text ends with NUL.
static size_t character(const unsigned char *text, size_t *bad)
{
    unsigned char lead = text[0], low = 0x80, high = 0xBF;
    size_t length;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
        low = lead == 0xE0 ? 0xA0 : low;
        high = lead == 0xED ? 0x9F : high;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
        low = lead == 0xF0 ? 0x90 : low;
        high = lead == 0xF4 ? 0x8F : high;
    } else {
        *bad = 1;
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if (text[i] < low || text[i] > high) {
            *bad = i;
            return 0;
        }
        low = 0x80;
        high = 0xBF;
    }
    return length;
}

void json_string(AVBPrint *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)(text ? text : "");
    const unsigned char *start = at;
    av_bprint_chars(out, '"', 1);
    while (*at && at - start < MOST_BYTES) {
        size_t bad = 0;
        size_t length = character(at, &bad);
        if (length == 0)
            av_bprintf(out, "\xEF\xBF\xBD");
        else if (*at == '"' || *at == '\\')
            av_bprintf(out, "\\%c", *at);
        else if (*at < 0x20)
            av_bprintf(out, "\\u%04x", *at);
        else
            av_bprint_append_data(out, (const char *)at, (unsigned)length);
        at += length + bad;
    }
    av_bprint_chars(out, '"', 1);
}
