// Random programs: an expression graph of operations and constructs (transforms, control flow) whose values keep within known bounds,
// so that every operation stays inside its domain, can be differentiated where it stands and rounds benignly.
//
// Each construct has two meanings: the library's, and a plain one - loops, branches and calls written out in C++ - that it is compared
// with. ops.cpp lists the operations, constructs.cpp the constructs: a new one is one entry of a table there.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "functra/functra.h"
#include "functra/tensor/buffers.h"

namespace functra::testing::programs {

struct Type {
  Shape shape;
  double lo, hi;  // every element lies between them
};
struct Op;
struct Function;
using FunctionPtr = std::shared_ptr<const Function>;

// One step: results from operands. Values are numbered: parameters first, then results of the nodes in order.
struct Node {
  const Op* op = nullptr;
  std::vector<int> in{};
  std::vector<std::int64_t> ints{};  // attributes
  std::vector<double> reals{};
  std::vector<FunctionPtr> bodies{};
  std::vector<int> captured{};  // values that bodies close over: their last parameters
  std::vector<Type> out{};
};
struct Function {
  std::vector<Type> params{};
  std::vector<Node> nodes{};
  std::vector<int> results{};
  std::vector<Type> types() const;  // of every value
  std::vector<Type> result_types() const;
};

// Chooses operands, attributes and bodies of a node while a function grows.
class Maker {
 public:
  Maker(std::mt19937_64& rng, Function& f, int depth) : rng_(rng), f_(f), types_(f.types()), depth_(depth) {}
  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(rng_() % static_cast<std::uint64_t>(n)); }
  std::int64_t between(std::int64_t lo, std::int64_t hi) { return lo + below(hi - lo + 1); }
  double real(double lo, double hi) { return lo + (hi - lo) * static_cast<double>(rng_() >> 11) * 0x1p-53; }
  bool chance(double p) { return real(0, 1) < p; }
  int depth() const { return depth_; }  // how deep constructs may still nest
  const Type& type(int v) const { return types_[static_cast<std::size_t>(v)]; }
  // A value that fits, recent ones more often; -1: there is none.
  int pick(const std::function<bool(const Type&)>& fits);
  int any() {
    return pick([](const Type&) { return true; });
  }
  // Adds a node of that operation on those operands, without choices; its first result.
  int add(Node n);
  // v brought to a shape and between bounds: through its mean where the number of elements differs, and a smooth squash.
  int fit(int v, const Type& to);
  // A body with these parameters, then the captured values' types; it closes over up to `captures` values of this function, which
  // `n` lists. With `results`, its results have exactly those types; else it has one or two of its choice.
  FunctionPtr body(Node& n, std::vector<Type> params, int captures, const std::vector<Type>* results = nullptr);

 private:
  std::mt19937_64& rng_;
  Function& f_;
  std::vector<Type> types_;
  int depth_;
};

struct Op {
  const char* name;
  double weight;  // how often it is tried
  // Fills the node, but for `op`; false where no values fit.
  std::function<bool(Maker&, Node&)> make;
  // The results. `plain`: with nothing of the library but operations and derivatives.
  std::function<Vec(const Node&, const Vec& in, const Vec& captured, bool plain)> run;
};
const std::vector<Op>& operations();
const std::vector<Op>& constructs();
const Op& op_named(const std::string& name);

inline DType dtype = f64;  // of every value; programs run in f32 too

Vec run(const Function& f, const Vec& args, bool plain);
// A body on its arguments and the values it closes over.
Vec run(const FunctionPtr& f, const Vec& args, const Vec& captured, bool plain);

Function generate(std::uint64_t seed);
std::string text(const Function& f, int indent = 0);
std::int64_t size(const Function& f);    // nodes, those of bodies included
std::int64_t weight(const Function& f);  // what shrinking lessens

// Smaller functions that are worth trying in f's place, the boldest first; each is well formed.
std::vector<Function> reductions(const Function& f);

// ---- bounds
inline constexpr double limit = 20;  // no value is larger
inline Type bounded(const Shape& s, double lo, double hi) { return {s, lo, hi}; }
inline double magnitude(const Type& t) { return std::max(std::fabs(t.lo), std::fabs(t.hi)); }
bool acceptable(const Type& t);  // within the limit, and small

}  // namespace functra::testing::programs
