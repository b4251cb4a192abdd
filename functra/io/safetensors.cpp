#include "functra/io/safetensors.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "functra/io/bytes.h"

namespace functra::io {
namespace {

constexpr std::uint64_t kLongestHeader = 100'000'000;  // as the format's own reader allows
struct Name {
  std::string_view text;
  DType dtype;
};
constexpr Name kNames[] = {{"BOOL", bool_}, {"U8", u8},   {"U16", u16}, {"U32", u32},   {"U64", u64}, {"I8", i8},   {"I16", i16},
                           {"I32", i32},    {"I64", i64}, {"F16", f16}, {"BF16", bf16}, {"F32", f32}, {"F64", f64}, {"C64", c64}};

struct Entry {
  std::string name;
  DType dtype = f32;
  Shape shape;
  std::uint64_t begin = 0, end = 0;
};
struct Header {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
};

// The JSON that the format allows: an object of objects, with strings, and lists of numbers that are not negative.
class Parser {
 public:
  Parser(std::string_view text, const std::string& path) : s_(text), path_(path) {}
  Header header() {
    Header h;
    object([&](const std::string& name) {
      if (name == "__metadata__") {
        object([&](const std::string& key) { h.metadata[key] = string(); });
        return;
      }
      for (const Entry& e : h.entries)
        if (e.name == name) fail(path_, "'" + name + "' occurs twice");
      h.entries.push_back(entry(name));
    });
    space();
    if (at_ != s_.size()) wrong("the end");
    return h;
  }

 private:
  [[noreturn]] void wrong(const std::string& expected) {
    fail(path_, "the header is not that of a safetensors file: expected " + expected + " at byte " + std::to_string(8 + at_));
  }
  void space() {
    while (at_ < s_.size() && (s_[at_] == ' ' || s_[at_] == '\n' || s_[at_] == '\t' || s_[at_] == '\r')) ++at_;
  }
  bool take(char c) {
    space();
    if (at_ >= s_.size() || s_[at_] != c) return false;
    ++at_;
    return true;
  }
  void need(char c) {
    if (!take(c)) wrong(std::string("'") + c + "'");
  }
  template <class F> void list(char open, char close, F item) {
    need(open);
    if (take(close)) return;
    do item();
    while (take(','));
    need(close);
  }
  template <class F> void object(F member) {
    list('{', '}', [&] {
      std::string key = string();
      need(':');
      member(key);
    });
  }
  std::uint64_t number() {
    space();
    std::size_t from = at_;
    std::uint64_t v = 0;
    for (; at_ < s_.size() && s_[at_] >= '0' && s_[at_] <= '9'; ++at_) {
      if (at_ - from >= 18) wrong("a number below 10^18");
      v = v * 10 + static_cast<std::uint64_t>(s_[at_] - '0');
    }
    if (at_ == from) wrong("a number that is not negative");
    return v;
  }
  unsigned hex4() {
    unsigned v = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      char c = at_ < s_.size() ? s_[at_] : ' ';
      int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) wrong("a hexadecimal digit");
      v = v * 16 + static_cast<unsigned>(digit);
    }
    return v;
  }
  static void put_utf8(std::string& out, unsigned c) {
    auto tail = [&](int shift) { out += static_cast<char>(0x80 | (c >> shift & 0x3f)); };
    if (c < 0x80) out += static_cast<char>(c);
    else if (c < 0x800) out += static_cast<char>(0xc0 | c >> 6), tail(0);
    else if (c < 0x10000) out += static_cast<char>(0xe0 | c >> 12), tail(6), tail(0);
    else out += static_cast<char>(0xf0 | c >> 18), tail(12), tail(6), tail(0);
  }
  std::string string() {
    need('"');
    std::string r;
    while (true) {
      if (at_ >= s_.size()) wrong("the end of a string");
      char c = s_[at_++];
      if (c == '"') return r;
      if (static_cast<unsigned char>(c) < 0x20) wrong("an escape for a control character");
      if (c != '\\') {
        r += c;
        continue;
      }
      char e = at_ < s_.size() ? s_[at_++] : ' ';
      constexpr std::string_view codes = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
      if (std::size_t k = codes.find(e); k != codes.npos) r += values[k];
      else if (e == 'u') {
        unsigned u = hex4();
        if (u >= 0xd800 && u < 0xdc00) {  // the first half of a pair
          if (s_.substr(at_, 2) != "\\u") wrong("the second half of a surrogate pair");
          at_ += 2;
          unsigned low = hex4();
          if (low < 0xdc00 || low >= 0xe000) wrong("the second half of a surrogate pair");
          u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
        }
        put_utf8(r, u);
      } else wrong("an escape");
    }
  }
  Entry entry(const std::string& name) {
    Entry e;
    e.name = name;
    int seen = 0;
    object([&](const std::string& key) {
      if (key == "dtype") {
        std::string text = string();
        const Name* found = std::find_if(std::begin(kNames), std::end(kNames), [&](const Name& n) { return n.text == text; });
        if (found == std::end(kNames))
          fail(path_, "'" + name + "' has dtype '" + text + "'; expected BOOL, an integer of 8 to 64 bits, F16, BF16, F32, F64 or C64");
        e.dtype = found->dtype;
        seen |= 1;
      } else if (key == "shape") {
        list('[', ']', [&] { e.shape.push_back(static_cast<std::int64_t>(number())); });
        seen |= 2;
      } else if (key == "data_offsets") {
        need('[');
        e.begin = number();
        need(',');
        e.end = number();
        need(']');
        seen |= 4;
      } else wrong("dtype, shape or data_offsets, not '" + key + "',");
    });
    if (seen != 7) fail(path_, "'" + name + "' lacks one of dtype, shape and data_offsets");
    return e;
  }

