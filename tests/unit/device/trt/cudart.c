/* Stands in for the CUDA runtime library: copies in the machine's memory, streams that run at once, and faults
 * on request. It logs calls, counts what is alive, and keeps the last error as the real one does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MALLOC, HOST, STREAM, EVENT, GRAPH, EXEC, KINDS };
static const char *kinds[KINDS] = {"memory", "pinned", "streams", "events", "graphs", "recorded"};
static int alive[KINDS], last_error, capturing, log_length;
static size_t free_bytes = (size_t)4 << 30;
static char log_text[1 << 20], failing[64];
static int failing_code, failing_times;
static void (*on_launch)(void *);

static int done(const char *name, int code) {
    if (failing_times && strcmp(name, failing) == 0) {
        failing_times--;
        code = failing_code;
    }
    if (code) last_error = code;
    if (log_length + 64 < (int)sizeof log_text) log_length += sprintf(log_text + log_length, "%s\n", name);
    return code;
}

static void *make(int kind) {
    alive[kind]++;
    return calloc(1, 8);
}

static int unmake(const char *name, int kind, void *handle) {
    if (!handle) return done(name, 1);
    free(handle);
    alive[kind]--;
    return done(name, 0);
}

/* For the test. */
void stub_fail(const char *name, int code, int times) {
    strncpy(failing, name, sizeof failing - 1);
    failing_code = code;
    failing_times = times;
}
const char *stub_log(void) { return log_text; }
void stub_clear_log(void) { log_text[log_length = 0] = 0; }
int stub_alive(int kind) { return alive[kind]; }
int stub_capturing(void) { return capturing; }
void stub_set_free(size_t bytes) { free_bytes = bytes; }
void stub_on_launch(void (*callback)(void *)) { on_launch = callback; }
__attribute__((destructor)) static void report(void) {
    const char *path = getenv("STUB_REPORT");
    FILE *file = path ? fopen(path, "w") : 0;
    for (int kind = 0; file && kind < KINDS; kind++) fprintf(file, "%s %d\n", kinds[kind], alive[kind]);
    if (file) fclose(file);
}

const char *cudaGetErrorName(int code) { return code == 2 ? "cudaErrorMemoryAllocation" : "cudaErrorOther"; }
const char *cudaGetErrorString(int code) { return code == 2 ? "out of memory" : "other error"; }
int cudaGetLastError(void) {
    int code = last_error;
    last_error = 0;
    done("cudaGetLastError", 0);
    return code;
}
int cudaPeekAtLastError(void) { return last_error; }
int cudaRuntimeGetVersion(int *version) { *version = 11040; return done("cudaRuntimeGetVersion", 0); }
int cudaGetDeviceCount(int *count) { *count = 1; return done("cudaGetDeviceCount", 0); }
int cudaDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 7 : 2;
    return done("cudaDeviceGetAttribute", device);
}
int cudaGetDeviceProperties(char *properties, int device) {
    strcpy(properties, "Xavier");
    return done("cudaGetDeviceProperties", device);
}
int cudaMemGetInfo(size_t *free_, size_t *total) {
    *free_ = free_bytes;
    *total = (size_t)8 << 30;
    return done("cudaMemGetInfo", 0);
}
int cudaMalloc(void **pointer, size_t size) {
    int code = done("cudaMalloc", 0);
    if (code) return code;
    *pointer = malloc(size);
    alive[MALLOC]++;
    return 0;
}
int cudaFree(void *pointer) { return unmake("cudaFree", MALLOC, pointer); }
int cudaHostAlloc(void **pointer, size_t size, unsigned flags) {
    int code = done("cudaHostAlloc", flags != 0);
    if (code) return code;
    *pointer = malloc(size);
    alive[HOST]++;
    return 0;
}
int cudaFreeHost(void *pointer) { return unmake("cudaFreeHost", HOST, pointer); }
int cudaStreamCreateWithFlags(void **stream, unsigned flags) {
    *stream = make(STREAM);
    return done("cudaStreamCreateWithFlags", flags != 1); /* non-blocking, as NVIDIA's samples use */
}
int cudaStreamDestroy(void *stream) { return unmake("cudaStreamDestroy", STREAM, stream); }
int cudaStreamSynchronize(void *stream) { return done("cudaStreamSynchronize", capturing ? 900 : !stream); }
int cudaStreamBeginCapture(void *stream, int mode) {
    int code = done("cudaStreamBeginCapture", capturing || !stream || mode != 1);
    capturing = code == 0;
    return code;
}
int cudaStreamEndCapture(void *stream, void **graph) {
    int code = done("cudaStreamEndCapture", !capturing || !stream);
    capturing = 0;
    *graph = code == 901 ? 0 : make(GRAPH); /* an invalidated capture has no graph */
    return code;
}
int cudaGraphDestroy(void *graph) { return unmake("cudaGraphDestroy", GRAPH, graph); }
int cudaGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long flags) {
    int code = done("cudaGraphInstantiateWithFlags", !graph || flags != 0);
    if (code) return code;
    *exec = make(EXEC);
    return 0;
}
int cudaGraphExecDestroy(void *exec) { return unmake("cudaGraphExecDestroy", EXEC, exec); }
int cudaGraphLaunch(void *exec, void *stream) {
    int code = done("cudaGraphLaunch", !exec);
    if (code == 0 && on_launch) on_launch(stream);
    return code;
}
int cudaMemcpyAsync(void *target, const void *source, size_t size, int kind, void *stream) {
    int code = done(kind == 1 ? "upload" : "download", !stream || (kind != 1 && kind != 2));
    if (code == 0) memcpy(target, source, size);
    return code;
}
int cudaEventCreate(void **event) { *event = make(EVENT); return done("cudaEventCreate", 0); }
int cudaEventDestroy(void *event) { return unmake("cudaEventDestroy", EVENT, event); }
int cudaEventRecord(void *event, void *stream) { return done("cudaEventRecord", !event || !stream); }
int cudaEventElapsedTime(float *ms, void *begin, void *end) {
    *ms = 1.5f;
    return done("cudaEventElapsedTime", !begin || !end);
}
