// Initial values as torch.nn.init draws them: from the same distributions, with the random numbers of a key.
#pragma once
#include "functra/tensor/tensor.h"

namespace functra::nn::init {

// What multiplies each input, and each output, of a weight [out, in, spatial...]. ShapeError for less than two dimensions.
struct Fans {
  std::int64_t in, out;
};
Fans fans(const Shape& weight);
enum class Fan { in, out };
double relu_gain();                    // sqrt(2)
double leaky_relu_gain(double slope);  // sqrt(2 / (1 + slope^2))
Tensor uniform(const Tensor& key, const Shape& shape, double low = 0, double high = 1, OptDType dtype = {});
Tensor normal(const Tensor& key, const Shape& shape, double mean = 0, double std = 1, OptDType dtype = {});
// Glorot and Bengio 2010: uniform within gain sqrt(6 / (in + out)), or normal with deviation gain sqrt(2 / (in + out)).
Tensor xavier_uniform(const Tensor& key, const Shape& shape, double gain = 1, OptDType dtype = {});
Tensor xavier_normal(const Tensor& key, const Shape& shape, double gain = 1, OptDType dtype = {});
// He et al. 2015: uniform within gain sqrt(3 / fan), or normal with deviation gain / sqrt(fan), gain of a leaky relu with slope a.
Tensor kaiming_uniform(const Tensor& key, const Shape& shape, double a = 0, Fan fan = Fan::in, OptDType dtype = {});
Tensor kaiming_normal(const Tensor& key, const Shape& shape, double a = 0, Fan fan = Fan::in, OptDType dtype = {});

}  // namespace functra::nn::init
