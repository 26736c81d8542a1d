/* Faults at the level of system calls, for tests: preloaded, it counts the calls by which a process changes files under
 * one folder, or talks over TCP, and lets the Nth call of a kind fail as a bad disk, a full disk, a broken line or a
 * power cut would. Or it stands still at each call, and halfway through each write, until it is let go on. Until armed,
 * and for all other files, it passes everything on.
 *
 *     cc -shared -fPIC -O2 -o faults.so faults.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE, SYNC, RENAME, TRUNCATE, UNLINK, OPEN, RECEIVE, SEND, KINDS };
/* ERROR: nothing is done and errno says why. KILL: the process ends before the call. TORN: half of a write is done,
 * then the process ends. SHORT: half of a write is done and told. END: the line ends in good order. */
enum outcome { ERROR, KILL, TORN, SHORT, END };

static char folder[PATH_MAX];
static size_t folder_length;
static atomic_int armed;
static int armed_kind, armed_outcome, armed_error, lasting;
static long armed_number;
static atomic_long calls[KINDS];
static atomic_long fired;
static atomic_long received;
/* Where each counted call is told of before it is made, and where it is answered that it may be. */
static int telling = -1, answered = -1;

#define REAL(name, type, arguments)                           \
    static type(*real) arguments;                             \
    if (!real)                                                \
        real = (type(*) arguments)dlsym(RTLD_NEXT, name)

/* From the Nth call of `kind` on (`lasting`), or at the Nth only. `number` 0 counts and lets all pass. */
void faults_arm(const char *path, int kind, int outcome, int error, long number, int lasts)
{
    atomic_store(&armed, 0);
    strncpy(folder, path, sizeof folder - 1);
    folder_length = strlen(folder);
    armed_kind = kind, armed_outcome = outcome, armed_error = error, armed_number = number, lasting = lasts;
    for (int each = 0; each < KINDS; each++)
        atomic_store(&calls[each], 0);
    atomic_store(&fired, 0);
    atomic_store(&received, 0);
    atomic_store(&armed, 1);
}

void faults_disarm(void) { atomic_store(&armed, 0); }
long faults_calls(int kind) { return atomic_load(&calls[kind]); }
long faults_fired(void) { return atomic_load(&fired); }
long faults_received(void) { return atomic_load(&received); } /* bytes over TCP */

void faults_watch(int to, int from) { telling = to, answered = from; }

static ssize_t recv_answer(char *answer)
{
    REAL("read", ssize_t, (int, void *, size_t));
    return real(answered, answer, 1);
}

/* Tell that the moment is there, and stand still until whoever looks has seen what is on the disk; K: end there. */
void faults_moment(char what)
{
    REAL("write", ssize_t, (int, const void *, size_t));
    if (telling < 0 || !atomic_load(&armed))
        return;
    int before = errno;
    char answer;
    if (real(telling, &what, 1) != 1 || recv_answer(&answer) != 1)
        _exit(70);
    if (answer == 'K')
        kill(getpid(), SIGKILL);
    errno = before;
}

static int inside(const char *path)
{
    return path && strncmp(path, folder, folder_length) == 0 && (path[folder_length] == '/' || !path[folder_length]);
}

static int watched(int handle)
{
    char link[64], path[PATH_MAX];
    if (!atomic_load(&armed))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    int before = errno;
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0)
        return 0;
    path[length] = 0;
    return inside(path);
}

static int wired(int handle)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    if (!atomic_load(&armed))
        return 0;
    int before = errno;
    int known = getpeername(handle, (struct sockaddr *)&peer, &length);
    errno = before;
    return known == 0 && (peer.ss_family == AF_INET || peer.ss_family == AF_INET6);
}

/* Whether this call is the one; a KILL ends the process here. */
static int strikes(enum kind kind)
{
    long number = atomic_fetch_add(&calls[kind], 1) + 1;
    if (kind != RECEIVE && kind != SEND)
        faults_moment("WYRTUO"[kind]);
    if ((int)kind != armed_kind || !armed_number || number < armed_number || (number > armed_number && !lasting))
        return 0;
    atomic_fetch_add(&fired, 1);
    if (armed_outcome == KILL)
        kill(getpid(), SIGKILL);
    errno = armed_error;
    return 1;
}

