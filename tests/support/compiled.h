// Functions compiled against the same functions evaluated eagerly.
#pragma once
#include <functional>
#include <string>

#include "functra/functra.h"
#include "functra/tensor/buffers.h"

namespace functra::testing {

using Leaves = std::function<Vec(const Vec&)>;

enum class Match {
  ulps,     // each element within 4 units in its last place (16-bit floats, integers: none); NaN, infinities and signs at the same places
  rounded,  // within 64 eps of the dtype, relative to the largest value of the result; NaN and infinities at the same places
  bits      // equal in every bit; NaN at the same places
};
// What differs, or an empty string. `deep` multiplies the tolerance, for programs that are many operations deep.
std::string results_differ(const Vec& is, const Vec& should, Match match = Match::rounded, double deep = 1);
// f compiled, called twice, and its Program compiled without any pass, against f eager.
std::string compiled_differs(const Leaves& f, const Vec& in, Match match = Match::rounded, double deep = 1);
// While it lives, expect_compiled takes one name in `one_in`, always the same ones; all of them where `thorough` is set, as in the second
// tier, which holds the same tests.
struct Sampled {
  explicit Sampled(unsigned one_in);
  ~Sampled();
};
extern bool thorough;
// Counts as a law, and reports what differs under this name.
void expect_compiled(const std::string& name, const Leaves& f, const Vec& in, Match match = Match::rounded, double deep = 1);
// The Program of f run as native code after all passes but those in `off`. Without LLVM: evaluated.
Vec run_native(const functra::Program& p, const Vec& leaves, const std::vector<std::string>& off = {});
std::vector<std::string> all_passes();

// Distinct values of every dtype, of magnitude around one (integers: small), negative ones where there are such.
Tensor numbers(const Shape& s, DType d = f64, int seed = 0);
// The same values, stored otherwise: `which` of 0 ... 4: contiguous, transposed, with gaps, backwards, a slice of something larger.
inline constexpr int layouts = 5;
Tensor stored(const Tensor& t, int which);

}  // namespace functra::testing
