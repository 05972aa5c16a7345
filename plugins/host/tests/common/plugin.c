/* One plugin that does right and wrong, by the method it is called with. What is wrong with it from
 * the beginning is chosen by -D when it is built. */
#ifdef NEWER_MINOR
#define tandem_plugin tandem_plugin_as_declared
#include "tandem_plugin.h"
#undef tandem_plugin
#else
#include "tandem_plugin.h"
#endif

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef MANIFEST
#define MANIFEST                                                                                  \
  "{\"name\": \"c\", \"version\": \"1.0\", \"kinds\": {\"action\": 1}, " EXTRA                    \
  "\"config\": {\"type\": \"object\", \"properties\": {\"url\": {\"type\": \"string\"}}}, "       \
  "\"methods\": {" METHODS "}}"
#endif
#ifndef EXTRA
#define EXTRA ""
#endif
#define M(name) "\"action." name "\": {}"
#define METHODS                                                                                   \
  M("echo") "," M("garbage") "," M("utf8") "," M("hidden_utf8") "," M("deep") "," M("huge") ","   \
  M("null") "," M("lie") "," M("longest") "," M("code") "," M("error_garbage") "," M("panicked")  \
  "," M("said") "," M("never") "," M("spin") "," M("threads") "," M("leak") "," M("empty") ","    \
  M("static") "," M("bogus") "," M("flood") "," M("held") ","                                     \
  "\"action.number\": {\"params\": {\"type\": \"object\", \"required\": [\"n\"]}, "               \
  "\"result\": {\"type\": \"integer\"}}"

#ifndef MAGIC
#define MAGIC TANDEM_MAGIC
#endif
#ifndef MAJOR
#define MAJOR TANDEM_ABI_MAJOR
#endif
#ifndef MINOR
#define MINOR TANDEM_ABI_MINOR
#endif
#ifndef SIZE
#define SIZE sizeof(TandemPluginApi)
#endif

static const TandemHostApi *host;
static char fifo[512];

static void give_back(uint8_t *ptr, size_t len, size_t cap) { free(ptr); }

static int32_t give(TandemBuf *result, const void *bytes, size_t len, int32_t code) {
  uint8_t *copy = malloc(len ? len : 1);
  memcpy(copy, bytes, len);
  *result = (TandemBuf){copy, len, len ? len : 1, give_back};
  return code;
}

static int32_t text(TandemBuf *result, const char *words, int32_t code) {
  return give(result, words, strlen(words), code);
}

static int32_t manifest(TandemBuf *result) {
#ifdef MANIFEST_NULL
  *result = (TandemBuf){0, 77, 77, 0};
  return TANDEM_OK;
#endif
#ifdef MANIFEST_CODE
  return MANIFEST_CODE;
#endif
  return text(result, MANIFEST, TANDEM_OK);
}

static int32_t create(const TandemHostApi *given, TandemSlice config, void **instance,
                      TandemBuf *result) {
#ifdef CREATE_HANGS
  for (;;) pause();
#endif
#ifdef CREATE_REFUSES
  return text(result, "{\"code\": \"no_key\", \"message\": \"the key is wrong\"}", TANDEM_ERROR);
#endif
  host = given;
  /* The configuration is {"url": "<a path>"} or {}. */
  const char *at = memchr(config.ptr, '/', config.len);
  const char *end = at ? memchr(at, '"', (const char *)config.ptr + config.len - at) : 0;
  if (end && end - at < 500) memcpy(fifo, at, end - at);
  *instance = malloc(8);
  return TANDEM_OK;
}

static void *wait_for_ever(void *arg) {
  for (;;) pause();
  return 0;
}

static int is(TandemSlice method, const char *name) {
  return method.len == strlen(name) && memcmp(method.ptr, name, method.len) == 0;
}

