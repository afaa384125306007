// Tries everything a guest must not be able to do, and says what came of it: through libc, and by
// WASI's own calls on every number that may be an open directory or socket.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

extern char ** environ;

// The first ones are attacked, the others only read.
static const char * const paths[] = {
    HOST_FILE, &HOST_FILE[1], "../../../../../../../../../.." HOST_FILE,
    "/proc/self/environ", "/etc/passwd",
};
#define N_ATTACKED 3
#define N_PATHS (sizeof paths / sizeof paths[0])
#define MOST_FDS 16

static void show(const char * what, int fd) {
    char text[64] = {0};
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0) {
        printf("%s: %s\n", what, text);
    }
}

static void list(const char * name) {
    DIR * folder = opendir(name);
    struct dirent * entry;
    while (folder && (entry = readdir(folder))) {
        printf("listed: %s\n", entry->d_name);
    }
}

static void call_by_number(__wasi_fd_t fd) {
    __wasi_size_t n_bytes = 0;
    uint8_t bytes[64] = {0};
    for (size_t i = 0; i < N_PATHS; i++) {
        __wasi_fd_t opened;
        const __wasi_rights_t reading = __WASI_RIGHTS_FD_READ;
        for (int flags = 0; flags < 2; flags++) {
            if (__wasi_path_open(fd, flags, paths[i], 0, reading, reading, 0, &opened) == 0) {
                show("opened by number", (int) opened);
            }
        }
        if (__wasi_path_readlink(fd, paths[i], bytes, sizeof bytes - 1, &n_bytes) == 0) {
            printf("link: %s\n", (char *) bytes);
        }
        __wasi_path_link(fd, 0, paths[i], fd, "linked");
        __wasi_path_symlink(paths[i], fd, "pointer");
        if (__wasi_path_open(fd, 1, "pointer", 0, __WASI_RIGHTS_FD_READ, 0, 0, &opened) == 0) {
            show("opened by a link", (int) opened);
        }
    }
    for (size_t i = 0; i < N_ATTACKED; i++) {
        __wasi_path_rename(fd, paths[i], fd, "moved");
        __wasi_path_unlink_file(fd, paths[i]);
    }
    __wasi_path_create_directory(fd, HOST_FOLDER "/made");
    __wasi_ciovec_t out = {(const uint8_t *) "out", 3};
    __wasi_iovec_t in = {bytes, sizeof bytes};
    __wasi_roflags_t flags;
    __wasi_fd_t accepted;
    if (fd > 2 && __wasi_sock_send(fd, &out, 1, 0, &n_bytes) == 0) {
        printf("sent by number %d\n", (int) fd);
    }
    if (fd > 2 && __wasi_sock_recv(fd, &in, 1, 0, &n_bytes, &flags) == 0) {
        printf("received by number %d\n", (int) fd);
    }
    if (__wasi_sock_accept(fd, 0, &accepted) == 0) {
        printf("accepted by number %d\n", (int) fd);
    }
}

int main(int argc, char ** argv) {
    for (int i = 1; i < argc; i++) {
        printf("argument: %s\n", argv[i]);
    }
    for (char ** variable = environ; variable && *variable; variable++) {
        printf("environment: %s\n", *variable);
    }
    for (size_t i = 0; i < N_PATHS; i++) {
        show("read", open(paths[i], O_RDONLY));
    }
    int fd = open(HOST_FOLDER "/escaped", O_CREAT | O_WRONLY, 0600);
    if (fd >= 0) {
        (void) !write(fd, "out", 3);
        close(fd);
    }
    list(HOST_FOLDER);
    list("/");
    unlink(HOST_FILE);
    for (__wasi_fd_t number = 0; number < MOST_FDS; number++) {
        call_by_number(number);
    }
    printf("done\n");
    return 0;
}
