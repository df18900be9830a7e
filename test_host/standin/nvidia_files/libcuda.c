/* Stand-in for the driver's compute library: memory of the process in the place of a GPU's. In the state "no-compute" of
   /etc/standin-gpu it fails as the real one does while nvidia-smi still works. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN 999

static int broken(void) {
  char state[64] = "";
  FILE *file = fopen("/etc/standin-gpu", "r");
  if (file) {
    if (!fgets(state, sizeof state, file)) state[0] = 0;
    fclose(file);
  }
  return strncmp(state, "no-compute", 10) == 0;
}

int cuInit(unsigned int flags) { return flags || broken() ? UNKNOWN : 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal ? 101 : 0; }
int cuCtxCreate_v2(void **context, unsigned int flags, int device) { *context = context; return (int)flags | device; }
int cuCtxDestroy_v2(void *context) { return context ? 0 : 201; }
int cuMemAlloc_v2(uint64_t *place, size_t size) { *place = (uint64_t)(uintptr_t)malloc(size); return *place ? 0 : 2; }
int cuMemFree_v2(uint64_t place) { free((void *)(uintptr_t)place); return 0; }
int cuMemcpyHtoD_v2(uint64_t place, const void *from, size_t size) { memcpy((void *)(uintptr_t)place, from, size); return 0; }
int cuMemcpyDtoH_v2(void *to, uint64_t place, size_t size) { memcpy(to, (void *)(uintptr_t)place, size); return 0; }
int cuGetErrorName(int code, const char **name) { *name = code == UNKNOWN ? "CUDA_ERROR_UNKNOWN" : "CUDA_ERROR"; return 0; }
