// The laws of a function of (w, x): its values and derivatives to third order, however the transforms are composed.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/laws_count.h"
#include "tests/support/constructs.h"

namespace functra::testing {
namespace {

using Pair = std::tuple<Tensor, Tensor>;

class Laws {
 public:
  explicit Laws(const Function& f) : fun_(f) {
    for (double x : points) ref_.push_back(f.reference(Poly::variable(at_w, 0), Poly::variable(x, 1)));
  }
  void run() {
    values();
    forward_mode();
    if (!fun_.reverse) return;
    reverse_mode();
    second_order();
    third_order();
    programs();
  }

 private:
  static constexpr double at_w = 0.8;
  static constexpr double points[] = {0.3, 0.65, 0.9, 1.1};  // they take different branches and numbers of steps

  Tensor f(const Tensor& w, const Tensor& x) const { return fun_.f(w, x); }
  auto fn() const {
    return [this](const Tensor& w, const Tensor& x) { return f(w, x); };
  }
  auto lanes() const { return vmap(fn(), {.in_dims = {none, 0}}); }  // w shared
  auto total() const {
    return [this](const Tensor& w, const Tensor& x) { return sum(lanes()(w, x)); };
  }
  std::vector<double> d(int i, int j) const {
    std::vector<double> r;
    for (auto& p : ref_) r.push_back(p.derivative(i, j));
    return r;
  }
  double at(int k, int i, int j) const { return ref_[static_cast<std::size_t>(k)].derivative(i, j); }
  double over_lanes(int i, int j) const {
    double s = 0;
    for (auto& p : ref_) s += p.derivative(i, j);
    return s;
  }
  void check(const char* law, const Tensor& t, const std::vector<double>& want) const {
    auto is = t.to_vector<double>();
    bool ok = is.size() == want.size() && t.dtype() == f64;
    for (std::size_t i = 0; ok && i < is.size(); ++i) ok = std::fabs(is[i] - want[i]) <= 1e-7 * (1 + std::fabs(want[i]));
    count_law(ok);
    if (ok) return;
    std::string text = fun_.name + ": " + law + " gives";
    for (double v : is) text += " " + std::to_string(v);
    text += " of " + std::string(name_of(t.dtype())) + ", expected";
    for (double v : want) text += " " + std::to_string(v);
    ADD_FAILURE() << text;
  }
  template <class F> void law(const char* name, F body) const {
    try {
      body(name);
    } catch (const std::exception& e) {
      count_law(false);
      ADD_FAILURE() << fun_.name << ": " << name << " throws " << e.what();
    }
  }

