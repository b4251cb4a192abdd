// Control flow with types erased: bodies are traced into Programs, carries brought to one type, and the primitives bound.
#include "functra/transforms/control_flow.h"

#include <algorithm>

#include "functra/base/scalar.h"
#include "functra/prims/cast.h"
#include "functra/prims/checkpoint.h"
#include "functra/prims/control.h"
#include "functra/prims/index.h"
#include "functra/prims/loop.h"
#include "functra/prims/math.h"

namespace functra::erased {
using namespace functra::core;

namespace {

using prims::append;
using prims::joined;
using Types = std::vector<Aval>;

std::string key_of(TreeRef t) {
  std::string key;
  tree::append_key(key, t);
  return key;
}
std::string named(TreeRef t, std::size_t leaf) {
  std::string p = tree::paths(t)[leaf];
  return p.empty() ? std::string() : " " + p;
}
Types types_of(Ins x) {
  Types r;
  for (const Tensor& t : x) r.push_back(t.aval());
  return r;
}
Vec defined_leaves(TreeRef t, const char* who, const char* what) {
  Vec r = tree::leaves(t);
  for (std::size_t i = 0; i < r.size(); ++i)
    if (!r[i].defined()) throw ValueError(std::string(who) + ": " + what + named(t, i) + " is an undefined Tensor (default constructed)");
  return r;
}
Tensor as_type(const Tensor& t, const Aval& a) {
  if (t.raw_dtype() == a.dtype && t.weak() == a.weak) return t;
  return a.weak ? bind1(convert_p, t, prims::ConvertParams{a.dtype, true}) : convert(t, a.dtype);
}
// A number of its own dtype: what stacked results and other arrays hold.
Tensor firm(const Tensor& t) { return t.weak() ? convert(t, t.dtype()) : t; }
bool adopts(const Aval& weak, DType d) {  // may a bare number of this kind become a d
  return is_floating(d) || is_complex(d) || (is_integer(d) && !is_floating(weak.dtype)) || (d == DType::bool_ && weak.dtype == DType::bool_);
}

// A traced body. Inputs: captured tensors, those given, the Refs it touches; outputs: those returned, the Refs it writes.
struct Traced {
  ProgramPtr program;
  Vec captured;
  std::vector<RefUse> refs;
};
class Trace {
 public:
  explicit Trace(const char* who) : recording_(who, true), scope_(&recording_) { recording_.takes_refs = true; }
  Vec inputs(const Types& types) {
    Vec r;
    for (auto& a : types) r.push_back(recording_.input(a));
    return r;
  }
  Traced finish(Vec outputs) {
    for (auto& u : recording_.refs)
      if (u.written) outputs.push_back(u.now);
    Closed c = recording_.finish(outputs);
    return {c.program, c.captured, std::move(recording_.refs)};
  }

