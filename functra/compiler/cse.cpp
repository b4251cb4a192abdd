// Equal values once: equations of the same primitive, parameters and operands give the same results. Operands of a commutative
// primitive may come in either order. Effects, and what stands behind a barrier, are not merged.
#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "functra/compiler/bodies.h"
#include "functra/compiler/passes.h"
#include "functra/prims/checkpoint.h"
#include "functra/prims/math.h"

namespace functra::compiler {
namespace {
using namespace functra::core;

bool commutes(const Primitive* p) {
  return p == &add_p || p == &prims::mul_p || p == &prims::eq_p || p == &prims::ne_p || p == &prims::bitwise_and_p || p == &prims::bitwise_or_p ||
         p == &prims::bitwise_xor_p;
}

class Merge {
 public:
  ProgramPtr run(const ProgramPtr& program) {
    const Program& p = *program;
    std::vector<Var> to(p.type_of.size());  // the variable, of p, that stands for it
    for (std::size_t v = 0; v < to.size(); ++v) to[v] = static_cast<Var>(v);
    std::vector<Var> literal = equal_literals(p), key;
    std::vector<std::pair<Var, Var>> alias;
    std::vector<std::pair<std::size_t, ParamRef>> bodies;
    std::unordered_multimap<std::size_t, std::size_t> seen;
    seen.reserve(p.eqns.size());
    std::vector<Var> pool = p.pool;  // with operands that stand for others
    for (std::size_t i = 0; i < p.eqns.size(); ++i) {
      const Eqn& e = p.eqns[i];
      bool other = false;
      ParamRef body = bodies_.map(
          e, [this](const ProgramPtr& inner) { return run(inner); }, other);
      if (other) bodies.emplace_back(i, body);
      for (std::uint32_t k = 0; k < e.n_in; ++k) {
        Var& v = pool[e.in + k];
        v = v < 0 ? literal[static_cast<std::size_t>(~v)] : to[static_cast<std::size_t>(v)];
      }
      if (!e.n_out || e.prim == &prims::barrier_p || has_effect(e)) continue;
      bool swap = commutes(e.prim) && pool[e.in] > pool[e.in + 1];
      auto operand = [&](const Eqn& of, std::uint32_t k, bool swapped) { return pool[of.in + (swapped ? 1 - k : k)]; };
      Params q = e.params;
      std::size_t h = mix(reinterpret_cast<std::size_t>(e.prim), q.type ? q.type->hash(q.value) : 0);
      for (std::uint32_t k = 0; k < e.n_in; ++k) h = mix(h, static_cast<std::size_t>(static_cast<std::int64_t>(operand(e, k, swap))));
      bool merged = false;
      for (auto [at, end] = seen.equal_range(h); at != end && !merged; ++at) {
        const Eqn& f = p.eqns[at->second];
        Params r = f.params;
        if (f.prim != e.prim || f.n_in != e.n_in || f.n_out != e.n_out || (q.type && !q.type->equal(q.value, r.value))) continue;
        bool f_swap = commutes(f.prim) && pool[f.in] > pool[f.in + 1];
        merged = true;
        for (std::uint32_t k = 0; k < e.n_in && merged; ++k) merged = operand(e, k, swap) == operand(f, k, f_swap);
        for (std::uint32_t k = 0; k < e.n_out && merged; ++k) {
          to[e.out + k] = static_cast<Var>(f.out + k);
          alias.emplace_back(static_cast<Var>(e.out + k), static_cast<Var>(f.out + k));
        }
      }
      if (!merged) seen.emplace(h, i);
    }
    if (alias.empty() && bodies.empty()) return program;
    return rebuilt(p, to, bodies);
  }

 private:
  static ProgramPtr rebuilt(const Program& p, const std::vector<Var>& to, const std::vector<std::pair<std::size_t, ParamRef>>& bodies) {
    Program q;
    q.types = p.types;
    q.type_of = p.type_of;
    q.inputs = p.inputs;
    q.literals = p.literals;
    auto now = [&](Var v) { return v < 0 ? v : to[static_cast<std::size_t>(v)]; };
    q.pool.reserve(p.pool.size());
    q.eqns.reserve(p.eqns.size());
    for (const Eqn& e : p.eqns) {
      Eqn c = e;
      c.in = static_cast<std::uint32_t>(q.pool.size());
      for (Var v : p.operands(e)) q.pool.push_back(now(v));
      q.eqns.push_back(std::move(c));
    }
    for (auto& [i, params] : bodies) q.eqns[i].params = params;
    std::vector<Var> outputs;
    for (Var v : p.outputs) outputs.push_back(now(v));
    return seal(compact(q, q.inputs, p.n_hidden, outputs, live_vars(q, outputs)), false);
  }
  // Per literal, the first that is equal to it: the same bits, dtype and weakness.
  static std::vector<Var> equal_literals(const Program& p) {
    std::vector<Var> to;
    std::unordered_multimap<std::size_t, std::size_t> seen;
    for (std::size_t i = 0; i < p.literals.size(); ++i) {
      const Tensor& t = p.literals[i];
      std::size_t h = mix(mix(t.is_scalar() ? t.identity() : hash_of(t.shape_ref()), static_cast<std::size_t>(t.raw_dtype())), t.weak());
      Var first = ~static_cast<Var>(i);
      for (auto [at, end] = seen.equal_range(h); at != end; ++at)
        if (same_bits(t, p.literals[at->second])) first = ~static_cast<Var>(at->second);
      if (first == ~static_cast<Var>(i)) seen.emplace(h, i);
      to.push_back(first);
    }
    return to;
  }
  static bool same_bits(const Tensor& a, const Tensor& b) {
    if (a.kind() != b.kind() || a.raw_dtype() != b.raw_dtype() || a.weak() != b.weak()) return false;
    if (a.identity() == b.identity()) return true;
    if (a.is_scalar() || !(a.shape_ref() == b.shape_ref())) return false;
    Tensor x = a.contiguous(), y = b.contiguous();
    return std::memcmp(x.bytes(), y.bytes(), static_cast<std::size_t>(x.numel()) * size_of(x.raw_dtype())) == 0;
  }
  Bodies bodies_;
};

}  // namespace

ProgramPtr merge_equal(const ProgramPtr& p) { return Merge().run(p); }

}  // namespace functra::compiler
