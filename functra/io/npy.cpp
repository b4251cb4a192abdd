// Formats: numpy.lib.format (npy 1.0, 2.0, 3.0); PKWARE APPNOTE 6.3 (zip, with 64-bit sizes on reading).
#include "functra/io/npy.h"

#include <cstring>

#include "functra/io/bytes.h"

namespace functra::io {
namespace {
using View = std::span<const unsigned char>;
constexpr std::string_view kMagic = "\x93NUMPY";

std::uint64_t little(View b, std::size_t at, int bytes) {
  std::uint64_t v = 0;
  for (int i = 0; i < bytes; ++i) v |= static_cast<std::uint64_t>(b[at + static_cast<std::size_t>(i)]) << 8 * i;
  return v;
}
void put(Bytes& b, std::uint64_t v, int bytes) {
  for (int i = 0; i < bytes; ++i) b.push_back(static_cast<unsigned char>(v >> 8 * i));
}

struct Code {
  char kind;
  int size;
  DType dtype;
};
constexpr Code kCodes[] = {{'b', 1, bool_}, {'u', 1, u8},  {'u', 2, u16}, {'u', 4, u32}, {'u', 8, u64}, {'i', 1, i8},  {'i', 2, i16},
                           {'i', 4, i32},   {'i', 8, i64}, {'f', 2, f16}, {'f', 4, f32}, {'f', 8, f64}, {'c', 8, c64}, {'c', 16, c128}};

DType dtype_of_descr(const std::string& descr, const std::string& path) {
  if (descr == "|O") fail(path, "an array of Python objects (dtype '|O'); expected numbers: save it with a numeric dtype");
  if (!descr.empty() && descr[0] == '>')
    fail(path, "big-endian elements (dtype '" + descr + "'); expected little endian: save it with x.astype(x.dtype.newbyteorder('<'))");
  if (descr.size() >= 3 && (descr[0] == '<' || descr[0] == '|'))
    for (const Code& c : kCodes)
      if (descr.substr(1) == c.kind + std::to_string(c.size)) return c.dtype;
  fail(path, "dtype '" + descr + "'; expected bool, an integer of 8 to 64 bits, a float of 16 to 64 bits, or complex of those");
}

// The value after 'key': in the header's dictionary, which is a Python literal.
std::string_view value_of(std::string_view header, std::string_view key, const std::string& path) {
  std::size_t at = header.find("'" + std::string(key) + "'");
  if (at != header.npos) at = header.find(':', at);
  if (at == header.npos) fail(path, "expected '" + std::string(key) + "' in the npy header, found " + std::string(header.substr(0, 200)));
  at = header.find_first_not_of(' ', at + 1);
  return at == header.npos ? std::string_view{} : header.substr(at);
}

Tensor parse_npy(View b, const std::string& path) {
  if (b.size() < 10 || std::memcmp(b.data(), kMagic.data(), 6) != 0) fail(path, "expected the magic string of an npy file, \\x93NUMPY");
  int major = b[6];
  if (major < 1 || major > 3) fail(path, "npy version " + std::to_string(major) + "." + std::to_string(b[7]) + ", expected 1.0, 2.0 or 3.0");
  std::size_t at = major == 1 ? 10 : 12;
  if (b.size() < at) fail(path, "truncated npy header");
  std::size_t length = little(b, 8, major == 1 ? 2 : 4);
  if (b.size() - at < length)
    fail(path, "truncated npy header: expected " + std::to_string(length) + " bytes, found " + std::to_string(b.size() - at));
  std::string_view header(reinterpret_cast<const char*>(b.data()) + at, length);
  at += length;

  std::string_view descr = value_of(header, "descr", path);
  if (descr.empty() || descr[0] != '\'') fail(path, "a record array (dtype " + std::string(descr.substr(0, 80)) + "); expected one numeric dtype");
  DType d = dtype_of_descr(std::string(descr.substr(1, descr.find('\'', 1) - 1)), path);
  std::string_view order = value_of(header, "fortran_order", path);
  bool fortran = order.starts_with("True");
  if (!fortran && !order.starts_with("False")) fail(path, "expected True or False for 'fortran_order' in the npy header");
  std::string_view text = value_of(header, "shape", path);
  Shape s;
  if (text.empty() || text[0] != '(' || text.find(')') == text.npos) fail(path, "expected a tuple for 'shape' in the npy header");
  text = text.substr(1, text.find(')') - 1);
  double count = 1;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == ' ' || text[i] == ',') {
      ++i;
      continue;
    }
    std::int64_t v = 0;
    std::size_t from = i;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && i < from + 18; ++i) v = v * 10 + (text[i] - '0');
    if (i == from) fail(path, "expected extents in 'shape' of the npy header, found (" + std::string(text) + ")");
    s.push_back(v);
    count *= static_cast<double>(v);
  }
  double bytes = count * static_cast<double>(size_of(d));
  if (bytes > static_cast<double>(b.size() - at))
    fail(path, "truncated npy file: " + std::string(name_of(d)) + s.str() + " needs " + std::to_string(static_cast<long long>(bytes)) +
                   " bytes, found " + std::to_string(b.size() - at));

  Shape stored = s;
  if (fortran)
    for (std::size_t i = 0; i < s.size(); ++i) stored[i] = s[s.size() - 1 - i];
  Tensor r = Tensor::copy_of(b.data() + at, d, stored);
  if (!fortran || s.size() < 2) return r;
  Shape strides = row_major(stored), flipped = strides;
  for (std::size_t i = 0; i < s.size(); ++i) flipped[i] = strides[s.size() - 1 - i];
  return Tensor::view_of(r, s, flipped, 0);
}

