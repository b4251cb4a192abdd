#include "functra/compiler/passes.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <unordered_map>

namespace functra::compiler {

std::span<const Pass> passes() {
  static constexpr Pass list[] = {
      {"inline", "Puts the equations of called Programs in place of calls, and a select of all branches in place of a choice per lane.", inline_all},
      {"expand", "Writes small factorisations and solves out as operations on their elements.", expand_small},
      {"dce", "Removes equations, results of control flow and carries of loops that nothing uses.", eliminate_dead},
      {"cse", "Computes equal values once.", merge_equal},
      {"sink", "Moves numbers and repeated values into the bodies that use them.", sink_free_values},
      {"simplify", "Applies identities that keep the meaning of IEEE arithmetic: of arithmetic, masks, movement of elements, reductions.", simplify},
      {"zeros", "Drops work on structural zeros, which annihilate whatever they multiply, and turns products with one-hot seeds into movement.",
       annihilate_zeros},
      {"gathers", "Turns gathers and scatters at places that are known into slices and pads.", simplify_gathers},
      {"contractions", "Brings contractions to their cheapest form: operands as they are stored, chains in the order of least cost.",
       canonical_contractions},
      {"reciprocals",
       "Divides by constants, by what divides several values, and, numbers, by what is known early, by multiplying with the reciprocal.",
       share_reciprocals},
      {"hoist", "Moves what does not change from step to step out of loops.", hoist_invariants},
      {"stacks", "Turns sums of products over the steps of a loop, and products of its slices with constants, into one contraction outside.",
       sum_over_steps},
      {"cse", "Computes equal values once.", merge_equal},
      {"cut", "Makes again, in a scan along another one, what costs less to make again than to stack.", cut_residuals},
      {"cse", "Computes equal values once.", merge_equal},
      {"rotate", "Carries to the next step what a step begins with and the one before has computed.", rotate_loops},
      {"remat", "Makes cheap elementwise values again behind kernels and sums, where that costs less than to keep them.", make_again_between_phases},
      {"dce", "Removes equations, results of control flow and carries of loops that nothing uses.", eliminate_dead},
      {"halves", "Reduces 16-bit floats in f32, and rounds once.", reduce_halves},
      {"layouts", "Stores constants of loops in the order in which their bodies read them.", choose_layouts},
  };
  return list;
}

namespace {
std::size_t count_in(const core::Program& p, std::unordered_map<const core::Program*, std::size_t>& known) {
  std::size_t n = p.eqns.size();
  for (const core::Eqn& e : p.eqns)
    for (auto& inner : core::inner_programs(e)) {
      auto at = known.find(inner.get());
      if (at == known.end()) at = known.emplace(inner.get(), count_in(*inner, known)).first;
      n += at->second;
    }
  return n;
}
void check_names(std::span<const std::string> off) {
  for (auto& name : off) {
    auto list = passes();
    if (std::ranges::any_of(list, [&](auto& p) { return name == p.name; })) continue;
    std::string all;
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (std::any_of(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(i), [&](auto& p) { return std::string(p.name) == list[i].name; }))
        continue;
      all += (all.empty() ? "" : ", ") + std::string(list[i].name);
    }
    throw ValueError("optimize: there is no pass '" + name + "'; the passes are " + all);
  }
}
void check(const Pass& pass, const core::Program& before, const core::Program& after) {
  auto fail = [&](const std::string& what) { throw ValueError("the pass " + std::string(pass.name) + " made a wrong program: " + what); };
  try {
    core::verify(after);
  } catch (const Error& e) { fail(e.what()); }
  if (before.n_hidden != after.n_hidden || before.in_types() != after.in_types()) fail("its inputs are not those it had");
  if (before.out_types() != after.out_types()) fail("its outputs have other types");
  if (before.effects && !after.effects) fail("an effect is lost");
}
}  // namespace

std::size_t count_equations(const core::Program& p) {
  std::unordered_map<const core::Program*, std::size_t> known;
  return count_in(p, known);
}

std::vector<std::string> passes_off() {
  std::vector<std::string> r;
  const char* list = std::getenv("FUNCTRA_PASSES_OFF");
  for (std::string s = list ? list : ""; !s.empty();) {
    auto comma = s.find(',');
    r.push_back(s.substr(0, comma));
    s = comma == s.npos ? "" : s.substr(comma + 1);
  }
  return r;
}

ProgramPtr optimize(const ProgramPtr& program, std::span<const std::string> off, PassReport* report) {
  check_names(off);
  ProgramPtr p = program;
  for (const Pass& pass : passes()) {
    if (std::ranges::find(off, pass.name) != off.end()) continue;
    auto start = std::chrono::steady_clock::now();
    ProgramPtr q = pass.run(p);
    double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (q != p) check(pass, *p, *q);
    if (report) report->lines.push_back({pass.name, ms, count_equations(*p), count_equations(*q), q});
    p = std::move(q);
  }
  return p;
}

}  // namespace functra::compiler
