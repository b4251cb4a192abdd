// Text of tensors, by the rules of PyTorch's printing in Python (torch/_tensor_str.py, with its default options).
#include <cmath>
#include <cstdio>
#include <ostream>

#include "functra/tensor/traced.h"

namespace functra {
namespace {

constexpr int edge_items = 3, line_width = 80, precision = 4;
constexpr std::int64_t threshold = 1000;  // elements above which the middle is left out

std::string text(const char* format, double v, int digits = 0) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v < 0 ? "-inf" : "inf";
  char buffer[512];
  return {buffer, static_cast<std::size_t>(std::snprintf(buffer, sizeof buffer, format, digits, v))};
}

// One width and one notation for all elements of a tensor (for complex ones: of all real or all imaginary parts).
class Formatter {
 public:
  explicit Formatter(bool floating) : floating_(floating) {}
  void decide(const std::vector<Scalar>& values, bool imaginary) {
    auto of = [&](const Scalar& s) { return imaginary ? s.imag() : s.real(); };
    auto widen = [&](std::size_t n) { width_ = std::max(width_, n); };
    if (!floating_) {
      for (const Scalar& s : values) widen(plain(s).size());
      return;
    }
    double low = INFINITY, high = 0;
    for (const Scalar& s : values) {
      double v = of(s);
      if (!std::isfinite(v) || v == 0) continue;
      low = std::min(low, std::abs(v));
      high = std::max(high, std::abs(v));
      whole_ = whole_ && v == std::ceil(v);
    }
    if (high == 0) return;  // zeros and non-finite numbers only
    scientific_ = high / low > 1000 || high > 1e8 || (!whole_ && low < 1e-4);
    for (const Scalar& s : values) {
      double v = of(s);
      if (!std::isfinite(v) || v == 0) continue;
      widen(scientific_ ? text("%.*e", v, precision).size() : whole_ ? text("%.*f", v).size() + 1 : text("%.*f", v, precision).size());
    }
  }
  std::string operator()(const Scalar& s, bool imaginary = false) const {
    std::string r;
    double v = imaginary ? s.imag() : s.real();
    if (!floating_) r = plain(s);
    else if (scientific_) r = text("%.*e", v, precision);
    else if (whole_) r = text("%.*f", v) + (std::isfinite(v) ? "." : "");
    else r = text("%.*f", v, precision);
    return std::string(width_ > r.size() ? width_ - r.size() : 0, ' ') + r;
  }
  std::size_t width() const { return width_; }

 private:
  static std::string plain(const Scalar& s) {
    if (s.type() == DType::bool_) return static_cast<bool>(s) ? "True" : "False";
    return s.type() == DType::u64 ? std::to_string(static_cast<std::uint64_t>(s)) : std::to_string(static_cast<std::int64_t>(s));
  }
  bool floating_, whole_ = true, scientific_ = false;
  std::size_t width_ = 1;
};

class Printer {
 public:
  explicit Printer(const Tensor& t)
      : t_(t),
        size_(static_cast<std::int64_t>(size_of(t.raw_dtype()))),
        complex_(is_complex(t.raw_dtype())),
        real_(t.raw_dtype() >= DType::f16),
        imag_(true),
        short_(t.numel() > threshold) {
    std::vector<Scalar> seen;
    collect(0, 0, seen);
    real_.decide(seen, false);
    if (complex_) imag_.decide(seen, true);
  }
  std::string array(std::size_t dim, std::int64_t offset, int indent) const {
    const Shape& s = t_.shape_ref();
    if (dim == s.size()) return element(offset);
    std::int64_t n = s[dim], step = t_.strides_ref()[dim];
    bool cut = short_ && n > 2 * edge_items;
    bool last = dim + 1 == s.size();
    std::vector<std::string> parts;
    for (std::int64_t i = 0; i < n; ++i) {
      if (cut && i == edge_items) {
        parts.push_back(last ? " ..." : "...");
        i = n - edge_items;
      }
      parts.push_back(last ? element(offset + i * step) : array(dim + 1, offset + i * step, indent + 1));
    }
    std::string margin(static_cast<std::size_t>(indent) + 1, ' '), r = "[";
    std::size_t width = real_.width() + 2 + (complex_ ? imag_.width() + 1 : 0);
    std::size_t per_line = std::max<std::size_t>(1, static_cast<std::size_t>(std::max(0, line_width - indent)) / width);
    std::string between = "," + std::string(s.size() - dim - 1, '\n') + margin;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (i) r += !last ? between : i % per_line ? ", " : ",\n" + margin;
      r += parts[i];
    }
    return r + "]";
  }

