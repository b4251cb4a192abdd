#include "functra/aot/rewrite.h"

#include <algorithm>
#include <cstring>

#include "functra/core/replay.h"
#include "functra/core/interp.h"

namespace functra::compile {
using namespace functra::core;
using functra::Program;

namespace {
const core::Program& ir_of(const Program& p, const char* who) {
  if (!p.ir()) throw ValueError(std::string(who) + ": this program is empty (default constructed)");
  return *p.ir();
}
void check_results(const char* who, const core::Program& p, const Eqn& e, std::vector<Tensor>& r) {
  if (r.size() != e.n_out)
    throw ValueError(std::string(who) + ": " + e.prim->name + " has " + std::to_string(e.n_out) + " results, the rule gave " +
                     std::to_string(r.size()));
  for (std::uint32_t k = 0; k < e.n_out; ++k) {
    const Aval& want = p.type(static_cast<Var>(e.out + k));
    if (!r[k].defined() || !stands_for(r[k], want))
      throw ShapeError(std::string(who) + ": result " + std::to_string(k) + " of " + e.prim->name + " has type " + want.str() + ", the rule gave " +
                       (r[k].defined() ? r[k].aval().str() : "an undefined Tensor"));
    r[k] = as_type(r[k], want.dtype, want.weak);
  }
}
ProgramPtr rewritten(const ProgramPtr& p, const Rule& rule, const RewriteOptions& o) {
  const Program walk(p);
  return core::retrace(*p, [&](const Eqn& e, Ins in, Outs out) {
    if (auto r = rule(walk.equation(static_cast<std::size_t>(&e - p->eqns.data())), Vec(in.begin(), in.end()))) {
      check_results("rewrite", *p, e, *r);
      std::ranges::move(*r, out.begin());
      return true;
    }
    Params q = e.params;
    if (!o.inner || inner_programs(e).empty()) return false;
    auto params = ParamRef::adopt(q.type->map_programs(q.value, [&](const ProgramPtr& inner) { return rewritten(inner, rule, o); }));
    bind_prim({*e.prim, params}, in, out);
    return true;
  });
}
}  // namespace

Program rewrite(const Program& p, const Rule& rule, RewriteOptions o) {
  ir_of(p, "rewrite");
  return Program(rewritten(p.ir(), rule, o), p.captured_tensors());
}

Program decompose(const Program& p, const Decompositions& table) {
  Program r = p;
  for (int round = 0;; ++round) {
    bool any = false;
    if (round == 100) throw ValueError("decompose: a decomposition gives back the primitive that it stands for");
    r = rewrite(r, [&](const Program::Equation& e, const std::vector<Tensor>& in) -> std::optional<std::vector<Tensor>> {
      auto at = table.find(e.op);
      if (at == table.end()) return std::nullopt;
      any = true;
      return at->second(e, in);
    });
    if (!any) return r;
  }
}

// ---------------------------------------------------------------- patterns
namespace {
class Matcher {
 public:
  Matcher(const core::Program& p, const core::Program& pattern) : p_(p), q_(pattern), users_(p.type_of.size()), output_(p.type_of.size()) {
    for (std::size_t i = 0; i < p.eqns.size(); ++i)
      for (Var v : p.operands(p.eqns[i]))
        if (v >= 0) users_[static_cast<std::size_t>(v)].push_back(i);
    for (Var v : p.outputs)
      if (v >= 0) output_[static_cast<std::size_t>(v)] = 1;
  }
  // The pattern with its last equation at equation i of the program, none of the taken ones in it.
  bool at(std::size_t i, const std::vector<std::uint8_t>& taken) {
    taken_ = &taken;
    to_.assign(q_.type_of.size(), core::unknown);
    eqn_.assign(q_.eqns.size(), p_.eqns.size());
    return match(q_.eqns.size() - 1, i) && rest(q_.eqns.size() - 1) && closed();
  }
  const std::vector<Var>& variables() const { return to_; }           // of the program, per variable of the pattern
  const std::vector<std::size_t>& equations() const { return eqn_; }  // likewise

