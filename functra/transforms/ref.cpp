#include "functra/transforms/ref.h"

#include "functra/core/interp.h"

namespace functra {

Ref::Ref(const Tensor& initial) : cell_(core::make_ref(initial)) {}
Tensor Ref::get() const { return core::ref_get(cell_); }
void Ref::set(const Tensor& v) const { core::ref_set(cell_, v); }

namespace erased {
using namespace functra::core;

void functionalize(Refs args, Call f) {
  Vec x;
  TreeRef out;
  Closed c;
  std::vector<RefUse> refs;
  std::size_t n = 0;
  {
    Recording t("functionalize", true);
    t.takes_refs = true;
    Scope s(&t);
    for (Tensor* leaf : tree::pointers(args)) {
      if (!leaf->defined()) continue;
      x.push_back(*leaf);
      *leaf = t.input(leaf->aval());
    }
    out = f().value;
    Vec results = tree::leaves(out);
    n = results.size();
    for (const Tensor& y : results)
      if (!y.defined()) throw ValueError("functionalize: the function returns an undefined Tensor (default constructed)");
    for (auto& u : t.refs)
      if (u.written) results.push_back(u.now);
    refs = t.refs;
    c = t.finish(results);
  }
  Vec in = c.captured;
  in.insert(in.end(), x.begin(), x.end());
  for (auto& u : refs) in.push_back(ref_get(u.ref));
  Vec r = eval_program(*c.program, in);
  tree::assign(out, Ins(r).first(n));
  for (auto& u : refs)
    if (u.written) ref_set(u.ref, r[n++]);
}

}  // namespace erased
}  // namespace functra
