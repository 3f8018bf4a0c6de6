/* A FAKE CUDA driver: the C interface of libcuda.so.1, computing with host memory.

   It is stricter than a real one where a real one is merely unpredictable:
   - work on a stream runs only when the stream is synchronised, so a missing wait shows;
   - device addresses are not host addresses, so reading one on the host crashes;
   - every transfer is checked against the block it goes to; every call needs a current context;
   - what is still allocated can be counted, and any call can be told to fail.
   The functions named fake_* are for the tests. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_CONTEXT = 201,
       NOT_FOUND = 500, ILLEGAL_ADDRESS = 700, LAUNCH_FAILED = 719, CAPTURE_UNSUPPORTED = 900,
       CAPTURE_INVALIDATED = 901 };
#define OFFSET ((uint64_t)1 << 60) /* device address = host address + OFFSET */

typedef struct Op { int kind; void *to; const void *from; size_t bytes;
                    void (*function)(void *); void *data; struct Op *next; } Op;
typedef struct { Op *first, *last; int capturing, invalid; } Queue;
typedef struct Block { char *start; size_t bytes; struct Block *next; } Block;

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static Block *blocks;
static size_t capacity = (size_t)1 << 30, used;
static long live_blocks, live_pinned, live_streams, live_graphs, launches, retained;
static __thread int contexts;
static char failing[64];
static int failing_status, failing_after, uncapturable;

static int begin(const char *name, int needs_context) {
  if (failing_status && !strcmp(name, failing) && failing_after-- <= 0) {
    int status = failing_status;
    if (status != ILLEGAL_ADDRESS) failing_status = 0; /* a lost device stays lost */
    return status;
  }
  return needs_context && contexts < 1 ? INVALID_CONTEXT : OK;
}
#define BEGIN(needs_context) \
  do { int status = begin(__func__, needs_context); if (status) return status; } while (0)

void fake_fail(const char *name, int status, int after) {
  snprintf(failing, sizeof failing, "%s", name);
  failing_status = status; failing_after = after;
}
void fake_capacity(size_t bytes) { capacity = bytes; }
void fake_uncapturable(int yes) { uncapturable = yes; } /* engines hold what no capture allows */
void *fake_host(uint64_t address) { return (void *)(uintptr_t)(address - OFFSET); }
long fake_count(const char *what) {
  if (!strcmp(what, "blocks")) return live_blocks;
  if (!strcmp(what, "pinned")) return live_pinned;
  if (!strcmp(what, "streams")) return live_streams;
  if (!strcmp(what, "graphs")) return live_graphs;
  if (!strcmp(what, "launches")) return launches;
  if (!strcmp(what, "retained")) return retained;
  return -1;
}

int cuInit(unsigned flags) { (void)flags; BEGIN(0); return OK; }
int cuDriverGetVersion(int *version) { *version = 12060; return OK; }
int cuDeviceGetCount(int *count) { *count = 1; return OK; }
int cuDeviceGet(int *device, int ordinal) { *device = 0; return ordinal ? 101 : OK; }
int cuDeviceGetName(char *name, int length, int device) {
  (void)device; snprintf(name, length, "Fake GPU"); return OK;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = capacity; return OK; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  *value = attribute == 75 ? 8 : attribute == 76 ? 7 : attribute == 18 ? 1 : 0;
  return OK;
}
int cuGetErrorName(int status, const char **name) { (void)status; *name = "CUDA_ERROR"; return OK; }
int cuGetErrorString(int status, const char **text) {
  switch (status) {
    case OK: *text = "no error"; break;
    case INVALID_VALUE: *text = "invalid argument"; break;
    case OUT_OF_MEMORY: *text = "out of memory"; break;
    case NO_DEVICE: *text = "no CUDA-capable device is detected"; break;
    case INVALID_CONTEXT: *text = "invalid device context"; break;
    case NOT_FOUND: *text = "named symbol not found"; break;
    case ILLEGAL_ADDRESS: *text = "an illegal memory access was encountered"; break;
    case LAUNCH_FAILED: *text = "unspecified launch failure"; break;
    case CAPTURE_UNSUPPORTED: *text = "operation not permitted when stream is capturing"; break;
    case CAPTURE_INVALIDATED: *text = "operation failed due to a previous error during capture"; break;
    default: *text = "unknown error"; return INVALID_VALUE;
  }
  return OK;
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
  (void)device; BEGIN(0); retained++; *context = (void *)0x1; return OK;
}
int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; retained--; return OK; }
int cuCtxPushCurrent_v2(void *context) { (void)context; BEGIN(0); contexts++; return OK; }
int cuCtxPopCurrent_v2(void **context) {
  if (context) *context = (void *)0x1;
  if (contexts < 1) return INVALID_CONTEXT;
  contexts--; return OK;
}
int cuCtxGetCurrent(void **context) { *context = contexts ? (void *)0x1 : NULL; return OK; }
int cuCtxGetDevice(int *device) { *device = 0; return contexts ? OK : INVALID_CONTEXT; }

