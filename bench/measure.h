// What all measurements share: inputs by the formula of the peers (peers/common.py), timing, one line of JSON per row.
#pragma once
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <functra/functra.h>

namespace bench {
namespace ft = functra;
using ft::Tensor;

// ---------------------------------------------------------------- choice
bool wanted(const std::string& name);  // PEER_ONLY, a comma list, names it, or is not set
double budget();                       // seconds of repeats per row: PEER_BUDGET_S, or 1

// ---------------------------------------------------------------- inputs
double u(std::int64_t i, int seed);  // in [0, 1): the same number in every language
Tensor uniform(const ft::Shape& shape, int seed, ft::DType dtype = ft::f64);
Tensor sym(const ft::Shape& shape, int seed, double scale = 1, ft::DType dtype = ft::f32);  // (2 u - 1) scale
Tensor strong(double v);                                                                    // 0-d, f64

// ---------------------------------------------------------------- timing
double now();                                          // seconds
double total(const std::vector<Tensor>& out);          // sum of the absolute values of all elements
const char* dtype_of(const std::vector<Tensor>& out);  // of the first tensor
struct Times {
  double min, median;  // seconds
};
// sample() gives the seconds of one call; it is repeated for the budget. `inner`: calls in one sample, which is divided by it.
Times repeat(const std::function<double()>& sample, int inner = 1);

struct Line {
  std::string name, peer = "functra", dtype;
  double first = 0;  // seconds of the first call
  Times times{};
  double check = 0;
  std::string note{};
  std::string more{};  // further members, as JSON: ", \"call_us\": 0.4"
};
void print(const Line& line);

// The row of a call that is evaluated as it stands.
void measure(const std::string& name, const char* dtype, const std::function<std::vector<Tensor>()>& call, int inner = 1,
             const char* peer = "functra", const char* note = "eager");

}  // namespace bench