 private:
  Recording recording_;
  Scope scope_;
};
// Refs that are written, or that are only read, and their values before the call.
std::vector<RefPtr> refs_of(const std::vector<RefUse>& refs, bool written) {
  std::vector<RefPtr> r;
  for (auto& u : refs)
    if (u.written == written) r.push_back(u.ref);
  return r;
}
Vec values_of(const std::vector<RefPtr>& refs) {
  Vec r;
  for (auto& p : refs) r.push_back(ref_get(p));
  return r;
}
void write_back(const std::vector<RefPtr>& refs, Ins values) {
  for (std::size_t i = 0; i < refs.size(); ++i) ref_set(refs[i], values[i]);
}
// A loop body whose Refs are operands like others: those only read become constants, those written join the carry.
//   captured | carry, xs, refs -> carry, ys, written   becomes   captured, read | carry, written, xs -> carry, written, ys
struct LoopBody {
  ProgramPtr program;
  Vec constants, extra_carry;
  std::vector<RefPtr> written;
};
LoopBody loop_body(const Traced& t, std::size_t n_carry, std::size_t n_xs) {
  LoopBody r{t.program, t.captured, {}, refs_of(t.refs, true)};
  if (t.refs.empty()) return r;
  std::size_t n_captured = t.captured.size(), at_refs = n_captured + n_carry + n_xs, n_ys = t.program->outputs.size() - n_carry - r.written.size();
  prims::Order in, out;
  prims::append_range(in, 0, n_captured);
  for (std::size_t i = 0; i < t.refs.size(); ++i)
    if (!t.refs[i].written) in.push_back(at_refs + i);
  prims::append_range(in, n_captured, n_carry);
  for (std::size_t i = 0; i < t.refs.size(); ++i)
    if (t.refs[i].written) in.push_back(at_refs + i);
  prims::append_range(in, n_captured + n_carry, n_xs);
  prims::append_range(out, 0, n_carry);
  prims::append_range(out, n_carry + n_ys, r.written.size());
  prims::append_range(out, n_carry, n_ys);
  r.program = prims::reorder(t.program, in, out);
  append(r.constants, values_of(refs_of(t.refs, false)));
  r.extra_carry = values_of(r.written);
  return r;
}

// The carry of a loop: its values before it, and what its body must give back.
class Carry {
 public:
  Carry(TreeRef tree, const char* who) : values(defined_leaves(tree, who, "the carry")), tree_(tree), who_(who), structure_(key_of(tree)) {}
  Types types() const { return types_of(values); }
  void put(Ins traced) const { tree::assign(tree_, traced); }
  // The leaves of what the body returned, brought to the types of the carry. False where a bare number in the carry has to become a
  // tensor first: after promote(), outside of the recording, the body must be traced again.
  bool accept(TreeRef next, Vec& out) {
    if (key_of(next) != structure_)
      throw StructureError(std::string(who_) + ": the carry enters as " + tree::structure(tree_) + " and leaves as " + tree::structure(next) +
                           "; containers and static values (numbers, strings, enums) must stay as they are");
    out = defined_leaves(next, who_, "the carry that the body returns,");
    for (std::size_t i = 0; i < out.size(); ++i) {
      Aval is = out[i].aval(), want = values[i].aval();
      auto what = [&] { return std::string(who_) + ": the carry" + named(tree_, i) + " enters as " + want.str() + " and leaves as " + is.str(); };
      if (!(is.shape == want.shape)) throw ShapeError(what() + "; its shape must stay, so start from a tensor of the final shape (zeros, broadcast)");
      if (is == want) continue;
      if (want.weak && (is.weak || adopts(want, is.dtype))) pending_.emplace_back(i, is);
      else if (is.weak && adopts(is, want.dtype)) out[i] = as_type(out[i], want);
      else throw DTypeError(what() + "; convert the start or the result with to(" + std::string(name_of(is.dtype)) + ")");
    }
    return pending_.empty();
  }
  void promote() {
    for (auto& [i, a] : pending_) values[i] = as_type(values[i], a);
    pending_.clear();
  }
  Vec values;

