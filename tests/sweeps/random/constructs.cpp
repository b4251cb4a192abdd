// The constructs of random programs: what holds functions. Each has the library's meaning and a plain one beside it.
//
// A new construct is one entry of the table at the end: `make` chooses operands and bodies (Maker::body, with the types that parameters
// and results must have) and says the types of the results; `run` gives them, from the library or, where `plain`, written out.
#include <cmath>

#include "tests/laws/transforms.h"
#include "tests/sweeps/random/program.h"

namespace functra::testing::programs {
namespace {

// ---------------------------------------------------------------- helpers
// n values; none where there are none that fit.
bool operands(Maker& m, Node& n, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) n.in.push_back(m.any());
  return !n.in.empty() && n.in[0] >= 0;
}
std::vector<Type> types_of_operands(Maker& m, const Node& n) {
  std::vector<Type> r;
  for (int v : n.in) r.push_back(m.type(v));
  return r;
}
Type joined(const Type& a, const Type& b) { return {a.shape, std::min(a.lo, b.lo), std::max(a.hi, b.hi)}; }
// Values of no known bounds, between bounds: derivatives.
Vec tamed(Vec v) {
  for (Tensor& t : v) t = atan(t);
  return v;
}
std::vector<Type> tamed_like(const std::vector<Type>& t) {
  std::vector<Type> r;
  for (const Type& x : t) r.push_back(bounded(x.shape, -1.6, 1.6));
  return r;
}
Fn body_of(const Node& n, std::size_t k, const Vec& captured, bool plain) {
  return [f = n.bodies[k], captured, plain](const Vec& v) { return run(f, v, captured, plain); };
}
Tensor total(const Vec& v) {
  Tensor s = 0.0;
  for (std::size_t k = 0; k < v.size(); ++k) s = s + (static_cast<double>(k) * 0.5 + 1) * sum(sin(v[k]) * v[k]);
  return s;
}
Vec slices(const Vec& v, std::int64_t i) {
  Vec r;
  for (const Tensor& t : v) r.push_back(select(t, 0, i));
  return r;
}
Vec stacked(const std::vector<Vec>& rows, const std::vector<std::int64_t>& dims = {}) {
  Vec r;
  for (std::size_t k = 0; k < rows[0].size(); ++k) {
    Vec column;
    for (auto& row : rows) column.push_back(row[k]);
    r.push_back(stack(column, k < dims.size() ? dims[k] : 0));
  }
  return r;
}
Vec part(const Vec& v, std::size_t from, std::size_t n) {
  return Vec(v.begin() + static_cast<std::ptrdiff_t>(from), v.begin() + static_cast<std::ptrdiff_t>(from + n));
}
// One body, called on the operands: for what changes nothing but how it runs.
Op wrapper(const char* name, double weight, int captures, std::function<Vec(const Node&, const Fn&, const Vec&)> library) {
  return {name, weight,
          [captures](Maker& m, Node& n) {
            if (!operands(m, n, m.between(1, 2))) return false;
            n.ints = {m.below(1000)};
            n.bodies = {m.body(n, types_of_operands(m, n), captures)};
            n.out = n.bodies[0]->result_types();
            return true;
          },
          [library](const Node& n, const Vec& in, const Vec& captured, bool plain) {
            Fn f = body_of(n, 0, captured, plain);
            return plain ? f(in) : library(n, f, in);
          }};
}

// ---------------------------------------------------------------- transforms
bool make_vmap(Maker& m, Node& n) {  // ints: the mapped dimension of each operand (-1: none), of each result
  auto mappable = [](const Type& t) { return t.shape.rank() > 0 && t.shape.numel() > 0; };
  int first = m.pick(mappable);
  if (first < 0) return false;
  std::int64_t d = m.below(m.type(first).shape.rank()), size = m.type(first).shape[static_cast<std::size_t>(d)];
  n.in = {first};
  n.ints = {d};
  if (m.chance(0.6)) {
    n.in.push_back(m.any());
    const Shape& s = m.type(n.in[1]).shape;
    std::int64_t at = -1;
    for (std::size_t k = 0; k < s.size(); ++k)
      if (s[k] == size && m.chance(0.7)) at = static_cast<std::int64_t>(k);
    n.ints.push_back(at);
  }
  std::vector<Type> params = types_of_operands(m, n);
  for (std::size_t k = 0; k < params.size(); ++k)
    if (n.ints[k] >= 0) params[k].shape = params[k].shape.without(static_cast<std::size_t>(n.ints[k]));
  n.bodies = {m.body(n, params, 2)};
  for (const Type& t : n.bodies[0]->result_types()) {
    std::int64_t at = m.below(t.shape.rank() + 1);
    n.ints.push_back(at);
    n.out.push_back(bounded(t.shape.with(static_cast<std::size_t>(at), size), t.lo, t.hi));
  }
  return true;
}
Vec run_vmap(const Node& n, const Vec& in, const Vec& captured, bool plain) {
  Fn f = body_of(n, 0, captured, plain);
  std::vector<std::int64_t> out(n.ints.begin() + static_cast<std::ptrdiff_t>(in.size()), n.ints.end());
  if (!plain) {
    Axes to;
    to.list = true;
    for (std::int64_t d : out) to.items.push_back(Axes(d));
    Axes from;
    from.list = true;
    from.items.push_back(axes_of(std::vector<int>(n.ints.begin(), n.ints.begin() + static_cast<std::ptrdiff_t>(in.size()))));
    return functra::vmap([&](const Vec& v) { return f(v); }, VmapOptions{.in_dims = from, .out_dims = to})(in);
  }
  std::vector<Vec> rows;
  for (std::int64_t i = 0, size = in[0].size(n.ints[0]); i < size; ++i) {
    Vec lane = in;
    for (std::size_t k = 0; k < in.size(); ++k)
      if (n.ints[k] >= 0) lane[k] = select(in[k], n.ints[k], i);
    rows.push_back(f(lane));
  }
  return stacked(rows, out);
}
bool make_grad(Maker& m, Node& n) {
  if (!operands(m, n, m.between(1, 2))) return false;
  n.bodies = {m.body(n, types_of_operands(m, n), 2)};
  n.out = tamed_like(types_of_operands(m, n));
  return true;
}
Vec run_grad(const Node& n, const Vec& in, const Vec& captured, bool plain) {
  return tamed(functra::grad([&](const Vec& v) { return total(run(n.bodies[0], v, captured, plain)); })(in));
}
// Operands, then values as tangents; or the cotangent made of operands.
bool make_jvp(Maker& m, Node& n) {
  if (!operands(m, n, m.between(1, 2))) return false;
  std::vector<Type> params = types_of_operands(m, n);
  n.bodies = {m.body(n, params, 2)};
  for (const Type& t : params) n.in.push_back(m.pick([&](const Type& u) { return u.shape == t.shape; }));
  n.out = tamed_like(n.bodies[0]->result_types());
  return true;
}
Vec run_jvp(const Node& n, const Vec& in, const Vec& captured, bool plain) {
  std::size_t k = in.size() / 2;
  return tamed(jvp_of(body_of(n, 0, captured, plain), part(in, 0, k), part(in, k, k)));
}
Vec run_linearize(const Node& n, const Vec& in, const Vec& captured, bool plain) {
  std::size_t k = in.size() / 2;
  if (plain) return run_jvp(n, in, captured, plain);
  return tamed(functra::linearize([&](const Vec& v) { return run(n.bodies[0], v, captured, plain); }, part(in, 0, k)).second(part(in, k, k)));
}
Vec run_vjp(const Node& n, const Vec& in, const Vec& captured, bool plain) {  // the cotangent is the value itself
  auto [y, pull] = functra::vjp([&](const Vec& v) { return run(n.bodies[0], v, captured, plain); }, in);
  Vec ct;
  for (const Tensor& t : y) ct.push_back(cos(t));
  return tamed(pull(ct));
}
bool make_jacobian(Maker& m, Node& n) {
  int v = m.pick([](const Type& t) { return t.shape.numel() <= 6; });
  if (v < 0) return false;
  n.in = {v};
  n.bodies = {m.body(n, {m.type(v)}, 2)};
  Type y = n.bodies[0]->result_types()[0];
  if (y.shape.numel() > 6 || y.shape.rank() + m.type(v).shape.rank() > 4) return false;
  n.out = {bounded(y.shape.concat(m.type(v).shape), -1.6, 1.6)};
  return true;
}
Op jacobian(const char* name, double weight, std::function<Tensor(const Node&, const std::function<Tensor(const Tensor&)>&, const Tensor&)> library) {
  return {name, weight, make_jacobian, [library](const Node& n, const Vec& in, const Vec& captured, bool plain) {
            std::function<Tensor(const Tensor&)> f = [&](const Tensor& x) { return run(n.bodies[0], {x}, captured, plain)[0]; };
            if (!plain) return tamed({library(n, f, in[0])});
            Vec columns;  // by one pushforward per element
            std::int64_t size = in[0].numel();
            for (std::int64_t i = 0; i < size; ++i) {
              std::vector<double> e(static_cast<std::size_t>(size));
              e[static_cast<std::size_t>(i)] = 1;
              columns.push_back(functra::jvp(f, in[0], reshape(tensor(e).to(dtype), in[0].sizes())).second);
            }
            Tensor j = stack(columns, columns[0].dim());
            return tamed({reshape(j, columns[0].sizes().concat(in[0].sizes()))});
          }};
}
bool make_hessian(Maker& m, Node& n) {
  int v = m.pick([](const Type& t) { return t.shape.numel() <= 4 && t.shape.rank() <= 2; });
  if (v < 0) return false;
  n.in = {v};
  n.bodies = {m.body(n, {m.type(v)}, 1)};
  n.out = {bounded(m.type(v).shape.concat(m.type(v).shape), -1.6, 1.6)};
  return true;
}
Vec run_hessian(const Node& n, const Vec& in, const Vec& captured, bool plain) {
  auto f = [&](const Tensor& x) { return total(run(n.bodies[0], {x}, captured, plain)); };
  if (!plain) return tamed({functra::hessian(f)(in[0])});
  Vec rows;
  std::int64_t size = in[0].numel();
  for (std::int64_t i = 0; i < size; ++i)
    rows.push_back(functra::grad([&](const Tensor& x) { return reshape(functra::grad(f)(x), {size})[i]; })(in[0]));
  return tamed({reshape(stack(rows), in[0].sizes().concat(in[0].sizes()))});
}

// ---------------------------------------------------------------- custom rules: those of the body itself
Vec library_custom_jvp(const Node&, const Fn& f, const Vec& in) {
  auto g = functra::custom_jvp([f](const Vec& v) { return f(v); },
                               [f](const auto& primals, const auto& tangents) {
                                 return functra::jvp([f](const Vec& v) { return f(v); }, std::get<0>(primals), std::get<0>(tangents));
                               });
  return g(in);
}
Vec library_custom_vjp(const Node&, const Fn& f, const Vec& in) {
  auto g = functra::custom_vjp([f](const Vec& v) { return f(v); },
                               [f](const Vec& v) {
                                 return std::pair{f(v), v};
                               },
                               [f](const Vec& v, const Vec& ct) {
                                 auto [y, pull] = functra::vjp([f](const Vec& x) { return f(x); }, v);
                                 return pull(ct);
                               });
  return g(in);
}

Vec library_custom_vmap(const Node&, const Fn& f, const Vec& in) {
  auto g = functra::custom_vmap([f](const Vec& v) { return f(v); },
                                [f](std::int64_t, const std::array<bool, 1>&, const Vec& v) {
                                  return std::pair{functra::vmap([f](const Vec& x) { return f(x); })(v), true};
                                });
  return g(in);
}

// ---------------------------------------------------------------- control flow
// What a mean within a type's bounds is compared with: not a value that it is sure to have, which rounding would decide.
double threshold(Maker& m, const Type& t) { return t.hi - t.lo > 1e-3 ? m.real(t.lo, t.hi) : t.lo - 0.25; }
bool make_cond(Maker& m, Node& n) {  // operand 0 decides: its mean against reals[0]
  if (!operands(m, n, m.between(2, 3))) return false;
  std::vector<Type> all = types_of_operands(m, n), params(all.begin() + 1, all.end());
  n.reals = {threshold(m, all[0])};
  n.bodies = {m.body(n, params, 2)};
  std::vector<Type> want = n.bodies[0]->result_types();
  Node other;
  other.captured = n.captured;
  n.bodies.push_back(m.body(other, params, 0, &want));
  n.out = want;
  return true;
}
Vec run_cond(const Node& n, const Vec& in, const Vec& captured, bool plain) {
  Tensor p = mean(in[0]) > n.reals[0];
  Fn yes = body_of(n, 0, captured, plain), no = body_of(n, 1, captured, plain);
  Vec x = part(in, 1, in.size() - 1);
  if (plain) return bool(p) ? yes(x) : no(x);
  return functra::cond(
      p, [&](const Vec& v) { return yes(v); }, [&](const Vec& v) { return no(v); }, x);
}
bool make_switch(Maker& m, Node& n) {
  if (!make_cond(m, n)) return false;
  std::vector<Type> all = types_of_operands(m, n), params(all.begin() + 1, all.end());
  Node other;
  other.captured = n.captured;
  n.bodies.push_back(m.body(other, params, 0, &n.out));
  n.reals.push_back(n.reals[0] + 0.3);
  return true;
}
Vec run_switch(const Node& n, const Vec& in, const Vec& captured, bool plain) {
  Tensor index = (mean(in[0]) > n.reals[0]).to(i64) + (mean(in[0]) > n.reals[1]).to(i64);
  Fn a = body_of(n, 0, captured, plain), b = body_of(n, 1, captured, plain), c = body_of(n, 2, captured, plain);
  Vec x = part(in, 1, in.size() - 1);
  if (plain) return index.item<int>() == 0 ? a(x) : index.item<int>() == 1 ? b(x) : c(x);
  return functra::switch_(index,
                          std::tuple{[&](const Vec& v) { return a(v); }, [&](const Vec& v) { return b(v); }, [&](const Vec& v) { return c(v); }}, x);
}
// Operands: carries, then xs. The body takes carries and slices, and returns carries, then slices of ys. ints: carries, reverse,
// checkpoint_every (0: none).
bool make_scan(Maker& m, Node& n) {
  int x = m.pick([](const Type& t) { return t.shape.rank() > 0; });
  if (x < 0) return false;
  std::int64_t carries = m.between(1, 2);
  std::vector<Type> carry;
  for (std::int64_t i = 0; i < carries; ++i) {
    int v = m.any();
    n.in.push_back(v);
    carry.push_back(joined(m.type(v), bounded({}, -1.2, 1.2)));
  }
  std::vector<Type> params = carry, results = carry;
  n.in.push_back(x);
  Type slice = m.type(x);
  slice.shape = slice.shape.without(0);
  params.push_back(slice);
  results.push_back(slice);
  n.ints = {carries, m.below(2), m.chance(0.3) ? m.between(1, 3) : 0};
  n.bodies = {m.body(n, params, 2, &results)};
  n.out = carry;
  n.out.push_back(m.type(x));
  return true;
}
Vec run_scan(const Node& n, const Vec& in, const Vec& captured, bool plain) {
  auto k = static_cast<std::size_t>(n.ints[0]);
  Fn f = body_of(n, 0, captured, plain);
  Vec carry = part(in, 0, k), xs = part(in, k, in.size() - k);
  auto step = [&](const Vec& c, const Vec& x) {
    Vec v = c;
    v.insert(v.end(), x.begin(), x.end());
    v = f(v);
    return std::pair{part(v, 0, k), part(v, k, v.size() - k)};
  };
  if (!plain) {
    ScanOptions o{.reverse = n.ints[1] != 0};
    if (n.ints[2]) o.checkpoint_every = n.ints[2];
    auto [c, ys] = functra::scan(step, carry, xs, o);
    c.insert(c.end(), ys.begin(), ys.end());
    return c;
  }
  std::int64_t size = xs[0].size(0);
  std::vector<Vec> rows(static_cast<std::size_t>(size));
  for (std::int64_t s = 0; s < size; ++s) {
    std::int64_t i = n.ints[1] ? size - 1 - s : s;
    std::tie(carry, rows[static_cast<std::size_t>(i)]) = step(carry, slices(xs, i));
  }
  for (Tensor& y : stacked(rows)) carry.push_back(y);
  return carry;
}
// The body takes and returns the carries. ints: steps at most; how reverse mode goes. reals: it stops early above that mean.
bool make_loop(Maker& m, Node& n) {
  std::vector<Type> carry;
  for (std::int64_t i = m.between(1, 2); i-- > 0;) {
    int v = m.any();
    n.in.push_back(v);
    carry.push_back(joined(m.type(v), bounded({}, -1.2, 1.2)));
  }
  n.ints = {m.below(4), m.below(4)};
  n.reals = {threshold(m, carry[0])};
  n.bodies = {m.body(n, carry, 2, &carry)};
  n.out = carry;
  return true;
}
Vec run_fori(const Node& n, const Vec& in, const Vec& captured, bool plain) {
  Fn f = body_of(n, 0, captured, plain);
  auto step = [&](const Tensor& i, const Vec& v) {
    Vec r = f(v);
    r[0] = r[0] * (1.0 - 0.05 * i.to(dtype));
    return r;
  };
  if (!plain) return functra::fori_loop(0, n.ints[0], step, in);
  Vec v = in;
  for (std::int64_t i = 0; i < n.ints[0]; ++i) v = step(tensor(i), v);
  return v;
}
Vec run_while(const Node& n, const Vec& in, const Vec& captured, bool plain) {
  Fn f = body_of(n, 0, captured, plain);
  if (plain) {
    Vec v = in;
    for (std::int64_t i = 0; i < n.ints[0] && mean(v[0]).item<double>() < n.reals[0]; ++i) v = f(v);
    return v;
  }
  using Carry = std::pair<Tensor, Vec>;
  WhileOptions o;
  if (n.ints[1] == 0) o.max_steps = 4;
  else if (n.ints[1] == 1) o.checkpoint = 0;
  else o.checkpoint = n.ints[1];
  return functra::while_loop([&](const Carry& c) { return logical_and(c.first < n.ints[0], mean(c.second[0]) < n.reals[0]); },
                             [&](const Carry& c) {
                               return Carry{c.first + 1, f(c.second)};
                             },
                             Carry{tensor(std::int64_t{0}), in}, o)
      .second;
}
// The first carry lies in a Ref that the body of the loop writes.
Vec run_ref(const Node& n, const Vec& in, const Vec& captured, bool plain) {
  Fn f = body_of(n, 0, captured, plain);
  if (plain) {
    Vec v = in;
    for (std::int64_t i = 0; i < n.ints[0]; ++i) v = f(v);
    return v;
  }
  Ref cell(in[0]);
  Vec rest = functra::fori_loop(
      0, n.ints[0],
      [&](const Tensor&, const Vec& carry) {
        Vec v{cell.get()};
        v.insert(v.end(), carry.begin(), carry.end());
        v = f(v);
        cell.set(v[0]);
        return part(v, 1, v.size() - 1);
      },
      part(in, 1, in.size() - 1));
  rest.insert(rest.begin(), cell.get());
  return rest;
}
bool make_map(Maker& m, Node& n) {  // ints: batch_size, 0: none
  int x = m.pick([](const Type& t) { return t.shape.rank() > 0; });
  if (x < 0) return false;
  n.in = {x};
  n.ints = {m.below(3)};
  Type slice = m.type(x);
  std::int64_t size = slice.shape[0];
  slice.shape = slice.shape.without(0);
  n.bodies = {m.body(n, {slice}, 2)};
  for (const Type& t : n.bodies[0]->result_types()) n.out.push_back(bounded(t.shape.with(0, size), t.lo, t.hi));
  return true;
}
Vec run_map(const Node& n, const Vec& in, const Vec& captured, bool plain) {
  Fn f = body_of(n, 0, captured, plain);
  if (!plain) {
    MapOptions o;
    if (n.ints[0]) o.batch_size = n.ints[0];
    return functra::map([&](const Vec& v) { return f(v); }, in, o);
  }
  std::vector<Vec> rows;
  for (std::int64_t i = 0, size = in[0].size(0); i < size; ++i) rows.push_back(f(slices(in, i)));
  return stacked(rows);
}
bool make_prefixes(Maker& m, Node& n) {  // ints: dim, reverse
  int x = m.pick([](const Type& t) { return t.shape.rank() > 0 && t.lo > -1 && t.hi < 1; });
  if (x < 0) return false;
  n.in = {x};
  n.ints = {m.below(m.type(x).shape.rank()), m.below(2)};
  n.out = {bounded(m.type(x).shape, -1, 1)};
  return true;
}
Vec run_prefixes(const Node& n, const Vec& in, const Vec&, bool plain) {
  auto combine = [](const Tensor& a, const Tensor& b) { return (a + b) / (1.0 + a * b); };  // addition of velocities
  std::int64_t dim = n.ints[0];
  if (!plain) return {functra::associative_scan(combine, in[0], {.dim = dim, .reverse = n.ints[1] != 0})};
  std::int64_t size = in[0].size(dim);
  Vec r(static_cast<std::size_t>(size));
  for (std::int64_t s = 0; s < size; ++s) {
    std::int64_t i = n.ints[1] ? size - 1 - s : s;
    Tensor x = select(in[0], dim, i);
    r[static_cast<std::size_t>(i)] = s ? combine(r[static_cast<std::size_t>(n.ints[1] ? i + 1 : i - 1)], x) : x;
  }
  return {stack(r, dim)};
}

Vec library_checkpoint(const Node& n, const Fn& f, const Vec& in) {
  CheckpointPolicy p = n.ints[0] % 3 == 0 ? policies::nothing_saveable : n.ints[0] % 3 == 1 ? policies::everything_saveable : policies::dots_saveable;
  return functra::checkpoint([f](const Vec& v) { return f(v); }, {.policy = p})(in);
}

std::vector<Op> table() {
  return {
      wrapper("jit", 1, 2, [](const Node&, const Fn& f, const Vec& in) { return functra::jit([f](const Vec& v) { return f(v); })(in); }),
      wrapper("make_fx", 0.4, 0,
              [](const Node&, const Fn& f, const Vec& in) { return functra::make_fx([f](const Vec& v) { return f(v); })(in)(in); }),
      {"vmap", 3, make_vmap, run_vmap},
      {"grad", 1.5, make_grad, run_grad},
      {"jvp", 1, make_jvp, run_jvp},
      {"linearize", 0.6, make_jvp, run_linearize},
      {"vjp", 1, make_grad, run_vjp},
      jacobian("jacfwd", 0.5, [](const Node&, auto& f, const Tensor& x) { return functra::jacfwd(f)(x); }),
      jacobian("jacrev", 0.5, [](const Node&, auto& f, const Tensor& x) { return functra::jacrev(f)(x); }),
      jacobian("jacrev_chunked", 0.2, [](const Node&, auto& f, const Tensor& x) { return functra::jacrev(f, {.chunk_size = 2})(x); }),
      {"hessian", 0.3, make_hessian, run_hessian},
      wrapper("custom_jvp", 0.5, 0, library_custom_jvp),
      wrapper("custom_vjp", 0.5, 0, library_custom_vjp),
      wrapper("checkpoint", 1, 2, library_checkpoint),
      wrapper("custom_vmap", 0.5, 0, library_custom_vmap),
      wrapper("functionalize", 0.4, 1,
              [](const Node&, const Fn& f, const Vec& in) { return functra::functionalize([f](const Vec& v) { return f(v); })(in); }),
      {"cond", 1.2, make_cond, run_cond},
      {"switch", 0.5, make_switch, run_switch},
      {"scan", 1.5, make_scan, run_scan},
      {"fori_loop", 0.7, make_loop, run_fori},
      {"while_loop", 1, make_loop, run_while},
      {"ref", 0.5, make_loop, run_ref},
      {"map", 0.7, make_map, run_map},
      {"associative_scan", 0.4, make_prefixes, run_prefixes},
  };
}

}  // namespace

const std::vector<Op>& constructs() {
  static const std::vector<Op> all = table();
  return all;
}

}  // namespace functra::testing::programs
