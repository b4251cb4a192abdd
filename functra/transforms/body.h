// What the bodies of control flow share: tracing them with the Refs they touch, and the messages that name their leaves.
#pragma once
#include "functra/core/basis.h"
#include "functra/prims/holder.h"
#include "functra/transforms/control_flow.h"

namespace functra::erased {
using namespace functra::core;

using prims::append;
using prims::joined;
using Types = std::vector<Aval>;

std::string key_of(TreeRef t);                   // its structure
std::string named(TreeRef t, std::size_t leaf);  // " w.b", or nothing for a bare tensor
Types types_of(Ins x);
Types slice_types(Ins x);                                          // without dimension 0
Vec defined_leaves(TreeRef t, const char* who, const char* what);  // ValueError for an undefined one
inline Tensor as_type(const Tensor& t, const Aval& a) { return core::as_type(t, a.dtype, a.weak); }
Tensor firm(const Tensor& t);                                     // a bare number as a tensor of its default dtype
bool adopts(const Aval& weak, DType d);                           // may a bare number of this kind become a d
Tensor rows(const Tensor& x, std::int64_t from, std::int64_t n);  // n slices along dimension 0
// How many slices all of xs have; ShapeError, ValueError where they differ, or where neither xs nor the options say.
std::int64_t steps_of(TreeRef xs, const Vec& x, const ScanOptions& o, const char* who);

// A traced body. Inputs: captured tensors, those given, the Refs it touches; outputs: those returned, the Refs it writes.
struct Traced {
  ProgramPtr program;
  Vec captured;
  std::vector<RefUse> refs;
};
class Trace {
 public:
  explicit Trace(const char* who, bool takes_refs = true) : recording_(who, true), scope_(&recording_) { recording_.takes_refs = takes_refs; }
  Vec inputs(const Types& types);
  Traced finish(Vec outputs);
  Closed closed(Ins outputs) { return recording_.finish(outputs); }  // of one that takes no Refs

 private:
  Recording recording_;
  Scope scope_;
};
std::vector<RefPtr> refs_of(const std::vector<RefUse>& refs, bool written);  // those written, or those only read
Vec values_of(const std::vector<RefPtr>& refs);
void write_back(const std::vector<RefPtr>& refs, Ins values);

}  // namespace functra::erased
