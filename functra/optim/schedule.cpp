#include "functra/optim/schedule.h"

#include <cmath>
#include <numbers>

#include "functra/ops/math.h"

namespace functra::optim {
namespace {
Tensor real(const Tensor& step) { return step.to(f64); }
// From a at fraction 0 to b at 1.
Tensor between(Anneal kind, double a, double b, const Tensor& fraction) {
  return kind == Anneal::linear ? a + (b - a) * fraction : b + (a - b) / 2 * (1 + cos(std::numbers::pi * fraction));
}
}  // namespace

Tensor StepLR::operator()(const Tensor& step) const { return lr * exp(std::log(gamma) * real(floor_divide(step, step_size))); }
Tensor MultiStepLR::operator()(const Tensor& step) const {
  Tensor passed = 0;
  for (std::int64_t m : milestones) passed = passed + (step >= m).to(i64);
  return lr * exp(std::log(gamma) * real(passed));
}
Tensor ExponentialLR::operator()(const Tensor& step) const { return lr * exp(std::log(gamma) * real(step)); }
Tensor LinearLR::operator()(const Tensor& step) const {
  Tensor done = minimum(real(step) / total_iters, 1.0);
  return lr * (start_factor + (end_factor - start_factor) * done);
}
Tensor PolynomialLR::operator()(const Tensor& step) const { return lr * pow(1 - minimum(real(step) / total_iters, 1.0), power); }
Tensor CosineAnnealingLR::operator()(const Tensor& step) const { return between(Anneal::cosine, lr, eta_min, real(step) / t_max); }
Tensor CosineAnnealingWarmRestarts::operator()(const Tensor& step) const {
  return between(Anneal::cosine, lr, eta_min, real(remainder(step, t_0)) / t_0);
}
Tensor OneCycleLR::operator()(const Tensor& step) const {
  if (total_steps < 1) throw ValueError("optim::OneCycleLR: needs at least one step, not " + std::to_string(total_steps));
  double total = static_cast<double>(total_steps), first = max_lr / div_factor, last = first / final_div_factor, top = pct_start * total - 1;
  Tensor n = real(step), up = between(anneal, first, max_lr, n / top);
  if (!three_phase) return where(n <= top, up, between(anneal, max_lr, last, (n - top) / (total - 1 - top)));
  double end = 2 * pct_start * total - 2;
  Tensor down = between(anneal, max_lr, first, (n - top) / (end - top)), tail = between(anneal, first, last, (n - end) / (total - 1 - end));
  return where(n <= top, up, where(n <= end, down, tail));
}
Tensor detail::choose_before(const Tensor& step, std::int64_t milestone, const Tensor& before, const Tensor& after) {
  return where(step < milestone, before, after);
}

}  // namespace functra::optim
