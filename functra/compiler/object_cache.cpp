#include "functra/compiler/object_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

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
std::uintmax_t limit() {  // bytes of all entries
  const char* mb = std::getenv("FUNCTRA_CACHE_MB");
  const unsigned long long n = mb ? std::strtoull(mb, nullptr, 10) : 0;
  return (n ? std::uintmax_t{n} : 1024) << 20;
}
// Removes entries that were not used for longest, where there is more than the limit, until a quarter of it is free.
void trim(const std::string& dir) {
  struct Entry {
    std::string path;
    std::uintmax_t bytes;
    timespec used;
  };
  std::vector<Entry> entries;
  std::uintmax_t all = 0;
  DIR* d = ::opendir(dir.c_str());
  if (!d) return;
  while (const dirent* e = ::readdir(d)) {
    const std::string_view name = e->d_name;
    struct stat s;
    if (name.size() < 34 || name.find_first_not_of("0123456789abcdef") != 32 || name.substr(32, 2) != ".o") continue;  // not ours
    std::string path = dir + "/" + e->d_name;
    if (::lstat(path.c_str(), &s) != 0 || !S_ISREG(s.st_mode)) continue;
    all += static_cast<std::uintmax_t>(s.st_size);
    entries.push_back({std::move(path), static_cast<std::uintmax_t>(s.st_size), s.st_atim});
  }
  ::closedir(d);
  const std::uintmax_t most = limit();
  if (all <= most) return;
  std::ranges::sort(entries, {}, [](const Entry& e) { return std::pair(e.used.tv_sec, e.used.tv_nsec); });
  for (const Entry& e : entries) {
    if (all <= most / 4 * 3) break;
    ::unlink(e.path.c_str());
    all -= e.bytes;
  }
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
  const timespec used[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
  (void)::futimens(f.fd, used);
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
  // Looked at now and then: a large directory takes a while to go through.
  static std::atomic<std::uintmax_t> stored{0};
  stored += bytes.size();
  if (name.word[0] % 128 != 0 && stored < limit() / 8) return;
  stored = 0;
  trim(dir);
}

}  // namespace functra::compiler
