#include "functra/nn/attention.h"

#include <cmath>
#include <limits>

#include "functra/nn/init.h"
#include "functra/ops/compare.h"
#include "functra/ops/elementwise.h"
#include "functra/ops/factories.h"
#include "functra/ops/linear.h"
#include "functra/ops/math.h"
#include "functra/ops/matrix.h"
#include "functra/ops/random.h"
#include "functra/ops/reduce.h"
#include "functra/ops/shape.h"

namespace functra::nn {
using core::Site;
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor weights_of(const Tensor& q, const Tensor& k, const Tensor& v, const SdpaOptions& o) {
  Shape a = q.sizes(), b = k.sizes(), c = v.sizes();
  if (a.size() < 2 || b.size() < 2 || c.size() < 2 || a.back() != b.back() || b[b.size() - 2] != c[c.size() - 2])
    throw ShapeError("scaled_dot_product_attention: q " + a.str() + ", k " + b.str() + " and v " + c.str() +
                     " are not [..., L, E], [..., S, E], [..., S, F]");
  Tensor scores = matmul(q, k.transpose(-2, -1)) * o.scale.value_or(1 / std::sqrt(static_cast<double>(a.back())));
  if (o.attn_mask.defined()) scores = o.attn_mask.dtype() == bool_ ? where(o.attn_mask, scores, -infinity) : scores + o.attn_mask;
  if (o.is_causal) scores = where(tril(ones({a[a.size() - 2], b[b.size() - 2]}, bool_)), scores, -infinity);
  return softmax(scores, -1);
}
// A mask of torch's MultiheadAttention as something to add.
Tensor additive(const Tensor& mask, DType d) { return mask.dtype() == bool_ ? where(mask, full({}, -infinity, d), zeros({}, d)) : mask; }

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v, const SdpaOptions& o) {
  Site site(FUNCTRA_SITE);
  return matmul(weights_of(q, k, v, o), v);
}

MultiheadAttention::MultiheadAttention(const Tensor& key, std::int64_t e, std::int64_t heads, const AttentionOptions& o)
    : out_proj(random::fold_in(key, 0), e, e, {.bias = o.bias, .dtype = o.dtype}), num_heads(heads), batch_first(o.batch_first) {
  if (heads < 1 || e % heads)
    throw ValueError("nn::MultiheadAttention: embed_dim " + std::to_string(e) + " is not divisible into " + std::to_string(heads) + " heads");
  if (o.bias) out_proj.bias = zeros(e, o.dtype), in_proj_bias = zeros(3 * e, o.dtype);
  Tensor keys = random::split(random::fold_in(key, 1), 3);
  std::int64_t kdim = o.kdim.value_or(e), vdim = o.vdim.value_or(e);
  if (kdim == e && vdim == e) {
    in_proj_weight = init::xavier_uniform(keys[0], {3 * e, e}, 1, o.dtype);
    return;
  }
  q_proj_weight = init::xavier_uniform(keys[0], {e, e}, 1, o.dtype);
  k_proj_weight = init::xavier_uniform(keys[1], {e, kdim}, 1, o.dtype);
  v_proj_weight = init::xavier_uniform(keys[2], {e, vdim}, 1, o.dtype);
}
Tensor MultiheadAttention::operator()(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionMasks& m) const {
  Site site(FUNCTRA_SITE);
  return with_weights(q, k, v, m).first;
}
std::pair<Tensor, Tensor> MultiheadAttention::with_weights(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionMasks& m) const {
  Site site(FUNCTRA_SITE);
  const std::string who = "nn::MultiheadAttention: ";
  std::int64_t e = out_proj.weight.size(1);
  bool batched = q.dim() == 3;
  auto examples_first = [&](const Tensor& t, std::int64_t features, const char* name) {
    if (t.dim() != (batched ? 3 : 2) || t.size(-1) != features)
      throw ShapeError(who + name + " has shape " + t.sizes().str() + "; it is " + (batched ? batch_first ? "[N, L, " : "[L, N, " : "[L, ") +
                       std::to_string(features) + "]");
    return !batched ? t.unsqueeze(0) : batch_first ? t : t.transpose(0, 1);
  };
  std::vector<Tensor> w = in_proj_weight ? chunk(*in_proj_weight, 3) : std::vector<Tensor>{*q_proj_weight, *k_proj_weight, *v_proj_weight};
  std::vector<Tensor> b = in_proj_bias ? chunk(*in_proj_bias, 3) : std::vector<Tensor>(3);
  Tensor in[] = {examples_first(q, e, "q"), examples_first(k, w[1].size(1), "k"), examples_first(v, w[2].size(1), "v")}, projected[3];
  std::int64_t n = in[0].size(0), l = in[0].size(1), s = in[1].size(1);
  if (in[1].size(0) != n || in[2].size(0) != n || in[2].size(1) != s)
    throw ShapeError(who + "q " + q.sizes().str() + ", k " + k.sizes().str() + " and v " + v.sizes().str() +
                     " differ in examples, or k and v in length");
  for (std::size_t i = 0; i < 3; ++i)  // [N, heads, length, E / heads]
    projected[i] = linear(in[i], w[i], b[i]).reshape({n, in[i].size(1), num_heads, e / num_heads}).transpose(1, 2);
  SdpaOptions o{.is_causal = m.is_causal};
  auto add = [&](const Tensor& mask, const Shape& shape) {
    Tensor a = additive(mask, projected[0].dtype()).reshape(shape);
    o.attn_mask = o.attn_mask.defined() ? o.attn_mask + a : a;
  };
  if (const Tensor& a = m.attn_mask; a.defined()) {
    if (a.sizes() == Shape{l, s}) add(a, {1, 1, l, s});
    else if (a.sizes() == Shape{n * num_heads, l, s}) add(a, {n, num_heads, l, s});
    else
      throw ShapeError(who + "attn_mask has shape " + a.sizes().str() + ", expected " + Shape{l, s}.str() + " or " +
                       Shape{n * num_heads, l, s}.str());
  }
  if (const Tensor& p = m.key_padding_mask; p.defined()) {
    if (!(p.sizes() == (batched ? Shape{n, s} : Shape{s})))
      throw ShapeError(who + "key_padding_mask has shape " + p.sizes().str() + ", expected " + (batched ? Shape{n, s} : Shape{s}).str());
    add(p, {n, 1, 1, s});
  }
  Tensor paid = weights_of(projected[0], projected[1], projected[2], o);
  Tensor y = out_proj(matmul(paid, projected[2]).transpose(1, 2).reshape({n, l, e})), mean_paid = mean(paid, {1});
  if (!batched) return {y.squeeze({0}), mean_paid.squeeze({0})};
  return {batch_first ? y : y.transpose(0, 1), mean_paid};
}

}  // namespace functra::nn
