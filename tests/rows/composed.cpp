// Laws of operations composed of structure, order and reductions; their values are compared with NumPy's in operations_numpy_test.cpp.
#include "functra/functra.h"
#include "laws/row.h"

namespace functra::testing {
namespace {
constexpr DType d = DType::f64;
Tensor real(const Shape& s, int seed = 0) { return random_tensor(s, d, -2, 2, seed); }
struct Case {
  std::string name;
  Vec in;
  Fn f;
};
Row laws_of(const std::vector<Case>& cases) {
  Row r;
  for (const Case& c : cases) {
    r.samples.push_back({c.name, c.in, c.f, {}});
    if (c.in[0].dim() > 1) {
      Vec strided = c.in;
      strided[0] = transposed_view(strided[0]);
      r.samples.push_back({c.name + " transposed", strided, c.f, {}});
    }
  }
  return r;
}
template <class F> Fn one(F f) {
  return [f](const Vec& x) { return Vec{f(x[0])}; };
}
template <class F> Fn two(F f) {
  return [f](const Vec& x) { return Vec{f(x[0], x[1])}; };
}
}  // namespace

FUNCTRA_ROW(triangles_and_diagonals) {
  return laws_of({{"tril", {real({3, 4})}, one([](auto& x) { return tril(x, 1); })},
                  {"triu of a batch", {real({2, 3, 2})}, one([](auto& x) { return triu(x); })},
                  {"diag of a vector", {real({3})}, one([](auto& x) { return diag(x, -1); })},
                  {"diag of a matrix", {real({3, 2})}, one([](auto& x) { return diag(x); })},
                  {"diag_embed", {real({2, 3})}, one([](auto& x) { return diag_embed(x, 1, 0, 2); })},
                  {"diag_embed of nothing", {real({0})}, one([](auto& x) { return diag_embed(x, 2); })},
                  {"block_diag", {real({2, 3}), real({1, 2}, 1)}, two([](auto& x, auto& y) {
                     return block_diag({x, y});
                   })},
                  {"trace", {real({3, 4})}, one([](auto& x) { return trace(x); })}});
}
FUNCTRA_ROW(products_of_vectors) {
  return laws_of({{"kron", {real({2, 3}), real({2}, 1)}, two([](auto& x, auto& y) { return kron(x, y); })},
                  {"cross", {real({2, 3}), real({3}, 1)}, two([](auto& x, auto& y) { return cross(x, y); })},
                  {"cov", {real({2, 4})}, one([](auto& x) { return cov(x); })},
                  {"corrcoef", {real({2, 4})}, one([](auto& x) { return corrcoef(x); })},
                  {"cartesian_prod", {real({2}), real({3}, 1)}, two([](auto& x, auto& y) {
                     return cartesian_prod({x, y});
                   })}});
}
FUNCTRA_ROW(turns_and_repeats) {
  return laws_of({{"rot90", {real({2, 3})}, one([](auto& x) { return rot90(x); })},
                  {"rot90 back", {real({2, 3, 2})}, one([](auto& x) {
                     return rot90(x, -1, {0, 2});
                   })},
                  {"column_stack", {real({3}), real({3, 2}, 1)}, two([](auto& x, auto& y) {
                     return column_stack({x, y});
                   })},
                  {"repeat_interleave", {real({3, 2}), from_values({3}, DType::i64, {2, 0, 3})}, two([](auto& x, auto& r) {
                     return repeat_interleave(x, r, 0, 6);
                   })}});
}
FUNCTRA_ROW(quantiles) {
  return laws_of(
      {{"quantile", {real({3, 5})}, one([](auto& x) { return quantile(x, 0.3, 1); })},
       {"at several fractions", {real({3, 5}), from_values({2}, d, {0.3, 0.85})}, two([](auto& x, auto& q) { return quantile(x, q, 0, true); })},
       {"midpoint of all", {real({2, 3})}, one([](auto& x) { return quantile(x, 0.7, {}, false, Interpolation::midpoint); })},
       {"nanquantile", {real({6})}, one([](auto& x) { return nanquantile(x, 0.7); })},
       {"median", {real({6})}, one([](auto& x) { return median(x); })},
       {"kthvalue", {real({3, 4})}, one([](auto& x) { return kthvalue(x, 2).first; })},
       {"topk", {real({3, 4})}, one([](auto& x) { return topk(x, 2, 0).first; })}});
}
FUNCTRA_ROW(running_and_neighbouring) {
  return laws_of({{"cummax", {real({3, 4})}, one([](auto& x) { return cummax(x, 1).first; })},
                  {"logcumsumexp", {real({3, 4})}, one([](auto& x) { return logcumsumexp(x, 0); })},
                  {"diff", {real({2, 5})}, one([](auto& x) { return diff(x, 2); })},
                  {"trapezoid", {real({2, 3}), real({3}, 1)}, two([](auto& y, auto& x) { return trapezoid(y, x); })},
                  {"cumulative_trapezoid", {real({3, 2}), real({3, 2}, 1)}, two([](auto& y, auto& x) { return cumulative_trapezoid(y, x, 0); })}});
}
FUNCTRA_ROW(segments) {
  Tensor ids = from_values({5}, DType::i64, {2, 0, 2, 7, 0});
  Row r = laws_of({{"sum", {real({5, 2}), ids}, two([](auto& x, auto& i) { return segment_sum(x, i, 4); })},
                   {"prod", {real({5, 2}), ids}, two([](auto& x, auto& i) { return segment_prod(x, i, 4); })},
                   {"max", {real({5, 2}), ids}, two([](auto& x, auto& i) { return where(segment_max(x, i, 4) > -9.0, segment_max(x, i, 4), 0.0); })},
                   {"min", {real({5}), ids}, two([](auto& x, auto& i) { return segment_min(x, i, 3).index({Slice(0, none, 2)}); })},
                   {"weights", {real({5}), ids}, two([](auto& x, auto& i) { return bincount(i, 3, x); })}});
  r.grad_tol = 1e-4;
  return r;
}
FUNCTRA_ROW(means_and_sums) {
  return laws_of({{"std_mean", {real({3, 4})}, one([](auto& x) { return std_mean(x, 1, 0).first; })},
                  {"nanmean", {real({3, 4})}, one([](auto& x) { return nanmean(x, 0); })},
                  {"logsumexp over two", {real({2, 3, 2})}, one([](auto& x) {
                     return logsumexp(x, {0, 2});
                   })},
                  {"norm", {real({2, 3})}, one([](auto& x) { return norm(x, 2, 1); })},
                  {"norm of the third power", {real({2, 3})}, one([](auto& x) {
                     return norm(x, 3, {0, 1}, true);
                   })}});
}
FUNCTRA_ROW(unique_values) {
  Row r = laws_of({{"with a size", {from_values({5}, d, {1, -2, 1, 0.5, -2})}, one([](auto& x) { return unique(x, 4, 9).values; })},
                   {"filled", {real({2, 2})}, one([](auto& x) { return unique(x, 5).values; })}});
  r.samples[0].differentiable = false;  // equal elements part under differences
  return r;
}
FUNCTRA_ROW(counts_of_elements) {
  Row r = laws_of({{"histc", {real({7})}, one([](auto& x) { return histc(x, 4, -2, 2); })},
                   {"histc of its own range", {real({7})}, one([](auto& x) { return histc(x, 3); })},
                   {"histogram", {real({7}), from_values({3}, d, {-1, 0, 1.5})}, two([](auto& x, auto& e) { return histogram(x, e); })},
                   {"count_nonzero", {real({2, 3})}, one([](auto& x) { return count_nonzero(x, 1); })},
                   {"isin", {real({4}), from_values({2}, d, {1, 2})}, two([](auto& x, auto& v) { return isin(x, v); })}});
  r.zero_derivative = true;
  return r;
}

}  // namespace functra::testing