static void die(void) { kill(getpid(), SIGKILL); }

#define FAIL_IF(condition, kind)         \
    if ((condition) && strikes(kind))    \
        return -1

/* A line that breaks is broken for good: nothing comes on it afterwards. */
static void hang_up(int handle)
{
    int before = errno;
    shutdown(handle, SHUT_RDWR);
    errno = before;
}

/* A write of `length` bytes, of which `half` does the first half. */
#define WRITING(handle, length, half)                                                      \
    if (watched(handle) && strikes(WRITE)) {                                               \
        if (armed_outcome == ERROR || (armed_outcome == SHORT && (length) < 2))            \
            return -1;                                                                     \
        ssize_t done = (half);                                                             \
        if (armed_outcome == TORN)                                                         \
            die();                                                                         \
        return done;                                                                       \
    }

ssize_t write(int handle, const void *bytes, size_t length)
{
    REAL("write", ssize_t, (int, const void *, size_t));
    WRITING(handle, length, real(handle, bytes, length / 2));
    if (telling >= 0 && length > 1 && watched(handle)) {
        ssize_t done = real(handle, bytes, length / 2);
        faults_moment('H');
        ssize_t rest = done < 0 ? -1 : real(handle, (const char *)bytes + done, length - done);
        return rest < 0 ? done : done + rest;
    }
    return real(handle, bytes, length);
}

ssize_t pwrite64(int handle, const void *bytes, size_t length, off64_t offset)
{
    REAL("pwrite64", ssize_t, (int, const void *, size_t, off64_t));
    WRITING(handle, length, real(handle, bytes, length / 2, offset));
    if (telling >= 0 && length > 1 && watched(handle)) {
        real(handle, bytes, length / 2, offset);
        faults_moment('H');
    }
    return real(handle, bytes, length, offset);
}

ssize_t pwrite(int handle, const void *bytes, size_t length, off_t offset)
{
    return pwrite64(handle, bytes, length, offset);
}

ssize_t pwritev64v2(int handle, const struct iovec *parts, int count, off64_t offset, int flags)
{
    REAL("pwritev64v2", ssize_t, (int, const struct iovec *, int, off64_t, int));
    WRITING(handle, 2, real(handle, parts, count / 2, offset, flags));
    return real(handle, parts, count, offset, flags);
}

ssize_t writev(int handle, const struct iovec *parts, int count)
{
    REAL("writev", ssize_t, (int, const struct iovec *, int));
    WRITING(handle, 2, real(handle, parts, count / 2));
    return real(handle, parts, count);
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t length)
{
    REAL("sendfile64", ssize_t, (int, int, off64_t *, size_t));
    WRITING(out, length, real(out, in, offset, 4096));
    return real(out, in, offset, length);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags)
{
    REAL("copy_file_range", ssize_t, (int, off64_t *, int, off64_t *, size_t, unsigned));
    WRITING(out, length, real(in, from, out, to, 4096, flags));
    return real(in, from, out, to, length, flags);
}

int posix_fallocate64(int handle, off64_t offset, off64_t length)
{
    REAL("posix_fallocate64", int, (int, off64_t, off64_t));
    if (watched(handle) && strikes(WRITE))
        return armed_error;
    return real(handle, offset, length);
}

int fsync(int handle)
{
    REAL("fsync", int, (int));
    FAIL_IF(watched(handle), SYNC);
    return real(handle);
}

int fdatasync(int handle)
{
    REAL("fdatasync", int, (int));
    FAIL_IF(watched(handle), SYNC);
    return real(handle);
}

int ftruncate64(int handle, off64_t length)
{
    REAL("ftruncate64", int, (int, off64_t));
    FAIL_IF(watched(handle), TRUNCATE);
    return real(handle, length);
}

int ftruncate(int handle, off_t length) { return ftruncate64(handle, length); }