 private:
  bool bind(Var pattern, Var v) {
    if (pattern < 0) {
      if (v >= 0) return false;
      const Tensor &a = q_.literals[static_cast<std::size_t>(~pattern)], &b = p_.literals[static_cast<std::size_t>(~v)];
      return a.aval() == b.aval() && equal_bits(a, b);
    }
    const Aval &want = q_.type(pattern), got = p_.operand_type(v);
    if (want.dtype != got.dtype || !(want.shape == got.shape)) return false;
    Var& slot = to_[static_cast<std::size_t>(pattern)];
    if (slot == core::unknown) slot = v;
    return slot == v || (slot < 0 && v < 0 && equal_bits(p_.literals[static_cast<std::size_t>(~slot)], p_.literals[static_cast<std::size_t>(~v)]));
  }
  static bool equal_bits(const Tensor& a, const Tensor& b) {
    if (a.rank0() != b.rank0() || a.raw_dtype() != b.raw_dtype()) return false;
    Tensor x = a.contiguous(), y = b.contiguous();
    return x.numel() == y.numel() && std::memcmp(x.bytes(), y.bytes(), static_cast<std::size_t>(x.numel()) * size_of(x.raw_dtype())) == 0;
  }
  bool match(std::size_t k, std::size_t i) {
    const Eqn &a = q_.eqns[k], &b = p_.eqns[i];
    if ((*taken_)[i] || std::ranges::count(eqn_, i) || a.prim != b.prim || a.n_in != b.n_in || a.n_out != b.n_out) return false;
    Params x = a.params, y = b.params;
    if (x.type && !x.type->equal(x.value, y.value)) return false;
    for (std::uint32_t n = 0; n < a.n_in; ++n)
      if (!bind(q_.operands(a)[n], p_.operands(b)[n])) return false;
    for (std::uint32_t n = 0; n < a.n_out; ++n)
      if (!bind(static_cast<Var>(a.out + n), static_cast<Var>(b.out + n))) return false;
    eqn_[k] = i;
    return true;
  }
  bool rest(std::size_t k) {  // equations before the k-th
    if (k == 0) return true;
    --k;
    const Eqn& a = q_.eqns[k];
    auto to = to_;
    auto eqn = eqn_;
    for (std::size_t i = 0; i < p_.eqns.size(); ++i) {
      bool fits = true;  // where a result is known already, it says which equation this is
      for (std::uint32_t n = 0; n < a.n_out; ++n) {
        Var v = to_[a.out + n];
        fits &= v == core::unknown || v == static_cast<Var>(p_.eqns[i].out + n);
      }
      if (fits && match(k, i) && rest(k)) return true;
      to_ = to;
      eqn_ = eqn;
    }
    return false;
  }
  // Nothing outside needs what the pattern does not return, nor what it returns before it is there.
  bool closed() const {
    std::size_t last = *std::ranges::max_element(eqn_);
    for (const Eqn& a : q_.eqns)
      for (std::uint32_t n = 0; n < a.n_out; ++n) {
        Var v = to_[a.out + n];
        bool returned = std::ranges::count(q_.outputs, static_cast<Var>(a.out + n)) > 0;
        if (output_[static_cast<std::size_t>(v)] && !returned) return false;
        for (std::size_t user : users_[static_cast<std::size_t>(v)])
          if (!std::ranges::count(eqn_, user) && (!returned || user < last)) return false;
      }
    return true;
  }
  const core::Program &p_, &q_;
  std::vector<std::vector<std::size_t>> users_;
  std::vector<std::uint8_t> output_;
  const std::vector<std::uint8_t>* taken_ = nullptr;
  std::vector<Var> to_;
  std::vector<std::size_t> eqn_;
};
}  // namespace

Replaced replace_pattern(const Program& program, const Program& pattern, const Program& replacement) {
  const core::Program &p = ir_of(program, "replace_pattern"), &q = ir_of(pattern, "replace_pattern"), &r = ir_of(replacement, "replace_pattern");
  if (q.n_hidden || r.n_hidden)
    throw ValueError("replace_pattern: the pattern or its replacement closes over tensors; pass them as inputs, or use numbers");
  if (q.eqns.empty()) throw ValueError("replace_pattern: the pattern has no equations");
  if (q.in_types() != r.in_types() || q.out_types() != r.out_types())
    throw ShapeError("replace_pattern: the pattern and its replacement differ in the types of their inputs or outputs");
  for (const Eqn& e : q.eqns)
    if (has_effect(e)) throw ValueError(std::string("replace_pattern: the pattern has an effect (") + e.prim->name + "); effects are kept");
  Matcher m(p, q);
  std::vector<std::uint8_t> taken(p.eqns.size());
  struct Found {
    std::vector<Var> in, out;  // of p
  };
  std::map<std::size_t, Found> found;  // by the last equation
  for (std::size_t i = 0; i < p.eqns.size(); ++i) {
    if (!m.at(i, taken)) continue;
    Found f;
    bool inputs = true;
    for (Var v : q.inputs) {
      f.in.push_back(m.variables()[static_cast<std::size_t>(v)]);
      inputs &= f.in.back() != core::unknown;
    }
    if (!inputs) throw ValueError("replace_pattern: the pattern does not use one of its inputs, which could then stand for anything");
    for (Var v : q.outputs) f.out.push_back(v < 0 ? core::unknown : m.variables()[static_cast<std::size_t>(v)]);
    for (std::size_t k : m.equations()) taken[k] = 1;
    found.emplace(*std::ranges::max_element(m.equations()), std::move(f));
  }
  core::Builder b;
  std::vector<Var> to(p.type_of.size(), core::unknown);
  for (Var v : p.inputs) {
    Var w = b.input(p.type(v));
    to[static_cast<std::size_t>(v)] = w;
  }
  for (std::size_t i = 0; i < p.eqns.size(); ++i) {
    const Eqn& e = p.eqns[i];
    if (!taken[i]) {
      auto first = b.append(p, e, to);
      for (std::uint32_t k = 0; k < e.n_out; ++k) to[e.out + k] = static_cast<Var>(first + k);
    } else if (auto at = found.find(i); at != found.end()) {
      std::vector<Var> in;
      for (Var v : at->second.in) in.push_back(b.operand(p, v, to));
      auto out = b.splice(r, in);
      for (std::size_t k = 0; k < out.size(); ++k)
        if (at->second.out[k] != core::unknown) to[static_cast<std::size_t>(at->second.out[k])] = out[k];
    }
  }
  for (Var v : p.outputs) {
    Var w = b.operand(p, v, to);
    b.q.outputs.push_back(w);
  }
  b.q.n_hidden = p.n_hidden;
  Program out(with_outputs(b.q, b.q.outputs), program.captured_tensors());
  out.verify();
  return {std::move(out), found.size()};
}

// ---------------------------------------------------------------- by hand
namespace {
Var var_of(const core::Program& p, const std::string& name) {
  bool digits = name.size() > 1 && name[0] == 'v' && name.size() < 12 && name.find_first_not_of("0123456789", 1) == name.npos;
  if (!digits || std::stoll(name.substr(1)) >= static_cast<long long>(p.type_of.size()))
    throw ValueError("ProgramEditor: the program has no variable '" + name + "'");
  return static_cast<Var>(std::stoll(name.substr(1)));
}
core::Program copy(const core::Program& p) {  // unsealed, variables numbered as in p
  core::Program q;
  q.types = p.types;
  q.type_of = p.type_of;
  q.pool = p.pool;
  q.eqns = p.eqns;
  q.inputs = p.inputs;
  q.outputs = p.outputs;
  q.n_hidden = p.n_hidden;
  q.literals = p.literals;
  return q;
}
}  // namespace
ProgramEditor::ProgramEditor(const Program& p)
    : p_(std::make_shared<core::Program>(copy(ir_of(p, "ProgramEditor")))), captured_(p.captured_tensors()) {}
std::size_t ProgramEditor::size() const { return ir().eqns.size(); }
std::vector<std::string> ProgramEditor::insert(std::size_t at, const std::vector<std::string>& operands,
                                               const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& f) {
  core::Program& p = ir();
  if (at > p.eqns.size()) throw IndexError("ProgramEditor: insertion before equation " + std::to_string(at) + " of " + std::to_string(p.eqns.size()));
  std::vector<Var> in;
  std::vector<Aval> types;
  for (auto& name : operands) {
    in.push_back(var_of(p, name));
    types.push_back(p.type(in.back()));
  }
  ProgramPtr added = trace_program(types, [&](Ins a) { return f(Vec(a.begin(), a.end())); });
  if (added->n_hidden) throw ValueError("ProgramEditor: the inserted function closes over traced tensors; name them among its operands");
  core::Builder b;
  b.q = copy(p);
  std::vector<Eqn> after(b.q.eqns.begin() + static_cast<std::ptrdiff_t>(at), b.q.eqns.end());
  b.q.eqns.resize(at);
  std::vector<std::string> names;
  for (Var v : b.splice(*added, in)) {
    if (v < 0) throw ValueError("ProgramEditor: the inserted function returns a constant; use it where it is needed");
    names.push_back("v" + std::to_string(v));
  }
  b.q.eqns.insert(b.q.eqns.end(), after.begin(), after.end());
  p = std::move(b.q);
  return names;
}
void ProgramEditor::erase(std::size_t at) {
  core::Program& p = ir();
  if (at >= p.eqns.size()) throw IndexError("ProgramEditor: equation " + std::to_string(at) + " of " + std::to_string(p.eqns.size()));
  const Eqn e = p.eqns[at];
  auto used = [&](Var v) { return v >= static_cast<Var>(e.out) && v < static_cast<Var>(e.out + e.n_out); };
  for (std::size_t i = 0; i < p.eqns.size(); ++i)
    for (Var v : p.operands(p.eqns[i]))
      if (used(v))
        throw ValueError("ProgramEditor: equation " + std::to_string(at) + " (" + e.prim->name + ") gives v" + std::to_string(v) +
                         ", which equation " + std::to_string(i) + " (" + p.eqns[i].prim->name + ") uses; replace_uses first");
  for (Var v : p.outputs)
    if (used(v))
      throw ValueError("ProgramEditor: equation " + std::to_string(at) + " gives v" + std::to_string(v) + ", an output; replace_uses first");
  p.eqns.erase(p.eqns.begin() + static_cast<std::ptrdiff_t>(at));
}
void ProgramEditor::replace_uses(const std::string& of, const std::string& by) {
  core::Program& p = ir();
  Var a = var_of(p, of), b = var_of(p, by);
  if (!(p.type(a) == p.type(b))) throw ShapeError("ProgramEditor: " + of + " has type " + p.type(a).str() + ", " + by + " has " + p.type(b).str());
  for (const Eqn& e : p.eqns) {
    bool own = b >= static_cast<Var>(e.out) && b < static_cast<Var>(e.out + e.n_out);  // what `by` is made of keeps `of`
    if (own) continue;
    for (std::uint32_t k = 0; k < e.n_in; ++k)
      if (p.pool[e.in + k] == a) p.pool[e.in + k] = b;
  }
  std::ranges::replace(p.outputs, a, b);
}
void ProgramEditor::set_outputs(const std::vector<std::string>& names) {
  std::vector<Var> out;
  for (auto& n : names) out.push_back(var_of(ir(), n));
  ir().outputs = std::move(out);
}
Program ProgramEditor::finish() const {
  core::Program q = copy(ir());
  core::verify(q);
  // Variables of erased equations are numbered away.
  return Program(seal(compact(q, q.inputs, q.n_hidden, q.outputs, std::vector<std::uint8_t>(q.type_of.size(), 1)), false), captured_);
}

}  // namespace functra::compile
