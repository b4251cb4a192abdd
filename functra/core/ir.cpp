// Programs: building, pruning, interning, verifying, evaluating.
#include "functra/core/ir.h"

#include <algorithm>
#include <atomic>
#include <unordered_map>

#include "functra/core/interp.h"

namespace functra::core {

std::shared_ptr<const void> FormCache::find(const std::string& key) const {
  std::lock_guard lock(mutex_);
  auto it = forms_.find(key);
  return it == forms_.end() ? nullptr : it->second;
}
std::shared_ptr<const void> FormCache::insert(const std::string& key, std::shared_ptr<const void> value) const {
  std::lock_guard lock(mutex_);
  return forms_.emplace(key, std::move(value)).first->second;
}

const Aval& Program::rank0_type(std::uint32_t code) {
  static const std::vector<Aval> table = [] {
    std::vector<Aval> t;
    for (int d = 0; d < dtype_count; ++d)
      for (bool weak : {false, true}) t.push_back({static_cast<DType>(d), weak, {}});
    return t;
  }();
  return table[code];
}
std::uint32_t Program::type_id(const Aval& a) {
  if (a.shape.empty()) return rank0_code(a.dtype, a.weak);
  std::size_t n = types.size();
  for (std::size_t i = n, stop = n > 16 ? n - 16 : 0; i-- > stop;)
    if (types[i] == a) return kRank0 + static_cast<std::uint32_t>(i);
  types.push_back(a);
  return kRank0 + static_cast<std::uint32_t>(n);
}
std::vector<Aval> Program::in_types() const {
  std::vector<Aval> r;
  for (Var v : inputs) r.push_back(type(v));
  return r;
}
std::vector<Aval> Program::out_types() const {
  std::vector<Aval> r;
  for (Var v : outputs) r.push_back(operand_type(v));
  return r;
}
void Program::clear() {
  types.clear();
  type_of.clear();
  pool.clear();
  last.clear();
  eqns.clear();
  inputs.clear();
  outputs.clear();
  literals.clear();
  n_hidden = 0;
  hash = 0;
  effects = false;
  forms.reset();
}
std::vector<ProgramPtr> inner_programs(const Eqn& e) {
  std::vector<ProgramPtr> inner;
  Params q = e.params;
  if (q.type) q.type->programs(q.value, inner);
  return inner;
}
bool has_effect(const Eqn& e) {
  if (e.prim->effect) return true;
  auto inner = inner_programs(e);
  return std::any_of(inner.begin(), inner.end(), [](auto& p) { return p->effects; });
}
bool needs_guard(const Eqn& e) {
  if (e.prim->guarded) return true;
  auto inner = inner_programs(e);
  return std::any_of(inner.begin(), inner.end(), [](auto& p) { return p->guard; });
}

std::vector<std::uint8_t> live_vars(const Program& p, const std::vector<Var>& outputs, bool effects) {
  std::vector<std::uint8_t> live(p.type_of.size());
  for (Var v : outputs)
    if (v >= 0) live[static_cast<std::size_t>(v)] = 1;
  for (std::size_t i = p.eqns.size(); i-- > 0;) {
    const Eqn& e = p.eqns[i];
    bool any = effects && has_effect(e);
    for (std::uint32_t k = 0; k < e.n_out; ++k) any |= live[e.out + k];
    if (!any) continue;
    for (std::uint32_t k = 0; k < e.n_out; ++k) live[e.out + k] = 1;
    for (Var v : p.operands(e))
      if (v >= 0) live[static_cast<std::size_t>(v)] = 1;
  }
  return live;
}
Program compact(const Program& p, const std::vector<Var>& inputs, std::size_t n_hidden, const std::vector<Var>& outputs,
                const std::vector<std::uint8_t>& live, const std::vector<std::pair<Var, Var>>& alias, bool effects) {
  Program q;
  std::vector<Var> to(p.type_of.size(), -1);
  auto var = [&](Var v) { return v >= 0 ? to[static_cast<std::size_t>(v)] : q.new_literal(p.literals[static_cast<std::size_t>(~v)]); };
  for (Var v : inputs) q.inputs.push_back(to[static_cast<std::size_t>(v)] = q.new_var(p.type(v)));
  for (auto [v, same] : alias) to[static_cast<std::size_t>(v)] = to[static_cast<std::size_t>(same)];
  q.n_hidden = n_hidden;
  for (const Eqn& e : p.eqns) {
    bool any = effects && has_effect(e);
    for (std::uint32_t k = 0; k < e.n_out; ++k) any |= live[e.out + k];
    if (!any) continue;
    auto at = static_cast<std::uint32_t>(q.pool.size()), first = static_cast<std::uint32_t>(q.type_of.size());
    for (Var v : p.operands(e)) {
      Var w = var(v);
      q.pool.push_back(w);
    }
    for (std::uint32_t k = 0; k < e.n_out; ++k) to[e.out + k] = q.new_var(p.type(static_cast<Var>(e.out + k)));
    q.eqns.push_back({e.prim, e.params, at, first, e.n_in, e.n_out, e.site});
  }
  for (Var v : outputs) {
    Var w = var(v);
    q.outputs.push_back(w);
  }
  return q;
}
ProgramPtr with_outputs(const Program& p, const std::vector<Var>& outputs, bool effects) {
  return seal(compact(p, p.inputs, p.n_hidden, outputs, live_vars(p, outputs, effects), {}, effects), false);
}
ParamRef without_effects(const Eqn& e) {
  Params q = e.params;
  if (!q.type || !has_effect(e)) return e.params;
  return ParamRef::adopt(q.type->map_programs(q.value, [](const ProgramPtr& p) { return without_effects(p); }));
}
ProgramPtr without_effects(const ProgramPtr& p) {
  if (!p || !p->effects) return p;
  static const std::string key = "without_effects";
  auto found = p->forms->find(key);
  if (!found) {
    Program q = compact(*p, p->inputs, p->n_hidden, p->outputs, live_vars(*p, p->outputs, false), {}, false);
    for (Eqn& e : q.eqns) e.params = without_effects(e);
    found = p->forms->insert(key, std::make_shared<const ProgramPtr>(seal(std::move(q), false)));
  }
  return *std::static_pointer_cast<const ProgramPtr>(found);
}

// ---------------------------------------------------------------- equality and interning
namespace {
bool same_literal(const Tensor& a, const Tensor& b) {
  if (a.kind() != b.kind() || a.raw_dtype() != b.raw_dtype() || a.weak() != b.weak()) return false;
  if (a.is_scalar()) return a.identity() == b.identity();
  if (!(a.shape_ref() == b.shape_ref())) return false;
  if (a.identity() == b.identity()) return true;
  Tensor x = a.contiguous(), y = b.contiguous();
  return std::memcmp(x.bytes(), y.bytes(), static_cast<std::size_t>(x.numel()) * size_of(x.raw_dtype())) == 0;
}

struct Interned {
  std::mutex mutex;
  std::unordered_multimap<std::size_t, std::weak_ptr<const Program>> table;
  std::vector<ProgramPtr> recent = std::vector<ProgramPtr>(256);  // kept alive, so that a body traced again finds its derivatives
  std::size_t turn = 0;
};
Interned& interned() {
  static auto* table = new Interned;  // never destroyed: programs may outlive static objects
  return *table;
}
}  // namespace

std::size_t program_hash(const Program& p) {
  std::size_t h = mix(p.inputs.size(), p.n_hidden);
  for (const Eqn& e : p.eqns) {
    h = mix(h, hash_of(std::string(e.prim->name)));
    Params q = e.params;
    if (q.type) h = mix(h, q.type->hash(q.value));
    for (Var v : p.operands(e)) h = mix(h, static_cast<std::size_t>(static_cast<std::int64_t>(v)));
  }
  for (Var v : p.inputs) h = mix(h, hash_of(p.type(v)));
  for (Var v : p.outputs) h = mix(h, static_cast<std::size_t>(static_cast<std::int64_t>(v)));
  for (const Tensor& t : p.literals) h = mix(h, t.is_scalar() ? t.identity() : hash_of(t.sizes()));
  return h | 1;
}
bool same_program(const Program& a, const Program& b) {
  if (a.pool != b.pool || a.outputs != b.outputs || a.inputs != b.inputs || a.n_hidden != b.n_hidden || a.type_of.size() != b.type_of.size() ||
      a.eqns.size() != b.eqns.size() || a.literals.size() != b.literals.size())
    return false;
  for (std::size_t i = 0; i < a.eqns.size(); ++i) {
    const Eqn &x = a.eqns[i], &y = b.eqns[i];
    Params p = x.params, q = y.params;
    if (x.prim != y.prim || x.n_in != y.n_in || x.n_out != y.n_out || p.type != q.type || (p.type && !p.type->equal(p.value, q.value))) return false;
  }
  for (std::size_t i = 0; i < a.type_of.size(); ++i)
    if (!(a.type(static_cast<Var>(i)) == b.type(static_cast<Var>(i)))) return false;
  for (std::size_t i = 0; i < a.literals.size(); ++i)
    if (!same_literal(a.literals[i], b.literals[i])) return false;
  return true;
}
std::size_t hash_of(const ProgramPtr& p) {
  if (!p) return 0;
  std::size_t h = __atomic_load_n(&p->hash, __ATOMIC_RELAXED);
  if (!h) __atomic_store_n(&p->hash, h = program_hash(*p), __ATOMIC_RELAXED);
  return h;
}
bool same(const ProgramPtr& a, const ProgramPtr& b) { return a == b || (a && b && hash_of(a) == hash_of(b) && same_program(*a, *b)); }

ProgramPtr seal(Program&& p, bool intern) {
  static std::atomic<std::uint64_t> next_id{1};
  p.id = next_id.fetch_add(1, std::memory_order_relaxed);
  p.effects = std::any_of(p.eqns.begin(), p.eqns.end(), has_effect);
  p.guard = std::any_of(p.eqns.begin(), p.eqns.end(), needs_guard);
  p.last.assign(p.pool.size(), 0);
  std::vector<std::uint8_t> used(p.type_of.size());
  for (Var v : p.outputs)
    if (v >= 0) used[static_cast<std::size_t>(v)] = 1;
  for (std::size_t i = p.pool.size(); i-- > 0;) {
    Var v = p.pool[i];
    if (v >= 0 && !used[static_cast<std::size_t>(v)]) used[static_cast<std::size_t>(v)] = p.last[i] = 1;
  }
  p.forms = std::make_unique<FormCache>();
  if (!intern) return std::make_shared<const Program>(std::move(p));
  p.hash = program_hash(p);
  Interned& t = interned();
  std::vector<ProgramPtr> gone;  // freed after the lock: dropping a Program drops its forms
  std::lock_guard lock(t.mutex);
  for (auto [it, end] = t.table.equal_range(p.hash); it != end;) {
    ProgramPtr q = it->second.lock();
    if (!q) it = t.table.erase(it);
    else if (same_program(p, *q)) return q;
    else {
      gone.push_back(std::move(q));
      ++it;
    }
  }
  std::size_t h = p.hash;
  bool small = p.eqns.size() < 1000;
  auto r = std::make_shared<const Program>(std::move(p));
  t.table.emplace(h, r);
  if (small) {
    auto& slot = t.recent[t.turn++ % t.recent.size()];
    gone.push_back(std::move(slot));
    slot = r;
  }
  if (t.table.size() > 4096)
    for (auto it = t.table.begin(); it != t.table.end();) it = it->second.expired() ? t.table.erase(it) : std::next(it);
  return r;
}

namespace {
// The same tensor, or a small constant of the same type and bits: functions make those anew at every call.
struct SameTensor {
  static bool small(const Tensor& t) {
    constexpr std::size_t bytes = 256;
    return t.is_scalar() || (t.is_array() && t.is_contiguous() && static_cast<std::size_t>(t.numel()) * size_of(t.raw_dtype()) <= bytes);
  }
  static std::string_view bits(const Tensor& t) {
    return {static_cast<const char*>(t.bytes()), static_cast<std::size_t>(t.numel()) * size_of(t.raw_dtype())};
  }
  std::size_t operator()(const Tensor& t) const { return small(t) ? std::hash<std::string_view>()(bits(t)) : mix(t.identity(), t.tag()); }
  bool operator()(const Tensor& a, const Tensor& b) const {
    if (a.kind() != b.kind() || a.raw_dtype() != b.raw_dtype() || a.tag() != b.tag() || a.weak() != b.weak()) return false;
    if (a.identity() == b.identity()) return true;
    return small(a) && small(b) && a.shape_ref() == b.shape_ref() && bits(a) == bits(b);
  }
};
}  // namespace
Closed Recording::finish(Ins outs, bool intern) {
  std::vector<Var> outputs, inputs;
  for (const Tensor& t : outs) outputs.push_back(var_of(t));
  auto live = live_vars(prog, outputs);
  Closed c;
  // The same value captured twice is one hidden input. Found here and not while recording: a one-shot gradient never asks.
  std::unordered_map<Tensor, Var, SameTensor, SameTensor> seen;
  std::vector<std::pair<Var, Var>> alias;
  for (std::size_t i = 0; i < hidden.size(); ++i) {
    if (!live[static_cast<std::size_t>(hidden[i])]) continue;
    auto [it, fresh] = seen.emplace(captured[i], hidden[i]);
    if (!fresh) {
      alias.push_back({hidden[i], it->second});
      continue;
    }
    inputs.push_back(hidden[i]);
    c.captured.push_back(captured[i]);
  }
  std::size_t n = inputs.size();
  inputs.insert(inputs.end(), prog.inputs.begin(), prog.inputs.end());
  c.program = seal(compact(prog, inputs, n, outputs, live, alias), intern);
  return c;
}

// ---------------------------------------------------------------- verification
void verify(const Program& p) {
  std::vector<std::uint8_t> defined(p.type_of.size());
  auto fail = [](const std::string& where, const std::string& what) { throw ValueError("Program::verify: " + where + ": " + what); };
  auto number = [](Var v) { return "v" + std::to_string(v); };
  auto check_use = [&](Var v, const std::string& where) {
    if (v < 0 ? static_cast<std::size_t>(~v) >= p.literals.size()
              : static_cast<std::size_t>(v) >= defined.size() || !defined[static_cast<std::size_t>(v)])
      fail(where, v < 0 ? "a literal that does not exist" : number(v) + " is used before it is defined");
  };
  auto define = [&](Var v, const std::string& where) {
    if (v < 0 || static_cast<std::size_t>(v) >= defined.size()) fail(where, "a variable number out of range");
    if (std::exchange(defined[static_cast<std::size_t>(v)], 1)) fail(where, number(v) + " is defined twice");
  };
  if (p.n_hidden > p.inputs.size()) fail("inputs", "more captured inputs than inputs");
  for (Var v : p.inputs) define(v, "inputs");
  for (std::size_t i = 0; i < p.eqns.size(); ++i) {
    const Eqn& e = p.eqns[i];
    std::string where = "equation " + std::to_string(i) + " (" + e.prim->name + ")";
    Params q = e.params;
    if (e.prim->params != q.type) fail(where, "parameters of another primitive");
    if (e.prim->n_in >= 0 && static_cast<std::uint32_t>(e.prim->n_in) != e.n_in)
      fail(where, "takes " + std::to_string(e.prim->n_in) + " operands, has " + std::to_string(e.n_in));
    if (static_cast<std::uint32_t>(e.prim->results(q)) != e.n_out)
      fail(where, "gives " + std::to_string(e.prim->results(q)) + " results, binds " + std::to_string(e.n_out));
    std::vector<Aval> in, out(e.n_out);
    for (Var v : p.operands(e)) {
      check_use(v, where);
      in.push_back(p.operand_type(v));
    }
    if (q.type) {
      std::vector<ProgramPtr> inner;
      q.type->programs(q.value, inner);
      for (auto& r : inner) verify(*r);
    }
    try {
      e.prim->shape({*e.prim, q}, in, out);
    } catch (const Error& err) { fail(where, err.what()); }
    for (std::uint32_t k = 0; k < e.n_out; ++k) {
      auto v = static_cast<Var>(e.out + k);
      define(v, where);
      if (!(p.type(v) == out[k])) fail(where, number(v) + " is recorded as " + p.type(v).str() + ", but the operation gives " + out[k].str());
    }
  }
  for (Var v : p.outputs) check_use(v, "outputs");
}

// ---------------------------------------------------------------- evaluation
namespace {
// Evaluates an equation that releases operands as it goes, where nobody watches; false: nothing was done.
bool consume(const Program& p, const Eqn& e, Tensor* env) {
  if (!plain()) return false;
  Buf<Tensor, 8> in(e.n_in);
  for (std::uint32_t k = 0; k < e.n_in; ++k) {
    Var v = p.pool[e.in + k];
    if (v >= 0 && env[v].tag()) return false;
  }
  for (std::uint32_t k = 0; k < e.n_in; ++k) {
    Var v = p.pool[e.in + k];
    if (v < 0) in[k] = p.literals[static_cast<std::size_t>(~v)];
    else if (p.last[e.in + k]) in[k] = std::move(env[v]);
    else in[k] = env[v];
  }
  e.prim->consume({*e.prim, e.params}, {in.begin(), e.n_in}, {env + e.out, e.n_out});
  return true;
}
}  // namespace
void eval_program_consuming(const Program& p, std::span<Tensor> args, Outs outs) {
  if (args.size() != p.inputs.size())
    throw ValueError("a program of " + std::to_string(p.inputs.size()) + " inputs got " + std::to_string(args.size()));
  Buf<Tensor, 24> env(p.type_of.size());
  for (std::size_t i = 0; i < args.size(); ++i) env[static_cast<std::size_t>(p.inputs[i])] = std::move(args[i]);
  for (const Eqn& e : p.eqns) {
    Site site(current ? e.site : nullptr);  // what an interpreter records of it comes from the same line
    if (e.prim->consume && consume(p, e, env.begin())) continue;
    Borrowed<4> in(e.n_in);
    for (std::uint32_t k = 0; k < e.n_in; ++k) {
      Var v = p.pool[e.in + k];
      in.set(k, v < 0 ? p.literals[static_cast<std::size_t>(~v)] : env[static_cast<std::size_t>(v)]);
    }
    bind_prim({*e.prim, e.params}, in, {&env[e.out], e.n_out});
    for (std::uint32_t k = 0; k < e.n_in; ++k)
      if (p.last[e.in + k]) env[static_cast<std::size_t>(p.pool[e.in + k])] = Tensor();
  }
  for (std::size_t i = 0; i < outs.size(); ++i) {
    Var v = p.outputs[i];
    outs[i] = v < 0 ? p.literals[static_cast<std::size_t>(~v)] : env[static_cast<std::size_t>(v)];
  }
}
void eval_program(const Program& p, Ins args, Outs outs) {
  Buf<Tensor, 16> own(args.size());
  for (std::size_t i = 0; i < args.size(); ++i) own[i] = args[i];
  eval_program_consuming(p, own, outs);
}
Vec eval_program(const Program& p, Ins args) {
  Vec r(p.outputs.size());
  eval_program(p, args, r);
  return r;
}

}  // namespace functra::core
