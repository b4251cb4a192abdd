// The rules, their order and their constants are those of torch.optim.LBFGS, so that iterates agree.
#include "functra/optim/lbfgs.h"

#include "functra/ops/compare.h"
#include "functra/ops/elementwise.h"
#include "functra/ops/factories.h"
#include "functra/ops/linear.h"
#include "functra/ops/math.h"
#include "functra/ops/reduce.h"
#include "functra/ops/shape.h"
#include "functra/transforms/control_flow.h"

namespace functra::optim {
using core::Site;
namespace {

std::vector<char> moved(TreeRef t) {
  std::vector<char> r = tree::constants(t);
  std::vector<Tensor*> p = tree::pointers(t);
  for (std::size_t i = 0; i < r.size(); ++i) r[i] = !r[i] && p[i]->defined() && is_floating(p[i]->dtype());
  return r;
}

}  // namespace

Tensor detail::flatten(TreeRef t, TreeRef like) {
  std::vector<char> which = moved(like);
  std::vector<Tensor*> leaves = tree::pointers(t);
  std::vector<Tensor> parts;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (!which[i]) continue;
    parts.push_back(leaves[i]->reshape({-1}));
    if (parts.back().dtype() != parts[0].dtype())
      throw StructureError("optim::LBFGS: parameters have one dtype, but '" + tree::paths(t)[i] + "' is " +
                           std::string(name_of(parts.back().dtype())) + ", others " + std::string(name_of(parts[0].dtype())));
  }
  if (parts.empty()) throw StructureError("optim::LBFGS: there are no parameters in " + tree::structure(like));
  return cat(parts);
}
void detail::unflatten(TreeRef t, const Tensor& flat) {
  std::vector<char> which = moved(t);
  std::vector<Tensor*> leaves = tree::pointers(t);
  std::int64_t at = 0;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (!which[i]) continue;
    Shape s = leaves[i]->sizes();
    *leaves[i] = narrow(flat, 0, at, s.numel()).reshape(s);
    at += s.numel();
  }
}
LBFGSState detail::lbfgs_state(const LBFGSOptions& o, const Tensor& x) {
  if (o.history_size < 1) throw ValueError("optim::LBFGS: history_size is " + std::to_string(o.history_size) + ", below 1");
  Tensor none = zeros_like(x), history = zeros({o.history_size, x.size(0)}, x.dtype());
  return {zeros({}, i64), none, zeros({}, x.dtype()), none, history, history, zeros(o.history_size, x.dtype()), ones({}, x.dtype())};
}

