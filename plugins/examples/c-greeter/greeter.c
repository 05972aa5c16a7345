/*
 * A plugin in C: it greets, in the words of its configuration.
 *
 *   cc -shared -fPIC -fvisibility=hidden -I ../../abi/include -o greeter.so greeter.c
 *
 * Texts come without a closing zero byte, live only for the call, and are JSON. This plugin needs so
 * little of JSON that it finds its one string by hand; use a library where there is more.
 */
#include "tandem_plugin.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX 200
#define GREETING_MAX 200

static const char MANIFEST[] =
    "{\"name\": \"greeter\", \"version\": \"1.0.0\", \"kinds\": {\"action\": 1},"
    " \"config\": {\"type\": \"object\", \"required\": [\"greeting\"],"
    "   \"properties\": {\"greeting\": {\"type\": \"string\", \"maxLength\": 50,"
    "     \"pattern\": \"^[^\\\"\\\\\\\\]*$\"}}},"
    " \"methods\": {\"action.greet\": {\"timeout_ms\": 500,"
    "   \"params\": {\"type\": \"object\", \"required\": [\"name\"], \"additionalProperties\": false,"
    "     \"properties\": {\"name\": {\"type\": \"string\", \"maxLength\": 50,"
    "       \"pattern\": \"^[^\\\"\\\\\\\\]*$\"}}},"
    "   \"result\": {\"type\": \"object\", \"required\": [\"text\"]},"
    "   \"errors\": {\"no_name\": \"there is nobody to greet\"}}}}";

/* One instance: what `create` makes and every call is given. */
typedef struct {
  const TandemHostApi *host;
  char greeting[GREETING_MAX + 1];
} Greeter;

static TandemSlice slice(const char *text) {
  TandemSlice made = {(const uint8_t *)text, strlen(text)};
  return made;
}

/* Memory goes back to where it came from: the host calls this when it has read the answer. */
static void give_back(uint8_t *ptr, size_t len, size_t cap) {
  (void)len;
  (void)cap;
  free(ptr);
}

static int32_t answer(TandemBuf *result, const char *text, int32_t code) {
  size_t len = strlen(text);
  uint8_t *copy = malloc(len + 1);
  if (copy == NULL) return TANDEM_BUSY;
  memcpy(copy, text, len);
  result->ptr = copy;
  result->len = len;
  result->cap = len + 1;
  result->free = give_back;
  return code;
}

/* Copies the string value of a key. The schemas see to it that it holds no quote and no backslash. */
static int find(TandemSlice json, const char *key, char *to, size_t most) {
  const char *at = (const char *)json.ptr, *end = at + json.len;
  size_t length = strlen(key);
  for (; at + length + 2 <= end; at++) {
    if (at[0] != '"' || memcmp(at + 1, key, length) != 0 || at[length + 1] != '"') continue;
    at += length + 2;
    while (at < end && (*at == ' ' || *at == ':')) at++;
    if (at >= end || *at != '"') return 0;
    const char *begin = ++at;
    while (at < end && *at != '"') at++;
    if (at >= end || (size_t)(at - begin) > most) return 0;
    memcpy(to, begin, (size_t)(at - begin));
    to[at - begin] = 0;
    return 1;
  }
  return 0;
}

static int32_t manifest(TandemBuf *result) { return answer(result, MANIFEST, TANDEM_OK); }

static int32_t create(const TandemHostApi *host, TandemSlice config, void **instance,
                      TandemBuf *result) {
  Greeter *greeter = calloc(1, sizeof *greeter);
  if (greeter == NULL) return TANDEM_BUSY;
  greeter->host = host;
  if (!find(config, "greeting", greeter->greeting, GREETING_MAX)) {
    free(greeter);
    return answer(result, "{\"code\": \"bad_config\", \"message\": \"`greeting` is missing\"}",
                  TANDEM_ERROR);
  }
  *instance = greeter;
  if (host->log != NULL) host->log(host->ctx, TANDEM_LOG_INFO, slice("the greeter is ready"));
  return TANDEM_OK;
}

static int32_t call(void *instance, TandemSlice method, TandemSlice request, TandemBuf *result) {
  const Greeter *greeter = instance;
  char name[NAME_MAX + 1], text[NAME_MAX + GREETING_MAX + 40];
  if (method.len != 12 || memcmp(method.ptr, "action.greet", 12) != 0)
    return TANDEM_UNKNOWN_METHOD;
  if (!find(request, "name", name, NAME_MAX)) return TANDEM_BAD_INPUT;
  /* A flow's `on_error` chooses by the code; the manifest declares it. */
  if (name[0] == 0)
    return answer(result, "{\"code\": \"no_name\", \"message\": \"there is nobody to greet\"}",
                  TANDEM_ERROR);
  strcpy(text, "{\"text\": \"");
  strcat(text, greeter->greeting);
  strcat(text, ", ");
  strcat(text, name);
  strcat(text, "!\"}");
  return answer(result, text, TANDEM_OK);
}

static void destroy(void *instance) { free(instance); }

const TandemPluginApi tandem_plugin = {
    TANDEM_MAGIC, TANDEM_ABI_MAJOR, TANDEM_ABI_MINOR, sizeof(TandemPluginApi), 0,
    manifest,     create,           call,             destroy,
};
