#include "tests/sweeps/random/program.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace functra::testing::programs {

std::vector<Type> Function::types() const {
  std::vector<Type> t = params;
  for (const Node& n : nodes) t.insert(t.end(), n.out.begin(), n.out.end());
  return t;
}
std::vector<Type> Function::result_types() const {
  std::vector<Type> all = types(), r;
  for (int v : results) r.push_back(all[static_cast<std::size_t>(v)]);
  return r;
}
bool acceptable(const Type& t) { return magnitude(t) <= limit && t.shape.rank() <= 4 && t.shape.numel() <= 48 && t.shape.numel() > 0; }
const Op& op_named(const std::string& name) {
  for (auto* table : {&operations(), &constructs()})
    for (const Op& o : *table)
      if (name == o.name) return o;
  throw std::out_of_range(name);
}

Vec run(const Function& f, const Vec& args, bool plain) {
  Vec env = args;
  for (const Node& n : f.nodes) {
    Vec in, captured;
    for (int v : n.in) in.push_back(env[static_cast<std::size_t>(v)]);
    for (int v : n.captured) captured.push_back(env[static_cast<std::size_t>(v)]);
    for (Tensor& t : n.op->run(n, in, captured, plain)) env.push_back(std::move(t));
  }
  Vec r;
  for (int v : f.results) r.push_back(env[static_cast<std::size_t>(v)]);
  return r;
}
Vec run(const FunctionPtr& f, const Vec& args, const Vec& captured, bool plain) {
  Vec all = args;
  all.insert(all.end(), captured.begin(), captured.end());
  return run(*f, all, plain);
}

// ---------------------------------------------------------------- making
int Maker::pick(const std::function<bool(const Type&)>& fits) {
  std::vector<int> ok;
  for (std::size_t v = 0; v < types_.size(); ++v)
    if (fits(types_[v])) ok.push_back(static_cast<int>(v));
  if (ok.empty()) return -1;
  return ok[static_cast<std::size_t>(std::max(below(static_cast<std::int64_t>(ok.size())), below(static_cast<std::int64_t>(ok.size()))))];
}
int Maker::add(Node n) {
  int first = static_cast<int>(types_.size());
  types_.insert(types_.end(), n.out.begin(), n.out.end());
  f_.nodes.push_back(std::move(n));
  return first;
}
int Maker::fit(int v, const Type& to) {
  if (!(type(v).shape == to.shape)) {
    Type t = type(v);
    bool same = t.shape.numel() == to.shape.numel();
    if (!same) v = add({.op = &op_named("mean_all"), .in = {v}, .out = {bounded({}, t.lo, t.hi)}});
    Node n{.op = &op_named(same ? "reshape" : "expand"), .in = {v}, .out = {bounded(to.shape, t.lo, t.hi)}};
    n.ints.assign(to.shape.begin(), to.shape.end());
    v = add(std::move(n));
  }
  if (type(v).lo >= to.lo && type(v).hi <= to.hi) return v;
  return add({.op = &op_named("squash"), .in = {v}, .reals = {to.lo, to.hi}, .out = {to}});
}
namespace {
bool left_out(const char* name) {
  static const std::string without = "," + std::string(std::getenv("FUNCTRA_WITHOUT") ? std::getenv("FUNCTRA_WITHOUT") : "") + ",";
  return without.find("," + std::string(name) + ",") != std::string::npos;
}
void grow(std::mt19937_64& rng, Function& f, int nodes, int depth) {
  Maker m(rng, f, depth);
  auto choose = [&](const std::vector<Op>& ops) -> const Op& {
    double all = 0;
    for (const Op& o : ops) all += o.weight;
    double at = m.real(0, all);
    for (const Op& o : ops)
      if ((at -= o.weight) < 0) return o;
    return ops.back();
  };
  for (int made = 0, tries = 0; made < nodes && tries < 20 * nodes; ++tries) {
    const Op& op = choose(depth > 0 && m.chance(0.3) ? constructs() : operations());
    Node n;
    if (left_out(op.name) || !op.make(m, n)) continue;
    n.op = &op;
    if (std::any_of(n.out.begin(), n.out.end(), [](auto& t) { return !acceptable(t); })) continue;
    m.add(std::move(n));
    ++made;
  }
}
}  // namespace
FunctionPtr Maker::body(Node& n, std::vector<Type> params, int captures, const std::vector<Type>* results) {
  auto f = std::make_shared<Function>();
  f->params = std::move(params);
  for (std::int64_t i = below(captures + 1); i-- > 0;) {
    int v = any();
    if (std::find(n.captured.begin(), n.captured.end(), v) == n.captured.end()) n.captured.push_back(v);
  }
  for (int v : n.captured) f->params.push_back(type(v));
  grow(rng_, *f, static_cast<int>(between(1, 4)), depth_ - 1);
  Maker m(rng_, *f, 0);
  if (results) {
    for (const Type& t : *results) f->results.push_back(m.fit(m.any(), t));
  } else {
    f->results.push_back(m.any());
    if (chance(0.4)) f->results.push_back(m.any());
  }
  return f;
}
Function generate(std::uint64_t seed) {
  std::mt19937_64 rng(seed * 0x9e3779b97f4a7c15u + 1);
  Function f;
  {
    Maker m(rng, f, 0);
    const Shape shapes[] = {{}, {1}, {2}, {3}, {4}, {2, 3}, {3, 2}, {1, 3}, {3, 3}, {2, 2, 3}, {5}, {2, 1}};
    for (std::int64_t i = m.between(1, 3); i-- > 0;) {
      double lo = m.chance(0.5) ? m.real(-2, 0) : m.real(0.1, 1);
      f.params.push_back(bounded(shapes[m.below(std::size(shapes))], lo, lo + m.real(0.5, 2)));
    }
  }
  Maker m(rng, f, 0);
  grow(rng, f, static_cast<int>(m.between(2, 7)), 3);
  Maker end(rng, f, 0);
  f.results = {static_cast<int>(f.types().size()) - 1};
  if (end.chance(0.3)) f.results.push_back(end.any());
  return f;
}

