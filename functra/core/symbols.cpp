#include "functra/core/symbols.h"

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#if FUNCTRA_HAVE_LIBDW
#include <elfutils/libdwfl.h>
#include <unistd.h>
#endif

namespace functra::core {
namespace {
std::string function_of(const void* address) {
  Dl_info info{};
  char text[64];
  if (!dladdr(address, &info) || !info.dli_sname) {
    std::snprintf(text, sizeof text, "%p", address);
    return text;
  }
  int status = 0;
  char* plain = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
  std::string s = status == 0 ? plain : info.dli_sname;
  std::free(plain);
  return s;
}
#if FUNCTRA_HAVE_LIBDW
std::string line_of(const void* address) {
  static std::mutex mutex;
  static Dwfl_Callbacks callbacks = {dwfl_linux_proc_find_elf, dwfl_standard_find_debuginfo, nullptr, nullptr};
  std::lock_guard lock(mutex);
  static Dwfl* dwfl = [] {
    Dwfl* d = dwfl_begin(&callbacks);
    if (d && (dwfl_linux_proc_report(d, getpid()) != 0 || dwfl_report_end(d, nullptr, nullptr) != 0)) {
      dwfl_end(d);
      d = nullptr;
    }
    return d;
  }();
  if (!dwfl) return {};
  auto at = reinterpret_cast<Dwarf_Addr>(address) - 1;
  Dwfl_Module* module = dwfl_addrmodule(dwfl, at);
  Dwfl_Line* line = module ? dwfl_module_getsrc(module, at) : nullptr;
  int number = 0;
  const char* file = line ? dwfl_lineinfo(line, nullptr, &number, nullptr, nullptr, nullptr) : nullptr;
  if (!file) return {};
  std::string name = file;
  if (auto slash = name.rfind('/'); slash != name.npos) name = name.substr(slash + 1);
  return name + ":" + std::to_string(number);
}
#else
std::string line_of(const void*) { return {}; }
#endif
}  // namespace

std::string symbol_of(const void* address) {
  std::string line = line_of(address);
  return line.empty() ? function_of(address) : line;
}

}  // namespace functra::core
