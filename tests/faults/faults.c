/* Between a process and the system: every call on files under one folder is numbered, and one of
 * them fails, is torn, or is the last thing the process does. Loaded with LD_PRELOAD. SQLite finds
 * no randomness, so that whoever comes equally far leaves the same bytes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COUNT, FAIL, FAIL_ON, KILL_BEFORE, KILL_AFTER, TORN };
enum { OPEN, READ, WRITE, SYNC, TRUNCATE, UNLINK, LOCK, STAT, CLOSE, SEEK, OWNER, FOLDER };

static char folder[512];
static int armed, point, action, error_number, calls, fired;
static unsigned char ours[1024];
static unsigned char kinds[1 << 16];

void faults_arm(const char *under, int at, int what, int number) {
    strncpy(folder, under, sizeof folder - 1);
    point = at, action = what, error_number = number, calls = fired = 0, armed = 1;
}
void faults_disarm(void) { armed = 0; }
int faults_calls(void) { return calls; }
int faults_fired(void) { return fired; }
int faults_kind(int number) { return kinds[number & 0xFFFF]; }

static int mine(const char *path) { return armed && path && !strncmp(path, folder, strlen(folder)); }
static int mine_fd(int fd) { return armed && fd >= 0 && fd < 1024 && ours[fd]; }

/* 0: go on; 1: fail with errno set; 2: write half, then die */
static int reached(int kind) {
    int number = calls++;
    kinds[number & 0xFFFF] = (unsigned char)kind;
    if (number < point || (number > point && !(action == FAIL_ON && (kind == WRITE || kind == SYNC
        || kind == TRUNCATE)))) return 0;
    fired = 1;
    switch (action) {
    case FAIL: case FAIL_ON: errno = error_number; return 1;
    case KILL_BEFORE: kill(getpid(), SIGKILL); return 0;
    case TORN: return 2;
    }
    return 0;
}
static void passed(void) {
    if (action == KILL_AFTER && calls - 1 == point) kill(getpid(), SIGKILL);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define OPENING(name, ...)                                        \
    mode_t mode = 0;                                              \
    if (flags & (O_CREAT | O_TMPFILE)) {                          \
        va_list list; va_start(list, flags);                      \
        mode = va_arg(list, mode_t); va_end(list);                \
    }                                                             \
    REAL(name);                                                   \
    int is_mine = mine(path);                                     \
    if (armed && !strcmp(path, "/dev/urandom")) path = "/dev/zero"; \
    if (is_mine && reached(OPEN)) return -1;                      \
    int fd = real(__VA_ARGS__);                                   \
    if (fd >= 0 && fd < 1024) ours[fd] = is_mine;                 \
    if (is_mine) { int kept = errno; passed(); errno = kept; }    \
    return fd;

int open(const char *path, int flags, ...) { OPENING(open, path, flags, mode) }
int open64(const char *path, int flags, ...) { OPENING(open64, path, flags, mode) }
int openat(int at, const char *path, int flags, ...) { OPENING(openat, at, path, flags, mode) }
int openat64(int at, const char *path, int flags, ...) { OPENING(openat64, at, path, flags, mode) }

#define CALL(type, kind, is_mine, name, ...)                      \
    REAL(name);                                                   \
    if (!(is_mine)) return real(__VA_ARGS__);                     \
    if (reached(kind)) return -1;                                 \
    type result = real(__VA_ARGS__);                              \
    int kept = errno; passed(); errno = kept;                     \
    return result;

ssize_t read(int fd, void *to, size_t size) { CALL(ssize_t, READ, mine_fd(fd), read, fd, to, size) }
ssize_t pread(int fd, void *to, size_t size, off_t at) { CALL(ssize_t, READ, mine_fd(fd), pread, fd, to, size, at) }
ssize_t pread64(int fd, void *to, size_t size, off64_t at) { CALL(ssize_t, READ, mine_fd(fd), pread64, fd, to, size, at) }

#define WRITING(name, half, ...)                                  \
    REAL(name);                                                   \
    if (!mine_fd(fd)) return real(__VA_ARGS__);                   \
    int way = reached(WRITE);                                     \
    if (way == 1) return -1;                                      \
    if (way == 2) { half; kill(getpid(), SIGKILL); }              \
    ssize_t result = real(__VA_ARGS__);                           \
    int kept = errno; passed(); errno = kept;                     \
    return result;

ssize_t write(int fd, const void *from, size_t size) { WRITING(write, real(fd, from, size / 2), fd, from, size) }
ssize_t pwrite(int fd, const void *from, size_t size, off_t at) { WRITING(pwrite, real(fd, from, size / 2, at), fd, from, size, at) }
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) { WRITING(pwrite64, real(fd, from, size / 2, at), fd, from, size, at) }

