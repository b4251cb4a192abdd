#include "functra/aot/minify.h"

#include <algorithm>

#include "functra/compiler/passes.h"
#include "functra/core/replay.h"
#include "functra/core/interp.h"
#include "functra/prims/control.h"

namespace functra::compile {
using namespace functra::core;
using functra::Program;

namespace {

// The current failing program, and the steps that make it smaller.
class Search {
 public:
  Search(ProgramPtr p, Vec inputs, const Fails& fails, const MinifyOptions& o) : p_(std::move(p)), inputs_(std::move(inputs)), fails_(fails), o_(o) {}

  void run() {
    for (bool smaller = true; smaller;) {
      smaller = false;
      smaller |= inline_calls();
      smaller |= truncate();
      smaller |= fewer_outputs();
      smaller |= dead();
      smaller |= leave_out();
      smaller |= inside_bodies();
    }
  }
  bool try_program(const ProgramPtr& p, const Vec& inputs) {
    if (tried >= o_.max_tries) return false;
    ++tried;
    bool bad = false;
    try {
      bad = fails_(Program(p), inputs);
    } catch (const std::exception&) {}
    if (!bad) return false;
    p_ = p;
    inputs_ = inputs;
    if (o_.found) o_.found(Program(p_), inputs_);
    return true;
  }
  ProgramPtr p_;
  Vec inputs_;
  std::size_t tried = 0;

 private:
  std::size_t size() const { return p_->eqns.size(); }
  std::vector<std::uint8_t> effects() const {
    std::vector<std::uint8_t> e(size());
    for (std::size_t i = 0; i < size(); ++i) e[i] = has_effect(p_->eqns[i]);
    return e;
  }
  bool attempt(const std::vector<Var>& in, const Vec& values, const std::vector<Var>& out, const std::vector<std::uint8_t>& keep) {
    ProgramPtr q = core::extract(*p_, in, out, keep);
    return try_program(q, values);
  }

