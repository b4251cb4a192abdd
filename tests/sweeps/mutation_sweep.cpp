// Do the rows notice a wrong rule? Each result of each rule of each primitive (evaluation, jvp, linearize, transpose, batching) in turn
// comes out 1.01 times as large - bools flipped, integers with a low bit flipped - and some law of the primitive's rows must
// break. The rule tables are constants: the test makes their pages writable and puts its own functions in.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <set>

#include "functra/core/interp.h"
#include "functra/functra.h"
#include "functra/prims/math.h"
#include "tests/laws/laws.h"
#include "tests/laws_count.h"

namespace functra::testing {
namespace {
using namespace functra::core;

// Rules (or one of their results, by its number) that no law can hold to a value, with the reason.
const char* const no_tangents = "integers and bools carry no tangents";
const std::map<std::string, const char*> exempt = {
    {"draw_bits evaluation", "draws differ from call to call: tests/random_test.cpp"},
    {"draw_bits batching", "draws differ from call to call: tests/random_test.cpp"},
    {"draw_bits jvp", no_tangents},
    {"random_bits jvp", no_tangents},
    {"iota jvp", no_tangents},
    {"bitwise_and jvp", no_tangents},
    {"bitwise_or jvp", no_tangents},
    {"bitwise_xor jvp", no_tangents},
    {"bitwise_not jvp", no_tangents},
    {"shift_left jvp", no_tangents},
    {"shift_right jvp", no_tangents},
    {"reduce_and jvp", no_tangents},
    {"reduce_or jvp", no_tangents},
    {"lu_pivots_to_permutation jvp", no_tangents},
    {"debug_print evaluation", "no results"},
    {"debug_print jvp", "no results"},
    {"debug_print batching", "no results"},
    {"debug_callback evaluation", "no results"},
    {"debug_callback jvp", "no results"},
    {"debug_callback batching", "no results"},
    {"while transpose", "it throws: while is linearised"},
    {"sweep_linear transpose 12", "its cotangent is that of a sum's start, which is a known zero"},
};

enum Rule { evaluation, jvp_rule, linearize_rule, transpose_rule, batching };
const char* const rule_names[] = {"evaluation", "jvp", "linearize", "transpose", "batching"};

// What is being mutated. Results are numbered; those of jvp and linearize are the tangents, and from `values` on the values.
constexpr std::size_t values = 100;
struct {
  const Primitive* prim = nullptr;
  Primitive original{};
  Rule rule{};
  std::size_t slot = 0;
  double factor = 1;                                    // 1: nothing changes; the control, which counts results
  std::map<Rule, std::map<std::size_t, long>> results;  // defined and not empty, by rule and number
} mutated;

bool hit(Rule r, std::size_t slot, bool defined) {
  if (defined) ++mutated.results[r][slot];
  return defined && mutated.rule == r && mutated.slot == slot && mutated.factor != 1;
}
// Bits flipped in integers: the lowest one, and in wide ones another that a double of that size shows.
std::int64_t flipped(DType d) { return size_of(d) == 8 ? 0x2001 : 1; }
Tensor changed(const Tensor& t) {  // by operations of the current interpreter
  DType d = t.raw_dtype();
  if (d == bool_) return prims::bitwise_not(t);
  if (is_floating(d) || is_complex(d)) return prims::mul(t, Tensor(mutated.factor));
  return prims::bitwise_xor(t, prims::like(static_cast<double>(flipped(d)), t));
}
Tensor changed_value(const Tensor& t) {  // concrete, by no operation
  Tensor from = t.contiguous();
  DType d = t.raw_dtype();
  Tensor to = t.is_scalar() ? Tensor::scalar_bits(d, 0, t.weak()) : Tensor::uninitialized(d, t.shape_ref());
  auto* in = static_cast<const std::byte*>(from.bytes());
  auto* out = static_cast<std::byte*>(to.mutable_bytes());
  for (std::int64_t i = 0; i < t.numel(); ++i, in += size_of(d), out += size_of(d)) {
    Scalar v = Scalar::load(d, in);
    if (d == bool_) v = Scalar(!static_cast<bool>(v));
    else if (v.type() == u64) v = Scalar(static_cast<std::uint64_t>(v) ^ static_cast<std::uint64_t>(flipped(d)));
    else if (v.integral()) v = Scalar(static_cast<std::int64_t>(v) ^ flipped(d));
    else if (is_complex(d)) v = Scalar(static_cast<std::complex<double>>(v) * mutated.factor);
    else v = Scalar(v.real() * mutated.factor);
    v.store(d, out);
  }
  return to;
}
bool has_elements(const Tensor& t) { return !is_zero(t) && (!t.concrete() || t.numel() > 0); }
void change(Rule r, std::size_t first, Outs out) {
  for (std::size_t k = 0; k < out.size(); ++k)
    if (hit(r, first + k, has_elements(out[k]))) out[k] = r == evaluation ? changed_value(out[k]) : changed(out[k]);
}

void eval_(const Call& c, Ins in, Outs out) {
  mutated.original.eval(c, in, out);
  change(evaluation, 0, out);
}
void jvp_(const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  mutated.original.jvp(c, x, t, y, dy);
  change(jvp_rule, 0, dy);
  change(jvp_rule, values, y);
}
void linearize_(const Call& c, Ins x, Ins t, Outs y, Outs dy) {
  mutated.original.linearize(c, x, t, y, dy);
  change(linearize_rule, 0, dy);
  change(linearize_rule, values, y);
}
void transpose_(const Call& c, Ins ct, std::span<const Operand> in, Outs ct_in) {
  mutated.original.transpose(c, ct, in, ct_in);
  change(transpose_rule, 0, ct_in);
}
void batch_(const Call& c, const BatchContext& b, std::span<Batched> in, std::span<Batched> out) {
  mutated.original.batch(c, b, in, out);
  for (std::size_t k = 0; k < out.size(); ++k)
    if (hit(batching, k, has_elements(out[k].value))) out[k].value = changed(out[k].value);
}

class Installed {  // our functions in the table of a primitive, for a scope
 public:
  explicit Installed(const Primitive& p) {
    mutated.prim = &p;
    mutated.original = p;
    Primitive q = p;
    if (p.eval) q.eval = eval_;
    if (p.jvp) q.jvp = jvp_;
    if (p.linearize) q.linearize = linearize_;
    if (p.transpose) q.transpose = transpose_;
    if (p.batch) q.batch = batch_;
    put(q);
  }
  ~Installed() { put(mutated.original); }
  Installed(const Installed&) = delete;

