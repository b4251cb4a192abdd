// Learning rates as pure functions of the step (from 0; a C++ number or an integer Tensor, traced too), by torch's names and formulas:
//
//   optim::SGD opt{{.lr = optim::CosineAnnealingLR{0.1, 100}(state.step)}};
#pragma once
#include <utility>
#include <vector>

#include "functra/tensor/tensor.h"

namespace functra::optim {

struct StepLR {  // times gamma every step_size steps
  double lr;
  std::int64_t step_size;
  double gamma = 0.1;
  Tensor operator()(const Tensor& step) const;
};
struct MultiStepLR {  // times gamma at each milestone
  double lr;
  std::vector<std::int64_t> milestones;
  double gamma = 0.1;
  Tensor operator()(const Tensor& step) const;
};
struct ExponentialLR {  // lr gamma^step
  double lr, gamma;
  Tensor operator()(const Tensor& step) const;
};
// From lr start_factor to lr end_factor in total_iters steps, then constant: a warm-up.
struct LinearLR {
  double lr, start_factor = 1.0 / 3, end_factor = 1;
  std::int64_t total_iters = 5;
  Tensor operator()(const Tensor& step) const;
};
struct PolynomialLR {  // lr (1 - step / total_iters)^power, then 0
  double lr;
  std::int64_t total_iters = 5;
  double power = 1;
  Tensor operator()(const Tensor& step) const;
};
// Loshchilov and Hutter 2017: half a cosine from lr to eta_min in t_max steps; and the same begun anew every t_0 steps.
struct CosineAnnealingLR {
  double lr;
  std::int64_t t_max;
  double eta_min = 0;
  Tensor operator()(const Tensor& step) const;
};
struct CosineAnnealingWarmRestarts {
  double lr;
  std::int64_t t_0;
  double eta_min = 0;
  Tensor operator()(const Tensor& step) const;
};
// Smith and Topin 2018: from max_lr / div_factor up to max_lr in pct_start of the steps, then down to its final_div_factor-th; with
// three_phase down to the beginning first, in as many steps as up.
enum class Anneal { cosine, linear };
struct OneCycleLR {
  double max_lr;
  std::int64_t total_steps;
  double pct_start = 0.3;
  Anneal anneal = Anneal::cosine;
  double div_factor = 25, final_div_factor = 1e4;
  bool three_phase = false;
  Tensor operator()(const Tensor& step) const;  // ValueError for total_steps below 1
};

namespace detail {
Tensor choose_before(const Tensor& step, std::int64_t milestone, const Tensor& before, const Tensor& after);
}
// first until `milestone`, then second counted from there: a warm-up and what follows.
template <class First, class Second> auto sequential(First first, std::int64_t milestone, Second second) {
  return [=](const Tensor& step) { return detail::choose_before(step, milestone, first(step), second(step - milestone)); };
}

}  // namespace functra::optim
