/* Records what a process does to the files below some folders, and where in that order it begins each HTTP answer.

   Preloaded into a process. RECORD_FOLDERS names the folders, separated by colons, RECORD_LOG the log, which every process
   with this library appends to. One record is a struct record, then its paths and data; a call and its record are one step
   within a process. Only what succeeded is recorded. A file that is synced or renamed by its name only may have been
   written by a process without this library: then the record holds all of its content. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 'c', TRUNCATE = 't', WRITE = 'w', CONTENT = 'k', SYNC = 's', RENAME = 'r', LINK = 'l', UNLINK = 'u',
       MKDIR = 'm', RMDIR = 'd', ANSWER = 'a' };
enum { FOLDERS = 8, MOST = 64 << 20, HEAD = 1024 };

struct record {
  int32_t kind;
  uint32_t path, other;
  uint32_t size;
  int64_t at;
};

static char folders[FOLDERS][PATH_MAX];
static int count, out = -1;
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
  const char *wanted = getenv("RECORD_FOLDERS"), *log = getenv("RECORD_LOG");
  if (!wanted || !log) return;
  char *all = strdup(wanted), *rest = all, *name;
  while (count < FOLDERS && (name = strsep(&rest, ":"))) snprintf(folders[count++], PATH_MAX, "%s", name);
  free(all);
  int fd = REAL(open)(log, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd < 0) return;
  out = fcntl(fd, F_DUPFD_CLOEXEC, 500); /* away from those that a program may close on a guess */
  REAL(close)(fd);
}

static int is_below(const char *path) {
  if (out < 0) return 0;
  for (int i = 0; i < count; i++) {
    size_t length = strlen(folders[i]);
    if (strncmp(path, folders[i], length) == 0 && (path[length] == '/' || path[length] == 0)) return 1;
  }
  return 0;
}

static int path_of(int fd, char *path) {
  char link[64];
  int kept = errno;
  if (fd == AT_FDCWD) {
    if (!getcwd(path, PATH_MAX)) path[0] = 0;
  } else {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
  }
  errno = kept;
  return is_below(path);
}

/* The path of a name relative to a folder; whether it is below one of ours. */
static int full(int at, const char *name, char *path) {
  if (out < 0) return 0;
  if (name[0] == '/') {
    snprintf(path, PATH_MAX, "%s", name);
    return is_below(path);
  }
  if (!path_of(at, path)) return 0;
  size_t length = strlen(path);
  snprintf(path + length, PATH_MAX - length, "/%s", name);
  return 1;
}

static void note(int kind, const char *path, const char *other, int64_t at, const void *data, size_t size) {
  int kept = errno;
  struct record head = {kind, strlen(path), strlen(other), size, at};
  struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)other, head.other},
                          {(void *)data, size}};
  ssize_t whole = sizeof head + head.path + head.other + size;
  if (REAL(writev)(out, parts, 4) != whole) abort();
  errno = kept;
}

/* All that a file holds now. */
static void content(const char *path) {
  int kept = errno, fd = REAL(open)(path, O_RDONLY | O_CLOEXEC);
  struct stat facts;
  if (fd >= 0 && fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size <= MOST) {
    char *data = malloc(facts.st_size + 1);
    ssize_t size = data ? REAL(pread)(fd, data, facts.st_size, 0) : -1;
    if (size >= 0) note(CONTENT, path, "", 0, data, size);
    free(data);
  }
  if (fd >= 0) REAL(close)(fd);
  errno = kept;
}

static int is_answer(int fd, const char *data, size_t size) {
  int kind = 0;
  socklen_t length = sizeof kind;
  return out >= 0 && size > 9 && memcmp(data, "HTTP/1.1 ", 9) == 0 &&
         getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &length) == 0;
}

static void answer(int fd, const void *data, size_t size) {
  int kept = errno;
  if (!is_answer(fd, data, size)) { errno = kept; return; }
  pthread_mutex_lock(&one);
  note(ANSWER, "", "", 0, data, size < HEAD ? size : HEAD);
  pthread_mutex_unlock(&one);
  errno = kept;
}

#define STEP(call, noted) \
  pthread_mutex_lock(&one); \
  __typeof__(call) result = call; \
  if (result >= 0) { noted; } \
  pthread_mutex_unlock(&one); \
  return result

static int opened(int at, const char *name, int flags, mode_t mode, int (*call)(int, const char *, int, ...)) {
  char path[PATH_MAX];
  if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !full(at, name, path))
    return call(at, name, flags, mode);
  STEP(call(at, name, flags, mode),
       if (flags & O_CREAT) note(CREATE, path, "", 0, "", 0);
       if (flags & O_TRUNC) note(TRUNCATE, path, "", 0, "", 0));
}

#define OPEN(name, at) \
  int name(const char *path, int flags, ...) { \
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
    return opened(AT_FDCWD, path, flags, mode, REAL(at)); }
#define OPENAT(name) \
  int name(int at, const char *path, int flags, ...) { \
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
    return opened(at, path, flags, mode, REAL(name)); }
