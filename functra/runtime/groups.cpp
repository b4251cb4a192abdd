// Steps that run at a time: which of them one thread makes and takes long for, and do not need each other.
#include <algorithm>
#include <cmath>

#include "functra/prims/linalg.h"
#include "functra/prims/reduce.h"
#include "functra/prims/sort.h"
#include "functra/runtime/plan.h"

namespace functra::runtime {

using core::Var;

namespace {

constexpr double each_step = 200;   // to begin one
constexpr double worth = 33000;     // on a thread of its own: 5 us
constexpr std::size_t ahead = 256;  // steps to look at

// Of one matrix or line; of several, and of large ones, kernels make use of threads themselves.
struct Rate {
  const core::Primitive* prim;
  double (*work)(double n);
};
double line(double n) { return 8 * n; }
double sorted(double n) { return 10 * n * std::log2(n + 2); }
constexpr Rate of_matrices[] = {{&prims::cholesky_p, [](double n) { return n * n * n / 3; }},
                                {&prims::lu_p, [](double n) { return n * n * n; }},
                                {&prims::solve_p, [](double n) { return n * n * n; }},
                                {&prims::triangular_solve_p, [](double n) { return n * n; }}};
constexpr Rate of_lines[] = {{&prims::sort_p, sorted},       {&prims::top_k_p, sorted},          {&prims::cumsum_p, line},
                             {&prims::cumprod_p, line},      {&prims::cummax_p, line},           {&prims::cummin_p, line},
                             {&prims::logcumsumexp_p, line}, {&prims::linear_recurrence_p, line}};

}  // namespace

double work_of(const core::Program& p, const core::Eqn& e) {
  constexpr std::int64_t largest_matrix = 512, largest_product = 200000, most = 16384;  // above, several threads work at it
  if (p.operands(e).empty() || core::has_effect(e) || !core::inner_programs(e).empty()) return unknown;
  const Shape s = p.operand_type(p.operands(e)[0]).shape;
  if (s.empty() || s.numel() == 0) return unknown;
  for (const Rate& r : of_matrices) {
    if (r.prim != e.prim) continue;
    const std::int64_t n = s.back();
    return s.numel() != n * s[s.size() - 2] || n > largest_matrix ? unknown : r.work(static_cast<double>(n));
  }
  for (const Rate& r : of_lines)
    if (r.prim == e.prim) return s.numel() != *std::ranges::max_element(s) ? unknown : r.work(static_cast<double>(s.numel()));
  // Small ones of the library's own are known to be that: they matter as parts of loops.
  double elements = 0;
  for (Var v : p.operands(e)) elements += static_cast<double>(p.operand_type(v).shape.numel());
  for (std::uint32_t i = 0; i < e.n_out; ++i) elements += static_cast<double>(p.type(static_cast<Var>(e.out + i)).shape.numel());
  using Kind = core::Lowering::Kind;
  if (e.prim->lowering.kind == Kind::none || elements > most) return unknown;
  if (e.prim->lowering.kind != Kind::contraction) return elements;
  double product = static_cast<double>(p.type(static_cast<Var>(e.out)).shape.numel());
  for (std::int64_t d : e.prim->lowering.contraction(e.params).left) product *= static_cast<double>(s[static_cast<std::size_t>(d)]);
  return product > largest_product ? unknown : elements + product / 4;
}
double Plan::serial_work() const {
  double sum = 0;
  for (auto& s : steps) {
    if (s.serial_work < 0) return unknown;
    sum += s.serial_work + each_step;
  }
  return sum;
}

// At the first step that is worth a thread, others of the kind that follow, and need nothing that is not there by then, are brought
// forward; before them, the small steps that they need. Steps with effects stay where they are, and nothing passes them.
void make_groups(Plan& plan) {
  const std::size_t n = plan.steps.size();
  auto heavy = [&](std::size_t k) { return plan.steps[k].serial_work >= worth; };
  if (std::ranges::count_if(plan.steps, [](auto& s) { return s.serial_work >= worth; }) < 2) return;
  std::vector<std::size_t> maker(plan.slots.size(), n), order, groups(n, 1);  // per slot, its step; steps in their new order
  for (std::size_t k = 0; k < n; ++k)
    for (std::int32_t o : plan.steps[k].out) maker[static_cast<std::size_t>(o)] = k;
  std::vector<std::uint8_t> placed(n, 0);
  auto place = [&](std::size_t k) {
    placed[k] = 1;
    order.push_back(k);
  };
  for (std::size_t k = 0; k < n; ++k) {
    if (placed[k]) continue;
    if (!heavy(k)) {
      place(k);
      continue;
    }
    std::vector<std::size_t> members{k};
    std::vector<std::uint8_t> waits(n, 0), needed(n, 0);  // for a heavy step, or one with effects
    waits[k] = 1;
    for (std::size_t j = k + 1; j < std::min(n, k + ahead); ++j) {
      const Step& s = plan.steps[j];
      if (placed[j]) continue;
      if (s.effect) break;
      for (Place p : s.in) {
        const std::size_t m = p < 0 ? n : maker[static_cast<std::size_t>(p)];
        if (m < n && !placed[m] && waits[m]) waits[j] = 1;
      }
      if (waits[j] || !heavy(j)) continue;
      waits[j] = 1;
      members.push_back(j);
    }
    for (std::size_t m : members) needed[m] = 1;
    for (std::size_t j = members.back() + 1; j-- > k;)
      if (needed[j] && !placed[j])
        for (Place p : plan.steps[j].in)
          if (p >= 0 && maker[static_cast<std::size_t>(p)] < n) needed[maker[static_cast<std::size_t>(p)]] = 1;
    for (std::size_t j = k; j < members.back(); ++j)
      if (needed[j] && !placed[j] && !std::ranges::count(members, j)) place(j);
    groups[order.size()] = members.size();
    for (std::size_t i = 1; i < members.size(); ++i) groups[order.size() + i] = 0;
    for (std::size_t m : members) place(m);
  }
  std::vector<Step> steps;
  std::vector<compiler::Unit> units;
  for (std::size_t k = 0; k < n; ++k) {
    steps.push_back(std::move(plan.steps[order[k]]));
    steps.back().group = static_cast<std::uint32_t>(groups[k]);
    units.push_back(std::move(plan.units[order[k]]));
  }
  plan.steps = std::move(steps);
  plan.units = std::move(units);
}

}  // namespace functra::runtime