  bool inline_calls() {
    ProgramPtr q = compiler::inline_calls(p_);
    return q != p_ && try_program(q, inputs_);
  }
  // Ends after n equations: its outputs are what those computed and later ones, or the outputs, use.
  bool truncate() {
    bool any = false;
    for (std::size_t step = (size() + 1) / 2; step > 0; step /= 2)
      for (std::size_t n = step; n < size();) {
        if (!ends_at(n)) n += step;
        else any = true;
      }
    return any;
  }
  bool ends_at(std::size_t n) {
    const core::Program& p = *p_;
    std::vector<std::uint8_t> made(p.type_of.size()), used(p.type_of.size());
    for (std::size_t i = 0; i < n; ++i) std::fill_n(made.begin() + p.eqns[i].out, p.eqns[i].n_out, std::uint8_t{1});
    for (Var v : p.inputs) made[static_cast<std::size_t>(v)] = 1;
    std::vector<Var> out;
    auto take = [&](Var v) {
      if (v >= 0 && made[static_cast<std::size_t>(v)] && !std::exchange(used[static_cast<std::size_t>(v)], 1)) out.push_back(v);
    };
    const Eqn& last = p.eqns[n - 1];  // alone, and with all that is alive there
    std::vector<Var> alone;
    for (std::uint32_t k = 0; k < last.n_out; ++k) alone.push_back(static_cast<Var>(last.out + k));
    auto keep = effects();
    std::fill(keep.begin() + static_cast<std::ptrdiff_t>(n), keep.end(), std::uint8_t{0});
    if (!alone.empty() && attempt(p.inputs, inputs_, alone, keep)) return true;
    for (Var v : p.outputs) take(v);
    for (std::size_t i = n; i < p.eqns.size(); ++i)
      for (Var v : p.operands(p.eqns[i])) take(v);
    return out != alone && attempt(p.inputs, inputs_, out, keep);
  }
  bool fewer_outputs() {
    bool any = false;
    for (std::size_t step = (p_->outputs.size() + 1) / 2; step > 0 && p_->outputs.size() > 1; step /= 2)
      for (std::size_t i = 0; i < p_->outputs.size();) {
        std::vector<Var> out = p_->outputs;
        auto from = out.begin() + static_cast<std::ptrdiff_t>(i);
        out.erase(from, from + static_cast<std::ptrdiff_t>(std::min(step, out.size() - i)));
        if (attempt(p_->inputs, inputs_, out, effects())) any = true;
        else i += step;
      }
    return any;
  }
  // Without equations and inputs that nothing needs, and without effects.
  bool dead() {
    bool any = false;
    for (bool effect : {false, true}) {
      auto keep = effects();
      if (effect && !std::ranges::count(keep, 1)) break;
      if (effect) keep.assign(size(), 0);
      std::vector<std::uint8_t> taken, used(p_->type_of.size());
      core::extract(*p_, p_->inputs, p_->outputs, keep, &taken);
      for (std::size_t i = 0; i < size(); ++i)
        if (taken[i])
          for (Var v : p_->operands(p_->eqns[i]))
            if (v >= 0) used[static_cast<std::size_t>(v)] = 1;
      for (Var v : p_->outputs)
        if (v >= 0) used[static_cast<std::size_t>(v)] = 1;
      std::vector<Var> in;
      Vec values;
      for (std::size_t i = 0; i < p_->inputs.size(); ++i) {
        if (!used[static_cast<std::size_t>(p_->inputs[i])]) continue;
        in.push_back(p_->inputs[i]);
        values.push_back(inputs_[i]);
      }
      bool changes = in.size() < p_->inputs.size() || static_cast<std::size_t>(std::ranges::count(taken, 1)) < size();
      if (changes && attempt(in, values, p_->outputs, keep)) any = true;
    }
    return any;
  }
  // Equations [i, i + step) left out: their results become inputs.
  bool leave_out() {
    bool any = false;
    for (std::size_t step = (size() + 1) / 2; step > 0; step /= 2)
      for (std::size_t i = 0; i < size();) {
        if (without(i, std::min(i + step, size()))) any = true;
        else i += step;
      }
    return any;
  }
  bool without(std::size_t from, std::size_t to) {
    const core::Program& p = *p_;
    std::vector<std::uint8_t> gone(p.type_of.size()), needed(p.type_of.size());
    std::vector<Var> in = p.inputs, extra;
    for (std::size_t i = from; i < to; ++i) std::fill_n(gone.begin() + p.eqns[i].out, p.eqns[i].n_out, std::uint8_t{1});
    auto need = [&](Var v) {
      if (v >= 0 && gone[static_cast<std::size_t>(v)] && !std::exchange(needed[static_cast<std::size_t>(v)], 1)) extra.push_back(v);
    };
    for (std::size_t i = to; i < p.eqns.size(); ++i)
      for (Var v : p.operands(p.eqns[i])) need(v);
    for (Var v : p.outputs) need(v);
    std::vector<Tensor> values = inputs_;
    try {
      Vec v = eval_program(*with_outputs(p, extra, false), inputs_);
      values.insert(values.end(), v.begin(), v.end());
    } catch (const std::exception&) {
      return false;  // the part before fails by itself: truncation finds it
    }
    in.insert(in.end(), extra.begin(), extra.end());
    auto keep = effects();
    std::fill(keep.begin() + static_cast<std::ptrdiff_t>(from), keep.begin() + static_cast<std::ptrdiff_t>(to), std::uint8_t{0});
    // An input that is returned as it came is no failing program of interest: outputs that became inputs go, if others stay.
    std::vector<Var> out;
    for (Var v : p.outputs)
      if (v < 0 || !needed[static_cast<std::size_t>(v)]) out.push_back(v);
    if (!out.empty() && out.size() < p.outputs.size() && attempt(in, values, out, keep)) return true;
    return attempt(in, values, p.outputs, keep);
  }