// ---------------------------------------------------------------- text
namespace {
std::string name_of_value(int v) {
  std::string s(1, static_cast<char>('a' + v % 26));
  return v < 26 ? s : s + std::to_string(v / 26);
}
std::string type_text(const Type& t) {
  char b[64];
  std::snprintf(b, sizeof b, " in [%.3g, %.3g]", t.lo, t.hi);
  return t.shape.str() + b;
}
}  // namespace
std::string text(const Function& f, int indent) {
  std::string pad(static_cast<std::size_t>(indent), ' '), s = "(";
  for (std::size_t i = 0; i < f.params.size(); ++i) s += (i ? ", " : "") + name_of_value(static_cast<int>(i)) + " " + type_text(f.params[i]);
  s += ") {\n";
  int v = static_cast<int>(f.params.size());
  for (const Node& n : f.nodes) {
    s += pad + "  ";
    for (std::size_t k = 0; k < n.out.size(); ++k) s += (k ? ", " : "") + name_of_value(v++) + n.out[k].shape.str();
    s += std::string(" = ") + n.op->name + "(";
    for (std::size_t k = 0; k < n.in.size(); ++k) s += (k ? ", " : "") + name_of_value(n.in[k]);
    s += ")";
    auto list = [&](const char* what, auto& l, auto str) {
      if (l.empty()) return;
      s += std::string(" ") + what + "[";
      for (std::size_t k = 0; k < l.size(); ++k) s += (k ? " " : "") + str(l[k]);
      s += "]";
    };
    list("", n.ints, [](std::int64_t i) { return std::to_string(i); });
    list("", n.reals, [](double x) {
      char b[32];
      std::snprintf(b, sizeof b, "%.17g", x);
      return std::string(b);
    });
    list("closing over ", n.captured, name_of_value);
    for (auto& b : n.bodies) s += " " + text(*b, indent + 2);
    s += "\n";
  }
  s += pad + "  return ";
  for (std::size_t k = 0; k < f.results.size(); ++k) s += (k ? ", " : "") + name_of_value(f.results[k]);
  return s + "\n" + pad + "}";
}
std::int64_t weight(const Function& f) {
  std::int64_t n = static_cast<std::int64_t>(10 * f.results.size() + f.params.size());
  for (int v : f.results) n += v;
  for (const Node& node : f.nodes) {
    n += node.op == &op_named("constant") ? 3 : 100;
    n += static_cast<std::int64_t>(node.captured.size());
    for (auto& b : node.bodies) n += weight(*b);
  }
  return n;
}
std::int64_t size(const Function& f) {
  std::int64_t n = static_cast<std::int64_t>(f.nodes.size());
  for (const Node& node : f.nodes)
    for (auto& b : node.bodies) n += size(*b);
  return n;
}

