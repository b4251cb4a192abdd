#include "functra/optim/privacy.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "functra/base/errors.h"

namespace functra::optim {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == -kInf ? a : a + std::log1p(std::exp(b - a));
}
double log_sub(double a, double b) {  // log(exp(a) - exp(b)), a >= b up to rounding
  if (b == -kInf) return a;
  return a <= b ? -kInf : a + std::log1p(-std::exp(b - a));
}
double log_erfc(double x) {
  if (x < 20) return std::log(std::erfc(x));
  double z = 1 / (2 * x * x);  // asymptotic series, DLMF 7.12.1
  return -x * x - std::log(x * std::sqrt(M_PI)) + std::log1p(-z * (1 - 3 * z * (1 - 5 * z * (1 - 7 * z))));
}

// log of the moment A of the paper's equation (3), for an integer order: a binomial sum.
double log_a_integer(double q, double sigma, int order) {
  double sum = -kInf;
  for (int i = 0; i <= order; ++i) {
    double log_binomial = std::lgamma(order + 1.0) - std::lgamma(i + 1.0) - std::lgamma(order - i + 1.0);
    sum = log_add(sum, log_binomial + i * std::log(q) + (order - i) * std::log1p(-q) + (static_cast<double>(i) * i - i) / (2 * sigma * sigma));
  }
  return sum;
}
// For any order: the two alternating series of section 3.3, until their terms vanish.
double log_a_fractional(double q, double sigma, double order) {
  double a0 = -kInf, a1 = -kInf, z = sigma * sigma * std::log(1 / q - 1) + 0.5, log_coefficient = 0;
  bool positive = true;
  for (int i = 0;; ++i) {
    double j = order - i;
    double e0 = log_erfc((i - z) / (M_SQRT2 * sigma)) - M_LN2, e1 = log_erfc((z - j) / (M_SQRT2 * sigma)) - M_LN2;
    double s0 = log_coefficient + i * std::log(q) + j * std::log1p(-q) + (static_cast<double>(i) * i - i) / (2 * sigma * sigma) + e0;
    double s1 = log_coefficient + j * std::log(q) + i * std::log1p(-q) + (j * j - j) / (2 * sigma * sigma) + e1;
    a0 = positive ? log_add(a0, s0) : log_sub(a0, s0);
    a1 = positive ? log_add(a1, s1) : log_sub(a1, s1);
    if (std::max(s0, s1) < -30) return log_add(a0, a1);
    // binomial(order, i + 1) = binomial(order, i) (order - i) / (i + 1)
    if (j < 0) positive = !positive;
    log_coefficient += std::log(std::abs(j)) - std::log(i + 1.0);
  }
}

double epsilon_at(double order, double rdp, double delta) {
  if (delta * delta + std::expm1(-rdp) > 0) return 0;  // the total variation distance is below delta (Bretagnolle, Huber)
  if (order <= 1.01) return kInf;                      // the bound below is useless there
  return rdp + std::log1p(-1 / order) - std::log(delta * order) / (order - 1);
}
}  // namespace

double rdp_sampled_gaussian(double q, double sigma, double order) {
  if (!(q >= 0 && q <= 1)) throw ValueError("rdp_sampled_gaussian: sampling_rate is " + std::to_string(q) + ", expected a probability");
  if (!(sigma >= 0)) throw ValueError("rdp_sampled_gaussian: noise_multiplier is " + std::to_string(sigma) + ", expected at least 0");
  if (!(order > 1)) throw ValueError("rdp_sampled_gaussian: order is " + std::to_string(order) + ", expected more than 1");
  if (q == 0) return 0;
  if (sigma == 0) return kInf;
  if (q == 1) return order / (2 * sigma * sigma);
  double log_a = order == std::floor(order) ? log_a_integer(q, sigma, static_cast<int>(order)) : log_a_fractional(q, sigma, order);
  return log_a / (order - 1);
}

PrivacyAccountant::PrivacyAccountant() {
  for (int i = 11; i < 110; ++i) orders_.push_back(i / 10.0);
  for (int i = 12; i < 64; ++i) orders_.push_back(i);
  for (int i : {128, 256, 512}) orders_.push_back(i);
  rdp_.resize(orders_.size());
}
PrivacyAccountant::PrivacyAccountant(std::vector<double> orders) : orders_(std::move(orders)), rdp_(orders_.size()) {
  if (orders_.empty()) throw ValueError("PrivacyAccountant: expected at least one order");
  for (double a : orders_)
    if (!(a > 1)) throw ValueError("PrivacyAccountant: order " + std::to_string(a) + ", expected more than 1");
}
void PrivacyAccountant::step(double noise_multiplier, double sampling_rate, std::int64_t steps) {
  if (steps < 0) throw ValueError("PrivacyAccountant::step: " + std::to_string(steps) + " steps");
  std::vector<double> more;
  for (double a : orders_) more.push_back(rdp_sampled_gaussian(sampling_rate, noise_multiplier, a));
  for (std::size_t i = 0; i < more.size(); ++i)
    if (steps) rdp_[i] += static_cast<double>(steps) * more[i];
}
double PrivacyAccountant::epsilon(double delta) const {
  if (!(delta > 0 && delta < 1)) throw ValueError("PrivacyAccountant::epsilon: delta is " + std::to_string(delta) + ", expected between 0 and 1");
  double best = kInf;
  for (std::size_t i = 0; i < orders_.size(); ++i) best = std::min(best, epsilon_at(orders_[i], rdp_[i], delta));
  return std::max(best, 0.0);
}
double PrivacyAccountant::best_order(double delta) const {
  double best = kInf, order = orders_.front();
  for (std::size_t i = 0; i < orders_.size(); ++i)
    if (double e = epsilon_at(orders_[i], rdp_[i], delta); e < best) {
      best = e;
      order = orders_[i];
    }
  return order;
}

}  // namespace functra::optim