Bytes format_npy(const Tensor& given, const std::string& path) {
  if (!given.defined()) throw ValueError("write " + path + ": the tensor is empty-handed (default constructed)");
  if (!given.concrete())
    throw TracerError("write " + path + ": the values of a traced tensor are not known while a transform runs; return it and write the result");
  Tensor x = given.strengthened();
  DType d = x.raw_dtype();
  const Code* code = nullptr;
  for (const Code& c : kCodes)
    if (c.dtype == d) code = &c;
  if (!code) throw DTypeError("write " + path + ": NumPy has no " + std::string(name_of(d)) + "; convert to f32 first");
  const Shape& s = x.shape_ref();
  Shape backwards = s, strides = x.strides_ref();
  for (std::size_t i = 0; i < s.size(); ++i) {
    backwards[i] = s[s.size() - 1 - i];
    strides[i] = x.strides_ref()[s.size() - 1 - i];
  }
  bool fortran = !x.is_contiguous() && is_row_major(backwards, strides);
  if (!fortran) x = x.contiguous();

  std::string header = std::string("{'descr': '") + (code->size == 1 ? '|' : '<') + code->kind + std::to_string(code->size) +
                       "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': (";
  for (std::size_t i = 0; i < s.size(); ++i) header += std::to_string(s[i]) + (i + 1 < s.size() ? ", " : s.size() == 1 ? "," : "");
  header += "), }";
  std::size_t lead = header.size() + 11 > 0xffff ? 12 : 10;
  header += std::string(63 - (lead + header.size()) % 64, ' ') + '\n';
  Bytes b(kMagic.begin(), kMagic.end());
  put(b, lead == 10 ? 1 : 2, 2);
  put(b, header.size(), lead == 10 ? 2 : 4);
  b.insert(b.end(), header.begin(), header.end());
  auto* p = static_cast<const unsigned char*>(x.bytes());
  b.insert(b.end(), p, p + static_cast<std::size_t>(x.numel()) * size_of(d));
  return b;
}
}  // namespace

Tensor read_npy(const std::string& path) {
  Bytes b = read_file(path);
  return parse_npy(b, path);
}
void write_npy(const std::string& path, const Tensor& x) { write_file(path, format_npy(x, path)); }

