// A tour of the transforms on small functions; each result is checked against a closed form or a loop.
#include <functra/fmt.h>

#include <cmath>

#include "net.h"

namespace {

Tensor f(const Tensor& x) { return ft::sin(x) * ft::square(x); }                      // scalar to scalar
Tensor g(const Tensor& x) { return ft::stack({x[0] * x[1], ft::sin(x[2]) * x[0]}); }  // R^3 to R^2
Tensor cubes(const Tensor& x) { return ft::sum(x * x * x); }                          // its Hessian is diag(6 x)

struct Mlp {
  Tensor w1, b1, w2, b2;
};
Tensor predict(const Mlp& m, const Tensor& x) { return ft::matmul(m.w2, ft::tanh(ft::matmul(m.w1, x) + m.b1)) + m.b2; }
Mlp make_mlp(const Tensor& key) {
  Tensor k = ft::random::split(key, 2);
  return {ft::random::normal(k[0], {8, 3}), ft::zeros({8}), ft::random::normal(k[1], {2, 8}), ft::zeros({2})};
}
template <class F> Tensor loop(const Tensor& xs, F one) {  // the reference for vmap
  std::vector<Tensor> rows;
  for (std::int64_t i = 0; i < xs.size(0); ++i) rows.push_back(one(xs[i]));
  return ft::stack(rows);
}
}  // namespace

void whirlwind() {
  fmt::print("A whirlwind tour of the transforms\n");
  double a = 1.3, s = std::sin(a), c = std::cos(a);
  Tensor x = ft::tensor(a);
  check("grad: the derivative of sin(x) x^2", close(ft::grad(f)(x), Tensor(c * a * a + 2 * a * s)));
  check("grad of grad", close(ft::grad(ft::grad(f))(x), Tensor(-s * a * a + 4 * a * c + 2 * s)));
  check("grad of grad of grad", close(ft::grad(ft::grad(ft::grad(f)))(x), Tensor(-c * a * a - 6 * a * s + 6 * c)));

  Tensor v = ft::tensor({0.5, -1.0, 2.0}), t = ft::tensor({1.0, 2.0, 3.0}), xs = ft::random::normal(ft::random::key(1), {4, 3}),
         ts = ft::random::normal(ft::random::key(2), {4, 3});
  auto [y, pullback] = ft::vjp(ft::sin, v);
  check("vjp: a pullback", close(y, ft::sin(v)) && close(pullback(t), t * ft::cos(v)));
  auto [y2, ty] = ft::jvp(ft::sin, v, t);
  check("jvp: a pushforward", close(y2, ft::sin(v)) && close(ty, t * ft::cos(v)));
  auto jacobian = [](const Tensor& p) {
    Tensor zero = 0 * p[0];
    return ft::stack({ft::stack({p[1], p[0], zero}), ft::stack({ft::sin(p[2]), zero, p[0] * ft::cos(p[2])})});
  };
  check("jacrev = jacfwd = the Jacobian by hand", close(ft::jacrev(g)(v), jacobian(v)) && close(ft::jacfwd(g)(v), jacobian(v)));
  check("hessian", close(ft::hessian(cubes)(v), ft::eye(3) * (6 * v)));

  Tensor points = xs.reshape({12});
  check("vmap of grad = its loop", close(ft::vmap(ft::grad(f))(points), loop(points, ft::grad(f))));
  check("vmap of grad of grad", close(ft::vmap(ft::grad(ft::grad(f)))(points), loop(points, ft::grad(ft::grad(f)))));
  check("vmap of vjp", close(ft::vmap([](const Tensor& p, const Tensor& ct) {
                               auto [out, back] = ft::vjp(ft::sin, p);
                               return back(ct);
                             })(xs, ts),
                             ts * ft::cos(xs)));
  check("vmap of jvp", close(ft::vmap([](const Tensor& p, const Tensor& d) {
                               auto [out, dout] = ft::jvp(ft::sin, p, d);
                               return dout;
                             })(xs, ts),
                             ts * ft::cos(xs)));
  check("vmap of jacrev, of jacfwd",
        close(ft::vmap(ft::jacrev(g))(xs), loop(xs, jacobian)) && close(ft::vmap(ft::jacfwd(g))(xs), loop(xs, jacobian)));
  check("vmap of hessian", close(ft::vmap(ft::hessian(cubes))(xs), loop(xs, ft::hessian(cubes))));

  std::vector<Mlp> models;
  for (int i = 0; i < 5; ++i) models.push_back(make_mlp(ft::random::fold_in(ft::random::key(3), i)));
  auto all = [&](Tensor Mlp::*member) {
    std::vector<Tensor> l;
    for (const Mlp& m : models) l.push_back(m.*member);
    return ft::stack(l);
  };
  Mlp stacked{all(&Mlp::w1), all(&Mlp::b1), all(&Mlp::w2), all(&Mlp::b2)};
  std::vector<Tensor> one_by_one;
  for (const Mlp& m : models) one_by_one.push_back(predict(m, v));
  check("an ensemble of five models by one vmap", close(ft::vmap(predict, {.in_dims = {0, ft::none}})(stacked, v), ft::stack(one_by_one)));

  ft::Program program = ft::make_fx(ft::grad(f))(x);
  check("make_fx of grad replays at another point", close(program({ft::tensor(0.7)})[0], ft::grad(f)(ft::tensor(0.7))));
  fmt::print("\nThe gradient of sin(x) x^2 as a program:\n{}\n", program);
}