 private:
  static void put(const Primitive& rules) {
    auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE)), at = reinterpret_cast<std::uintptr_t>(mutated.prim);
    auto* from = reinterpret_cast<void*>(at & ~(page - 1));
    std::size_t bytes = ((at + sizeof(Primitive) + page - 1) & ~(page - 1)) - (at & ~(page - 1));
    if (mprotect(from, bytes, PROT_READ | PROT_WRITE) != 0) throw std::runtime_error("mprotect");
    auto* table = const_cast<Primitive*>(mutated.prim);
    table->eval = rules.eval;
    table->jvp = rules.jvp;
    table->linearize = rules.linearize;
    table->transpose = rules.transpose;
    table->batch = rules.batch;
  }
};
// The outermost interpreter: every evaluation comes here, none takes a short cut that the compiler made past the table.
struct Evaluating final : Interp {
  Evaluating() : Interp("evaluation", true) {}
  void process(const Call& c, Ins in, Outs out) override { c.prim.eval(c, in, out); }
};

// The results that the rows' samples themselves ask of the primitive; derivatives may bind it with more.
std::size_t count_results(const std::vector<Row>& rows) {
  Evaluating e;
  Scope s(&e);
  mutated.results.clear();
  for (const Row& r : rows)
    for (const Sample& sample : r.samples) (void)sample.f(sample.in);
  auto& seen = mutated.results[evaluation];
  return seen.empty() ? 0 : seen.rbegin()->first + 1;
}
std::vector<std::string> broken(const std::vector<Row>& rows) {
  Evaluating e;
  Scope s(&e);
  for (const Row& r : rows) {
    Outcome o = run_battery(r, true);
    if (!o.broken.empty()) return o.broken;
  }
  return {};
}

TEST(MutationSweep, EveryRuleIsHeldByItsRow) {
  std::map<std::string, std::vector<Row>> by_name;
  for (auto& [name, make] : rows()) {
    Row r = make();
    if (r.name.empty()) r.name = name;
    by_name[r.name].push_back(std::move(r));
  }
  const bool verbose = std::getenv("FUNCTRA_PRINT_MUTATIONS");
  std::set<std::string> not_run, exempted;
  long mutations = 0;
  for (const Primitive* p : all_primitives()) {
    const auto& rows = by_name[p->name];
    Installed installed(*p);
    mutated.factor = 1;
    const std::size_t n = count_results(rows);
    mutated.results.clear();
    auto control = broken(rows);
    ASSERT_TRUE(control.empty()) << p->name << " unchanged: " << control[0];
    auto results = mutated.results;
    const bool has[] = {mutated.original.eval != nullptr, mutated.original.jvp != nullptr, mutated.original.linearize != nullptr,
                        mutated.original.transpose != nullptr, mutated.original.batch != nullptr};
    mutated.factor = 1.01;
    for (Rule r : {evaluation, jvp_rule, linearize_rule, transpose_rule, batching}) {
      if (!has[r]) continue;
      std::string name = std::string(p->name) + " " + rule_names[r];
      if (exempt.count(name)) {
        exempted.insert(name);
        continue;
      }
      if (results[r].empty()) not_run.insert(name);
      mutated.rule = r;
      for (auto& [slot, times] : results[r]) {
        if (r != transpose_rule && slot % values >= n) continue;
        std::string numbered = name + " " + std::to_string(slot);
        if (exempt.count(numbered)) {
          exempted.insert(numbered);
          continue;
        }
        mutated.slot = slot;
        auto b = broken(rows);
        ++mutations;
        count_law(!b.empty());
        if (b.empty()) ADD_FAILURE() << name << ", result " << slot << " (" << times << " times): 1.01 times as large, and no law breaks";
        else if (verbose) std::printf("%-40s %zu %s\n", name.c_str(), slot, b[0].c_str());
      }
    }
  }
  std::printf("%ld mutations\n", mutations);
  for (auto& n : not_run) ADD_FAILURE() << n << ": no sample makes it give a result";
  for (auto& [n, why] : exempt) EXPECT_TRUE(exempted.count(n)) << n << " is exempt and does not exist";
}

}  // namespace
}  // namespace functra::testing
