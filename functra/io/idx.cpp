#include "functra/io/idx.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "functra/io/bytes.h"

namespace functra::io {

Tensor read_idx(const std::string& path) {
  Bytes b = read_maybe_gzip(path);
  if (b.size() < 4) fail(path, "expected an IDX file, found only " + std::to_string(b.size()) + " bytes");
  if (b[0] || b[1]) {
    char found[16];
    std::snprintf(found, sizeof found, "0x%02x%02x%02x%02x", b[0], b[1], b[2], b[3]);
    fail(path, std::string("expected the magic number of an IDX file, 0x0000TTRR (element type, rank), found ") + found);
  }
  DType d;
  switch (b[2]) {
    case 0x08: d = u8; break;
    case 0x09: d = i8; break;
    case 0x0b: d = i16; break;
    case 0x0c: d = i32; break;
    case 0x0d: d = f32; break;
    case 0x0e: d = f64; break;
    default: fail(path, "IDX element type " + std::to_string(b[2]) + ", expected 8 (u8), 9 (i8), 11 (i16), 12 (i32), 13 (f32) or 14 (f64)");
  }
  std::size_t rank = b[3], header = 4 + 4 * rank;
  if (b.size() < header)
    fail(path,
         "truncated IDX header: rank " + std::to_string(rank) + " needs " + std::to_string(header) + " bytes, found " + std::to_string(b.size()));
  Shape s;
  double count = 1;
  for (std::size_t i = 0; i < rank; ++i) {
    const unsigned char* p = b.data() + 4 + 4 * i;
    s.push_back(static_cast<std::int64_t>(p[0]) << 24 | p[1] << 16 | p[2] << 8 | p[3]);
    count *= static_cast<double>(s.back());
  }
  std::size_t found = b.size() - header;
  if (count * static_cast<double>(size_of(d)) != static_cast<double>(found))
    fail(path, "IDX header says " + std::string(name_of(d)) + s.str() + ", which is " +
                   std::to_string(static_cast<long long>(count) * static_cast<long long>(size_of(d))) + " bytes; found " + std::to_string(found));
  Tensor r = s.empty() ? Tensor::strong(0, d) : Tensor::uninitialized(d, s);
  auto* out = static_cast<unsigned char*>(r.mutable_bytes());
  std::memcpy(out, b.data() + header, found);
  if (std::size_t w = size_of(d); w > 1)
    for (std::size_t i = 0; i < found; i += w) std::reverse(out + i, out + i + w);  // stored big endian
  return r;
}

}  // namespace functra::io
