// A whirlwind tour: every transform in a few lines, as functorch's page of that name. A function transform takes a function and returns
// a function that computes another quantity: its gradient, its batched version, its Jacobian. Transforms compose with each other.
#include <functra/nn.h>

#include "support/check.h"

using namespace example;
namespace nn = ft::nn;

namespace {

// f(x) = sum of sin(x): its gradient is cos(x), its Hessian diag(-sin(x)).
Tensor sum_of_sines(const Tensor& x) { return ft::sum(ft::sin(x)); }

// One example, no batch dimension: a linear model with an activation.
Tensor model(const Tensor& weights, const Tensor& features) { return ft::relu(ft::dot(features, weights)); }
Tensor compute_loss(const Tensor& weights, const Tensor& example, const Tensor& target) {
  return ft::mean(ft::square(model(weights, example) - target));
}

// A struct of layers is its own tree of parameters.
struct Mlp {
  nn::Linear hidden, out;
  Tensor operator()(const Tensor& x) const { return out(ft::tanh(hidden(x))); }
};
Tensor mlp_loss(const Mlp& mlp, const Tensor& x) { return ft::sum(ft::square(mlp(x))); }

}  // namespace

int main() {
  Tensor keys = ft::random::split(ft::random::key(0), 12);
  auto normal = [&](int key, const ft::Shape& shape) { return ft::random::normal(keys[key], shape); };

  // grad: of the output with respect to the first input. Composed with itself it gives higher derivatives.
  Tensor x = normal(0, {});
  check_same("grad(sin) = cos", ft::grad(ft::sin)(x), ft::cos(x), 1e-6);
  check_same("grad(grad(sin)) = -sin", ft::grad(ft::grad(ft::sin))(x), -ft::sin(x), 1e-6);

  // vmap: the function over a dimension of its inputs, without a loop. Batch dimensions disappear from the model's code.
  Tensor weights = normal(1, {5}), examples = normal(2, {3, 5}), targets = normal(3, {3});
  Tensor result = ft::vmap([&](const Tensor& features) { return model(weights, features); })(examples);
  check_same("vmap(model) = relu of a matrix product", result, ft::relu(ft::matmul(examples, weights)), 1e-6);

  // With grad it gives per-sample gradients: the same weights (none), each example and target (0).
  Tensor per_example = ft::vmap(ft::grad(compute_loss), {.in_dims = {ft::none, 0, 0}})(weights, examples, targets);
  Tensor slope = 2 * (result - targets) * (result > 0);
  check_same("vmap(grad(loss)) = the gradients by hand", per_example, slope.unsqueeze(1) * examples, 1e-6);

  // vjp: the value, and a function from cotangents to vector-Jacobian products. It can be called many times.
  Tensor inputs = normal(4, {3}), cotangents = normal(5, {3});
  auto [outputs, vjp_fn] = ft::vjp(ft::sin, inputs);
  check_same("vjp: the value", outputs, ft::sin(inputs), 1e-6);
  check_same("vjp: cotangents through sin", vjp_fn(cotangents), cotangents * ft::cos(inputs), 1e-6);

  // jvp: the value and its derivative along tangents, forward mode. Several arguments are tuples.
  Tensor a = normal(6, {5}), b = normal(7, {5});
  auto product = [](const Tensor& p, const Tensor& q) { return p * q; };
  auto [value, tangent] = ft::jvp(product, std::tuple(a, b), std::tuple(ft::ones({5}), ft::ones({5})));
  check_same("jvp of x y along (1, 1) = x + y", tangent, a + b, 1e-6);

  // jacrev and jacfwd: Jacobians by reverse and by forward mode; with vmap, batches of them.
  check_same("jacrev(sin) = diag(cos)", ft::jacrev(ft::sin)(a), ft::diag(ft::cos(a)), 1e-6);
  check_same("jacfwd(sin) = diag(cos)", ft::jacfwd(ft::sin)(a), ft::diag(ft::cos(a)), 1e-6);
  Tensor batch = normal(8, {64, 5}), jacobians = ft::vmap(ft::jacrev(ft::sin))(batch);
  fmt::print("vmap(jacrev(sin)) of shape {}: {}\n", batch.sizes(), jacobians.sizes());
  check_same("vmap(jacrev(sin))", jacobians, ft::diag_embed(ft::cos(batch)), 1e-6);

  // Hessians: jacrev or jacfwd over jacrev; hessian is the latter.
  Tensor by_hand = ft::diag(-ft::sin(a));
  check_same("jacrev(jacrev(f))", ft::jacrev(ft::jacrev(sum_of_sines))(a), by_hand, 1e-6);
  check_same("jacfwd(jacrev(f))", ft::jacfwd(ft::jacrev(sum_of_sines))(a), by_hand, 1e-6);
  check_same("hessian(f)", ft::hessian(sum_of_sines)(a), by_hand, 1e-6);

  // Models are structs: the gradient of one is a struct of the same type.
  Mlp mlp{nn::Linear(keys[9], 5, 8), nn::Linear(keys[10], 8, 2)};
  Mlp gradient = ft::grad(mlp_loss)(mlp, a);
  check_same("grad of a model: its last bias, 2 y", *gradient.out.bias, 2 * mlp(a), 1e-6);
  Mlp along = ft::tree_map([&](const Tensor& p) { return ft::random::normal(keys[11], p.sizes()); }, mlp);
  check_close("grad of a model, along a direction, against a difference", dot(gradient, along),
              difference([&](const Mlp& m) { return mlp_loss(m, a); }, mlp, along, 1e-2), 1e-2);

  // And the transformed function is a program that can be read.
  fmt::print("\nThe program of grad(grad(sin)):\n{}\n", ft::make_fx(ft::grad(ft::grad(ft::sin)))(x));
  return failures != 0;
}
