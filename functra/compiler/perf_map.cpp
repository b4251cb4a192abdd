#include "functra/compiler/perf_map.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>

#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Object/ObjectFile.h>

namespace functra::compiler {

bool profilers_wanted() {
  const char* wanted = std::getenv("FUNCTRA_PERF_MAP");
  return wanted && std::string(wanted) != "0";
}
void list_for_profilers(std::span<const char> object, std::span<const Named> functions, const std::string& prefix) {
  std::map<std::string, std::uint64_t> sizes;
  auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(llvm::StringRef(object.data(), object.size()), "functra"));
  if (!file) {
    llvm::consumeError(file.takeError());
    return;
  }
  for (const llvm::object::SymbolRef& s : (*file)->symbols()) {
    auto name = s.getName();
    if (name && (*file)->isELF()) sizes[name->str()] = llvm::object::ELFSymbolRef(s).getSize();
    else llvm::consumeError(name.takeError());
  }
  static auto* mutex = new std::mutex;
  std::lock_guard lock(*mutex);
  const std::string path = "/tmp/perf-" + std::to_string(getpid()) + ".map";
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(path.c_str(), "a"), std::fclose);
  if (!out) return;
  for (const Named& f : functions)
    if (auto size = sizes.find(f.symbol); size != sizes.end())
      std::fprintf(out.get(), "%lx %lx %s.%s\n", static_cast<unsigned long>(f.at), static_cast<unsigned long>(size->second), prefix.c_str(),
                   f.symbol.c_str());
}

}  // namespace functra::compiler
