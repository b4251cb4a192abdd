// What the elementwise primitives are judged by: each function in MPFR, where that is installed, and in long double, which is quick and
// says which results MPFR has to be asked about.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "functra/core/primitive.h"

namespace functra::testing {

struct Judge {
  const char* name;  // the primitive's
  long double (*quick)(long double x, long double y, std::int64_t p);
  // Correct to some 100 bits, then rounded to long double, whose range holds what is below the least double. Null: without MPFR.
  long double (*judge)(double x, double y, std::int64_t p);
  // Errors are in units of the last place of this, at least: of the result alone where it is null.
  double (*magnitude)(double x, double y, std::int64_t p) = nullptr;
  std::vector<double> landmarks{};      // where a formula's pieces meet, and where results begin to overflow, underflow, be exact
  double period = 0;                    // where the argument is reduced by multiples of it
  double lo = -10, hi = 10;             // where a part of the samples is drawn
  std::vector<std::int64_t> params{0};  // those that are tried, of functions with one
  bool trigonometric = false;           // hard next to multiples of pi/2
};
const Judge* judge_of(std::string_view name);  // null: there is none
bool have_mpfr();
// Numbers of `digits` bits up to 2^top that lie closest to multiples of pi/2. Empty without MPFR.
std::vector<double> near_half_pi(int digits, int top);

// ---------------------------------------------------------------- operands, floats where `narrow`
struct Point {
  double x, y;
};
Point sample(const Judge& j, bool binary, bool narrow, std::uint64_t number);  // of a sequence that is always the same
std::vector<Point> hard_cases(const Judge& j, bool binary, bool narrow);

}  // namespace functra::testing