 private:
  TreeRef tree_;
  const char* who_;
  std::string structure_;
  std::vector<std::pair<std::size_t, Aval>> pending_;
};
// Traces until the carry's types stay. `trace(carry)` returns whether they did.
template <class F> void until_stable(Carry& carry, const char* who, F trace) {
  for (int i = 0; !trace(); ++i) {
    carry.promote();
    if (i == 8) throw DTypeError(std::string(who) + ": the dtype of the carry changes at every step");
  }
}

std::int64_t steps_of(TreeRef xs, const Vec& x, const ScanOptions& o, const char* who) {
  std::int64_t n = -1;
  std::size_t first = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    Shape s = x[i].sizes();
    if (s.empty()) throw ShapeError(std::string(who) + ": xs" + named(xs, i) + " is a 0-d tensor; it is sliced along dimension 0");
    if (n >= 0 && s[0] != n)
      throw ShapeError(std::string(who) + ": xs" + named(xs, first) + " has " + std::to_string(n) + " slices, xs" + named(xs, i) + " has " +
                       std::to_string(s[0]));
    if (n < 0) first = i;
    n = s[0];
  }
  if (o.length && *o.length < 0) throw ValueError(std::string(who) + ": length is " + std::to_string(*o.length));
  if (n < 0 && !o.length) throw ValueError(std::string(who) + ": no xs, so the number of steps must be given: {.length = n}");
  if (n >= 0 && o.length && *o.length != n)
    throw ShapeError(std::string(who) + ": length is " + std::to_string(*o.length) + ", but xs" + named(xs, first) + " has " + std::to_string(n) +
                     " slices");
  return n >= 0 ? n : *o.length;
}
Types slice_types(Ins x) {
  Types r = types_of(x);
  for (auto& a : r) a.shape = a.shape.without(0);
  return r;
}

// n slices of x along dimension 0, from `from` on.
Tensor rows(const Tensor& x, std::int64_t from, std::int64_t n) {
  Shape s = x.sizes(), start = Shape::filled(s.size(), 0), limit = s;
  start[0] = from;
  limit[0] = from + n;
  return prims::slice(x, start, limit, Shape::filled(s.size(), 1));
}
// A scan whose reverse mode keeps a carry every k steps: a scan of checkpointed scans, and one more for the rest.
Vec bind_checkpointed(const prims::ScanParams& q, std::int64_t k, Ins in) {
  std::int64_t blocks = q.length / k, rest = q.length % k;
  auto n_const = static_cast<std::size_t>(q.n_const), fixed = n_const + static_cast<std::size_t>(q.n_carry), n_carry = fixed - n_const;
  std::size_t n_ys = q.body->outputs.size() - n_carry;
  auto inner = [&](std::int64_t length) {
    prims::ScanParams s = q;
    s.length = length;
    Types types = types_of(in);
    for (std::size_t i = fixed; i < types.size(); ++i) types[i].shape = types[i].shape.without(0).with(0, length);
    return trace_program(types, [&](Ins a) {
      Vec r(q.body->outputs.size());
      prims::bind_scan(s, {}, a, r);
      return r;
    });
  };
  std::int64_t blocks_from = q.reverse ? rest : 0, rest_from = q.reverse ? 0 : blocks * k;
  Vec carry(in.begin() + q.n_const, in.begin() + static_cast<std::ptrdiff_t>(fixed));
  std::vector<Vec> ys(n_ys);
  Ins constants = in.first(n_const), xs = in.subspan(fixed);
  auto run_blocks = [&] {
    if (!blocks) return;
    prims::CheckpointParams c{inner(k), prims::Save::nothing, {}};
    Types types = c.program->in_types();
    ProgramPtr body = trace_program(types, [&](Ins a) { return bind_all(prims::checkpoint_p, a, c); });
    Vec args = joined({constants, carry}), r(q.body->outputs.size());
    for (const Tensor& x : xs) {
      Tensor part = rows(x, blocks_from, blocks * k);
      args.push_back(prims::reshape(part, part.sizes().without(0).with(0, k).with(0, blocks)));
    }
    prims::bind_scan({body, q.n_const, q.n_carry, blocks, q.reverse}, {}, args, r);
    std::copy(r.begin(), r.begin() + q.n_carry, carry.begin());
    for (std::size_t i = 0; i < n_ys; ++i) {
      Tensor y = r[n_carry + i];
      ys[i].push_back(prims::reshape(y, y.sizes().without(0).without(0).with(0, blocks * k)));
    }
  };
  auto run_rest = [&] {
    if (!rest) return;
    prims::CheckpointParams c{inner(rest), prims::Save::nothing, {}};
    Vec args = joined({constants, carry});
    for (const Tensor& x : xs) args.push_back(rows(x, rest_from, rest));
    Vec r = bind_all(prims::checkpoint_p, args, c);
    std::copy(r.begin(), r.begin() + q.n_carry, carry.begin());
    for (std::size_t i = 0; i < n_ys; ++i) ys[i].push_back(r[n_carry + i]);
  };
  run_blocks();
  run_rest();
  Vec out = carry;
  for (Vec& y : ys) {
    if (q.reverse) std::reverse(y.begin(), y.end());
    out.push_back(y.size() == 1 ? y[0] : prims::concatenate(y, 0));
  }
  return out;
}

}  // namespace

