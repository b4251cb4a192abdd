#include "functra/compiler/object_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <llvm/Support/xxhash.h>

namespace functra::compiler {
namespace {

std::array<std::uint64_t, 2> digest(std::string_view s) {
  const auto h = llvm::xxh3_128bits({reinterpret_cast<const std::uint8_t*>(s.data()), s.size()});
  return {h.low64, h.high64};
}
struct Header {
  char magic[16] = {'f', 'u', 'n', 'c', 't', 'r', 'a', ' ', 'o', 'b', 'j', 'e', 'c', 't', ' ', '3'};
  std::array<std::uint64_t, 2> name;
  std::uint64_t size, check;
};
Header header_of(const Digest& name, std::string_view bytes) {
  Header h;
  h.name = name.word;
  h.size = bytes.size();
  h.check = digest(bytes)[0];
  return h;
}
// The directory, made if need be; empty where there is none to use.
std::string directory() {
  const char* name = std::getenv("FUNCTRA_CACHE_DIR");
  if (!name || !*name) return {};
  for (const char* p = name + 1;; ++p)
    if (*p == '/' || !*p) {
      (void)::mkdir(std::string(name, p).c_str(), 0700);
      if (!*p) break;
    }
  struct stat s;
  if (::stat(name, &s) != 0 || !S_ISDIR(s.st_mode) || s.st_uid != ::geteuid() || (s.st_mode & 022)) return {};
  return name;
}
std::string path_of(const std::string& dir, const Digest& d) {
  char name[48];
  std::snprintf(name, sizeof name, "/%016llx%016llx.o", static_cast<unsigned long long>(d.word[0]), static_cast<unsigned long long>(d.word[1]));
  return dir + name;
}
bool read_all(int fd, char* to, std::size_t n) {
  while (n) {
    ssize_t k = ::read(fd, to, n);
    if (k <= 0) return false;
    to += k;
    n -= static_cast<std::size_t>(k);
  }
  return true;
}
bool write_all(int fd, const char* from, std::size_t n) {
  while (n) {
    ssize_t k = ::write(fd, from, n);
    if (k <= 0) return false;
    from += k;
    n -= static_cast<std::size_t>(k);
  }
  return true;
}
struct File {
  int fd;
  ~File() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

Digest::Digest(std::string_view key) : word(digest(key)) {}
bool keeps_objects() { return !directory().empty(); }
std::optional<std::vector<char>> load_object(const Digest& name) {
  std::string dir = directory();
  if (dir.empty()) return {};
  File f{::open(path_of(dir, name).c_str(), O_RDONLY | O_CLOEXEC)};
  if (f.fd < 0) return {};
  Header h;
  struct stat s;
  if (::fstat(f.fd, &s) != 0 || !read_all(f.fd, reinterpret_cast<char*>(&h), sizeof h)) return {};
  if (std::memcmp(h.magic, Header{}.magic, sizeof h.magic) != 0 || h.name != name.word) return {};
  if (static_cast<std::uint64_t>(s.st_size) != sizeof h + h.size) return {};
  std::vector<char> bytes(h.size);
  if (!read_all(f.fd, bytes.data(), bytes.size()) || digest({bytes.data(), bytes.size()})[0] != h.check) return {};
  return bytes;
}
void store_object(const Digest& name, std::span<const char> bytes) {
  std::string dir = directory();
  if (dir.empty()) return;
  static std::atomic<unsigned> count{0};
  const Header h = header_of(name, {bytes.data(), bytes.size()});
  const std::string path = path_of(dir, name), part = path + "." + std::to_string(::getpid()) + "." + std::to_string(count++);
  bool whole = false;
  {
    File f{::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (f.fd < 0) return;
    whole = write_all(f.fd, reinterpret_cast<const char*>(&h), sizeof h) && write_all(f.fd, bytes.data(), bytes.size());
  }
  if (!whole || ::rename(part.c_str(), path.c_str()) != 0) ::unlink(part.c_str());
}

}  // namespace functra::compiler
