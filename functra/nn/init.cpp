#include "functra/nn/init.h"

#include <cmath>

#include "functra/ops/random.h"

namespace functra::nn::init {

Fans fans(const Shape& w) {
  if (w.size() < 2) throw ShapeError("nn::init: a weight of shape " + w.str() + " has no fan in and out; it needs two dimensions or more");
  std::int64_t field = 1;
  for (std::size_t i = 2; i < w.size(); ++i) field *= w[i];
  return {w[1] * field, w[0] * field};
}
double relu_gain() { return std::sqrt(2.0); }
double leaky_relu_gain(double slope) { return std::sqrt(2.0 / (1 + slope * slope)); }
Tensor uniform(const Tensor& key, const Shape& shape, double low, double high, OptDType dtype) {
  return random::uniform(key, shape, dtype, low, high);
}
Tensor normal(const Tensor& key, const Shape& shape, double mean, double std, OptDType dtype) {
  return random::normal(key, shape, dtype) * std + mean;
}
Tensor xavier_uniform(const Tensor& key, const Shape& shape, double gain, OptDType dtype) {
  Fans f = fans(shape);
  double bound = gain * std::sqrt(6.0 / static_cast<double>(f.in + f.out));
  return uniform(key, shape, -bound, bound, dtype);
}
Tensor xavier_normal(const Tensor& key, const Shape& shape, double gain, OptDType dtype) {
  Fans f = fans(shape);
  return normal(key, shape, 0, gain * std::sqrt(2.0 / static_cast<double>(f.in + f.out)), dtype);
}
static double kaiming_deviation(const Shape& shape, double a, Fan fan) {
  Fans f = fans(shape);
  return leaky_relu_gain(a) / std::sqrt(static_cast<double>(fan == Fan::in ? f.in : f.out));
}
Tensor kaiming_uniform(const Tensor& key, const Shape& shape, double a, Fan fan, OptDType dtype) {
  double bound = std::sqrt(3.0) * kaiming_deviation(shape, a, fan);
  return uniform(key, shape, -bound, bound, dtype);
}
Tensor kaiming_normal(const Tensor& key, const Shape& shape, double a, Fan fan, OptDType dtype) {
  return normal(key, shape, 0, kaiming_deviation(shape, a, fan), dtype);
}

}  // namespace functra::nn::init