std::map<std::string, Tensor> read_npz(const std::string& path) {
  Bytes all = read_file(path);
  View b = all;
  // The end record is within the last 64 KiB; it lists the central directory.
  std::size_t end = b.size() < 22 ? 0 : b.size() - 22;
  while (end > 0 && end + 65557 > b.size() && little(b, end, 4) != 0x06054b50) --end;
  if (b.size() < 22 || little(b, end, 4) != 0x06054b50)
    fail(path, "expected an npz file (a zip archive); its end record is missing or the file is truncated");
  std::uint64_t entries = little(b, end + 10, 2), at = little(b, end + 16, 4);
  if ((entries == 0xffff || at == 0xffffffff) && end >= 20 && little(b, end - 20, 4) == 0x07064b50) {  // the 64-bit end record
    std::uint64_t z = little(b, end - 12, 8);
    if (z + 56 > b.size() || little(b, z, 4) != 0x06064b50) fail(path, "damaged zip archive: 64-bit end record");
    entries = little(b, z + 32, 8);
    at = little(b, z + 48, 8);
  }
  std::map<std::string, Tensor> arrays;
  for (std::uint64_t k = 0; k < entries; ++k) {
    if (at + 46 > b.size() || little(b, at, 4) != 0x02014b50) fail(path, "damaged zip archive: directory entry " + std::to_string(k));
    std::uint64_t method = little(b, at + 10, 2), crc = little(b, at + 16, 4), packed = little(b, at + 20, 4), size = little(b, at + 24, 4),
                  local = little(b, at + 42, 4);
    std::uint64_t name_length = little(b, at + 28, 2), extra = little(b, at + 30, 2), comment = little(b, at + 32, 2);
    if (at + 46 + name_length + extra > b.size()) fail(path, "damaged zip archive: directory entry " + std::to_string(k));
    std::string name(reinterpret_cast<const char*>(b.data()) + at + 46, name_length);
    for (std::uint64_t e = at + 46 + name_length, stop = e + extra; e + 4 <= stop;) {  // 64-bit sizes
      std::uint64_t id = little(b, e, 2), n = little(b, e + 2, 2), p = e + 4;
      for (std::uint64_t* v : {&size, &packed, &local})
        if (id == 1 && *v == 0xffffffff && p + 8 <= e + 4 + n && p + 8 <= stop) {
          *v = little(b, p, 8);
          p += 8;
        }
      e += 4 + n;
    }
    std::string where = path + ": " + name;
    if (local + 30 > b.size() || little(b, local, 4) != 0x04034b50) fail(where, "damaged zip archive: local header");
    std::uint64_t from = local + 30 + little(b, local + 26, 2) + little(b, local + 28, 2);
    if (from > b.size() || packed > b.size() - from) fail(where, "truncated zip archive: expected " + std::to_string(packed) + " bytes");
    View data = b.subspan(from, packed);
    Bytes open;
    if (method == 8) data = open = inflate_raw(data, size, where);
    else if (method != 0) fail(where, "zip compression method " + std::to_string(method) + ", expected stored (0) or deflated (8)");
    if (crc32_of(data) != crc) fail(where, "damaged: its checksum differs from the archive's");
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    arrays.insert_or_assign(name, parse_npy(data, where));
    at += 46 + name_length + extra + comment;
  }
  return arrays;
}

void write_npz(const std::string& path, const std::map<std::string, Tensor>& arrays, bool compress) {
  Bytes out, directory;
  if (arrays.size() > 0xfffe) fail(path, "more than 65,534 arrays");
  for (auto& [key, x] : arrays) {
    std::string name = key + ".npy";
    Bytes plain = format_npy(x, path + ": " + name), packed;
    if (compress) packed = deflate_raw(plain);
    const Bytes& body = compress ? packed : plain;
    if (plain.size() >= 0xffffffff || out.size() + body.size() >= 0xffffffff)
      fail(path, "npz files of 4 GiB and more are not written; use npy files");
    auto common = [&](Bytes& b) {
      put(b, 20, 2);
      put(b, 0x800, 2);  // names are UTF-8
      put(b, compress ? 8 : 0, 2);
      put(b, 0, 2);
      put(b, 0x21, 2);  // 1980-01-01: equal contents give equal files
      put(b, crc32_of(plain), 4);
      put(b, body.size(), 4);
      put(b, plain.size(), 4);
      put(b, name.size(), 2);
      put(b, 0, 2);
    };
    put(directory, 0x02014b50, 4);
    put(directory, 20, 2);
    common(directory);
    put(directory, 0, 2);
    put(directory, 0, 2);
    put(directory, 0, 2);
    put(directory, 0, 4);
    put(directory, out.size(), 4);
    directory.insert(directory.end(), name.begin(), name.end());
    put(out, 0x04034b50, 4);
    common(out);
    out.insert(out.end(), name.begin(), name.end());
    out.insert(out.end(), body.begin(), body.end());
  }
  std::size_t start = out.size();
  out.insert(out.end(), directory.begin(), directory.end());
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, arrays.size(), 2);
  put(out, arrays.size(), 2);
  put(out, directory.size(), 4);
  put(out, start, 4);
  put(out, 0, 2);
  write_file(path, out);
}

}  // namespace functra::io