int truncate64(const char *path, off64_t length)
{
    REAL("truncate64", int, (const char *, off64_t));
    FAIL_IF(atomic_load(&armed) && inside(path), TRUNCATE);
    return real(path, length);
}

int rename(const char *from, const char *to)
{
    REAL("rename", int, (const char *, const char *));
    FAIL_IF(atomic_load(&armed) && (inside(from) || inside(to)), RENAME);
    return real(from, to);
}

int renameat(int there, const char *from, int here, const char *to)
{
    REAL("renameat", int, (int, const char *, int, const char *));
    FAIL_IF(atomic_load(&armed) && (inside(from) || inside(to)), RENAME);
    return real(there, from, here, to);
}

int renameat2(int there, const char *from, int here, const char *to, unsigned flags)
{
    REAL("renameat2", int, (int, const char *, int, const char *, unsigned));
    FAIL_IF(atomic_load(&armed) && (inside(from) || inside(to)), RENAME);
    return real(there, from, here, to, flags);
}

int link(const char *from, const char *to)
{
    REAL("link", int, (const char *, const char *));
    FAIL_IF(atomic_load(&armed) && (inside(from) || inside(to)), RENAME);
    return real(from, to);
}

int unlink(const char *path)
{
    REAL("unlink", int, (const char *));
    FAIL_IF(atomic_load(&armed) && inside(path), UNLINK);
    return real(path);
}

int unlinkat(int there, const char *path, int flags)
{
    REAL("unlinkat", int, (int, const char *, int));
    FAIL_IF(atomic_load(&armed) && inside(path), UNLINK);
    return real(there, path, flags);
}

#define OPENING(path, flags)                                                     \
    mode_t mode = 0;                                                             \
    if ((flags) & O_CREAT) {                                                     \
        va_list rest;                                                            \
        va_start(rest, flags);                                                   \
        mode = va_arg(rest, mode_t);                                             \
        va_end(rest);                                                            \
    }                                                                            \
    FAIL_IF(atomic_load(&armed) && ((flags) & (O_WRONLY | O_RDWR | O_CREAT)) && inside(path), OPEN)

int open64(const char *path, int flags, ...)
{
    REAL("open64", int, (const char *, int, ...));
    OPENING(path, flags);
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    REAL("open", int, (const char *, int, ...));
    OPENING(path, flags);
    return real(path, flags, mode);
}

int openat64(int there, const char *path, int flags, ...)
{
    REAL("openat64", int, (int, const char *, int, ...));
    OPENING(path, flags);
    return real(there, path, flags, mode);
}

static ssize_t counted(ssize_t length)
{
    if (length > 0)
        atomic_fetch_add(&received, length);
    return length;
}

#define RECEIVING(handle)                              \
    int line = wired(handle);                          \
    if (line && strikes(RECEIVE)) {                    \
        hang_up(handle);                               \
        return armed_outcome == END ? 0 : -1;          \
    }

ssize_t recv(int handle, void *bytes, size_t length, int flags)
{
    REAL("recv", ssize_t, (int, void *, size_t, int));
    RECEIVING(handle);
    ssize_t got = real(handle, bytes, length, flags);
    return line ? counted(got) : got;
}

ssize_t recvfrom(int handle, void *bytes, size_t length, int flags, struct sockaddr *from, socklen_t *size)
{
    REAL("recvfrom", ssize_t, (int, void *, size_t, int, struct sockaddr *, socklen_t *));
    RECEIVING(handle);
    ssize_t got = real(handle, bytes, length, flags, from, size);
    return line ? counted(got) : got;
}

ssize_t read(int handle, void *bytes, size_t length)
{
    REAL("read", ssize_t, (int, void *, size_t));
    RECEIVING(handle);
    ssize_t got = real(handle, bytes, length);
    return line ? counted(got) : got;
}

ssize_t send(int handle, const void *bytes, size_t length, int flags)
{
    REAL("send", ssize_t, (int, const void *, size_t, int));
    if (wired(handle) && strikes(SEND)) {
        hang_up(handle);
        return -1;
    }
    return real(handle, bytes, length, flags);
}