// ---------------------------------------------------------------- scan
void scan(TreeRef carry_tree, TreeRef xs_tree, Body body, const ScanOptions& o, const char* who) {
  Carry carry(carry_tree, who);
  Vec xs = defined_leaves(xs_tree, who, "xs");
  std::int64_t length = steps_of(xs_tree, xs, o, who);
  if (o.checkpoint_every && *o.checkpoint_every < 1)
    throw ValueError("scan: checkpoint_every is " + std::to_string(*o.checkpoint_every) + ", expected at least 1");
  if (o.unroll < 1) throw ValueError("scan: unroll is " + std::to_string(o.unroll) + ", expected at least 1");
  Traced traced;
  TreeRef y_tree;
  until_stable(carry, who, [&] {
    Trace t(who);
    carry.put(t.inputs(carry.types()));
    tree::assign(xs_tree, t.inputs(slice_types(xs)));
    Step step = body();
    Vec out;
    if (!carry.accept(step.carry, out)) return false;
    for (const Tensor& y : defined_leaves(step.y, who, "y")) out.push_back(firm(y));
    y_tree = step.y;
    traced = t.finish(out);
    return true;
  });
  LoopBody b = loop_body(traced, carry.values.size(), xs.size());
  prims::ScanParams q{b.program,
                      static_cast<std::int64_t>(b.constants.size()),
                      static_cast<std::int64_t>(carry.values.size() + b.extra_carry.size()),
                      length,
                      o.reverse,
                      false,
                      o.unroll};
  Vec args = joined({b.constants, carry.values, b.extra_carry, xs}), out(b.program->outputs.size());
  if (o.checkpoint_every && *o.checkpoint_every < length) out = bind_checkpointed(q, *o.checkpoint_every, args);
  else prims::bind_scan(q, {}, args, out);
  write_back(b.written, Ins(out).subspan(carry.values.size(), b.written.size()));
  tree::assign(carry_tree, Ins(out).first(carry.values.size()));
  if (y_tree) tree::assign(y_tree, Ins(out).subspan(carry.values.size() + b.written.size()));
}

// ---------------------------------------------------------------- while
void while_loop(TreeRef carry_tree, function_ref<Tensor()> cond, Body body, const WhileOptions& o, const char* who) {
  if (o.max_steps && *o.max_steps < 1)
    throw ValueError(std::string(who) + ": max_steps is " + std::to_string(*o.max_steps) + ", expected at least 1");
  if (o.checkpoint && *o.checkpoint < 0)
    throw ValueError(std::string(who) + ": checkpoint is " + std::to_string(*o.checkpoint) + ", expected a number of carries, or 0");
  Carry carry(carry_tree, who);
  Traced test, traced;
  until_stable(carry, who, [&] {
    Trace t(who);
    carry.put(t.inputs(carry.types()));
    Vec out;
    if (!carry.accept(body().carry, out)) return false;
    traced = t.finish(out);
    return true;
  });
  {
    Trace t(who);
    carry.put(t.inputs(carry.types()));
    Tensor go = cond();
    if (!go.defined() || !go.rank0() || go.raw_dtype() != DType::bool_)
      throw ShapeError(std::string(who) + ": the condition is " + (go.defined() ? go.aval().str() : "undefined") +
                       ", expected a 0-d bool (compare, or reduce with any() or all())");
    test = t.finish({firm(go)});
    if (test.program->outputs.size() > 1) throw TracerError(std::string(who) + ": the condition writes a Ref; write it in the body");
  }
  LoopBody b = loop_body(traced, carry.values.size(), 0);
  // The condition takes the Refs that the body writes from the carry, others as constants.
  Vec constants = test.captured;
  if (!test.refs.empty() || !b.written.empty()) {
    std::vector<std::pair<bool, std::size_t>> from;  // of each Ref of the condition: in the carry, or a constant
    for (auto& u : test.refs) {
      auto at = std::find(b.written.begin(), b.written.end(), u.ref);
      if (at != b.written.end()) from.emplace_back(true, carry.values.size() + static_cast<std::size_t>(at - b.written.begin()));
      else {
        from.emplace_back(false, constants.size());
        constants.push_back(ref_get(u.ref));
      }
    }
    Types types = types_of(joined({constants, carry.values, b.extra_carry}));
    std::size_t n_const = constants.size();
    test.program = trace_program(types, [&](Ins a) {
      Vec x = joined({a.first(test.captured.size()), a.subspan(n_const, carry.values.size())});
      for (auto [in_carry, k] : from) x.push_back(a[in_carry ? n_const + k : k]);
      return eval_program(*test.program, x);
    });
  }
  prims::WhileParams q{test.program,
                       b.program,
                       static_cast<std::int64_t>(constants.size()),
                       static_cast<std::int64_t>(b.constants.size()),
                       static_cast<std::int64_t>(carry.values.size() + b.extra_carry.size()),
                       o.max_steps ? *o.max_steps : 0,
                       o.checkpoint ? *o.checkpoint : -1};
  Vec r = bind_all(prims::while_p, joined({constants, b.constants, carry.values, b.extra_carry}), q);
  write_back(b.written, Ins(r).subspan(carry.values.size(), b.written.size()));
  tree::assign(carry_tree, Ins(r).first(carry.values.size()));
}