 private:
  Scalar load(std::int64_t offset) const { return Scalar::load(t_.raw_dtype(), static_cast<const std::byte*>(t_.bytes()) + offset * size_); }
  std::string element(std::int64_t offset) const {
    Scalar v = load(offset);
    std::string r = real_(v);
    if (!complex_) return r;
    std::string i = imag_(v, true) + "j";
    i.erase(0, i.find_first_not_of(' '));
    return r + (i[0] == '-' ? "" : "+") + i;
  }
  void collect(std::size_t dim, std::int64_t offset, std::vector<Scalar>& out) const {  // the elements that will be shown
    const Shape& s = t_.shape_ref();
    if (dim == s.size()) {
      out.push_back(load(offset));
      return;
    }
    for (std::int64_t i = 0; i < s[dim]; ++i) {
      if (short_ && s[dim] > 2 * edge_items && i == edge_items) i = s[dim] - edge_items;
      collect(dim + 1, offset + i * t_.strides_ref()[dim], out);
    }
  }
  const Tensor& t_;
  std::int64_t size_;
  bool complex_;
  Formatter real_, imag_;
  bool short_;
};

const char* torch_name(DType d) {
  static constexpr const char* names[dtype_count] = {"bool",  "uint8",   "uint16",   "uint32",  "uint64",  "int8",      "int16",     "int32",
                                                     "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"};
  return names[static_cast<int>(d)];
}
std::string concrete_text(const Tensor& t) {
  DType d = t.dtype();
  std::string r = "tensor(", dtype = std::string("dtype=torch.") + torch_name(d);
  int indent = static_cast<int>(r.size());
  std::vector<std::string> suffixes;
  if (t.numel() == 0) {
    r += "[]";
    const Shape& s = t.shape_ref();
    if (s.size() != 1) {
      std::string size = "size=(";
      for (std::size_t i = 0; i < s.size(); ++i) size += (i ? ", " : "") + std::to_string(s[i]);
      suffixes.push_back(size + ")");
    }
    if (d != default_dtype()) suffixes.push_back(dtype);
  } else {
    r += Printer(t).array(0, 0, indent);
    DType complex = default_dtype() == DType::f64 ? DType::c128 : DType::c64;
    if (d != default_dtype() && d != complex && d != DType::i64 && d != DType::bool_) suffixes.push_back(dtype);
  }
  std::size_t line = r.size() - (r.rfind('\n') == r.npos ? static_cast<std::size_t>(-1) : r.rfind('\n')) + 1;
  for (const std::string& s : suffixes) {
    bool wrap = line + s.size() + 2 > line_width;
    r += wrap ? ",\n" + std::string(static_cast<std::size_t>(indent), ' ') + s : ", " + s;
    line = wrap ? static_cast<std::size_t>(indent) + s.size() : line + s.size() + 2;
  }
  return r + ")";
}
}  // namespace

std::string to_string(const Tensor& t) {
  if (!t.defined()) return "tensor(undefined)";
  return t.concrete() ? concrete_text(t) : traced::text(t);
}
std::ostream& operator<<(std::ostream& out, const Tensor& t) { return out << to_string(t); }

}  // namespace functra
