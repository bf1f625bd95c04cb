/* Loaded in front of the C library: lets syncs fail with EIO, of each file whose path ends with the
 * text in the file $FAILING_SYNC. While that file does not exist, none fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int file) {
    char end[256], link[64], path[4096];
    int switched = open(getenv("FAILING_SYNC"), O_RDONLY);
    if (switched < 0) return 0;
    ssize_t length = read(switched, end, sizeof end);
    close(switched);
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path);
    if (length < 0 || size < length) return 0;
    return memcmp(path + size - length, end, length) == 0;
}

static int sync_by(const char *name, int file) {
    if (fails(file)) {
        errno = EIO;
        return -1;
    }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return real(file);
}

int fsync(int file) { return sync_by("fsync", file); }

int fdatasync(int file) { return sync_by("fdatasync", file); }
