// A plugin in C++ that counts its calls in a static of an inline function, which compilers share
// between all libraries of a process unless they are told not to.
#include "tandem_plugin.h"

#include <cstring>
#include <stdexcept>
#include <string>

inline int &calls() {
  static int count = 0;
  return count;
}

static int32_t text(TandemBuf *result, const std::string &words) {
  auto *copy = new uint8_t[words.size()];
  std::memcpy(copy, words.data(), words.size());
  *result = {copy, words.size(), words.size(),
             [](uint8_t *ptr, size_t, size_t) { delete[] ptr; }};
  return TANDEM_OK;
}

static int32_t manifest(TandemBuf *result) {
  return text(result, R"({"name": "counter", "version": "1", "kinds": {"action": 1},
    "methods": {"action.count": {}, "action.throw": {}}})");
}

static int32_t create(const TandemHostApi *, TandemSlice, void **instance, TandemBuf *) {
  *instance = new std::string("counter");
  return TANDEM_OK;
}

static int32_t call(void *, TandemSlice method, TandemSlice, TandemBuf *result) {
  try {
    if (std::string(reinterpret_cast<const char *>(method.ptr), method.len) == "action.throw")
      throw std::runtime_error("as the test wants it");
    return text(result, std::to_string(++calls()));
  } catch (const std::exception &) {
    return TANDEM_PANICKED;
  }
}

static void destroy(void *instance) { delete static_cast<std::string *>(instance); }

const TandemPluginApi tandem_plugin = {TANDEM_MAGIC, TANDEM_ABI_MAJOR,        TANDEM_ABI_MINOR,
                                       sizeof(TandemPluginApi), 0, manifest, create, call, destroy};