namespace {

// ---------------------------------------------------------------- line search
struct Point {  // on the line x + t d
  Tensor t, f, slope, g;
};
Point choose(const Tensor& c, const Point& a, const Point& b) {
  return {where(c, a.t, b.t), where(c, a.f, b.f), where(c, a.slope, b.slope), where(c, a.g, b.g)};
}
Tensor nonzero(const Tensor& x) { return where(eq(x, 0), 1.0, x); }
// The minimum of the cubic through two points with their slopes, within [lo, hi].
Tensor cubic(const Point& p, const Point& q, const Tensor& lo, const Tensor& hi) {
  Tensor ordered = le(p.t, q.t), x1 = where(ordered, p.t, q.t), x2 = where(ordered, q.t, p.t), g1 = where(ordered, p.slope, q.slope),
         g2 = where(ordered, q.slope, p.slope);
  Tensor d1 = p.slope + q.slope - 3 * (p.f - q.f) / nonzero(p.t - q.t), square_d2 = square(d1) - g1 * g2, positive = gt(square_d2, 0);
  Tensor d2 = where(positive, sqrt(where(positive, square_d2, 1.0)), 0.0);
  Tensor at = x2 - (x2 - x1) * ((g2 + d2 - d1) / nonzero(g2 - g1 + 2 * d2));
  return where(ge(square_d2, 0), minimum(maximum(at, lo), hi), (lo + hi) / 2);
}

constexpr double c1 = 1e-4, c2 = 0.9;
constexpr std::int64_t max_ls = 25;
struct Search {
  Point now, before;  // while a bracket is looked for
  Point a, b;         // the bracket
  Tensor zoom, done, stuck, low_is_a, iter;
};
struct Line {
  detail::Objective f;
  Tensor x, d, tolerance;
  Point start;
  Point at(const Tensor& t) const {
    auto [v, g] = f(x + t * d);
    return {t, v.to(x.dtype()), dot(g, d), g};
  }
  Tensor too_high(const Point& p) const { return gt(p.f, start.f + c1 * p.t * start.slope); }
  Tensor flat(const Point& p) const { return le(abs(p.slope), -c2 * start.slope); }
  // Does `now` end the first phase: by a bracket, or by being good enough.
  Search checked(Search s) const {
    Tensor open = lt(s.iter, max_ls), beyond = too_high(s.now) | (gt(s.iter, 1) & ge(s.now.f, s.before.f));
    Tensor good = open & ~beyond & flat(s.now), bracket = open & ~good & (beyond | ge(s.now.slope, 0));
    s.a = choose(bracket, s.before, s.now);
    s.b = s.now;
    s.zoom = bracket;
    s.done = good;
    s.low_is_a = le(s.a.f, s.b.f);
    return s;
  }
};

Tensor bracket_point(const Search& s, Tensor& stuck) {
  Tensor lo = minimum(s.a.t, s.b.t), hi = maximum(s.a.t, s.b.t), t = cubic(s.a, s.b, lo, hi), margin = 0.1 * (hi - lo);
  Tensor close = lt(minimum(hi - t, t - lo), margin), leave = close & (s.stuck | ge(t, hi) | le(t, lo));
  stuck = close & ~leave;
  return where(leave, where(lt(abs(t - hi), abs(t - lo)), hi - margin, lo + margin), t);
}
Search zoomed(Search s, const Line& line, const Point& p) {
  Point low = choose(s.low_is_a, s.a, s.b), high = choose(s.low_is_a, s.b, s.a);
  Tensor worse = line.too_high(p) | ge(p.f, low.f), done = ~worse & line.flat(p), turn = ~worse & ~done & ge(p.slope * (high.t - low.t), 0);
  high = choose(worse, p, choose(turn, low, high));
  low = choose(worse, low, p);
  s.a = choose(s.low_is_a, low, high);
  s.b = choose(s.low_is_a, high, low);
  s.done = done;
  s.low_is_a = where(worse, le(s.a.f, s.b.f), s.low_is_a);
  return s;
}
// A point that satisfies the strong Wolfe conditions (Nocedal and Wright 2006, algorithms 3.5 and 3.6), and the evaluations it took.
std::pair<Point, Tensor> strong_wolfe(const Line& line, const Tensor& t) {
  Tensor no = full({}, false), reach = abs(line.d).amax();
  Search s = line.checked({line.at(t), line.start, line.start, line.start, no, no, no, no, zeros({}, i64)});
  auto go = [&](const Search& c) {
    Tensor small = c.zoom & lt(abs(c.b.t - c.a.t) * reach, line.tolerance);
    return ~c.done & lt(c.iter, max_ls) & ~small;
  };
  auto next = [&](const Search& c) {
    Tensor stuck, inside = bracket_point(c, stuck), further = cubic(c.before, c.now, c.now.t + 0.01 * (c.now.t - c.before.t), c.now.t * 10);
    Point p = line.at(where(c.zoom, inside, further));
    Search in = zoomed(c, line, p), out = c;
    out.before = c.now;
    out.now = p;
    out.iter = in.iter = c.iter + 1;
    out = line.checked(out);
    return Search{choose(c.zoom, c.now, out.now),
                  choose(c.zoom, c.before, out.before),
                  choose(c.zoom, in.a, out.a),
                  choose(c.zoom, in.b, out.b),
                  c.zoom | out.zoom,
                  where(c.zoom, in.done, out.done),
                  c.zoom & stuck,
                  where(c.zoom, in.low_is_a, out.low_is_a),
                  out.iter};
  };
  s = while_loop(go, next, s, {.max_steps = max_ls});
  Point found = choose(s.low_is_a, s.a, s.b);  // without a bracket: the better one of where it began and where it is
  return {choose(s.zoom | s.done, found, choose(le(line.start.f, s.now.f), line.start, s.now)), s.iter + 1};
}

// ---------------------------------------------------------------- iterations
struct Iteration {
  Tensor x, f, g;
  LBFGSState state;
  Tensor iter, evals, done;
};
Tensor shifted(const Tensor& t, const Tensor& last) { return cat({narrow(t, 0, 1, t.size(0) - 1), last.unsqueeze(0)}); }

// -H g by the two loops over the history.
Tensor quasi_newton(const LBFGSState& s, const Tensor& g) {
  using Pair = std::tuple<Tensor, Tensor, Tensor>;
  auto back = [](const Tensor& q, const Pair& p) {
    const auto& [y, step, rho] = p;
    Tensor alpha = dot(step, q) * rho;
    return std::pair<Tensor, Tensor>(q - alpha * y, alpha);
  };
  auto forth = [](const Tensor& r, const std::pair<Pair, Tensor>& p) {
    const auto& [y, step, rho] = p.first;
    return std::pair<Tensor, NoneType>(r + step * (p.second - dot(y, r) * rho), none);
  };
  Pair history(s.changes, s.steps, s.rho);
  auto [q, alphas] = scan(back, -g, history, {.reverse = true});
  return scan(forth, q * s.scale, std::pair(history, alphas)).first;
}
LBFGSState remembered(LBFGSState s, const Tensor& g) {
  Tensor y = g - s.gradient, step = s.direction * s.length, ys = dot(y, step), keep = gt(s.step, 0) & gt(ys, 1e-10), safe = where(keep, ys, 1.0);
  s.changes = where(keep, shifted(s.changes, y), s.changes);
  s.steps = where(keep, shifted(s.steps, step), s.steps);
  s.rho = where(keep, shifted(s.rho, 1 / safe), s.rho);
  s.scale = where(keep, safe / where(keep, dot(y, y), 1.0), s.scale);
  return s;
}

}  // namespace