  std::string_view s_;
  const std::string& path_;
  std::size_t at_ = 0;
};

Header parse(const Bytes& b, std::size_t& data, const std::string& path) {
  if (b.size() < 8) fail(path, "truncated: " + std::to_string(b.size()) + " bytes, expected a safetensors header");
  std::uint64_t n = 0;
  for (std::size_t i = 0; i < 8; ++i) n |= static_cast<std::uint64_t>(b[i]) << 8 * i;
  if (n > kLongestHeader) fail(path, "a header of " + std::to_string(n) + " bytes; this is not a safetensors file");
  if (n > b.size() - 8) fail(path, "truncated: expected a header of " + std::to_string(n) + " bytes, found " + std::to_string(b.size() - 8));
  data = 8 + n;
  return Parser({reinterpret_cast<const char*>(b.data()) + 8, n}, path).header();
}
// The entries cover the data from its first byte to its last, each with as many bytes as its elements take.
void check(const Header& h, std::uint64_t size, const std::string& path) {
  std::vector<const Entry*> order;
  for (const Entry& e : h.entries) order.push_back(&e);
  std::sort(order.begin(), order.end(), [](const Entry* a, const Entry* b) { return std::pair(a->begin, a->end) < std::pair(b->begin, b->end); });
  std::uint64_t at = 0;
  for (const Entry* e : order) {
    std::string what = "'" + e->name + "' lies at bytes [" + std::to_string(e->begin) + ", " + std::to_string(e->end) + ")";
    if (e->begin != at)
      fail(path, what + (e->begin < at ? ", which overlap what comes before" : ", after a gap") + "; expected to begin at " + std::to_string(at));
    double elements = 1;  // products of extents may overflow 64 bits
    for (std::int64_t x : e->shape) elements *= static_cast<double>(x);
    if (e->end < e->begin || static_cast<double>(e->end - e->begin) != elements * static_cast<double>(size_of(e->dtype)))
      fail(path, what + ", which does not fit " + std::string(name_of(e->dtype)) + " " + e->shape.str());
    if (e->end > size) fail(path, "truncated: " + what + ", but there are " + std::to_string(size) + " bytes of elements");
    at = e->end;
  }
  if (at != size) fail(path, std::to_string(size - at) + " bytes after the last tensor");
}

std::string quoted(std::string_view s) {
  std::string r = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') r += '\\', r += c;
    else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr std::string_view digits = "0123456789abcdef";
      r += "\\u00", r += digits[static_cast<unsigned char>(c) >> 4], r += digits[static_cast<unsigned char>(c) & 15];
    } else r += c;
  }
  return r + '"';
}

}  // namespace

std::map<std::string, Tensor> read_safetensors(const std::string& path) {
  Bytes b = read_file(path);
  std::size_t data = 0;
  Header h = parse(b, data, path);
  check(h, b.size() - data, path);
  std::map<std::string, Tensor> r;
  for (const Entry& e : h.entries) r.emplace(e.name, Tensor::copy_of(b.data() + data + e.begin, e.dtype, e.shape));
  return r;
}
std::map<std::string, std::string> read_safetensors_metadata(const std::string& path) {
  std::size_t data = 0;
  return parse(read_file(path), data, path).metadata;
}

void write_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors, const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  auto comma = [&] {
    if (header.size() > 1) header += ',';
  };
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) header += (header.back() == '{' ? "" : ",") + quoted(key) + ":" + quoted(value);
    header += '}';
  }
  Bytes data;
  std::vector<std::pair<std::string, Tensor>> order;
  for (const auto& [name, t] : tensors) {
    if (!t.defined()) throw ValueError("write_safetensors: '" + name + "' is undefined");
    order.emplace_back(name, t.contiguous());
  }
  // The widest elements first, so that all are aligned.
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return size_of(a.second.dtype()) > size_of(b.second.dtype()); });
  for (const auto& [name, t] : order) {
    const Name* type = std::find_if(std::begin(kNames), std::end(kNames), [&t = t](const Name& n) { return n.dtype == t.dtype(); });
    if (type == std::end(kNames))
      throw DTypeError("write_safetensors: '" + name + "' is " + std::string(name_of(t.dtype())) + ", which the format does not have");
    Tensor firm = t.strengthened();
    std::size_t begin = data.size(), n = static_cast<std::size_t>(t.numel()) * size_of(t.dtype());
    data.resize(begin + n);
    if (n) std::memcpy(data.data() + begin, firm.bytes(), n);
    comma();
    std::string extents = t.sizes().str();
    extents.erase(std::remove(extents.begin(), extents.end(), ' '), extents.end());
    header += quoted(name) + ":{\"dtype\":\"" + std::string(type->text) + "\",\"shape\":" + extents + ",\"data_offsets\":[" + std::to_string(begin) +
              "," + std::to_string(begin + n) + "]}";
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');
  Bytes file;
  for (std::size_t i = 0; i < 8; ++i) file.push_back(static_cast<unsigned char>(header.size() >> 8 * i));
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), data.begin(), data.end());
  write_file(path, file);
}

}  // namespace functra::io
