// Activations by torch.nn.functional's names and defaults, beside those of math.h (relu, gelu, silu, softplus, sigmoid, tanh).
#pragma once
#include "functra/tensor/tensor.h"

namespace functra {

Tensor relu6(const Tensor& x);  // within [0, 6]
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
Tensor prelu(const Tensor& x, const Tensor& weight);  // a slope for all (0-d or [1]), or per channel [C] of x [N, C, ...] or [C]
Tensor elu(const Tensor& x, double alpha = 1);        // alpha (exp(x) - 1) below 0
Tensor selu(const Tensor& x);                         // Klambauer et al. 2017
Tensor celu(const Tensor& x, double alpha = 1);       // alpha (exp(x / alpha) - 1) below 0
Tensor gelu_tanh(const Tensor& x);                    // x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
Tensor mish(const Tensor& x);                         // x tanh(softplus(x))
Tensor softplus_beta(const Tensor& x, double beta, double threshold = 20);  // softplus(beta x) / beta; x where beta x > threshold
Tensor softsign(const Tensor& x);                                           // x / (1 + |x|)
Tensor tanhshrink(const Tensor& x);                                         // x - tanh(x)
Tensor softshrink(const Tensor& x, double lambda = 0.5);                    // towards 0 by lambda
Tensor hardshrink(const Tensor& x, double lambda = 0.5);                    // 0 where |x| <= lambda
Tensor hardtanh(const Tensor& x, double min = -1, double max = 1);          // within [min, max]; the derivative at the bounds is 0
Tensor hardsigmoid(const Tensor& x);                                        // relu6(x + 3) / 6
Tensor hardswish(const Tensor& x);                                          // x hardsigmoid(x)
Tensor logsigmoid(const Tensor& x);                                         // log(sigmoid(x)), without overflow
Tensor threshold(const Tensor& x, double threshold, double value);          // value where x <= threshold
Tensor softmin(const Tensor& x, std::int64_t dim = -1);
Tensor glu(const Tensor& x, std::int64_t dim = -1);  // first half times sigmoid of the second; ShapeError for an odd extent

}  // namespace functra
