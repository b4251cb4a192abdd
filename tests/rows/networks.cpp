// Laws of activations, losses, transposed convolutions and pooling; their values are compared with torch's in nn_layers_test.cpp and
// nn_loss_test.cpp.
#include "functra/functra.h"
#include "laws/row.h"

namespace functra::testing {
namespace {
constexpr DType d = DType::f64;
Tensor real(const Shape& s, int seed = 0) { return random_tensor(s, d, -2, 2, seed); }
Tensor unit(const Shape& s, int seed = 0) { return random_tensor(s, d, 0.1, 0.9, seed); }
struct Case {
  std::string name;
  Vec in;
  Fn f;
};
Row laws_of(const std::vector<Case>& cases) {
  Row r;
  for (const Case& c : cases) r.samples.push_back({c.name, c.in, c.f, {}});
  return r;
}
template <class F> Fn one(F f) {
  return [f](const Vec& x) { return Vec{f(x[0])}; };
}
template <class F> Fn two(F f) {
  return [f](const Vec& x) { return Vec{f(x[0], x[1])}; };
}
template <class F> Fn three(F f) {
  return [f](const Vec& x) { return Vec{f(x[0], x[1], x[2])}; };
}
}  // namespace

FUNCTRA_ROW(activations) {
  Tensor x = real({3, 4});
  return laws_of({{"relu6", {x}, one([](auto& v) { return relu6(v); })},
                  {"leaky_relu", {x}, one([](auto& v) { return leaky_relu(v, 0.1); })},
                  {"prelu", {x, real({4}, 1)}, two([](auto& v, auto& w) { return prelu(v, w); })},
                  {"elu", {x}, one([](auto& v) { return elu(v, 0.7); })},
                  {"selu", {x}, one([](auto& v) { return selu(v); })},
                  {"celu", {x}, one([](auto& v) { return celu(v, 0.7); })},
                  {"gelu_tanh", {x}, one([](auto& v) { return gelu_tanh(v); })},
                  {"mish", {x}, one([](auto& v) { return mish(v); })},
                  {"softplus", {x}, one([](auto& v) { return softplus_beta(v, 2.0, 3.0); })},
                  {"softsign", {x}, one([](auto& v) { return softsign(v); })},
                  {"tanhshrink", {x}, one([](auto& v) { return tanhshrink(v); })},
                  {"softshrink", {x}, one([](auto& v) { return softshrink(v); })},
                  {"hardshrink", {x}, one([](auto& v) { return hardshrink(v); })},
                  {"hardtanh", {x}, one([](auto& v) { return hardtanh(v); })},
                  {"hardsigmoid", {x}, one([](auto& v) { return hardsigmoid(v); })},
                  {"hardswish", {x}, one([](auto& v) { return hardswish(v); })},
                  {"logsigmoid", {x}, one([](auto& v) { return logsigmoid(v); })},
                  {"threshold", {x}, one([](auto& v) { return threshold(v, 0.5, -3.0); })},
                  {"softmin", {x}, one([](auto& v) { return softmin(v, 0); })},
                  {"glu", {x}, one([](auto& v) { return glu(v, 1); })}});
}
FUNCTRA_ROW(class_losses) {
  Tensor t = from_values({3}, DType::i64, {2, 0, 1}), w = unit({4}, 1);
  return laws_of(
      {{"cross_entropy", {real({3, 4}), t}, two([](auto& x, auto& c) { return cross_entropy(x, c, {.ignore_index = 1, .label_smoothing = 0.2}); })},
       {"weighted", {real({3, 4}), t, w}, three([](auto& x, auto& c, auto& v) {
          return cross_entropy(x, c, {.weight = v, .reduction = Reduction::none});
        })},
       {"of probabilities", {real({3, 4}), unit({3, 4}, 2), w}, three([](auto& x, auto& c, auto& v) {
          return cross_entropy(x, c, {.weight = v, .reduction = Reduction::sum, .label_smoothing = 0.1});
        })},
       {"nll", {real({3, 4}), t, w}, three([](auto& x, auto& c, auto& v) { return nll_loss(x, c, {.weight = v}); })}});
}
FUNCTRA_ROW(losses) {
  Tensor x = real({3, 2}), y = real({3, 2}, 1), p = unit({3, 2}), q = unit({3, 2}, 1), z = real({3, 2}, 2);
  Tensor sign = from_values({3}, d, {1, -1, 1}), signs = from_values({3, 2}, d, {1, -1, 1, -1, -1, 1});
  Row r =
      laws_of({{"mse", {x, y}, two([](auto& a, auto& b) { return mse_loss(a, b); })},
               {"l1", {x, y}, two([](auto& a, auto& b) { return l1_loss(a, b, Reduction::sum); })},
               {"smooth_l1", {x, y}, two([](auto& a, auto& b) { return smooth_l1_loss(a, b, Reduction::none, 0.7); })},
               {"huber", {x, y}, two([](auto& a, auto& b) { return huber_loss(a, b, Reduction::none, 0.7); })},
               {"bce", {p, q}, two([](auto& a, auto& b) { return binary_cross_entropy(a, b); })},
               {"bce with logits", {x, q}, two([](auto& a, auto& b) { return binary_cross_entropy_with_logits(a, b, 1.0, Reduction::none, 2.0); })},
               {"kl", {x, q}, two([](auto& a, auto& b) { return kl_div(a, b, Reduction::batchmean); })},
               {"kl of logarithms", {x, y}, two([](auto& a, auto& b) { return kl_div(a, b, Reduction::none, true); })},
               {"poisson", {x, q}, two([](auto& a, auto& b) { return poisson_nll_loss(a, b); })},
               {"gaussian", {x, y, p}, three([](auto& a, auto& b, auto& v) { return gaussian_nll_loss(a, b, v); })},
               {"hinge_embedding", {x}, one([signs](auto& a) { return hinge_embedding_loss(a, signs, 0.45); })},
               {"soft_margin", {x}, one([signs](auto& a) { return soft_margin_loss(a, signs); })},
               {"margin_ranking", {x, y}, two([signs](auto& a, auto& b) { return margin_ranking_loss(a, b, signs, 0.3); })},
               {"cosine_embedding", {x, y}, two([sign](auto& a, auto& b) { return cosine_embedding_loss(a, b, sign, -0.9); })},
               {"triplet", {x, y, z}, three([](auto& a, auto& b, auto& c) { return triplet_margin_loss(a, b, c, 3.0); })},
               {"cosine_similarity", {x, y}, two([](auto& a, auto& b) { return cosine_similarity(a, b, 0); })},
               {"normalize", {x}, one([](auto& a) { return normalize(a); })}});
  r.grad_tol = 1e-4;
  return r;
}
FUNCTRA_ROW(transposed_convolutions) {
  return laws_of(
      {{"1d", {real({2, 2, 4}), real({2, 3, 3}, 1), real({3}, 2)}, three([](auto& x, auto& w, auto& b) {
          return conv_transpose1d(x, w, b, 2, 1, 1);
        })},
       {"2d in groups", {real({1, 2, 2, 3}), real({2, 1, 2, 2}, 1)}, two([](auto& x, auto& w) {
          return conv_transpose2d(x, w, {}, {1, 2}, 0, 0, 2, {2, 1});
        })},
       {"3d of one example", {real({1, 1, 2, 2}), real({1, 1, 2, 1, 1}, 1)}, two([](auto& x, auto& w) { return conv_transpose3d(x, w); })}});
}
FUNCTRA_ROW(pooling) {
  return laws_of({{"max 3d", {real({1, 3, 2, 2})}, one([](auto& x) {
                     return max_pool3d(x, {2, 1, 2}, 1);
                   })},
                  {"mean 3d", {real({1, 3, 2, 2})}, one([](auto& x) { return avg_pool3d(x, 2, 1); })},
                  {"adaptive", {real({2, 1, 5})}, one([](auto& x) { return adaptive_avg_pool1d(x, 3); })},
                  {"adaptive 2d", {real({1, 4, 5})}, one([](auto& x) {
                     return adaptive_avg_pool2d(x, {2, 3});
                   })},
                  {"adaptive to one", {real({1, 2, 3, 2})}, one([](auto& x) { return adaptive_avg_pool3d(x, 1); })}});
}

}  // namespace functra::testing