// ---------------------------------------------------------------- shrinking
namespace {

// Drops nodes whose results nobody uses, and numbers the rest anew.
Function pruned(const Function& f) {
  std::size_t n = f.params.size();
  std::vector<std::size_t> first;
  for (const Node& node : f.nodes) {
    first.push_back(n);
    n += node.out.size();
  }
  std::vector<char> used(n), keep(f.nodes.size());
  for (int v : f.results) used[static_cast<std::size_t>(v)] = 1;
  for (std::size_t i = f.nodes.size(); i-- > 0;) {
    for (std::size_t k = 0; k < f.nodes[i].out.size(); ++k) keep[i] |= used[first[i] + k];
    if (!keep[i]) continue;
    for (auto* list : {&f.nodes[i].in, &f.nodes[i].captured})
      for (int v : *list) used[static_cast<std::size_t>(v)] = 1;
  }
  std::vector<int> number(n);
  int next = 0;
  for (std::size_t v = 0; v < f.params.size(); ++v) number[v] = next++;
  Function r{f.params, {}, {}};
  for (std::size_t i = 0; i < f.nodes.size(); ++i) {
    if (!keep[i]) continue;
    Node node = f.nodes[i];
    for (auto* list : {&node.in, &node.captured})
      for (int& v : *list) v = number[static_cast<std::size_t>(v)];
    for (std::size_t k = 0; k < node.out.size(); ++k) number[first[i] + k] = next++;
    r.nodes.push_back(std::move(node));
  }
  for (int v : f.results) r.results.push_back(number[static_cast<std::size_t>(v)]);
  return r;
}
// f with node i taken out: `instead` gives its results, as nodes on the values before it.
Function spliced(const Function& f, std::size_t i, const std::vector<Node>& instead, const std::vector<int>& results) {
  int before = static_cast<int>(f.params.size());
  for (std::size_t k = 0; k < i; ++k) before += static_cast<int>(f.nodes[k].out.size());
  int removed = static_cast<int>(f.nodes[i].out.size()), added = 0;
  for (const Node& n : instead) added += static_cast<int>(n.out.size());
  auto to = [&](int& v) {
    if (v >= before + removed) v += added - removed;
    else if (v >= before) v = results[static_cast<std::size_t>(v - before)];
  };
  Function r = f;
  r.nodes.erase(r.nodes.begin() + static_cast<std::ptrdiff_t>(i));
  for (std::size_t k = i; k < r.nodes.size(); ++k) {
    for (auto* list : {&r.nodes[k].in, &r.nodes[k].captured})
      for (int& v : *list) to(v);
  }
  for (int& v : r.results) to(v);
  r.nodes.insert(r.nodes.begin() + static_cast<std::ptrdiff_t>(i), instead.begin(), instead.end());
  return pruned(r);
}
}  // namespace