static int32_t call(void *instance, TandemSlice method, TandemSlice request, TandemBuf *result) {
  if (is(method, "action.echo")) return give(result, request.ptr, request.len, TANDEM_OK);
  if (is(method, "action.number")) return text(result, "\"seven\"", TANDEM_OK);
  if (is(method, "action.garbage")) return text(result, "<html>sorry</html>", TANDEM_OK);
  if (is(method, "action.utf8")) return give(result, "\"\xff\xfe\"", 4, TANDEM_OK);
  if (is(method, "action.hidden_utf8"))
    return give(result, "{\"a\": \"\xc3\x28\"}", 11, TANDEM_OK);
  if (is(method, "action.empty")) return TANDEM_OK;
  if (is(method, "action.deep")) {
    uint8_t *deep = malloc(1 << 20);
    memset(deep, '[', 1 << 20);
    *result = (TandemBuf){deep, 1 << 20, 1 << 20, give_back};
    return TANDEM_OK;
  }
  if (is(method, "action.huge")) {
    size_t size = 100 << 20;
    uint8_t *huge = calloc(1, size);
    *result = (TandemBuf){huge, size, size, give_back};
    return TANDEM_OK;
  }
  if (is(method, "action.static")) {
    *result = (TandemBuf){(uint8_t *)"[1]", 3, 3, 0};
    return TANDEM_OK;
  }
  if (is(method, "action.null")) {
    *result = (TandemBuf){0, 40, 40, give_back};
    return TANDEM_OK;
  }
  if (is(method, "action.lie")) {
    *result = (TandemBuf){(uint8_t *)"12", 40, 2, give_back};
    return TANDEM_OK;
  }
  if (is(method, "action.longest")) {
    *result = (TandemBuf){(uint8_t *)"12", SIZE_MAX, SIZE_MAX, give_back};
    return TANDEM_OK;
  }
  if (is(method, "action.code")) return 42;
  if (is(method, "action.error_garbage")) return text(result, "no JSON", TANDEM_ERROR);
  if (is(method, "action.said"))
    return text(result, "{\"code\": \"sold_out\", \"message\": \"none left\"}", TANDEM_ERROR);
  if (is(method, "action.panicked"))
    return text(result, "{\"code\": \"panicked\", \"message\": \"index 7\"}", TANDEM_PANICKED);
  if (is(method, "action.never"))
    for (;;) pause();
  if (is(method, "action.held")) {
    /* Comes back when the test has something to say. */
    char byte;
    int from = open(fifo, O_RDONLY);
    read(from, &byte, 1);
    close(from);
    return text(result, "true", TANDEM_OK);
  }
  if (is(method, "action.spin"))
    for (volatile int i = 0;; i++) {
    }
  if (is(method, "action.threads")) {
    for (int i = 0; i < 50; i++) {
      pthread_t thread;
      pthread_create(&thread, 0, wait_for_ever, 0);
      pthread_detach(thread);
    }
    return text(result, "50", TANDEM_OK);
  }
  if (is(method, "action.leak")) {
    memset(malloc(1 << 20), 1, 1 << 20);
    return text(result, "true", TANDEM_OK);
  }
  if (is(method, "action.flood")) {
    for (int i = 0; i < 5000; i++)
      host->log(host->ctx, TANDEM_LOG_INFO, (TandemSlice){(const uint8_t *)"\x1b[2Jflood", 9});
    host->log(host->ctx, 99, (TandemSlice){0, 0});
    host->log(host->ctx, 99, (TandemSlice){0, 7});
    return text(result, "true", TANDEM_OK);
  }
  if (is(method, "action.bogus")) {
    char codes[40];
    TandemBuf answer = {0};
    TandemSlice name = {(const uint8_t *)"kv.get", 6}, none = {0, 0}, null = {0, 9};
    int32_t bogus = host->call((void *)(uintptr_t)0xdeadbeef, name, none, &answer);
    int32_t null_slice = host->call(host->ctx, name, null, &answer);
    int32_t no_place = host->call(host->ctx, name, none, 0);
    snprintf(codes, sizeof codes, "[%d, %d, %d]", bogus, null_slice, no_place);
    return text(result, codes, TANDEM_OK);
  }
  return TANDEM_UNKNOWN_METHOD;
}

/* Asks the host when everything is over, and tells the test what it said. */
static void *ask_after(void *arg) {
  TandemBuf answer = {0};
  TandemSlice name = {(const uint8_t *)"kv.get", 6}, none = {0, 0};
  int32_t code = host->call(host->ctx, name, none, &answer);
  host->log(host->ctx, TANDEM_LOG_ERROR, name);
  char line[20];
  int length = snprintf(line, sizeof line, "%d\n", code);
  int to = open(fifo, O_WRONLY);
  write(to, line, length);
  close(to);
  return 0;
}

static void destroy(void *instance) {
  free(instance);
#ifdef DESTROY_HANGS
  for (;;) pause();
#endif
#ifdef ASKS_AFTER
  pthread_t thread;
  pthread_create(&thread, 0, ask_after, 0);
  pthread_detach(thread);
#endif
}

#ifdef CONSTRUCTOR
__attribute__((constructor)) static void at_load(void) { CONSTRUCTOR; }
#endif

#if defined(NO_SYMBOL)
#elif defined(IS_FUNCTION)
#define tandem_plugin tandem_plugin_function
#undef tandem_plugin
TANDEM_EXPORT int not_a_table(void) __asm__("tandem_plugin");
int not_a_table(void) { return 7; }
#elif defined(NEWER_MINOR)
/* What a plugin of a later minor version exports: the same, and more behind it. */
typedef struct {
  TandemPluginApi api;
  void *more[3];
} Newer;
extern TANDEM_EXPORT const Newer tandem_plugin;
const Newer tandem_plugin = {{TANDEM_MAGIC, 1, 3, sizeof(Newer), 0, manifest, create, call, destroy},
                             {(void *)1, (void *)2, (void *)3}};
#elif defined(NO_CALL)
const TandemPluginApi tandem_plugin = {MAGIC, MAJOR, MINOR, SIZE, 0, manifest, create, 0, destroy};
#else
const TandemPluginApi tandem_plugin = {MAGIC,    MAJOR,  MINOR, SIZE,   0,
                                       manifest, create, call,  destroy};
#endif
