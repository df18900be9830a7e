/* Fails the n-th system call on files below one folder, and the ones after it if so wanted, with a chosen error.

   Preloaded into a process. FAULT_FOLDER names the folder, FAULT_CONTROL a file of the size of struct control, which the
   test maps and writes to: a call is counted while `at` is not 0 and its name begins with `only`; `times` of them fail,
   the first being the one that makes `calls` equal to `at`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
  int32_t at, error, times, calls, fired;
  char only[16], call[48];
};

static struct control *control;
static char folder[PATH_MAX];
static size_t folder_length;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
  const char *wanted = getenv("FAULT_FOLDER"), *file = getenv("FAULT_CONTROL");
  if (!wanted || !file || !realpath(wanted, folder)) return;
  folder_length = strlen(folder);
  int fd = REAL(open)(file, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped != MAP_FAILED) control = mapped;
  close(fd);
}

static int is_below(const char *path) {
  return strncmp(path, folder, folder_length) == 0 && (path[folder_length] == '/' || path[folder_length] == 0);
}

static int names_descriptor(int fd) {
  char link[64], target[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, target, sizeof target - 1);
  if (length <= 0) return 0;
  target[length] = 0;
  return is_below(target);
}

static int names_path(int at, const char *path) {
  if (path[0] == '/' || at == AT_FDCWD) return is_below(path);
  return names_descriptor(at);
}

static int fails(const char *call) {
  if (strncmp(call, control->only, strlen(control->only)) != 0) return 0;
  int32_t number = __sync_add_and_fetch(&control->calls, 1);
  if (number < control->at || number - control->at >= control->times) return 0;
  snprintf(control->call, sizeof control->call, "%s", call);
  control->fired = 1;
  errno = control->error;
  return 1;
}

#define ARMED (control && control->at)
#define FAIL_PATH(at, path) if (ARMED && names_path(at, path) && fails(__func__)) return -1
#define FAIL_FD(fd) if (ARMED && names_descriptor(fd) && fails(__func__)) return -1

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
    FAIL_PATH(AT_FDCWD, path); \
    return REAL(name)(path, flags, mode); }
#define OPENAT(name) \
  int name(int at, const char *path, int flags, ...) { \
    va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
    FAIL_PATH(at, path); \
    return REAL(name)(at, path, flags, mode); }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *data, size_t size) { FAIL_FD(fd); return REAL(write)(fd, data, size); }
ssize_t writev(int fd, const struct iovec *parts, int count) { FAIL_FD(fd); return REAL(writev)(fd, parts, count); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { FAIL_FD(fd); return REAL(pwrite)(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  FAIL_FD(fd);
  return REAL(pwrite64)(fd, data, size, at);
}
int fsync(int fd) { FAIL_FD(fd); return REAL(fsync)(fd); }
int fdatasync(int fd) { FAIL_FD(fd); return REAL(fdatasync)(fd); }
int ftruncate(int fd, off_t size) { FAIL_FD(fd); return REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { FAIL_FD(fd); return REAL(ftruncate64)(fd, size); }
int rename(const char *from, const char *to) { FAIL_PATH(AT_FDCWD, to); return REAL(rename)(from, to); }
int renameat(int a, const char *from, int b, const char *to) { FAIL_PATH(b, to); return REAL(renameat)(a, from, b, to); }
int link(const char *from, const char *to) { FAIL_PATH(AT_FDCWD, to); return REAL(link)(from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
  FAIL_PATH(b, to);
  return REAL(linkat)(a, from, b, to, flags);
}
int unlink(const char *path) { FAIL_PATH(AT_FDCWD, path); return REAL(unlink)(path); }
int unlinkat(int at, const char *path, int flags) { FAIL_PATH(at, path); return REAL(unlinkat)(at, path, flags); }
int mkdir(const char *path, mode_t mode) { FAIL_PATH(AT_FDCWD, path); return REAL(mkdir)(path, mode); }
int rmdir(const char *path) { FAIL_PATH(AT_FDCWD, path); return REAL(rmdir)(path); }

/* These are no calls on files: they fail only where the test names them. */
#define FAIL_NAMED if (ARMED && control->only[0] && fails(__func__)) return -1
pid_t fork(void) { FAIL_NAMED; return REAL(fork)(); }
int execvp(const char *file, char *const arguments[]) { FAIL_NAMED; return REAL(execvp)(file, arguments); }
int pipe2(int ends[2], int flags) { FAIL_NAMED; return REAL(pipe2)(ends, flags); }