std::vector<Function> reductions(const Function& f) {
  std::vector<Function> r;
  std::vector<Type> types = f.types();
  r.push_back(pruned(f));
  // Another value in place of the results: what follows it goes.
  for (std::size_t v = 0; v < types.size(); ++v)
    if (f.results != std::vector{static_cast<int>(v)}) {
      r.push_back(f);
      r.back().results = {static_cast<int>(v)};
      r.back() = pruned(r.back());
    }
  for (std::size_t i = f.nodes.size(); i-- > 0;) {
    const Node& n = f.nodes[i];
    int before = static_cast<int>(f.params.size());
    for (std::size_t k = 0; k < i; ++k) before += static_cast<int>(f.nodes[k].out.size());
    // Constants in the middle of the bounds, or an earlier value that lies within them.
    std::vector<Node> constants;
    std::vector<int> numbers, earlier;
    for (const Type& t : n.out) {
      Node c{.op = &op_named("constant"), .reals = {(t.lo + t.hi) / 2}, .out = {bounded(t.shape, (t.lo + t.hi) / 2, (t.lo + t.hi) / 2)}};
      c.ints.assign(t.shape.begin(), t.shape.end());
      numbers.push_back(before + static_cast<int>(constants.size()));
      constants.push_back(std::move(c));
      for (int v = 0; v < before && earlier.size() < numbers.size(); ++v) {
        auto& u = types[static_cast<std::size_t>(v)];
        if (u.shape == t.shape && u.lo >= t.lo && u.hi <= t.hi) earlier.push_back(v);
      }
    }
    if (earlier.size() == n.out.size()) r.push_back(spliced(f, i, {}, earlier));
    if (std::string(n.op->name) != "constant") r.push_back(spliced(f, i, constants, numbers));
    // A construct gives way to its body, where the operands are the body's parameters.
    for (auto& b : n.bodies) {
      std::vector<Type> want = b->params;
      bool fits = want.size() == n.in.size() + n.captured.size() && b->results.size() == n.out.size();
      auto given = n.in;
      given.insert(given.end(), n.captured.begin(), n.captured.end());
      for (std::size_t k = 0; fits && k < want.size(); ++k) fits = types[static_cast<std::size_t>(given[k])].shape == want[k].shape;
      for (std::size_t k = 0; fits && k < n.out.size(); ++k) fits = b->result_types()[k].shape == n.out[k].shape;
      if (!fits) continue;
      std::vector<Node> inlined = b->nodes;
      int params = static_cast<int>(want.size());
      auto to = [&](int v) { return v < params ? given[static_cast<std::size_t>(v)] : before + v - params; };
      for (Node& k : inlined)
        for (auto* list : {&k.in, &k.captured})
          for (int& v : *list) v = to(v);
      std::vector<int> results;
      for (int v : b->results) results.push_back(to(v));
      r.push_back(spliced(f, i, inlined, results));
    }
    // A smaller body, of the same parameters and types of results.
    for (std::size_t k = 0; k < n.bodies.size(); ++k)
      for (Function& smaller : reductions(*n.bodies[k])) {
        auto a = smaller.result_types(), b = n.bodies[k]->result_types();
        bool same = a.size() == b.size();
        for (std::size_t j = 0; same && j < a.size(); ++j) same = a[j].shape == b[j].shape && a[j].lo >= b[j].lo && a[j].hi <= b[j].hi;
        if (!same) continue;
        r.push_back(f);
        r.back().nodes[i].bodies[k] = std::make_shared<Function>(std::move(smaller));
      }
    // One captured value less: bodies see a constant in its place.
    for (std::size_t k = 0; k < n.captured.size(); ++k) {
      r.push_back(f);
      Node& to = r.back().nodes[i];
      const Type t = types[static_cast<std::size_t>(n.captured[k])];
      to.captured.erase(to.captured.begin() + static_cast<std::ptrdiff_t>(k));
      for (auto& b : to.bodies) {
        Function g = *b;
        auto at = g.params.size() - n.captured.size() + k;
        g.params.erase(g.params.begin() + static_cast<std::ptrdiff_t>(at));
        int last = static_cast<int>(g.params.size());
        auto moved = [&](int& v) { v = v == static_cast<int>(at) ? last : v > static_cast<int>(at) && v <= last ? v - 1 : v; };
        for (Node& x : g.nodes)
          for (auto* list : {&x.in, &x.captured})
            for (int& v : *list) moved(v);
        for (int& v : g.results) moved(v);
        Node c{.op = &op_named("constant"), .reals = {(t.lo + t.hi) / 2}, .out = {bounded(t.shape, (t.lo + t.hi) / 2, (t.lo + t.hi) / 2)}};
        c.ints.assign(t.shape.begin(), t.shape.end());
        g.nodes.insert(g.nodes.begin(), c);
        b = std::make_shared<Function>(std::move(g));
      }
    }
  }
  return r;
}

}  // namespace functra::testing::programs