/* What the disk holds after a power cut is SQLite's own tests' affair: here syncing costs nothing. */
int fsync(int fd) {
    REAL(fsync);
    if (!mine_fd(fd)) return real(fd);
    if (reached(SYNC)) return -1;
    passed();
    return 0;
}
int fdatasync(int fd) {
    REAL(fdatasync);
    if (!mine_fd(fd)) return real(fd);
    if (reached(SYNC)) return -1;
    passed();
    return 0;
}
int ftruncate(int fd, off_t size) { CALL(int, TRUNCATE, mine_fd(fd), ftruncate, fd, size) }
int ftruncate64(int fd, off64_t size) { CALL(int, TRUNCATE, mine_fd(fd), ftruncate64, fd, size) }
int unlink(const char *path) { CALL(int, UNLINK, mine(path), unlink, path) }
int stat(const char *path, struct stat *to) { CALL(int, STAT, mine(path), stat, path, to) }
int stat64(const char *path, struct stat64 *to) { CALL(int, STAT, mine(path), stat64, path, to) }
int lstat(const char *path, struct stat *to) { CALL(int, STAT, mine(path), lstat, path, to) }
int lstat64(const char *path, struct stat64 *to) { CALL(int, STAT, mine(path), lstat64, path, to) }
int fstat(int fd, struct stat *to) { CALL(int, STAT, mine_fd(fd), fstat, fd, to) }
int fstat64(int fd, struct stat64 *to) { CALL(int, STAT, mine_fd(fd), fstat64, fd, to) }
int access(const char *path, int how) { CALL(int, STAT, mine(path), access, path, how) }
off_t lseek(int fd, off_t at, int from) { CALL(off_t, SEEK, mine_fd(fd), lseek, fd, at, from) }
off64_t lseek64(int fd, off64_t at, int from) { CALL(off64_t, SEEK, mine_fd(fd), lseek64, fd, at, from) }
int fchown(int fd, uid_t user, gid_t group) { CALL(int, OWNER, mine_fd(fd), fchown, fd, user, group) }
int mkdir(const char *path, mode_t mode) { CALL(int, FOLDER, mine(path), mkdir, path, mode) }

/* One that fails has closed all the same, as the kernel's has: nothing may be closed twice. */
int close(int fd) {
    REAL(close);
    if (!mine_fd(fd)) return real(fd);
    int fails = reached(CLOSE), error = errno;
    ours[fd] = 0;
    int result = real(fd);
    if (fails) { errno = error; return -1; }
    int kept = errno; passed(); errno = kept;
    return result;
}

#define LOCKING(name)                                             \
    va_list list; va_start(list, command);                        \
    void *argument = va_arg(list, void *); va_end(list);          \
    int locks = command == F_SETLK || command == F_SETLKW || command == F_GETLK; \
    CALL(int, LOCK, locks && mine_fd(fd), name, fd, command, argument)

int fcntl(int fd, int command, ...) { LOCKING(fcntl) }
int fcntl64(int fd, int command, ...) { LOCKING(fcntl64) }
