/*
 * The C ABI of Tandem's plugins.
 *
 * A plugin is a shared library that exports one TandemPluginApi named tandem_plugin. Build it with
 * -shared -fPIC -fvisibility=hidden, and C++ with -fno-gnu-unique, too, so that no other symbol of
 * yours meets one of another plugin.
 *
 * Made from plugins/abi/src; `cargo run -p tandem-plugin-abi --example header` writes it anew.
 */

#ifndef TANDEM_PLUGIN_H
#define TANDEM_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

/**
 * The first field of every plugin's table: `TNDM` in the memory of a little-endian machine.
 */
#define TANDEM_MAGIC 1296322132

/**
 * A plugin of another major version is refused.
 */
#define TANDEM_ABI_MAJOR 1

/**
 * A plugin of another minor version is loaded; what only one side knows is not used.
 */
#define TANDEM_ABI_MINOR 0

/**
 * It went well; the body is the result as JSON.
 */
#define TANDEM_OK 0

/**
 * It failed in a way the plugin foresaw; the body is `{"code", "message", "retry_after_ms"?}`.
 */
#define TANDEM_ERROR 1

/**
 * The called side panicked and caught it. A body is optional, here and below.
 */
#define TANDEM_PANICKED -1

/**
 * There is no such method.
 */
#define TANDEM_UNKNOWN_METHOD -2

/**
 * The parameters are not what the method takes.
 */
#define TANDEM_BAD_INPUT -3

/**
 * Who is asked is not there any more.
 */
#define TANDEM_GONE -4

/**
 * The parameters or the result are larger than the called side takes.
 */
#define TANDEM_TOO_LARGE -5

/**
 * Too much is under way; the same call may pass later.
 */
#define TANDEM_BUSY -6

#define TANDEM_LOG_ERROR 1

#define TANDEM_LOG_WARN 2

#define TANDEM_LOG_INFO 3

#define TANDEM_LOG_DEBUG 4

#define TANDEM_LOG_TRACE 5

/**
 * Bytes that belong to the caller and are gone when the call returns.
 *
 * `ptr` may be NULL only when `len` is 0. Texts are UTF-8 without a closing zero byte.
 */
typedef struct TandemSlice {
  const uint8_t *ptr;
  size_t len;
} TandemSlice;

/**
 * Bytes that the called side made and the other side gives back.
 *
 * The caller zeroes it, the callee fills it, and the receiver calls `free(ptr, len, cap)` once,
 * from any thread, unless `ptr` is NULL. Without `free` the bytes are static. `len` is at most
 * `cap`, always: a buffer that says otherwise is neither read nor freed.
 */
typedef struct TandemBuf {
  uint8_t *ptr;
  size_t len;
  size_t cap;
  void (*free)(uint8_t *ptr, size_t len, size_t cap);
} TandemBuf;

/**
 * What the host gives to `create`. It stays where it is for ever and may be used from any thread,
 * the plugin's own among them.
 */
typedef struct TandemHostApi {
  /**
   * Bytes of this struct as the host knows it: look here before you read a field that came with
   * a later minor version.
   */
  uint32_t size;
  uint16_t abi_major;
  uint16_t abi_minor;
  /**
   * Hand it back with every call. It is a number, not an address; after `destroy` it is unknown,
   * and calls with it answer `TANDEM_GONE`.
   */
  const void *ctx;
  /**
   * Writes a line to the host's log: `level` is one of `TANDEM_LOG_…`.
   */
  void (*log)(const void *ctx, uint32_t level, struct TandemSlice message);
  /**
   * Asks the host for something: a method's name, its parameters as JSON, and a code with a
   * result as JSON. It has a deadline and never calls back into the plugin.
   */
  int32_t (*call)(const void *ctx,
                  struct TandemSlice method,
                  struct TandemSlice params,
                  struct TandemBuf *result);
} TandemHostApi;

/**
 * The table a plugin exports, as data, under the name `tandem_plugin`.
 *
 * All functions return one of the codes `TANDEM_…`. None may unwind or throw through its border.
 */
typedef struct TandemPluginApi {
  /**
   * `TANDEM_MAGIC`.
   */
  uint32_t magic;
  /**
   * `TANDEM_ABI_MAJOR` and `TANDEM_ABI_MINOR` as the plugin was built with.
   */
  uint16_t abi_major;
  uint16_t abi_minor;
  /**
   * Bytes of this struct as the plugin knows it.
   */
  uint32_t size;
  /**
   * 0.
   */
  uint32_t flags;
  /**
   * Describes the plugin as JSON. Called before `create`, perhaps more than once, perhaps in
   * another process.
   */
  int32_t (*manifest)(struct TandemBuf *result);
  /**
   * Makes an instance from its configuration as JSON. The instance is the plugin's and may be
   * NULL.
   */
  int32_t (*create)(const struct TandemHostApi *host,
                    struct TandemSlice config,
                    void **instance,
                    struct TandemBuf *result);
  /**
   * Calls a method: its name, and `{"params": …, "meta": …}` as JSON. Comes from any thread, and
   * from several at once unless the manifest says `serial`. Where it names `errors` of a method,
   * an error's code is one of them.
   */
  int32_t (*call)(void *instance,
                  struct TandemSlice method,
                  struct TandemSlice request,
                  struct TandemBuf *result);
  /**
   * Ends an instance. Called once, while no call is in flight.
   */
  void (*destroy)(void *instance);
} TandemPluginApi;

#if defined(_WIN32)
#define TANDEM_EXPORT __declspec(dllexport)
#else
#define TANDEM_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What a plugin defines. */
extern TANDEM_EXPORT const TandemPluginApi tandem_plugin;

#ifdef __cplusplus
}
#endif

#endif /* TANDEM_PLUGIN_H */
