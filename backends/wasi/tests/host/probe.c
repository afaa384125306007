// Tries everything a guest must not be able to do, and says what came of it.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char ** environ;

int main(int argc, char ** argv) {
    (void) argc;
    (void) argv;
    for (char ** variable = environ; variable && *variable; variable++) {
        printf("environment: %s\n", *variable);
    }
    char secret[64] = {0};
    int fd = open(HOST_FILE, O_RDONLY);
    if (fd >= 0) {
        if (read(fd, secret, sizeof secret - 1) > 0) {
            printf("read: %s\n", secret);
        }
    }
    fd = open(HOST_FOLDER "/escaped", O_CREAT | O_WRONLY, 0600);
    if (fd >= 0) {
        (void) !write(fd, "out", 3);
        close(fd);
    }
    DIR * root = opendir(HOST_FOLDER);
    if (root) {
        struct dirent * entry;
        while ((entry = readdir(root))) {
            printf("listed: %s\n", entry->d_name);
        }
    }
    printf("done\n");
    return 0;
}