// ---------------------------------------------------------------- fori
void fori_loop(const Tensor& lo, const Tensor& hi, Tensor& index, TreeRef carry, Body body, const WhileOptions& o) {
  for (const Tensor* t : {&lo, &hi})
    if (!t->defined() || !t->rank0() || !is_integer(t->raw_dtype()))
      throw DTypeError("fori_loop: the bounds are 0-d integers, got " + (t->defined() ? t->aval().str() : "an undefined Tensor"));
  if (lo.weak() && hi.weak() && lo.concrete() && hi.concrete()) {
    auto from = lo.item<std::int64_t>(), to = std::max(hi.item<std::int64_t>(), from);
    Tensor i = prims::iota(DType::i64, {to - from}, 0);
    index = from ? prims::binary(add_p, i, Tensor(from)) : i;
    scan(carry, TreeRef(index), body, ScanOptions{});
    return;
  }
  Tensor limit = firm(hi), start = convert(firm(lo), limit.raw_dtype());
  // The index is one more leaf of the carry.
  struct Both {
    Tensor* index;
    TreeRef carry;
  } both{&index, carry}, next{};
  static constexpr tree::Ops ops{[](void* p, tree::Visitor& v) {
    auto& b = *static_cast<Both*>(p);
    v.tensor(*b.index);
    b.carry.visit(v);
  }};
  auto ref = [](Both& b) {
    TreeRef r;
    r.p = &b;
    r.ops = &ops;
    return r;
  };
  Tensor next_index;
  auto step = [&]() -> Step {
    next = {&next_index, body().carry};
    next_index = prims::binary(add_p, index, Tensor(1));
    return {ref(next)};
  };
  index = start;
  while_loop(
      ref(both), [&] { return prims::lt(index, limit); }, step, o, "fori_loop");
}