  void values() const {
    law("f", [&](const char* n) {
      for (int k = 0; k < 4; ++k) check(n, f(w_, x_[k]), {at(k, 0, 0)});
    });
    law("jit", [&](const char* n) {
      auto compiled = jit(fn());
      for (int k = 0; k < 4; ++k) check(n, compiled(w_, x_[k]), {at(k, 0, 0)});
    });
    law("vmap, w shared", [&](const char* n) { check(n, lanes()(w_, x_), d(0, 0)); });
    law("vmap", [&](const char* n) { check(n, vmap(fn())(full({4}, at_w, f64), x_), d(0, 0)); });
    law("vmap(jit)", [&](const char* n) { check(n, vmap(jit(fn()), {.in_dims = {none, 0}})(w_, x_), d(0, 0)); });
  }
  void forward_mode() const {
    auto by_w = [&](const Tensor& x) { return functra::jvp([&](const Tensor& w) { return f(w, x); }, w_, 1.0).second; };
    law("jvp", [&](const char* n) {
      for (int k = 0; k < 4; ++k) check(n, functra::jvp(fn(), Pair{w_, x_[k]}, Pair{2.0, 3.0}).second, {2 * at(k, 1, 0) + 3 * at(k, 0, 1)});
    });
    law("linearize", [&](const char* n) {
      for (int k = 0; k < 4; ++k) check(n, functra::linearize(fn(), w_, x_[k]).second(2.0, 3.0), {2 * at(k, 1, 0) + 3 * at(k, 0, 1)});
    });
    law("vmap(jvp)", [&](const char* n) { check(n, vmap(by_w)(x_), d(1, 0)); });
    law("jvp(vmap)", [&](const char* n) { check(n, functra::jvp([&](const Tensor& w) { return lanes()(w, x_); }, w_, 1.0).second, d(1, 0)); });
    law("jvp(jvp)", [&](const char* n) { check(n, functra::jvp(by_w, x_[2], 1.0).second, {at(2, 1, 1)}); });
    law("jvp(jit)", [&](const char* n) { check(n, functra::jvp(jit(fn()), Pair{w_, x_[1]}, Pair{1.0, 0.0}).second, {at(1, 1, 0)}); });
    law("jit(jvp)", [&](const char* n) { check(n, jit(by_w)(x_[1]), {at(1, 1, 0)}); });
  }
  void reverse_mode() const {
    auto g = functra::grad<0, 1>(fn());
    law("grad", [&](const char* n) {
      for (int k = 0; k < 4; ++k) {
        auto [a, b] = g(w_, x_[k]);
        check(n, a, {at(k, 1, 0)});
        check(n, b, {at(k, 0, 1)});
      }
    });
    law("vmap(grad)", [&](const char* n) {
      auto [a, b] = vmap(g, {.in_dims = {none, 0}})(w_, x_);
      check(n, a, d(1, 0));
      check(n, b, d(0, 1));
    });
    law("grad(sum(vmap))", [&](const char* n) {
      auto [a, b] = functra::grad<0, 1>(total())(w_, x_);
      check(n, a, {over_lanes(1, 0)});
      check(n, b, d(0, 1));
    });
    law("jit(grad)", [&](const char* n) {
      auto [a, b] = jit(g)(w_, x_[1]);
      check(n, stack({a, b}), {at(1, 1, 0), at(1, 0, 1)});
    });
    law("grad(jit)", [&](const char* n) {
      auto [a, b] = functra::grad<0, 1>(jit(fn()))(w_, x_[1]);
      check(n, stack({a, b}), {at(1, 1, 0), at(1, 0, 1)});
    });
    law("grad, both arguments depending on one", [&](const char* n) {
      check(n, functra::grad([&](const Tensor& t) { return f(t, t); })(w_), {[&] {
              Poly p = fun_.reference(Poly::variable(at_w, 0), Poly::variable(at_w, 1));
              return p.derivative(1, 0) + p.derivative(0, 1);
            }()});
    });
  }
  void second_order() const {
    auto by_x = functra::grad<1>(fn());
    auto both = functra::grad<0, 1>([=](const Tensor& w, const Tensor& x) { return by_x(w, x); });
    law("hessian", [&](const char* n) {
      auto [of_w, of_x] = functra::hessian<0, 1>(fn())(w_, x_[2]);
      check(n, std::get<0>(of_w), {at(2, 2, 0)});
      check(n, std::get<1>(of_w), {at(2, 1, 1)});
      check(n, std::get<0>(of_x), {at(2, 1, 1)});
      check(n, std::get<1>(of_x), {at(2, 0, 2)});
    });
    law("grad(grad)", [&](const char* n) {
      for (int k : {0, 2}) {
        auto [a, b] = both(w_, x_[k]);
        check(n, a, {at(k, 1, 1)});
        check(n, b, {at(k, 0, 2)});
      }
    });
    law("vmap(hessian)", [&](const char* n) {
      auto [of_w, of_x] = vmap(functra::hessian<0, 1>(fn()), {.in_dims = {none, 0}})(w_, x_);
      check(n, std::get<0>(of_w), d(2, 0));
      check(n, std::get<1>(of_w), d(1, 1));
      check(n, std::get<1>(of_x), d(0, 2));
    });
    law("grad(sum(vmap(grad)))", [&](const char* n) {
      auto g = [&](const Tensor& w, const Tensor& x) { return sum(vmap(by_x, {.in_dims = {none, 0}})(w, x)); };
      auto [a, b] = functra::grad<0, 1>(g)(w_, x_);
      check(n, a, {over_lanes(1, 1)});
      check(n, b, d(0, 2));
    });
    law("jvp(grad)", [&](const char* n) { check(n, functra::jvp(by_x, Pair{w_, x_[2]}, Pair{1.0, 2.0}).second, {at(2, 1, 1) + 2 * at(2, 0, 2)}); });
    law("grad(jvp)", [&](const char* n) {
      auto t = [&](const Tensor& x) { return functra::jvp(fn(), Pair{w_, x}, Pair{1.0, 2.0}).second; };
      check(n, functra::grad(t)(x_[2]), {at(2, 1, 1) + 2 * at(2, 0, 2)});
    });
  }
  void third_order() const {
    law("grad(grad(grad))", [&](const char* n) {
      auto g1 = [this](const Tensor& w, const Tensor& x) { return functra::grad<1>(fn())(w, x); };
      auto g2 = [&](const Tensor& w, const Tensor& x) { return functra::grad<0>(g1)(w, x); };
      auto [a, b] = functra::grad<0, 1>(g2)(w_, x_[2]);
      check(n, a, {at(2, 2, 1)});
      check(n, b, {at(2, 1, 2)});
    });
    law("jvp(vmap(hessian))", [&](const char* n) {
      auto xx = [&](const Tensor& w) { return std::get<1>(std::get<1>(vmap(functra::hessian<0, 1>(fn()), {.in_dims = {none, 0}})(w, x_))); };
      check(n, functra::jvp(xx, w_, 1.0).second, d(1, 2));
    });
  }
  void programs() const {
    law("the text of make_fx(vmap(grad)), parsed and run", [&](const char* n) {
      auto g = [&](const Tensor& w, const Tensor& x) { return vmap(functra::grad<0, 1>(fn()), {.in_dims = {none, 0}})(w, x); };
      functra::Program p = make_fx(g)(w_, x_ + 0.1);
      p.verify();
      functra::Program q = functra::Program::parse(to_string(p));
      count_law(p == q);
      EXPECT_TRUE(p == q) << fun_.name;
      if (p.inputs().size() != 2) q = p;  // text holds no values of captured tensors
      auto r = q({w_, x_});
      check(n, r[0], d(1, 0));
      check(n, r[1], d(0, 1));
    });
  }

  const Function& fun_;
  std::vector<Poly> ref_;
  Tensor w_ = tensor(at_w, f64), x_ = tensor(std::vector<double>(points, points + 4));
};

}  // namespace

void expect_laws(const Function& f) { Laws(f).run(); }

}  // namespace functra::testing
