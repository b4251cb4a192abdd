#include "functra/io/bytes.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "functra/base/errors.h"

namespace functra::io {
namespace {
struct Close {
  void operator()(std::FILE* f) const { std::fclose(f); }
};
using File = std::unique_ptr<std::FILE, Close>;
File open(const std::string& path, const char* mode) {
  File f(std::fopen(path.c_str(), mode));
  if (!f) fail(path, std::string(*mode == 'r' ? "cannot be read: " : "cannot be written: ") + std::strerror(errno));
  return f;
}
constexpr std::size_t kPiece = 1u << 30;  // zlib counts bytes in 32 bits
}  // namespace

void fail(const std::string& path, const std::string& what) { throw IoError(path + ": " + what); }

Bytes read_file(const std::string& path) {
  File f = open(path, "rb");
  Bytes all;
  for (;;) {
    std::size_t had = all.size(), more = std::max<std::size_t>(std::size_t{1} << 16, had);
    all.resize(had + more);
    std::size_t got = std::fread(all.data() + had, 1, more, f.get());
    all.resize(had + got);
    if (got < more) break;
  }
  if (std::ferror(f.get())) fail(path, std::string("cannot be read: ") + std::strerror(errno));
  return all;
}

Bytes read_maybe_gzip(const std::string& path) {
  Bytes raw = read_file(path);
  if (raw.size() < 2 || raw[0] != 0x1f || raw[1] != 0x8b) return raw;
  z_stream z{};
  if (inflateInit2(&z, 15 + 16) != Z_OK) fail(path, "zlib cannot be initialised");
  std::unique_ptr<z_stream, int (*)(z_stream*)> end(&z, inflateEnd);
  Bytes out(raw.size() * 4);
  std::size_t used = 0, made = 0;
  for (;;) {
    z.next_in = raw.data() + used;
    z.avail_in = static_cast<uInt>(std::min(raw.size() - used, kPiece));
    if (made == out.size()) out.resize(made * 2);
    z.next_out = out.data() + made;
    z.avail_out = static_cast<uInt>(std::min(out.size() - made, kPiece));
    uInt in = z.avail_in, room = z.avail_out;
    int status = inflate(&z, Z_NO_FLUSH);
    used += in - z.avail_in;
    made += room - z.avail_out;
    if (status == Z_STREAM_END) {
      if (used + 2 < raw.size() && raw[used] == 0x1f && raw[used + 1] == 0x8b) {
        inflateReset(&z);
        continue;
      }  // members may follow each other
      break;
    }
    if (status != Z_OK && status != Z_BUF_ERROR)
      fail(path, std::string("damaged gzip data after ") + std::to_string(made) + " bytes: " + (z.msg ? z.msg : "unknown method"));
    if (used == raw.size() && z.avail_out != 0)
      fail(path, "truncated gzip file: expected more data after " + std::to_string(made) + " bytes of contents");
  }
  out.resize(made);
  return out;
}

void write_file(const std::string& path, std::span<const unsigned char> data) {
  File f = open(path, "wb");
  bool ok = std::fwrite(data.data(), 1, data.size(), f.get()) == data.size();
  if (std::fclose(f.release()) != 0 || !ok) fail(path, std::string("cannot be written: ") + std::strerror(errno));
}

Bytes inflate_raw(std::span<const unsigned char> data, std::size_t size, const std::string& path) {
  Bytes out(size + 1);
  z_stream z{};
  if (inflateInit2(&z, -15) != Z_OK) fail(path, "zlib cannot be initialised");
  std::unique_ptr<z_stream, int (*)(z_stream*)> end(&z, inflateEnd);
  std::size_t used = 0, made = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    z.next_in = const_cast<unsigned char*>(data.data()) + used;
    z.avail_in = static_cast<uInt>(std::min(data.size() - used, kPiece));
    z.next_out = out.data() + made;
    z.avail_out = static_cast<uInt>(std::min(out.size() - made, kPiece));
    uInt in = z.avail_in, room = z.avail_out;
    status = inflate(&z, Z_NO_FLUSH);
    used += in - z.avail_in;
    made += room - z.avail_out;
  }
  if (status != Z_STREAM_END || made != size)
    fail(path, "damaged compressed data: expected " + std::to_string(size) + " bytes, found " + std::to_string(made));
  out.resize(size);
  return out;
}

Bytes deflate_raw(std::span<const unsigned char> data) {
  z_stream z{};
  if (deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw IoError("zlib cannot be initialised");
  std::unique_ptr<z_stream, int (*)(z_stream*)> end(&z, deflateEnd);
  Bytes out(deflateBound(&z, static_cast<uLong>(data.size())) + 16);
  std::size_t used = 0, made = 0;
  int status = Z_OK;
  while (status == Z_OK || status == Z_BUF_ERROR) {
    z.next_in = const_cast<unsigned char*>(data.data()) + used;
    z.avail_in = static_cast<uInt>(std::min(data.size() - used, kPiece));
    z.next_out = out.data() + made;
    z.avail_out = static_cast<uInt>(std::min(out.size() - made, kPiece));
    uInt in = z.avail_in, room = z.avail_out;
    status = deflate(&z, used + in == data.size() ? Z_FINISH : Z_NO_FLUSH);
    used += in - z.avail_in;
    made += room - z.avail_out;
  }
  out.resize(made);
  return out;
}

std::uint32_t crc32_of(std::span<const unsigned char> data) {
  uLong c = ::crc32(0, nullptr, 0);
  for (std::size_t at = 0; at < data.size(); at += kPiece) c = ::crc32(c, data.data() + at, static_cast<uInt>(std::min(data.size() - at, kPiece)));
  return static_cast<std::uint32_t>(c);
}

}  // namespace functra::io
