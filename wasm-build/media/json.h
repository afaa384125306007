#pragma once

#include <libavutil/bprint.h>

/// Appends `text` as a JSON string: valid UTF-8, U+FFFD in place of each ill-formed part as in
/// Python's "replace", and cut after about a thousand bytes. NULL is the empty string.
void json_string(AVBPrint *out, const char *text);
