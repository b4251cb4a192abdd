#include <cmath>
#include <cstring>

#include "functra/kernels/strided.h"
#include "laws/row.h"

namespace functra::testing {

std::vector<std::pair<std::string, Row (*)()>>& rows() {
  static std::vector<std::pair<std::string, Row (*)()>> all;
  return all;
}
Registration::Registration(const char* name, Row (*make)()) { rows().emplace_back(name, make); }

Tensor from_values(const Shape& s, DType d, const std::vector<double>& v) {
  Tensor t = Tensor::uninitialized(d, s);
  auto* p = static_cast<std::byte*>(t.mutable_bytes());
  for (std::size_t i = 0; i < v.size(); ++i)
    (is_floating(d) || is_complex(d) ? Scalar(v[i]) : Scalar(static_cast<std::int64_t>(v[i]))).store(d, p + i * size_of(d));
  return t;
}
Tensor random_tensor(const Shape& s, DType d, double lo, double hi, int seed) {
  // The golden-ratio sequence: distinct, well apart, in no order.
  std::vector<double> v(static_cast<std::size_t>(s.numel()));
  for (std::size_t i = 0; i < v.size(); ++i) {
    double u = static_cast<double>(i + 1) * 0.6180339887498949 + (seed + 1) * 0.7548776662466927;
    v[i] = lo + (hi - lo) * (u - std::floor(u));
    if (!is_floating(d)) v[i] = std::floor(v[i]);
  }
  return from_values(s, d, v);
}
Tensor transposed_view(const Tensor& t) {
  if (!t.is_array()) return t;
  Shape s = t.shape_ref(), r = s, strides = s;
  std::int64_t p = 1;
  for (std::size_t i = 0; i < s.size(); ++i) {
    strides[i] = p;
    p *= s[i];
  }
  Tensor store = Tensor::uninitialized(t.raw_dtype(), Shape{p});
  kernels::copy(store.mutable_bytes(), strides, t.bytes(), t.strides_ref(), s, size_of(t.raw_dtype()));
  return Tensor::view_of(store, s, strides, 0);
}
Tensor sliced_view(const Tensor& t) {
  if (!t.is_array() || t.numel() == 0) return t;
  Shape s = t.shape_ref(), strides = row_major(s);
  std::int64_t n = s.numel();
  for (auto& v : strides) v *= -2;
  Tensor store = Tensor::uninitialized(t.raw_dtype(), Shape{2 * n + 1});
  std::size_t size = size_of(t.raw_dtype());
  std::memset(store.mutable_bytes(), 0x55, static_cast<std::size_t>(2 * n + 1) * size);
  if (t.raw_dtype() == DType::bool_) std::memset(store.mutable_bytes(), 1, static_cast<std::size_t>(2 * n + 1));
  kernels::copy(static_cast<std::byte*>(store.mutable_bytes()) + static_cast<std::size_t>(2 * n - 1) * size, strides, t.bytes(), t.strides_ref(), s,
                size);
  return Tensor::view_of(store, s, strides, 2 * n - 1);
}
Array to_array(const Tensor& t) { return {t.sizes(), t.to_vector<double>()}; }

namespace {
Reference pointwise(const std::function<double(const double*)>& ref) {
  return [ref](const std::vector<Array>& in) {
    const Array* full = &in[0];
    for (auto& a : in)
      if (a.shape.size() > full->shape.size()) full = &a;
    Array r{full->shape, std::vector<double>(full->size())};
    for (std::size_t i = 0; i < r.size(); ++i) {
      double x[4];
      for (std::size_t k = 0; k < in.size(); ++k) x[k] = in[k].shape.empty() ? in[k][0] : in[k][i];
      r[i] = ref(x);
    }
    return std::vector<Array>{r};
  };
}
}  // namespace

std::vector<Sample> elementwise_samples(int n_in, const Fn& f, const std::function<double(const double*)>& ref, std::vector<Domain> domain,
                                        std::vector<DType> dtypes) {
  std::vector<Sample> out;
  while (domain.size() < static_cast<std::size_t>(n_in)) domain.push_back(domain.back());
  auto operand = [&](const Shape& s, DType d, int k) {
    return random_tensor(s, d, domain[static_cast<std::size_t>(k)].lo, domain[static_cast<std::size_t>(k)].hi, k);
  };
  for (DType d : dtypes) {
    std::string name(name_of(d));
    auto add = [&](const std::string& what, const Vec& in) { out.push_back({name + " " + what, in, f, pointwise(ref)}); };
    for (const Shape& s : {Shape{}, Shape{3}, Shape{2, 3}, Shape{0}, Shape{2, 0, 3}, Shape{17}}) {
      Vec in;
      for (int k = 0; k < n_in; ++k) in.push_back(operand(s, d, k));
      add(s.str(), in);
    }
    Vec strided;
    for (int k = 0; k < n_in; ++k) {
      Tensor t = operand({3, 4, 2}, d, k);
      strided.push_back(k % 2 ? sliced_view(t) : transposed_view(t));
    }
    add("[3, 4, 2] strided", strided);
    for (int scalar = 0; n_in > 1 && scalar < n_in; ++scalar) {
      Vec in;
      for (int k = 0; k < n_in; ++k) in.push_back(operand(k == scalar ? Shape{} : Shape{5}, d, k));
      add("operand " + std::to_string(scalar) + " repeated", in);
    }
    Vec big;
    for (int k = 0; k < n_in; ++k) big.push_back(operand({1003}, d, k));
    add("[1003]", big);
    out.back().differentiable = false;  // evaluation of long vectors; derivatives are seen on the small ones
  }
  return out;
}
Sample special_sample(const Fn& f, const std::function<double(const double*)>& ref, DType d, const std::vector<std::vector<double>>& operands) {
  Sample s{std::string(name_of(d)) + " special values", {}, f, pointwise(ref)};
  for (auto& v : operands) s.in.push_back(from_values({static_cast<std::int64_t>(v.size())}, d, v));
  s.differentiable = false;
  return s;
}

}  // namespace functra::testing
