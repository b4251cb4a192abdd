// scan, while_loop, fori_loop with types erased: bodies are traced into Programs, carries brought to one type, and the primitives bound.
#include <algorithm>

#include "functra/prims/checkpoint.h"
#include "functra/prims/index.h"
#include "functra/prims/loop.h"
#include "functra/prims/math.h"
#include "functra/transforms/body.h"

namespace functra::erased {
namespace {

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
    scan(carry, TreeRef(index), body, ScanOptions{}, "fori_loop");
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

}  // namespace functra::erased
