#include "functra/nn/linear.h"

#include <cmath>

#include "functra/nn/init.h"
#include "functra/ops/elementwise.h"
#include "functra/ops/factories.h"
#include "functra/ops/index.h"
#include "functra/ops/linear.h"
#include "functra/ops/math.h"
#include "functra/ops/random.h"
#include "functra/ops/shape.h"

namespace functra::nn {
using core::Site;

Linear::Linear(const Tensor& key, std::int64_t in, std::int64_t out, const LinearOptions& o) {
  if (in < 1 || out < 1)
    throw ValueError("nn::Linear: needs at least one feature on each side, not " + std::to_string(in) + " and " + std::to_string(out));
  auto [kw, kb] = random::split(key);
  double bound = 1 / std::sqrt(static_cast<double>(in));
  weight = init::uniform(kw, {out, in}, -bound, bound, o.dtype);
  if (o.bias) bias = init::uniform(kb, out, -bound, bound, o.dtype);
}
Tensor Linear::operator()(const Tensor& x) const {
  Site site(FUNCTRA_SITE);
  return linear(x, weight, bias.value_or(Tensor()));
}

Embedding::Embedding(const Tensor& key, std::int64_t n, std::int64_t dim, const EmbeddingOptions& o) {
  if (n < 1 || dim < 1)
    throw ValueError("nn::Embedding: a table of " + std::to_string(n) + " rows of " + std::to_string(dim) + " has nothing to look up");
  weight = random::normal(key, {n, dim}, o.dtype);
  if (!o.padding_idx) return;
  padding_idx = wrap_dim(*o.padding_idx, static_cast<int>(n), "nn::Embedding: padding_idx");
  weight = index_put(weight, {Index(padding_idx)}, zeros(dim, weight.dtype()));
}
Tensor Embedding::operator()(const Tensor& index) const {
  Site site(FUNCTRA_SITE);
  if (!is_integer(index.dtype()))
    throw DTypeError("nn::Embedding: positions are integers, not " + std::string(name_of(index.dtype())) + " of shape " + index.sizes().str());
  Tensor rows = functra::index(weight, {Index(index)});
  return padding_idx < 0 ? rows : where((index == padding_idx).unsqueeze(-1), stop_gradient(rows), rows);
}

Tensor Flatten::operator()(const Tensor& x) const {
  Site site(FUNCTRA_SITE);
  return flatten(x, start, end);
}

}  // namespace functra::nn