// ---------------------------------------------------------------- map
void map(TreeRef xs_tree, Body body, const MapOptions& o) {
  if (o.batch_size && *o.batch_size < 1) throw ValueError("map: batch_size is " + std::to_string(*o.batch_size) + ", expected at least 1");
  if (!o.batch_size) {  // a scan without carry
    static constexpr tree::Ops nothing{[](void*, tree::Visitor&) {}};
    TreeRef empty;
    empty.ops = &nothing;
    empty.p = &empty;
    return scan(
        empty, xs_tree,
        [&]() -> Step {
          return {empty, body().carry};
        },
        ScanOptions{}, "map");
  }
  Vec xs = defined_leaves(xs_tree, "map", "xs");
  std::int64_t n = steps_of(xs_tree, xs, ScanOptions{}, "map");
  TreeRef result;
  Closed c;
  {
    Recording t("map", true);
    Scope s(&t);
    Vec in, out;
    for (auto& a : slice_types(xs)) in.push_back(t.input(a));
    tree::assign(xs_tree, in);
    result = body().carry;
    for (const Tensor& y : defined_leaves(result, "map", "the result")) out.push_back(firm(y));
    c = t.finish(out);
  }
  const std::string no_axis;
  std::size_t n_const = c.captured.size(), n_out = c.program->outputs.size();
  std::int64_t size = std::min(*o.batch_size, std::max<std::int64_t>(n, 1)), blocks = n / size, rest = n % size;
  Mask mapped(n_const);
  mapped.resize(n_const + xs.size(), 1);
  auto batched = [&](std::int64_t k) { return batch_program(c.program, BatchContext{k, Draws::error, &no_axis}, mapped, Mask(n_out, 1))->program; };
  std::vector<Vec> parts(n_out);
  if (blocks || !rest) {
    Vec args = c.captured, r(n_out);
    for (const Tensor& x : xs) {
      Tensor part = rows(x, 0, blocks * size);
      args.push_back(prims::reshape(part, part.sizes().without(0).with(0, size).with(0, blocks)));
    }
    prims::bind_scan({batched(size), static_cast<std::int64_t>(n_const), 0, blocks}, {}, args, r);
    for (std::size_t i = 0; i < n_out; ++i) parts[i].push_back(prims::reshape(r[i], r[i].sizes().without(0).without(0).with(0, blocks * size)));
  }
  if (rest) {
    Vec args = c.captured;
    for (const Tensor& x : xs) args.push_back(rows(x, blocks * size, rest));
    Vec r = prims::call(batched(rest), args);
    for (std::size_t i = 0; i < n_out; ++i) parts[i].push_back(r[i]);
  }
  Vec out(n_out);
  for (std::size_t i = 0; i < n_out; ++i) out[i] = parts[i].size() == 1 ? parts[i][0] : prims::concatenate(parts[i], 0);
  tree::assign(result, out);
}

// ---------------------------------------------------------------- associative scan
namespace {
class AssociativeScan {
 public:
  AssociativeScan(Closed c) : combine_(std::move(c)) {}
  // Prefixes along dimension 0.
  Vec prefixes(const Vec& x) const {
    std::int64_t n = x[0].sizes()[0];
    if (n < 2) return x;
    Vec pairs = combine(rows(x, 0, n - 1, 2), rows(x, 1, n, 2));  // (0, 1), (2, 3), ...
    Vec odd = prefixes(pairs);
    std::int64_t half = n / 2;
    Vec rest = n % 2 ? combine(odd, rows(x, 2, n, 2)) : combine(rows(odd, 0, half - 1, 1), rows(x, 2, n, 2)), r;
    for (std::size_t i = 0; i < x.size(); ++i) {
      Tensor first = rows({x[i]}, 0, 1, 1)[0], even = prims::concatenate(Vec{first, rest[i]}, 0);
      r.push_back(interleave(even, odd[i], n));
    }
    return r;
  }

