// L-BFGS (Nocedal 1980) as torch.optim.LBFGS: the optimiser calls the function itself.
//
//   optim::LBFGS opt{{.line_search = optim::LineSearch::strong_wolfe}};
//   auto state = opt.init(params);
//   std::tie(params, state, value) = opt.step(loss, params, state);
//
// Iterations and line search are while loops, so a step runs under vmap (each member stops by itself), jit and forward mode; reverse mode
// goes back through all of them.
#pragma once
#include <tuple>

#include "functra/transforms/grad.h"

namespace functra::optim {

enum class LineSearch { none, strong_wolfe };
struct LBFGSOptions {
  Tensor lr = 1.0;
  std::int64_t max_iter = 20;
  OptInt max_eval{};  // none: max_iter 5 / 4
  double tolerance_grad = 1e-7, tolerance_change = 1e-9;
  std::int64_t history_size = 100;
  LineSearch line_search = LineSearch::none;
};
// All parameters as one vector [n], m pairs of history (the newest last; rho is 0 where there is none yet).
struct LBFGSState {
  Tensor step;                         // iterations so far, i64
  Tensor direction, length, gradient;  // of the last iteration: [n], [], [n]
  Tensor changes, steps, rho, scale;   // y and s: [m, n], 1 / (y s): [m], y s / (y y) of the newest: []
};

namespace detail {
Tensor flatten(TreeRef tree, TreeRef like);  // what an optimiser moves, one after another; `like` says which leaves
void unflatten(TreeRef tree, const Tensor& flat);
LBFGSState lbfgs_state(const LBFGSOptions& o, const Tensor& flat);
using Objective = function_ref<std::pair<Tensor, Tensor>(const Tensor& flat)>;  // value and gradient
// Moves flat and the state; returns the value where it began.
Tensor lbfgs(const LBFGSOptions& o, Objective f, Tensor& flat, LBFGSState& state);
}  // namespace detail

struct LBFGS {
  LBFGSOptions options{};
  template <class P> LBFGSState init(const P& params) const {
    return detail::lbfgs_state(options, detail::flatten(TreeRef(params), TreeRef(params)));
  }
  // Up to max_iter iterations on f, from parameters to a scalar: (parameters, state, f where it began). ValueError for an option outside
  // of its domain; StructureError for parameters that are none, or of several dtypes; ShapeError for a state of other parameters.
  template <class F, class P> std::tuple<P, LBFGSState, Tensor> step(const F& f, const P& params, LBFGSState state) const {
    auto objective = [&](const Tensor& flat) {
      P p = params;
      detail::unflatten(TreeRef(p), flat);
      auto [value, g] = value_and_grad(f)(p);
      return std::pair<Tensor, Tensor>(value, detail::flatten(TreeRef(g), TreeRef(params)));
    };
    Tensor flat = detail::flatten(TreeRef(params), TreeRef(params));
    Tensor value = detail::lbfgs(options, objective, flat, state);
    P moved = params;
    detail::unflatten(TreeRef(moved), flat);
    return {std::move(moved), std::move(state), std::move(value)};
  }
};

}  // namespace functra::optim
