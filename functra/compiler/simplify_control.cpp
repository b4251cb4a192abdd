// Control flow whose course is known: a cond with a constant choice, loops of no step or one.
#include <algorithm>

#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/prims/control.h"
#include "functra/prims/loop.h"
#include "functra/prims/shape.h"

namespace functra::compiler {
namespace {
using namespace functra::prims;

// The outputs of p on these operands, of the types that p says.
bool evaluated(const ProgramPtr& p, Ins in, Outs out) {
  Vec r = core::eval_program(*p, in);
  for (std::size_t i = 0; i < r.size(); ++i) {
    const Aval want = p->out_type(i);
    out[i] = core::as_type(r[i], want.dtype, want.weak);
  }
  return true;
}
bool known_choice(const Match& m, Outs out) {
  auto& branches = m.params<CondParams>().branches;
  auto c = m.constant(m[0]);
  if (!c && std::any_of(branches.begin(), branches.end(), [&](auto& b) { return !core::same(b, branches[0]); })) return false;
  auto k = c ? std::clamp<std::int64_t>(static_cast<std::int64_t>(*c), 0, static_cast<std::int64_t>(branches.size()) - 1) : 0;
  return !branches[at(k)]->effects && evaluated(branches[at(k)], m.operands().subspan(1), out);
}
bool short_scan(const Match& m, Outs out) {
  auto& q = m.params<ScanParams>();
  if (q.counted || q.length > 1 || q.body->effects) return false;
  auto n_carry = at(q.n_carry), fixed = at(q.n_const) + n_carry;
  if (q.length == 0) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      const Aval a = q.body->out_type(i);
      out[i] = i < n_carry ? m[at(q.n_const) + i] : core::zeros({a.dtype, false, a.shape.with(0, 0)});
    }
    return true;
  }
  Vec in(m.operands().begin(), m.operands().end());
  for (std::size_t i = fixed; i < in.size(); ++i) in[i] = prims::reshape(in[i], m.shape(in[i]).without(0));
  evaluated(q.body, in, out);
  for (std::size_t i = n_carry; i < out.size(); ++i) out[i] = prims::reshape(out[i], q.body->out_type(i).shape.with(0, 1));
  return true;
}

constexpr Rule rules[] = {
    {&cond_p, "known_choice", "cond(true, f, g) = f, cond(c, f, f) = f", nullptr, known_choice},
    {&scan_p, "short_scan", "a scan of no step, or of one", nullptr, short_scan},
};

}  // namespace

Rules control_rules() { return rules; }

}  // namespace functra::compiler