int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  BEGIN(1);
  pthread_mutex_lock(&lock);
  if (used + bytes > capacity) { pthread_mutex_unlock(&lock); return OUT_OF_MEMORY; }
  Block *block = malloc(sizeof *block);
  block->start = malloc(bytes); block->bytes = bytes; block->next = blocks;
  memset(block->start, 0xA5, bytes); /* never zeros by luck */
  blocks = block; used += bytes; live_blocks++;
  *address = (uint64_t)(uintptr_t)block->start + OFFSET;
  pthread_mutex_unlock(&lock);
  return OK;
}
int cuMemFree_v2(uint64_t address) {
  BEGIN(1);
  pthread_mutex_lock(&lock);
  for (Block **at = &blocks; *at; at = &(*at)->next)
    if ((uint64_t)(uintptr_t)(*at)->start + OFFSET == address) {
      Block *block = *at; *at = block->next;
      used -= block->bytes; live_blocks--; free(block->start); free(block);
      pthread_mutex_unlock(&lock);
      return OK;
    }
  pthread_mutex_unlock(&lock);
  return INVALID_VALUE;
}
int cuMemHostAlloc(void **address, size_t bytes, unsigned flags) {
  (void)flags; BEGIN(1); live_pinned++; *address = malloc(bytes ? bytes : 1); return OK;
}
int cuMemFreeHost(void *address) { BEGIN(1); live_pinned--; free(address); return OK; }

static int inside(uint64_t address, size_t bytes) {
  uint64_t host = address - OFFSET;
  for (Block *block = blocks; block; block = block->next) {
    uint64_t start = (uint64_t)(uintptr_t)block->start;
    if (host >= start && host + bytes <= start + block->bytes) return 1;
  }
  return 0;
}

int cuStreamCreate(void **stream, unsigned flags) {
  (void)flags; BEGIN(1); live_streams++; *stream = calloc(1, sizeof(Queue)); return OK;
}
int cuStreamDestroy_v2(void *stream) { BEGIN(1); live_streams--; free(stream); return OK; }
static int push(Queue *queue, Op op) {
  if (queue->invalid) return CAPTURE_INVALIDATED;
  Op *copy = malloc(sizeof op); *copy = op; copy->next = NULL;
  if (queue->last) queue->last->next = copy; else queue->first = copy;
  queue->last = copy;
  return OK;
}
static void run(Op *op) { if (op->kind) op->function(op->data); else memcpy(op->to, op->from, op->bytes); }

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
  BEGIN(1);
  if (!inside(to, bytes)) return INVALID_VALUE;
  return push(stream, (Op){.to = fake_host(to), .from = from, .bytes = bytes});
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
  BEGIN(1);
  if (!inside(from, bytes)) return INVALID_VALUE;
  return push(stream, (Op){.to = to, .from = fake_host(from), .bytes = bytes});
}
int cuLaunchHostFunc(void *stream, void (*function)(void *), void *data) {
  BEGIN(1);
  if (uncapturable && ((Queue *)stream)->capturing) {
    ((Queue *)stream)->invalid = 1;
    return CAPTURE_UNSUPPORTED;
  }
  return push(stream, (Op){.kind = 1, .function = function, .data = data});
}
int cuStreamSynchronize(void *stream) {
  BEGIN(1);
  Queue *queue = stream;
  if (queue->capturing) return CAPTURE_INVALIDATED;
  while (queue->first) {
    Op *op = queue->first; queue->first = op->next;
    run(op); free(op);
  }
  queue->last = NULL;
  return OK;
}

int cuStreamBeginCapture_v2(void *stream, int mode) {
  (void)mode; BEGIN(1);
  Queue *queue = stream;
  if (queue->first) return INVALID_VALUE;
  queue->capturing = 1;
  return OK;
}
static void drop(Queue *queue) {
  while (queue->first) { Op *op = queue->first; queue->first = op->next; free(op); }
  free(queue); live_graphs--;
}
int cuStreamEndCapture(void *stream, void **graph) {
  Queue *queue = stream, *recorded = calloc(1, sizeof *recorded);
  int status = begin(__func__, 1);
  if (!status && queue->invalid) status = CAPTURE_INVALIDATED;
  recorded->first = queue->first; recorded->last = queue->last; live_graphs++;
  queue->first = queue->last = NULL; queue->capturing = queue->invalid = 0;
  *graph = status ? NULL : recorded;
  if (status) drop(recorded); /* the capture has ended all the same */
  return status;
}
int cuGraphInstantiateWithFlags(void **executable, void *graph, uint64_t flags) {
  (void)flags; BEGIN(1);
  Queue *copy = calloc(1, sizeof *copy);
  for (Op *op = ((Queue *)graph)->first; op; op = op->next) push(copy, *op);
  *executable = copy; live_graphs++;
  return OK;
}
int cuGraphDestroy(void *graph) { drop(graph); return OK; }
int cuGraphExecDestroy(void *graph) { BEGIN(1); drop(graph); return OK; }
int cuGraphLaunch(void *graph, void *stream) {
  BEGIN(1);
  launches++;
  for (Op *op = ((Queue *)graph)->first; op; op = op->next) push(stream, *op);
  return OK;
}

/* Packages resolve functions by name and version; the newest suffix that exists here is it. */
int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *found) {
  static const char *suffixes[] = {"_v2", ""};
  char full[128];
  (void)version; (void)flags;
  *function = NULL;
  for (int i = 0; i < 2 && !*function; i++) {
    snprintf(full, sizeof full, "%s%s", name, suffixes[i]);
    *function = dlsym(RTLD_DEFAULT, full);
    if (!*function) { Dl_info here; dladdr((void *)cuGetProcAddress_v2, &here);
      void *self = dlopen(here.dli_fname, RTLD_NOLOAD | RTLD_LAZY);
      if (self) *function = dlsym(self, full); }
  }
  if (found) *found = *function ? 0 : 1;
  return *function ? OK : NOT_FOUND;
}
int cuGetProcAddress(const char *name, void **function, int version, uint64_t flags) {
  return cuGetProcAddress_v2(name, function, version, flags, NULL);
}
