// The law battery. One row - a primitive or operation with sample inputs and an independent reference - buys every law: see
// laws.cpp. Rows lie in tests/rows/<family>.cpp; a primitive without a row fails the suite by name.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "functra/tensor/buffers.h"

namespace functra::testing {

using Fn = std::function<Vec(const Vec&)>;
struct Array {  // what a reference computes on: row-major values in double
  Shape shape;
  std::vector<double> v;
  double& operator[](std::size_t i) { return v[i]; }
  double operator[](std::size_t i) const { return v[i]; }
  std::size_t size() const { return v.size(); }
};
// From operands to results, by a closed form or a plain loop over doubles; never Functra itself.
using Reference = std::function<std::vector<Array>(const std::vector<Array>&)>;

struct Sample {
  std::string name;  // "f32 [3, 4] transposed"
  Vec in;            // concrete operands; strided views welcome
  Fn f;              // binds the primitive (parameters inside); traced, differentiated, batched by the laws
  Reference ref;
  // Operands that are differentiated (default: all floating ones) and mapped by vmap (default: all).
  std::vector<int> diff{};
  bool differentiable = true;  // false: at a kink or a singular point, only evaluation laws run
  bool linear = false;         // jvp = f of the tangent, in place of differences that f's rounding would hide
};
struct Row {
  std::string name;  // the primitive's
  std::vector<Sample> samples;
  double ulp = 4;                // evaluation against the reference: elementwise error in units of the last place ...
  double atol = 0;               // ... or this much
  double rtol = 0;               // for sums and contractions: relative to the largest |value| of the result
  double grad_tol = 2e-5;        // derivatives against central differences in f64, relative
  bool zero_derivative = false;  // flat: derivative laws check that the derivative is zero
  bool second_order = true;
  bool vmap = true;  // false only for primitives that have no operands
  int floor = 10;    // at least so many comparisons must have run
};
// FUNCTRA_ROW(sin) { Row r; ...; return r; }
struct Registration {
  Registration(const char* name, Row (*make)());
};
std::vector<std::pair<std::string, Row (*)()>>& rows();
#define FUNCTRA_ROW(name)                                                                      \
  static ::functra::testing::Row functra_row_##name();                                         \
  static const ::functra::testing::Registration functra_reg_##name(#name, functra_row_##name); \
  static ::functra::testing::Row functra_row_##name()

// ---- samples
Tensor random_tensor(const Shape& s, DType d, double lo, double hi, int seed = 0);  // distinct values, well apart; integers rounded
Tensor transposed_view(const Tensor& t);                                            // same values and shape, stored column-major
Tensor sliced_view(const Tensor& t);  // same values and shape, every second element of a larger array, reversed storage order
Tensor from_values(const Shape& s, DType d, const std::vector<double>& v);
Array to_array(const Tensor& t);
// f on tensors of one shape: f32 and f64, ranks 0 to 3, empty, vector tails (1, 3, 7, 17, 1000), strided views, scalar operands
// repeated. `lo`, `hi`: where the operands lie.
struct Domain {
  double lo, hi;
};
std::vector<Sample> elementwise_samples(int n_in, const Fn& f, const std::function<double(const double*)>& ref, std::vector<Domain> domain,
                                        std::vector<DType> dtypes = {DType::f32, DType::f64});
// Special points (NaN, infinities, zeros), evaluation only.
Sample special_sample(const Fn& f, const std::function<double(const double*)>& ref, DType d, const std::vector<std::vector<double>>& operands);

}  // namespace functra::testing
