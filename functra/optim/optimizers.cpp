#include "functra/optim/optimizers.h"

#include <cmath>
#include <string>

#include "functra/ops/elementwise.h"
#include "functra/ops/factories.h"
#include "functra/ops/math.h"

namespace functra::optim {
namespace detail {

Tensor first_step() { return zeros({}, i64); }
void fill(TreeRef t, double value) {
  tree::map(t, [value](const Tensor& x) { return x.defined() ? full_like(x, value) : x; });
}

}  // namespace detail
namespace {

using core::Site;
using detail::Update;

bool none(const Tensor& t) { return t.literal() && double(t) == 0; }
void domain(bool ok, const char* who, const char* option, double value) {
  if (!ok) throw ValueError(std::string(who) + ": " + option + " is " + Scalar(value).str() + ", outside of its domain");
}
Tensor root(const Tensor& v) {
  Tensor zero = v == 0;
  return where(zero, 0.0, sqrt(where(zero, 1.0, v)));
}
// 1 - beta^step, in f64: it is small where beta is near 1.
Tensor correction(double beta, const Tensor& step) { return beta == 0 ? Tensor(1.0) : -expm1(step.to(f64) * std::log(beta)); }

// Whose turn it is: a parameter, its gradient, and what the state trees hold for it (undefined for absent ones).
struct Leaf {
  Tensor& p;
  Tensor g;
  std::span<Tensor* const> state;
  Tensor& operator[](std::size_t i) const { return *state[i]; }
  void set(std::size_t i, const Tensor& v) const { *state[i] = v.to(state[i]->dtype()); }
  void move(const Tensor& by) const { p = (p - by).to(p.dtype()); }
};
template <class F> void each(const Update& u, const char* who, bool maximize, const Tensor& decay, F f) {
  std::vector<Tensor*> p = tree::pointers(u.params), g = tree::pointers(u.grads);
  std::string key = tree::shape_key({&u.params, 1});
  auto fits = [&](TreeRef t, std::size_t n, const char* what) {
    if (n != p.size() || tree::shape_key({&t, 1}) != key)
      throw StructureError(std::string(who) + ": the parameters have the structure " + tree::structure(u.params) + ", " + what + " " +
                           tree::structure(t));
  };
  fits(u.grads, g.size(), "the gradients");
  std::vector<std::vector<Tensor*>> s;
  for (const TreeRef& t : u.state) {
    s.push_back(tree::pointers(t));
    if (t) fits(t, s.back().size(), "the state");
  }
  std::vector<char> constant = tree::constants(u.params);
  std::vector<Tensor*> mine(s.size());
  u.step = u.step + 1;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (constant[i] || !p[i]->defined() || !g[i]->defined() || !is_floating(p[i]->dtype())) continue;
    if (!(g[i]->sizes() == p[i]->sizes()))
      throw ShapeError(std::string(who) + ": '" + tree::paths(u.params)[i] + "' has shape " + p[i]->sizes().str() + ", its gradient " +
                       g[i]->sizes().str());
    for (std::size_t k = 0; k < s.size(); ++k) mine[k] = s[k].empty() ? nullptr : s[k][i];
    Tensor gradient = maximize ? -*g[i] : *g[i];
    if (!none(decay)) gradient = gradient + decay * *p[i];
    f(Leaf{*p[i], gradient, mine});
  }
}

}  // namespace

void SGD::update(const Update& u) const {
  Site site(FUNCTRA_SITE);
  const char* who = "optim::SGD";
  const SGDOptions& o = options;
  domain(o.momentum >= 0, who, "momentum", o.momentum);
  if (o.nesterov && (o.momentum == 0 || o.dampening != 0)) throw ValueError("optim::SGD: nesterov needs momentum, and no dampening");
  if (o.momentum != 0 && !u.state[0])
    throw StructureError("optim::SGD: the state has no momentum_buffer; make it by init of an optimiser with momentum");
  Tensor first = u.step == 0;
  each(u, who, o.maximize, o.weight_decay, [&](const Leaf& l) {
    Tensor g = l.g;
    if (o.momentum != 0) {
      Tensor v = o.momentum * l[0] + (1 - o.dampening) * g;
      l.set(0, o.dampening == 0 ? v : where(first, g, v));
      g = o.nesterov ? g + o.momentum * l[0] : l[0];
    }
    l.move(o.lr * g);
  });
}

void detail::adam(const AdamOptions& o, const Update& u, bool decoupled, const char* who) {
  Site site(FUNCTRA_SITE);
  domain(o.beta1 >= 0 && o.beta1 < 1, who, "beta1", o.beta1);
  domain(o.beta2 >= 0 && o.beta2 < 1, who, "beta2", o.beta2);
  domain(o.eps >= 0, who, "eps", o.eps);
  if (o.amsgrad && !u.state[2])
    throw StructureError(std::string(who) + ": the state has no max_exp_avg_sq; make it by init of an optimiser with amsgrad");
  Tensor n = u.step + 1, rate = o.lr / correction(o.beta1, n), scale = sqrt(correction(o.beta2, n));
  each(u, who, o.maximize, decoupled ? Tensor(0.0) : o.weight_decay, [&](const Leaf& l) {
    if (decoupled && !none(o.weight_decay)) l.move(o.lr * o.weight_decay * l.p);
    l.set(0, l[0] + (1 - o.beta1) * (l.g - l[0]));
    l.set(1, o.beta2 * l[1] + (1 - o.beta2) * l.g * l.g);
    if (o.amsgrad) l.set(2, maximum(l[2], l[1]));
    l.move(rate * l[0] / (root(l[o.amsgrad ? 2 : 1]) / scale + o.eps));
  });
}

void RMSprop::update(const Update& u) const {
  Site site(FUNCTRA_SITE);
  const char* who = "optim::RMSprop";
  const RMSpropOptions& o = options;
  domain(o.alpha >= 0, who, "alpha", o.alpha);
  domain(o.eps >= 0, who, "eps", o.eps);
  domain(o.momentum >= 0, who, "momentum", o.momentum);
  if ((o.momentum != 0 && !u.state[1]) || (o.centered && !u.state[2]))
    throw StructureError("optim::RMSprop: the state has no momentum_buffer or grad_avg; make it by init of an optimiser with these options");
  each(u, who, o.maximize, o.weight_decay, [&](const Leaf& l) {
    l.set(0, o.alpha * l[0] + (1 - o.alpha) * l.g * l.g);
    Tensor second = l[0];
    if (o.centered) {
      l.set(2, l[2] + (1 - o.alpha) * (l.g - l[2]));
      second = second - square(l[2]);
    }
    Tensor move = l.g / (root(second) + o.eps);
    if (o.momentum != 0) {
      l.set(1, o.momentum * l[1] + move);
      move = l[1];
    }
    l.move(o.lr * move);
  });
}

void Adagrad::update(const Update& u) const {
  Site site(FUNCTRA_SITE);
  const char* who = "optim::Adagrad";
  const AdagradOptions& o = options;
  domain(o.lr_decay >= 0, who, "lr_decay", o.lr_decay);
  domain(o.initial_accumulator_value >= 0, who, "initial_accumulator_value", o.initial_accumulator_value);
  domain(o.eps >= 0, who, "eps", o.eps);
  Tensor rate = o.lr_decay == 0 ? o.lr : o.lr / (1 + u.step.to(f64) * o.lr_decay);
  each(u, who, o.maximize, o.weight_decay, [&](const Leaf& l) {
    l.set(0, l[0] + l.g * l.g);
    l.move(rate * l.g / (root(l[0]) + o.eps));
  });
}

}  // namespace functra::optim
