#include "functra/base/num.h"

#include <cmath>

namespace functra::num {

extern "C" {
double functra_sin(double x) {
  const double y = std::sin(x);
  return std::fabs(y) < 0x1p-20 ? static_cast<double>(std::sin(static_cast<long double>(x))) : y;
}
double functra_cos(double x) {
  const double y = std::cos(x);
  return std::fabs(y) < 0x1p-20 ? static_cast<double>(std::cos(static_cast<long double>(x))) : y;
}
double functra_tan(double x) {
  const double y = std::tan(x), a = std::fabs(y);
  return a < 0x1p-20 || a > 0x1p20 ? static_cast<double>(std::tan(static_cast<long double>(x))) : y;
}
}

}  // namespace functra::num
