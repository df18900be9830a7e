/* Files' times on a clock that runs fast: libfaketime speeds up clocks and waiting, but leaves the times of files.

   Preloaded before libfaketime. FAST_START is the moment (Unix seconds) from which on the clock runs FAST_RATE times as
   fast; what was changed since then was changed that much later. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static double start, rate;

__attribute__((constructor)) static void begin(void) {
  const char *from = getenv("FAST_START"), *by = getenv("FAST_RATE");
  if (from && by) start = strtod(from, NULL), rate = strtod(by, NULL);
}

static void hurry(struct timespec *moment) {
  double real = moment->tv_sec + moment->tv_nsec / 1e9;
  if (!rate || real < start) return;
  double fast = start + (real - start) * rate;
  moment->tv_sec = (time_t)fast;
  moment->tv_nsec = (long)((fast - (double)moment->tv_sec) * 1e9);
}

#define HURRIED(call) \
  int result = call; \
  if (result == 0) { hurry(&facts->st_mtim); hurry(&facts->st_ctim); hurry(&facts->st_atim); } \
  return result

/* libfaketime would write the fast clock's time, which would be taken for the real one and sped up once more. */
int utimensat(int at, const char *path, const struct timespec times[2], int flags) {
  if (!times) return (int)syscall(SYS_utimensat, at, path, NULL, flags);
  return REAL(utimensat)(at, path, times, flags);
}

int stat(const char *path, struct stat *facts) { HURRIED(REAL(stat)(path, facts)); }
int lstat(const char *path, struct stat *facts) { HURRIED(REAL(lstat)(path, facts)); }
int fstat(int fd, struct stat *facts) { HURRIED(REAL(fstat)(fd, facts)); }
int fstatat(int at, const char *path, struct stat *facts, int flags) {
  HURRIED(REAL(fstatat)(at, path, facts, flags));
}
int stat64(const char *path, struct stat64 *facts) { HURRIED(REAL(stat64)(path, facts)); }
int lstat64(const char *path, struct stat64 *facts) { HURRIED(REAL(lstat64)(path, facts)); }
int fstat64(int fd, struct stat64 *facts) { HURRIED(REAL(fstat64)(fd, facts)); }
int fstatat64(int at, const char *path, struct stat64 *facts, int flags) {
  HURRIED(REAL(fstatat64)(at, path, facts, flags));
}
