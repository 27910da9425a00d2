/* Preloaded into a process, ends it with SIGKILL at its n-th change of a file below a folder.
 *
 * strace counts the calls of each thread alone, and delta-rs and DuckDB write from threads of their own: a point that
 * is counted there is another one in the next run. Here one counter is for the whole process, and writes to one file
 * in a row are one change. Of the write that is hit, half is written; any other call that is hit does nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX], wanted[256], last[PATH_MAX * 2 + 64];
static long fatal, changes;
static atomic_int armed, traced;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* From now on count the changes "<name> <path in it>" of the folder `below` that contain `part`; the `number`-th ends
 * the process, none does if it is 0. Each is written to the file descriptor `trace`, unless that is 0. */
void kill_arm(const char *below, const char *part, long number, int trace) {
    snprintf(folder, sizeof folder, "%s/", below);
    snprintf(wanted, sizeof wanted, "%s", part);
    last[0] = 0;
    fatal = number;
    changes = 0;
    atomic_store(&traced, trace);
    atomic_store(&armed, 1);
}

long kill_changes(void) { return changes; }

static int counted(const char *change) {
    if (!strstr(change, wanted) || !strcmp(change, last)) return 0;
    strcpy(last, change);
    if (traced) dprintf(traced, "%s", change);
    return ++changes == fatal;
}

static int hit(const char *name, const char *path) {
    char change[sizeof last];
    if (strncmp(path, folder, strlen(folder))) return 0;
    snprintf(change, sizeof change, "%s %s\n", name, path + strlen(folder));
    pthread_mutex_lock(&lock);
    int found = counted(change);
    pthread_mutex_unlock(&lock);
    return found;
}

static void end(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Where a link of /proc leads to. */
static int target(const char *link, char *path, size_t size) {
    ssize_t length = readlink(link, path, size - 1);
    path[length < 0 ? 0 : length] = 0;
    return length >= 0;
}

static int hit_file(int file) {
    char link[64], path[PATH_MAX];
    if (!atomic_load(&armed) || file == atomic_load(&traced)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    return target(link, path, sizeof path) && hit("write", path);
}

static void change_path(const char *name, int directory, const char *path) {
    char link[64] = "/proc/self/cwd", whole[PATH_MAX * 2] = "";
    if (!atomic_load(&armed)) return;
    if (path[0] != '/') {
        if (directory != AT_FDCWD) snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
        if (!target(link, whole, PATH_MAX)) return;
        strcat(whole, "/");
    }
    strncat(whole, path, sizeof whole - strlen(whole) - 1);
    if (hit(name, whole)) end();
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define WRITE(name, parameters, whole, half)   \
    ssize_t name parameters {                  \
        if (hit_file(file)) {                  \
            if (NEXT(name) half >= 0) end();   \
            _exit(99);                         \
        }                                      \
        return NEXT(name) whole;               \
    }

WRITE(write, (int file, const void *data, size_t size), (file, data, size), (file, data, size / 2))
WRITE(pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at), (file, data, size / 2, at))
WRITE(pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at),
      (file, data, size / 2, at))
WRITE(writev, (int file, const struct iovec *parts, int count), (file, parts, count), (file, parts, count / 2))

#define CHANGE(kind, name, parameters, directory, path, arguments) \
    int name parameters {                                          \
        change_path(kind, directory, path);                        \
        return NEXT(name) arguments;                               \
    }

CHANGE("rename", rename, (const char *from, const char *to), AT_FDCWD, to, (from, to))
CHANGE("rename", renameat, (int at, const char *from, int to_at, const char *to), to_at, to, (at, from, to_at, to))
CHANGE("link", link, (const char *from, const char *to), AT_FDCWD, to, (from, to))
CHANGE("link", linkat, (int at, const char *from, int to_at, const char *to, int flags), to_at, to,
       (at, from, to_at, to, flags))
CHANGE("unlink", unlink, (const char *path), AT_FDCWD, path, (path))
CHANGE("unlink", remove, (const char *path), AT_FDCWD, path, (path))
CHANGE("unlink", unlinkat, (int at, const char *path, int flags), at, path, (at, path, flags))
CHANGE("rmdir", rmdir, (const char *path), AT_FDCWD, path, (path))
CHANGE("mkdir", mkdir, (const char *path, mode_t mode), AT_FDCWD, path, (path, mode))
