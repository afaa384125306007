// In place of what speexdsp asks of a system: memory that is never given back, and no messages.

#pragma once

#define OVERRIDE_SPEEX_ALLOC
#define OVERRIDE_SPEEX_ALLOC_SCRATCH
#define OVERRIDE_SPEEX_REALLOC
#define OVERRIDE_SPEEX_FREE
#define OVERRIDE_SPEEX_FREE_SCRATCH
#define OVERRIDE_SPEEX_FATAL
#define OVERRIDE_SPEEX_WARNING
#define OVERRIDE_SPEEX_WARNING_INT
#define OVERRIDE_SPEEX_NOTIFY
#define OVERRIDE_SPEEX_PUTC
#define RELEASE

// Zeroed memory; defined by the processor.
void *speex_alloc(int bytes);

static inline void speex_free(void *memory) { (void)memory; }
static inline void speex_warning(const char *text) { (void)text; }
static inline void speex_warning_int(const char *text, int number) { (void)text, (void)number; }
