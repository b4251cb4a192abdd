// Program: the one intermediate representation. Flat, typed, static single assignment; equations may hold Programs.
//
// Meaning. A Program maps input tensors to output tensors. Equations run in order; each binds its results, once, to fresh
// variables. Every variable has a type (dtype, weakness, shape) that is exact: there are no dynamic shapes. Arithmetic is that
// of the dtype: integers wrap, floating point is IEEE 754 with NaN and infinities as any value, no flush to zero. An equation
// without effects may be removed when its results are unused, and moved; equations with effects keep their order and are never
// removed. No equation changes its operands.
//
// Data. A variable is a number; all operands lie in one pool; an operand v < 0 is literal ~v. Inputs are the hidden ones (tensors
// that the traced function closed over) followed by the explicit ones. No variable refers to its Program, so there are no cycles
// and nothing recurses over the length.
#pragma once
#include <atomic>
#include <map>
#include <mutex>

#include "functra/core/primitive.h"

namespace functra::core {

using Var = std::int32_t;

struct Eqn {
  const Primitive* prim;
  ParamRef params;
  std::uint32_t in, out;      // first operand in the pool, first result variable
  std::uint32_t n_in, n_out;  // not 16 bits: the linear half of a long call has a residual operand per equation
  const void* site;           // return address of the operation's caller; not part of equality
};

// What was derived from a Program, kept with it under a key: thread safe, values live as long as any holder.
class FormCache {
 public:
  std::shared_ptr<const void> find(const std::string& key) const;
  std::shared_ptr<const void> insert(const std::string& key, std::shared_ptr<const void> value) const;  // the first one wins
  // What runs compiled calls of the Program, once it is there; owned by one of the forms.
  mutable std::atomic<const void*> compiled{nullptr};

 private:
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const void>, std::less<>> forms_;
};

struct Program {
  std::vector<Aval> types;             // distinct types of positive rank
  std::vector<std::uint32_t> type_of;  // per variable: a 0-d type's code, or kRank0 + index in types
  std::vector<Var> pool;
  std::vector<std::uint8_t> last;  // per pool entry: the last use, where evaluation drops the operand
  std::vector<Eqn> eqns;
  std::vector<Var> inputs, outputs;
  std::size_t n_hidden = 0;
  bool effects = false;  // holds an effect, at any depth
  bool guard = false;    // holds what must not run on lanes that did not choose it (Primitive::guard), at any depth
  std::uint64_t id = 0;  // of sealed programs: unique in the process
  Vec literals;
  mutable std::size_t hash = 0;
  std::unique_ptr<FormCache> forms;  // of sealed programs

  static constexpr std::uint32_t kRank0 = 2 * dtype_count;
  static std::uint32_t rank0_code(DType d, bool weak) { return 2 * static_cast<std::uint32_t>(d) + weak; }
  static const Aval& rank0_type(std::uint32_t code);
  const Aval& type(Var v) const {
    std::uint32_t t = type_of[static_cast<std::size_t>(v)];
    return t < kRank0 ? rank0_type(t) : types[t - kRank0];
  }
  Aval operand_type(Var v) const { return v < 0 ? literals[static_cast<std::size_t>(~v)].aval() : type(v); }
  Aval out_type(std::size_t i) const { return operand_type(outputs[i]); }
  std::vector<Aval> in_types() const;
  std::vector<Aval> out_types() const;
  std::span<const Var> operands(const Eqn& e) const { return {pool.data() + e.in, e.n_in}; }
  std::uint32_t type_id(const Aval& a);
  Var new_rank0(DType d, bool weak) {
    type_of.push_back(rank0_code(d, weak));
    return static_cast<Var>(type_of.size() - 1);
  }
  Var new_var(const Aval& a) {
    type_of.push_back(type_id(a));
    return static_cast<Var>(type_of.size() - 1);
  }
  Var new_literal(const Tensor& t) {
    literals.push_back(t);
    return ~static_cast<Var>(literals.size() - 1);
  }
  void clear();
  // Appends text that read_program() reads back to an equal Program. `indent` spaces before every line but the first.
  void write(std::string& out, int indent = 0, bool sites = false) const;
  std::string str() const {
    std::string s;
    write(s);
    return s;
  }
};

std::vector<ProgramPtr> inner_programs(const Eqn& e);
bool has_effect(const Eqn& e);
bool needs_guard(const Eqn& e);
std::size_t program_hash(const Program& p);
bool same_program(const Program& a, const Program& b);  // structure, types, parameters, literals; not sites
// Checks that variables are defined before use and once, that operand counts fit, and that every shape rule gives the types
// recorded; ValueError says which equation.
void verify(const Program& p);
ProgramPtr read_program(TextReader& in);
ProgramPtr parse_program(std::string_view text);

// Makes a recorded Program final: liveness, effects. `intern`: an equal Program that is alive is returned instead, with what was
// derived from it. Derived Programs are never interned: a Program owns its forms, and one that came out equal to its origin would
// close a cycle.
ProgramPtr seal(Program&& p, bool intern);
std::vector<std::uint8_t> live_vars(const Program& p, const std::vector<Var>& outputs, bool effects = true);
// The live equations of p, renumbered, with these inputs and outputs. alias: (variable, the one it stands for).
Program compact(const Program& p, const std::vector<Var>& inputs, std::size_t n_hidden, const std::vector<Var>& outputs,
                const std::vector<std::uint8_t>& live, const std::vector<std::pair<Var, Var>>& alias = {}, bool effects = true);
// The same program with other outputs (any of its variables), dead equations pruned, inputs kept.
ProgramPtr with_outputs(const Program& p, const std::vector<Var>& outputs, bool effects = true);
// The same without its effects, at every depth: what computes again must not be seen again.
ProgramPtr without_effects(const ProgramPtr& p);
ParamRef without_effects(const Eqn& e);

// Evaluates by binding every equation in the current interpreter; operands are dropped at their last use. `args` may be
// consumed: entries moved from are released as soon as they are dead.
void eval_program(const Program& p, Ins args, Outs outs);
void eval_program_consuming(const Program& p, std::span<Tensor> args, Outs outs);
Vec eval_program(const Program& p, Ins args);

// A Program and the values of its hidden inputs.
struct Closed {
  ProgramPtr program;
  Vec captured;
};

}  // namespace functra::core
