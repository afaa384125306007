// What FFmpeg's configure script finds out about zig's compiler and WASI's libc, and chooses. All that is
// not here is 0. The script is not run: it takes a minute and needs a shell, make and awk.

#define FFMPEG_CONFIGURATION "see wasm-build/ffmpeg.py of whisperctl"
#define FFMPEG_LICENSE "LGPL version 2.1 or later"
#define FFMPEG_DATADIR ""
#define AVCONV_DATADIR ""
#define CONFIG_THIS_YEAR 2026
#define CC_IDENT "clang"
#define OS_NAME none
#define EXTERN_PREFIX ""
#define EXTERN_ASM
#define BUILDSUF ""
#define SLIBSUF ""
#define av_restrict restrict

// The libraries, and that reading beyond the end of a damaged packet is checked.
#define CONFIG_AVCODEC 1
#define CONFIG_AVFORMAT 1
#define CONFIG_AVUTIL 1
#define CONFIG_SWRESAMPLE 1
#define CONFIG_SAFE_BITSTREAM_READER 1

// WebAssembly. The script knows nothing of it and takes these for slow.
#define HAVE_FAST_64BIT 1
#define HAVE_FAST_CLZ 1
#define HAVE_FAST_UNALIGNED 1

// Compiler. It has inline assembly too, of a language that FFmpeg has none in.
#define HAVE_PRAGMA_DEPRECATED 1
#define HAVE_SYNC_VAL_COMPARE_AND_SWAP 1

// Headers.
#define HAVE_DIRENT_H 1
#define HAVE_MALLOC_H 1
#define HAVE_POLL_H 1
#define HAVE_SYS_PARAM_H 1
#define HAVE_SYS_SELECT_H 1
#define HAVE_SYS_TIME_H 1
#define HAVE_UNISTD_H 1

// Mathematics.
#define HAVE_ATAN2F 1
#define HAVE_ATANF 1
#define HAVE_CABS 1
#define HAVE_CBRT 1
#define HAVE_CBRTF 1
#define HAVE_CEXP 1
#define HAVE_COPYSIGN 1
#define HAVE_COSF 1
#define HAVE_ERF 1
#define HAVE_EXP2 1
#define HAVE_EXP2F 1
#define HAVE_EXPF 1
#define HAVE_HYPOT 1
#define HAVE_ISFINITE 1
#define HAVE_ISINF 1
#define HAVE_ISNAN 1
#define HAVE_LDEXPF 1
#define HAVE_LLRINT 1
#define HAVE_LLRINTF 1
#define HAVE_LOG10F 1
#define HAVE_LOG2 1
#define HAVE_LOG2F 1
#define HAVE_LRINT 1
#define HAVE_LRINTF 1
#define HAVE_POWF 1
#define HAVE_RINT 1
#define HAVE_ROUND 1
#define HAVE_ROUNDF 1
#define HAVE_SINF 1
#define HAVE_TRUNC 1
#define HAVE_TRUNCF 1

// Functions. It also finds mmap and getrusage, which only libraries that emulate them have.
#define HAVE_ACCESS 1
#define HAVE_CLOCK_GETTIME 1
#define HAVE_FCNTL 1
#define HAVE_GETENV 1
#define HAVE_GETTIMEOFDAY 1
#define HAVE_GMTIME_R 1
#define HAVE_ISATTY 1
#define HAVE_LOCALTIME_R 1
#define HAVE_LSTAT 1
#define HAVE_MEMALIGN 1
#define HAVE_NANOSLEEP 1
#define HAVE_POSIX_MEMALIGN 1
#define HAVE_STRERROR_R 1
#define HAVE_SYSCONF 1
#define HAVE_USLEEP 1
