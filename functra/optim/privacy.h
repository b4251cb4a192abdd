// What differentially private training spends: Renyi differential privacy of the Gaussian mechanism on Poisson-sampled batches.
//
// Every step adds to the sum of clipped per-sample gradients (norm at most C) Gaussian noise of deviation noise_multiplier * C; each
// example is in a batch independently with probability sampling_rate. Neighbouring data sets differ in one example added or removed.
#pragma once
#include <cstdint>
#include <vector>

namespace functra::optim {

// Renyi divergence of one step at `order` > 1: Mironov, Talwar, Zhang, "Renyi Differential Privacy of the Sampled Gaussian
// Mechanism" (2019), section 3.3. ValueError for a sampling rate outside [0, 1], noise below 0 or an order of at most 1.
double rdp_sampled_gaussian(double sampling_rate, double noise_multiplier, double order);

class PrivacyAccountant {
 public:
  PrivacyAccountant();                                     // orders 1.1, 1.2, ... 10.9, 12, 13, ... 63, 128, 256, 512
  explicit PrivacyAccountant(std::vector<double> orders);  // ValueError for none, or one of at most 1
  void step(double noise_multiplier, double sampling_rate, std::int64_t steps = 1);
  // The smallest epsilon such that the steps so far are (epsilon, delta) differentially private, over the orders: Canonne, Kamath,
  // Steinke, "The Discrete Gaussian for Differential Privacy" (2020), proposition 12. ValueError for delta outside (0, 1).
  double epsilon(double delta) const;
  double best_order(double delta) const;  // the order that gives it
  const std::vector<double>& orders() const { return orders_; }
  const std::vector<double>& rdp() const { return rdp_; }  // the divergence spent at each order

 private:
  std::vector<double> orders_, rdp_;
};

}  // namespace functra::optim
