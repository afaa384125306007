// speexdsp as the processor `denoise` has it: with floats, and without a C library.

#pragma once

#define EXPORT
#define FLOATING_POINT
#define USE_SMALLFT
#define OS_SUPPORT_CUSTOM
