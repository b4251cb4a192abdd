// Jacobians, Hessians, and their products with vectors, as functorch's page "Jacobians, Hessians, hvp, vhp, and more": compositions of vmap
// with vjp and jvp. Every result is compared with its closed form: y = tanh(W x + b) has dy_i/dx_j = (1 - y_i^2) W_ij and
// d2y_i/dx_j dx_k = -2 y_i (1 - y_i^2) W_ij W_ik.
#include "support/check.h"

using namespace example;

namespace {

Tensor predict(const Tensor& weight, const Tensor& bias, const Tensor& x) { return ft::tanh(ft::linear(x, weight, bias)); }

Tensor jacobian_by_hand(const Tensor& weight, const Tensor& bias, const Tensor& x) {
  Tensor y = predict(weight, bias, x);
  return (1 - y * y).unsqueeze(-1) * weight;
}
Tensor hessian_by_hand(const Tensor& weight, const Tensor& bias, const Tensor& x) {
  Tensor y = predict(weight, bias, x), c = -2 * y * (1 - y * y);
  return ft::einsum("...i,ij,ik->...ijk", c, weight, weight);
}
struct Problem {  // of weights that leave tanh its slope
  Tensor weight, bias, x;
};
Problem make_problem(int seed, std::int64_t out, std::int64_t in, const ft::Shape& x) {
  Tensor k = ft::random::split(ft::random::key(seed), 3);
  return {ft::random::normal(k[0], {out, in}) / std::sqrt(double(in)), ft::random::normal(k[1], {out}), ft::random::normal(k[2], x)};
}

Tensor sines(const Tensor& x) { return ft::sum(ft::sin(x)); }
Tensor hvp_revrev(const Tensor& x, const Tensor& v) { return ft::vjp(ft::grad(sines), x).second(v); }

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);

  // The Jacobian of a function from R^16 to R^16, a row at a time: reverse mode gives products of a vector with the Jacobian.
  const std::int64_t d = 16;
  auto [weight, bias, x] = make_problem(0, d, d, {d});
  auto compute_jac = [w = weight, b = bias](const Tensor& at) {
    std::vector<Tensor> rows;
    Tensor unit_vectors = ft::eye(d);
    for (std::int64_t i = 0; i < d; ++i) rows.push_back(std::get<2>(ft::vjp(predict, w, b, at).second(unit_vectors[i])));
    return ft::stack(rows);
  };
  Tensor jacobian = compute_jac(x);
  fmt::print("Jacobian {}, its first row\n{}\n", jacobian.sizes(), jacobian[0]);
  check_same("the loop of vjp", jacobian, jacobian_by_hand(weight, bias, x), 1e-6);

  // Without the loop: vmap over the unit vectors. jacrev is just that; jacrev<2> is with respect to argument 2.
  auto vjp_fn = ft::vjp([w = weight, b = bias](const Tensor& at) { return predict(w, b, at); }, x).second;
  check_same("vmap(vjp)", ft::vmap(vjp_fn)(ft::eye(d)), jacobian, 1e-6);
  check_same("jacrev", ft::jacrev<2>(predict)(weight, bias, x), jacobian, 1e-6);
  auto by_loop = [&, p = x] { return compute_jac(p); };
  auto by_jacrev = [w = weight, b = bias, p = x] { return ft::jacrev<2>(predict)(w, b, p); };
  compare_times("Jacobian 16 x 16", by_loop, by_jacrev, 50, 10);

  // With respect to the parameters: two arguments, a tuple of two Jacobians.
  auto [jac_weight, jac_bias] = ft::jacrev<0, 1>(predict)(weight, bias, x);
  Tensor slope = ft::diag(1 - ft::square(predict(weight, bias, x)));
  check_same("jacrev of the weight", jac_weight, slope.unsqueeze(-1) * x, 1e-6);
  check_same("jacrev of the bias", jac_bias, slope, 1e-6);

  // Forward mode (jacfwd) does a column at a time: better where the Jacobian is tall, worse where it is wide.
  for (auto [rows, columns] : {std::pair<std::int64_t, std::int64_t>{2048, 32}, {32, 2048}}) {
    Problem p = make_problem(1, rows, columns, {columns});
    double fwd = seconds([&] { return ft::jacfwd<2>(predict)(p.weight, p.bias, p.x); }, 3, 3),
           rev = seconds([&] { return ft::jacrev<2>(predict)(p.weight, p.bias, p.x); }, 3, 3);
    fmt::print("Jacobian {} x {}: jacfwd {:.3f} ms, jacrev {:.3f} ms: {} is the faster one\n", rows, columns, fwd * 1e3, rev * 1e3,
               fwd < rev ? "jacfwd" : "jacrev");
    check_same("jacfwd = jacrev", ft::jacfwd<2>(predict)(p.weight, p.bias, p.x), ft::jacrev<2>(predict)(p.weight, p.bias, p.x), 1e-5);
  }

  // Hessians are Jacobians of Jacobians: hessian is jacfwd over jacrev, and other pairs give the same.
  Problem h = make_problem(2, 32, 512, {512});
  Tensor hessian = ft::hessian<2>(predict)(h.weight, h.bias, h.x);
  fmt::print("Hessian {}\n", hessian.sizes());
  check_same("hessian", hessian, hessian_by_hand(h.weight, h.bias, h.x), 1e-5);
  check_same("jacfwd(jacfwd)", ft::jacfwd<2>(ft::jacfwd<2>(predict))(h.weight, h.bias, h.x), hessian, 1e-5);

  // Batches: vmap over jacrev, or, since each row of the result depends on its own input only, the Jacobian of the sum of rows.
  Problem many = make_problem(3, 33, 31, {64, 31});
  ft::VmapOptions over_x{.in_dims = {ft::none, ft::none, 0}};
  auto compute_batch_jacobian = ft::vmap(ft::jacrev<2>(predict), over_x);
  auto summed = [](const Tensor& w, const Tensor& b, const Tensor& xs) { return ft::sum(predict(w, b, xs), 0); };
  Tensor batch_jacobian = compute_batch_jacobian(many.weight, many.bias, many.x);
  check_same("a batch of Jacobians", batch_jacobian, jacobian_by_hand(many.weight, many.bias, many.x), 1e-6);
  check_same("the same by a sum", ft::movedim(ft::jacrev<2>(summed)(many.weight, many.bias, many.x), 1, 0), batch_jacobian, 1e-6);
  auto jacobian_loop = [&] {
    std::vector<Tensor> each;
    for (const Tensor& one : ft::unbind(many.x)) each.push_back(ft::jacrev<2>(predict)(many.weight, many.bias, one));
    return ft::stack(each);
  };
  compare_times(
      "64 Jacobians", jacobian_loop, [&] { return compute_batch_jacobian(many.weight, many.bias, many.x); }, 50);
  Tensor batch_hessian = ft::vmap(ft::hessian<2>(predict), over_x)(many.weight, many.bias, many.x);
  fmt::print("a batch of Hessians {}\n", batch_hessian.sizes());
  check_same("a batch of Hessians", batch_hessian, hessian_by_hand(many.weight, many.bias, many.x), 1e-5);

  // Products with the Hessian need no Hessian: forward over reverse (ft::hvp), or reverse over reverse.
  Tensor at = ft::random::normal(ft::random::key(4), {2048}), tangent = ft::random::normal(ft::random::key(5), {2048});
  check_same("hvp, forward over reverse", ft::hvp(sines, at, tangent), -ft::sin(at) * tangent, 1e-6);
  check_same("hvp, reverse over reverse", hvp_revrev(at, tangent), -ft::sin(at) * tangent, 1e-6);

  save(out + "/jacobians_hessians.png", ft::io::heat_maps({{"Jacobian", jacobian},
                                                           {"Hessian of output 0", ft::hessian<2>(predict)(weight, bias, x)[0]},
                                                           {"Hessian of output 0, first of the batch", batch_hessian[0][0]}},
                                                          "y = tanh(W x + b)"));
  return failures != 0;
}