  // ---- bodies
  bool inside_bodies() {
    bool any = false;
    for (std::size_t i = 0; i < size(); ++i) any |= bodies_of(p_, i, [&](const ProgramPtr& whole) { return try_program(whole, inputs_); });
    return any;
  }
  // Shrinks the bodies of equation i of p; `accept` tries a program with one of them changed. p is replaced by what was accepted.
  static bool bodies_of(ProgramPtr& p, std::size_t i, function_ref<bool(const ProgramPtr&)> accept) {
    bool any = false;
    for (std::size_t b = 0, n = inner_programs(p->eqns[i]).size(); b < n; ++b) {
      ProgramPtr body = inner_programs(p->eqns[i])[b];
      any |= shrink(body, [&](const ProgramPtr& smaller) {
        ProgramPtr whole = with_body(*p, i, b, smaller);
        try {
          verify(*whole);
        } catch (const Error&) { return false; }
        if (!accept(whole)) return false;
        p = whole;
        return true;
      });
    }
    return any;
  }
  static bool shrink(ProgramPtr& body, function_ref<bool(const ProgramPtr&)> accept) {
    bool any = false;
    auto take = [&](const ProgramPtr& smaller) {
      if (!smaller || smaller->eqns.size() >= body->eqns.size() || !accept(smaller)) return false;
      body = smaller;
      return any = true;
    };
    for (std::size_t step = std::max<std::size_t>(1, body->eqns.size() / 2); step > 0; step /= 2)
      for (std::size_t k = 0; k < body->eqns.size();) {
        const std::size_t end = std::min(k + step, body->eqns.size());
        if (!take(bypassed(*body, k, end, true)) && !take(bypassed(*body, k, end, false))) k += step;
      }
    for (std::size_t k = 0; k < body->eqns.size(); ++k) any |= bodies_of(body, k, accept);
    return any;
  }
  static ProgramPtr with_body(const core::Program& p, std::size_t i, std::size_t b, const ProgramPtr& body) {
    core::Program q = compact(p, p.inputs, p.n_hidden, p.outputs, std::vector<std::uint8_t>(p.type_of.size(), 1));
    Params params = p.eqns[i].params;
    std::size_t k = 0;
    q.eqns[i].params = ParamRef::adopt(params.type->map_programs(params.value, [&](const ProgramPtr& old) { return k++ == b ? body : old; }));
    return seal(std::move(q), false);
  }
  // Equations [from, to) of a body replaced: each result by an operand of its type, or by zeros.
  static ProgramPtr bypassed(const core::Program& p, std::size_t from, std::size_t to, bool operand) {
    auto index = [&](const Eqn& e) { return static_cast<std::size_t>(&e - p.eqns.data()); };
    bool all = true;
    ProgramPtr q = core::retrace(p, [&](const Eqn& e, Ins in, Outs out) {
      if (index(e) < from || index(e) >= to) return false;
      for (std::uint32_t k = 0; k < e.n_out; ++k) {
        const Aval& want = p.type(static_cast<Var>(e.out + k));
        Tensor r;
        if (operand)
          for (const Tensor& x : in)
            if (!r.defined() && stands_for(x, want)) r = as_type(x, want.dtype, want.weak);
        all &= r.defined() || !operand;
        out[k] = r.defined() ? r : zeros(want);
      }
      return true;
    });
    return all ? q : nullptr;
  }
  const Fails& fails_;
  const MinifyOptions& o_;
};

}  // namespace

Minified minifier(const Program& program, const std::vector<Tensor>& inputs, const Fails& fails, const MinifyOptions& o) {
  if (!program.ir()) throw ValueError("minifier: this program is empty (default constructed)");
  const core::Program& p = *program.ir();
  Vec all = program.captured_tensors();
  if (inputs.size() == p.inputs.size()) all.clear();
  all.insert(all.end(), inputs.begin(), inputs.end());
  if (all.size() != p.inputs.size())
    throw ValueError("minifier: the program takes " + std::to_string(p.inputs.size() - p.n_hidden) + " inputs, got " + std::to_string(inputs.size()));
  ProgramPtr open = seal(compact(p, p.inputs, 0, p.outputs, live_vars(p, p.outputs)), false);
  Search s(open, all, fails, o);
  if (!s.try_program(open, all)) throw ValueError("minifier: the program does not fail at these inputs");
  s.run();
  return {Program(s.p_), s.inputs_, s.tried};
}

}  // namespace functra::compile
