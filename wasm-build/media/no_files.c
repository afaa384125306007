// There are no files. What FFmpeg would use of libc to get at one is here in its place, so that the
// module does not even import what opens a path.

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

int open(const char *path, int flags, ...)
{
    (void)path, (void)flags;
    errno = EACCES;
    return -1;
}

int mkdir(const char *path, mode_t mode)
{
    (void)path, (void)mode;
    errno = EACCES;
    return -1;
}