OPEN(open, openat)
OPEN(open64, openat64)
OPENAT(openat)
OPENAT(openat64)

static int64_t place(int fd) {
  int kept = errno;
  int64_t at = lseek(fd, 0, SEEK_CUR);
  errno = kept;
  return at;
}

ssize_t write(int fd, const void *data, size_t size) {
  char path[PATH_MAX];
  answer(fd, data, size);
  if (out < 0 || !path_of(fd, path)) return REAL(write)(fd, data, size);
  STEP(REAL(write)(fd, data, size), note(WRITE, path, "", place(fd) - result, data, result));
}

ssize_t writev(int fd, const struct iovec *parts, int number) {
  char path[PATH_MAX];
  if (number > 0) answer(fd, parts[0].iov_base, parts[0].iov_len);
  if (out < 0 || !path_of(fd, path)) return REAL(writev)(fd, parts, number);
  STEP(REAL(writev)(fd, parts, number), content(path));
}

#define PWRITE(name, offset) \
  ssize_t name(int fd, const void *data, size_t size, offset at) { \
    char path[PATH_MAX]; \
    if (out < 0 || !path_of(fd, path)) return REAL(name)(fd, data, size, at); \
    STEP(REAL(name)(fd, data, size, at), note(WRITE, path, "", at, data, result)); }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t send(int fd, const void *data, size_t size, int flags) {
  answer(fd, data, size);
  return REAL(send)(fd, data, size, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  if (message->msg_iovlen > 0) answer(fd, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
  return REAL(sendmsg)(fd, message, flags);
}

#define SENDFILE(name, offset) \
  ssize_t name(int to, int from, offset *at, size_t size) { \
    char path[PATH_MAX]; \
    if (out < 0 || !path_of(to, path)) return REAL(name)(to, from, at, size); \
    STEP(REAL(name)(to, from, at, size), content(path)); }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t size, unsigned flags) {
  char path[PATH_MAX];
  if (out < 0 || !path_of(to, path)) return REAL(copy_file_range)(from, from_at, to, to_at, size, flags);
  STEP(REAL(copy_file_range)(from, from_at, to, to_at, size, flags), content(path));
}

#define FTRUNCATE(name, offset) \
  int name(int fd, offset size) { \
    char path[PATH_MAX]; \
    if (out < 0 || !path_of(fd, path)) return REAL(name)(fd, size); \
    STEP(REAL(name)(fd, size), note(TRUNCATE, path, "", size, "", 0)); }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define FSYNC(name) \
  int name(int fd) { \
    char path[PATH_MAX]; \
    if (out < 0 || !path_of(fd, path)) return REAL(name)(fd); \
    int is_foreign = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY; \
    STEP(REAL(name)(fd), if (is_foreign) content(path); note(SYNC, path, "", 0, "", 0)); }
FSYNC(fsync)
FSYNC(fdatasync)

static int renamed(int a, const char *from, int b, const char *to) {
  char old[PATH_MAX], new[PATH_MAX];
  int is_ours = full(a, from, old), becomes_ours = full(b, to, new);
  if (!is_ours && !becomes_ours) return REAL(renameat)(a, from, b, to);
  STEP(REAL(renameat)(a, from, b, to), note(RENAME, old, new, 0, "", 0));
}
int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int a, const char *from, int b, const char *to) { return renamed(a, from, b, to); }

static int linked(int a, const char *from, int b, const char *to, int flags) {
  char old[PATH_MAX], new[PATH_MAX];
  if (!full(b, to, new)) return REAL(linkat)(a, from, b, to, flags);
  full(a, from, old);
  STEP(REAL(linkat)(a, from, b, to, flags), note(LINK, old, new, 0, "", 0));
}
int link(const char *from, const char *to) { return linked(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int a, const char *from, int b, const char *to, int flags) { return linked(a, from, b, to, flags); }

static int unlinked(int at, const char *name, int flags) {
  char path[PATH_MAX];
  if (!full(at, name, path)) return REAL(unlinkat)(at, name, flags);
  STEP(REAL(unlinkat)(at, name, flags), note(flags & AT_REMOVEDIR ? RMDIR : UNLINK, path, "", 0, "", 0));
}
int unlink(const char *name) { return unlinked(AT_FDCWD, name, 0); }
int unlinkat(int at, const char *name, int flags) { return unlinked(at, name, flags); }
int rmdir(const char *name) { return unlinked(AT_FDCWD, name, AT_REMOVEDIR); }

static int made(int at, const char *name, mode_t mode) {
  char path[PATH_MAX];
  if (!full(at, name, path)) return REAL(mkdirat)(at, name, mode);
  STEP(REAL(mkdirat)(at, name, mode), note(MKDIR, path, "", 0, "", 0));
}
int mkdir(const char *name, mode_t mode) { return made(AT_FDCWD, name, mode); }
int mkdirat(int at, const char *name, mode_t mode) { return made(at, name, mode); }