 private:
  static Vec rows(const Vec& x, std::int64_t from, std::int64_t to, std::int64_t stride) {
    Vec r;
    for (const Tensor& t : x) {
      Shape s = t.sizes(), start = Shape::filled(s.size(), 0), limit = s, step = Shape::filled(s.size(), 1);
      limit[0] = std::max(from, to);
      start[0] = std::min(from, limit[0]);
      step[0] = stride;
      r.push_back(prims::slice(t, start, limit, step));
    }
    return r;
  }
  static Tensor interleave(const Tensor& even, const Tensor& odd, std::int64_t n) {
    Shape zero = Shape::filled(even.sizes().size(), 0), one = zero;
    one[0] = 1;
    std::int64_t ne = even.sizes()[0], no = odd.sizes()[0];
    auto spread = [&](const Tensor& t, std::int64_t low, std::int64_t count) {
      Shape lo = zero, hi = zero;
      lo[0] = low;
      hi[0] = n - low - (2 * count - 1);
      return prims::pad(t, prims::like(0, t), lo, hi, one);
    };
    Tensor a = spread(even, 0, ne), b = spread(odd, 1, no);
    return a.raw_dtype() == DType::bool_ ? bind1(prims::bitwise_or_p, Vec{a, b}) : add(a, b);
  }
  Vec combine(const Vec& a, const Vec& b) const {
    const std::string no_axis;
    Mask mapped(combine_.captured.size());
    mapped.resize(mapped.size() + a.size() + b.size(), 1);
    auto f = batch_program(combine_.program, BatchContext{a[0].sizes()[0], Draws::error, &no_axis}, mapped, Mask(a.size(), 1));
    return prims::call(f->program, joined({combine_.captured, a, b}));
  }
  Closed combine_;
};
}  // namespace
void associative_scan(TreeRef a_tree, TreeRef b_tree, Body combine, const AssociativeScanOptions& o) {
  Vec xs = defined_leaves(a_tree, "associative_scan", "xs");
  if (xs.empty()) throw StructureError("associative_scan: xs holds no tensors");
  std::vector<int> dims;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    int rank = static_cast<int>(xs[i].dim());
    if (o.dim < -rank || o.dim >= rank)
      throw IndexError("associative_scan: dim " + std::to_string(o.dim) + " is out of range for xs" + named(a_tree, i) + " of shape " +
                       xs[i].sizes().str());
    dims.push_back(static_cast<int>(o.dim < 0 ? o.dim + rank : o.dim));
    xs[i] = move_dim(xs[i], dims[i], 0);
    if (o.reverse) xs[i] = prims::rev(xs[i], {0});
  }
  steps_of(a_tree, xs, ScanOptions{}, "associative_scan");
  Types element = slice_types(xs);
  Closed c;
  {
    Recording t("associative_scan", true);
    Scope scope(&t);
    auto inputs = [&] {
      Vec in;
      for (auto& a : element) in.push_back(t.input(a));
      return in;
    };
    std::string structure = key_of(a_tree);
    tree::assign(a_tree, inputs());
    tree::assign(b_tree, inputs());
    TreeRef result = combine().carry;
    if (key_of(result) != structure)
      throw StructureError("associative_scan: the function returns " + tree::structure(result) + " for elements " + tree::structure(a_tree));
    Vec out = defined_leaves(result, "associative_scan", "the result");
    for (std::size_t i = 0; i < out.size(); ++i) {
      Aval is = out[i].aval();
      if (is.weak && is.shape == element[i].shape && adopts(is, element[i].dtype)) out[i] = as_type(out[i], element[i]);
      else if (!(is == element[i]))
        throw ShapeError("associative_scan: the function takes elements" + named(a_tree, i) + " of type " + element[i].str() + " and returns " +
                         is.str());
    }
    c = t.finish(out);
  }
  Vec r = AssociativeScan(std::move(c)).prefixes(xs);
  for (std::size_t i = 0; i < r.size(); ++i) {
    if (o.reverse) r[i] = prims::rev(r[i], {0});
    r[i] = move_dim(r[i], 0, dims[i]);
  }
  tree::assign(a_tree, r);
}

