// Derivatives against central differences, in f64.
#include <cmath>
#include <cstdio>

#include "functra/core/basis.h"
#include "functra/transforms/erased.h"

namespace functra::erased {
namespace {

using Leaves = std::vector<Tensor>;
using Function = function_ref<Leaves(const Leaves&)>;

// Numbers in [-1, 1], the same at every call.
class Directions {
 public:
  Tensor like(const Tensor& x) {
    Shape shape = x.sizes();
    std::vector<double> v(static_cast<std::size_t>(shape.numel()));
    for (double& e : v) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      e = static_cast<double>(static_cast<std::int64_t>(state_)) / 9223372036854775808.0;
    }
    return shape.empty() ? Tensor::strong(v[0], DType::f64) : Tensor::copy_of(v.data(), DType::f64, shape);
  }

 private:
  std::uint64_t state_ = 1;
};

bool differentiable(const Tensor& x) { return x.defined() && is_floating(x.dtype()); }
std::vector<double> numbers(const Tensor& x) { return x.to_vector<double>(); }
std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", x);
  return text;
}

Leaves jvp_of(Function f, Leaves x, Leaves t) {
  Leaves y;
  const TreeRef at[] = {TreeRef(x)}, along[] = {TreeRef(t)};
  auto call = [&]() -> Result {
    y = f(x);
    return {TreeRef(y)};
  };
  return jvp(at, along, call, {});
}
Leaves vjp_of(Function f, Leaves x, Leaves ct) {
  Leaves y;
  const TreeRef at[] = {TreeRef(x)};
  auto call = [&]() -> Result {
    y = f(x);
    return {TreeRef(y)};
  };
  return pull(*linearize(at, call, "check_grads"), TreeRef(ct));
}

class Check {
 public:
  Check(const CheckGradsOptions& o, std::vector<std::string> inputs) : o_(o), inputs_(std::move(inputs)) {}

  // `what` tells which derivative f is; `outputs` names its results.
  void run(Function f, const Leaves& x, int order, const std::string& what, const std::vector<std::string>& outputs) {
    Leaves y = f(x), ct;
    for (const Tensor& v : y) ct.push_back(differentiable(v) ? directions_.like(v) : Tensor());
    Leaves g = vjp_of(f, x, ct), all(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!differentiable(x[i])) continue;
      Leaves t(x.size()), up = x, down = x;
      t[i] = all[i] = directions_.like(x[i]);
      up[i] = x[i] + Tensor(o_.eps) * t[i];
      down[i] = x[i] - Tensor(o_.eps) * t[i];
      Leaves plus = f(up), minus = f(down), dy = jvp_of(f, x, t);
      double expected = 0, scale = 0;
      for (std::size_t k = 0; k < y.size(); ++k) {
        if (!differentiable(y[k])) continue;
        auto a = numbers(plus[k]), b = numbers(minus[k]), d = numbers(dy[k]), c = numbers(ct[k]);
        for (std::size_t e = 0; e < a.size(); ++e) {
          double difference = (a[e] - b[e]) / (2 * o_.eps);
          expected += c[e] * difference;
          scale += std::fabs(c[e] * difference);
          compare("jvp of " + what + outputs[k] + " along " + inputs_[i], d[e], difference, std::fabs(difference));
        }
      }
      auto gi = numbers(g[i]), ti = numbers(t[i]);
      double dot = 0;
      for (std::size_t e = 0; e < gi.size(); ++e) dot += gi[e] * ti[e];
      compare("vjp of " + what + "f with respect to " + inputs_[i], dot, expected, scale);
    }
    if (order < 2) return;
    run([&](const Leaves& a) { return jvp_of(f, a, all); }, x, order - 1, "the jvp of " + what, outputs);
    std::vector<std::string> cotangents;
    for (const std::string& name : inputs_) cotangents.push_back("the cotangent of " + name);
    run([&](const Leaves& a) { return vjp_of(f, a, ct); }, x, order - 1, "the vjp of " + what, cotangents);
  }

 private:
  void compare(const std::string& name, double is, double should, double scale) {
    if (std::fabs(is - should) <= o_.atol + o_.rtol * scale) return;
    throw ValueError("check_grads: " + name + " gives " + number(is) + ", but central differences give " + number(should));
  }
  CheckGradsOptions o_;
  std::vector<std::string> inputs_;
  Directions directions_;
};

}  // namespace

void check_grads(Refs args, Call f, const CheckGradsOptions& o) {
  if (o.order < 1) throw ValueError("check_grads: order is " + std::to_string(o.order) + ", expected at least 1");
  auto in = tree::pointers(args);
  Leaves x;
  bool any = false;
  for (Tensor* t : in) {
    any = any || differentiable(*t);
    if (t->defined() && is_complex(t->dtype()))
      throw DTypeError("check_grads: complex arguments are not compared with differences; check real and imaginary parts as arguments of their own");
    x.push_back(differentiable(*t) ? core::convert(t->strengthened(), DType::f64) : *t);
  }
  if (!any) throw DTypeError("check_grads: no argument has a floating dtype");
  std::vector<std::string> outputs;
  auto call = [&](const Leaves& a) {
    for (std::size_t i = 0; i < in.size(); ++i) *in[i] = a[i];
    TreeRef r = f().value;
    if (outputs.empty())
      for (const std::string& p : tree::paths(r)) outputs.push_back("the result" + (p.empty() || p[0] == '[' ? p : "." + p));
    return tree::leaves(r);
  };
  call(x);
  Check(o, tree::argument_paths(args)).run(call, x, o.order, "", outputs);
}

}  // namespace functra::erased