Tensor detail::lbfgs(const LBFGSOptions& o, Objective f, Tensor& flat, LBFGSState& state) {
  Site site(FUNCTRA_SITE);
  if (o.max_iter < 1) throw ValueError("optim::LBFGS: max_iter is " + std::to_string(o.max_iter) + ", below 1");
  if (!(state.direction.sizes() == flat.sizes()))
    throw ShapeError("optim::LBFGS: there are " + std::to_string(flat.size(0)) + " parameters, but the state is for " +
                     std::to_string(state.direction.size(0)) + "; make it by init of these parameters");
  std::int64_t max_eval = o.max_eval.value_or(o.max_iter * 5 / 4);
  DType dtype = flat.dtype();
  auto [value, gradient] = f(flat);
  auto solved = [&](const Tensor& g) { return le(abs(g).amax(), o.tolerance_grad); };
  auto go = [&](const Iteration& c) { return ~c.done; };
  auto iterate = [&](const Iteration& c) {
    Iteration n = c;
    LBFGSState& s = n.state;
    s = remembered(c.state, c.g);
    s.direction = quasi_newton(s, c.g);
    s.gradient = c.g;
    Tensor first = minimum(1.0, 1 / nonzero(abs(c.g).sum()));
    s.length = (where(eq(c.state.step, 0), first, 1.0) * o.lr).to(dtype);
    s.step = c.state.step + 1;
    n.iter = c.iter + 1;
    Line line{f, c.x, s.direction, o.tolerance_change, {zeros({}, dtype), c.f, dot(c.g, s.direction), c.g}};
    Tensor uphill = gt(line.start.slope, -o.tolerance_change), used;
    Point p;
    if (o.line_search == LineSearch::strong_wolfe) std::tie(p, used) = strong_wolfe(line, s.length);
    else p = line.at(s.length), used = 1;
    p = choose(uphill, {s.length, c.f, line.start.slope, c.g}, p);
    s.length = p.t;
    n.x = where(uphill, c.x, c.x + p.t * s.direction);
    n.f = p.f;
    n.g = p.g;
    n.evals = c.evals + used;
    n.done = uphill | ge(n.iter, o.max_iter) | ge(n.evals, max_eval) | solved(n.g) | le(abs(s.direction * s.length).amax(), o.tolerance_change) |
             lt(abs(n.f - c.f), o.tolerance_change);
    return n;
  };
  Iteration begin{flat, value.to(dtype), gradient, state, zeros({}, i64), ones({}, i64), solved(gradient)};
  Iteration end = while_loop(go, iterate, begin, {.max_steps = o.max_iter});
  flat = end.x;
  state = end.state;
  return value;
}

}  // namespace functra::optim