// ---------------------------------------------------------------- cond
namespace {
// `choice` picks from the branches in their order; the tree that branch `result` returned holds the results.
void choose(const char* who, const Tensor& choice, Refs operands, std::span<const function_ref<TreeRef()>> branches, std::size_t result) {
  Vec in;
  for (std::size_t i = 0; i < operands.size(); ++i) append(in, defined_leaves(operands[i], who, ("operand " + std::to_string(i)).c_str()));
  Types types = types_of(in);
  std::vector<Traced> closed;
  std::vector<TreeRef> trees;
  std::vector<Types> result_types;
  for (auto& f : branches) {
    Trace t(who);
    tree::assign(operands, t.inputs(types));
    trees.push_back(f());
    Vec out = defined_leaves(trees.back(), who, "a branch's result");
    result_types.push_back(types_of(out));
    closed.push_back(t.finish(out));
    tree::assign(operands, in);
    if (key_of(trees.back()) != key_of(trees[0]))
      throw StructureError(std::string(who) + ": the branches return different structures, " + tree::structure(trees[0]) + " and " +
                           tree::structure(trees.back()) + "; static values (numbers, strings, enums) must be equal too");
  }
  Types common = result_types[0];
  for (std::size_t i = 0; i < common.size(); ++i) {
    Aval& want = common[i];
    for (auto& t : result_types) {
      if (!(t[i].shape == want.shape))
        throw ShapeError(std::string(who) + ": the branches return" + (named(trees[0], i).empty() ? " results" : named(trees[0], i)) + " of types " +
                         want.str() + " and " + t[i].str() + "; broadcast to one shape");
      if (t[i].weak == want.weak && want.weak) want.dtype = std::max(want.dtype, t[i].dtype);
      else if (want.weak && adopts(want, t[i].dtype)) want = t[i];
    }
    for (auto& t : result_types)
      if (!(t[i] == want) && !(t[i].weak && (want.weak || adopts(t[i], want.dtype))))
        throw DTypeError(std::string(who) + ": the branches return" + (named(trees[0], i).empty() ? " results" : named(trees[0], i)) + " of types " +
                         want.str() + " and " + t[i].str() + "; convert with to(" + std::string(name_of(want.dtype)) + ")");
  }
  // Every branch takes what any of them captured, the operands, and the Refs that any of them touches; it returns the results, and the
  // Refs that any of them writes.
  std::vector<RefUse> refs;
  for (auto& c : closed)
    for (auto& u : c.refs) {
      auto it = std::find_if(refs.begin(), refs.end(), [&](auto& r) { return r.ref == u.ref; });
      if (it == refs.end()) refs.push_back({u.ref, {}, {}, u.written});
      else it->written |= u.written;
    }
  Vec args, ref_values;
  for (auto& c : closed) append(args, c.captured);
  for (auto& u : refs) ref_values.push_back(ref_get(u.ref));
  std::size_t n_captured = args.size(), n_results = common.size(), at = 0;
  Types all = types_of(args);
  append(all, types);
  append(all, types_of(ref_values));
  prims::CondParams q;
  for (auto& c : closed) {
    auto f = [&](Ins a) {
      Ins of_refs = a.subspan(n_captured + types.size());
      Vec now(of_refs.begin(), of_refs.end()), x = joined({a.subspan(at, c.captured.size()), a.subspan(n_captured, types.size())});
      auto index = [&](const RefUse& u) {
        return static_cast<std::size_t>(std::find_if(refs.begin(), refs.end(), [&](auto& r) { return r.ref == u.ref; }) - refs.begin());
      };
      for (auto& u : c.refs) x.push_back(now[index(u)]);
      Vec r = eval_program(*c.program, x);
      std::size_t k = n_results;
      for (auto& u : c.refs)
        if (u.written) now[index(u)] = r[k++];
      r.resize(n_results);
      for (std::size_t i = 0; i < n_results; ++i) r[i] = as_type(r[i], common[i]);
      for (std::size_t i = 0; i < refs.size(); ++i)
        if (refs[i].written) r.push_back(now[i]);
      return r;
    };
    q.branches.push_back(trace_program(all, f, true));
    at += c.captured.size();
  }
  args = joined({{&choice, 1}, args, in, ref_values});
  Vec r = prims::bind_cond(q, args);
  write_back(refs_of(refs, true), Ins(r).subspan(n_results));
  tree::assign(trees[result], Ins(r).first(n_results));
}
}  // namespace
void cond(const Tensor& pred, Refs operands, function_ref<TreeRef()> on_true, function_ref<TreeRef()> on_false) {
  if (!pred.defined() || !pred.rank0() || pred.raw_dtype() != DType::bool_)
    throw DTypeError("cond: the predicate is " + (pred.defined() ? pred.aval().str() : "an undefined Tensor") +
                     ", expected a 0-d bool; compare, or reduce with any() or all()");
  const function_ref<TreeRef()> branches[] = {on_false, on_true};  // in the order of the values false, true
  choose("cond", firm(pred), operands, branches, 1);
}
void switch_(const Tensor& index, Refs operands, std::span<const function_ref<TreeRef()>> branches) {
  if (!index.defined() || !index.rank0() || !is_integer(index.raw_dtype()))
    throw DTypeError("switch_: the index is " + (index.defined() ? index.aval().str() : "an undefined Tensor") + ", expected a 0-d integer");
  choose("switch_", firm(index), operands, branches, 0);
}

}  // namespace functra::erased
