// Operations of the user's own C++: effects that are kept in order (print, callback), pure callbacks, and defined primitives. A Program
// names such a function; the name leads back to it as long as something holds it.
#pragma once
#include <functional>

#include "functra/prims/holder.h"

namespace functra::prims {

struct HostFunction {
  std::string name;
  std::function<Vec(Ins)> call;  // on concrete tensors
};
using HostPtr = std::shared_ptr<const HostFunction>;
// An empty name is replaced by one that is unique in the process. ValueError if the name is taken.
HostPtr register_host(std::string name, std::function<Vec(Ins)> f);
inline std::size_t hash_of(const HostPtr& f) { return std::hash<const void*>()(f.get()); }
void write(std::string& out, const HostPtr& f);
void read(core::TextReader& in, HostPtr& f);  // an error if no such function is alive

// One line per lane: the format with each "{}" replaced by a tensor. `lanes`: operands are [lanes, ...], unless it is 0. masked: the
// first operand is a bool, per lane, that says whether the line is printed.
struct PrintParams {
  std::string format;
  std::int64_t lanes = 0;
  bool masked = false;
};
struct EffectParams {
  HostPtr f;
  std::int64_t lanes = 0;
  bool masked = false;
};
extern const Primitive debug_print_p, debug_callback_p;
// Where lines go; standard output by default.
void set_print_sink(std::function<void(const std::string&)> sink);

enum class CallbackVmap : std::uint8_t { error, sequential, expand_dims, broadcast_all };
struct CallbackParams {
  HostPtr f;
  std::vector<Aval> results;
  CallbackVmap vmap = CallbackVmap::error;
};
extern const Primitive pure_callback_p;

// A primitive that the user defined. Null rules are absent.
struct HostOp {
  std::string name;
  int results = 1;
  std::function<Types(std::span<const Aval>)> shape;
  std::function<void(Ins, Outs)> eval;                                // contiguous operands; results allocated
  std::function<Vec(Ins x, Ins y, Ins t)> jvp;                        // tangents of the results; null: zero
  std::function<Vec(Ins ct, std::span<const Operand> in)> transpose;  // cotangents of the linear operands, null elsewhere
  std::function<std::vector<Batched>(std::int64_t size, std::span<const Batched> in)> batch;
  CallbackVmap vmap = CallbackVmap::error;  // where there is no batching rule
};
using HostOpPtr = std::shared_ptr<const HostOp>;
HostOpPtr register_op(HostOp op);  // ValueError if the name is taken
inline std::size_t hash_of(const HostOpPtr& f) { return std::hash<const void*>()(f.get()); }
void write(std::string& out, const HostOpPtr& f);
void read(core::TextReader& in, HostOpPtr& f);
struct HostOpParams {
  HostOpPtr op;
};
extern const Primitive host_op_p, host_linear_op_p;  // without, and with a transpose rule

// A function whose batching the user wrote. rule(size, which operands are mapped, operands mapped in front) -> results and whether each
// is mapped. Derivatives are those of the function itself.
struct VmapRule {
  std::string name;
  std::function<std::vector<Batched>(std::int64_t size, const Mask& mapped, Ins in)> call;
};
using VmapRulePtr = std::shared_ptr<const VmapRule>;
VmapRulePtr register_vmap_rule(VmapRule rule);
inline std::size_t hash_of(const VmapRulePtr& f) { return std::hash<const void*>()(f.get()); }
void write(std::string& out, const VmapRulePtr& f);
void read(core::TextReader& in, VmapRulePtr& f);
struct CustomVmapParams {
  ProgramPtr program;
  VmapRulePtr rule;
};
extern const Primitive custom_vmap_p;

}  // namespace functra::prims
