// Running an executable.
#include "functra/runtime/executable.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <thread>

#include "functra/base/pool.h"
#include "functra/compiler/passes.h"
#include "functra/core/interp.h"
#include "functra/core/replay.h"
#include "functra/prims/contract.h"
#include "functra/prims/control.h"
#include "functra/prims/loop.h"
#include "functra/runtime/parts.h"
#include "functra/runtime/plan_file.h"
#include "functra/runtime/runner-inl.h"
#include "functra/runtime/workspace.h"

namespace functra::runtime {

using core::ProgramPtr;

namespace {

Tensor room_for(const Aval& a) {
  return a.shape.empty() && size_of(a.dtype) <= 8 ? Tensor::scalar_bits(a.dtype, 0, a.weak) : Tensor::uninitialized(a.dtype, a.shape);
}

}  // namespace

// ---------------------------------------------------------------- making one
namespace {
ProgramPtr after_passes(const ProgramPtr& program, double& ms, compiler::PassReport* report) {
  const double start = now_ms();
  ProgramPtr r = compiler::optimize(program, compiler::passes_off(), report);
  ms = now_ms() - start;
  return r;
}
struct Lazy {
  std::once_flag once;
  ExecutablePtr made;
};
// Kept with the program, which owns its forms: the executable refers to it without owning it.
ExecutablePtr kept(const ProgramPtr& p, bool optimised, function_ref<ExecutablePtr(const ProgramPtr&)> make) {
  const std::string key = optimised ? "native body" : "native";
  auto lazy = std::static_pointer_cast<const Lazy>(p->forms->find(key));
  if (!lazy) lazy = std::static_pointer_cast<const Lazy>(p->forms->insert(key, std::make_shared<const Lazy>()));
  auto& l = const_cast<Lazy&>(*lazy);
  std::call_once(l.once, [&] { l.made = make(ProgramPtr(ProgramPtr(), p.get())); });
  return l.made;
}

// All that a plan depends on.
std::string key_of(const core::Program& p, bool optimised) {
  std::string key = "plan " + std::to_string(num_threads()) + " of " + std::to_string(std::thread::hardware_concurrency()) + " threads, without";
  for (auto& name : compiler::passes_off()) key += " " + name;
  key += optimised ? " of a body, " : ", ";
  key += compiler::generator();
  p.write(key);
  return key;
}
// shared: another process may use it.
ExecutablePtr read_or_make(const ProgramPtr& p, bool optimised, bool shared) {
  if (!shared || !compiler::keeps_objects() || dumps()) return std::make_shared<const Executable>(p, optimised);
  const double start = now_ms();
  const compiler::Digest name(key_of(*p, optimised));
  if (auto bytes = compiler::load_object(name))
    if (auto plan = read_plan({bytes->data(), bytes->size()}))
      return std::make_shared<const Executable>(std::move(*plan), p, optimised, now_ms() - start);
  auto made = std::make_shared<const Executable>(p, optimised);
  compiler::store_object(name, write_plan(made->plan()));
  return made;
}
// The last programs that were compiled stay, so that an equal one finds what was made of them.
void keep_for_a_while(const ProgramPtr& p) {
  constexpr std::size_t most = 256, large = 5000;  // programs; equations
  static auto* mutex = new std::mutex;
  static auto* recent = new std::deque<ProgramPtr>;
  ProgramPtr oldest;
  if (compiler::count_equations(*p) > large) return;
  std::lock_guard lock(*mutex);
  recent->push_back(p);
  if (recent->size() <= most) return;
  oldest = std::move(recent->front());
  recent->pop_front();
}
// All but NaN of other bits than the usual ones.
bool prints_in_full(const Tensor& t) {
  if (!is_floating(t.raw_dtype()) && !is_complex(t.raw_dtype())) return true;
  const Tensor c = t.contiguous();
  const std::size_t size = size_of(c.raw_dtype());
  const auto* p = static_cast<const std::byte*>(c.bytes());
  for (std::int64_t i = 0; i < c.numel(); ++i, p += size) {
    const Scalar x = Scalar::load(c.raw_dtype(), p);
    const auto z = static_cast<std::complex<double>>(x);
    if (!std::isnan(z.real()) && !std::isnan(z.imag())) continue;
    alignas(16) std::byte again[16];
    const std::string text = x.str();
    core::TextReader(text).number().store(c.raw_dtype(), again);
    if (std::memcmp(again, p, size) != 0) return false;
  }
  return true;
}
}  // namespace
bool text_tells(const core::Program& p) {
  return std::ranges::all_of(p.literals, prints_in_full) && std::ranges::all_of(p.eqns, [](const core::Eqn& e) {
           const core::Params q = e.params;
           return core::find_primitive(e.prim->name) == e.prim && (!q.type || q.type->text_tells) &&
                  std::ranges::all_of(core::inner_programs(e), [](const ProgramPtr& inner) { return text_tells(*inner); });
         });
}
Executable::Executable(ProgramPtr program, bool optimised) {
  if (optimised) {
    plan_ = Plan(std::move(program));
    return;
  }
  compiler::PassReport report;
  const bool dumped = dumps();
  plan_ = Plan(after_passes(program, before_ms_, dumped ? &report : nullptr));
  if (dumped) dump(*program, report, *this);
}
Executable::Executable(Plan plan, ProgramPtr program, bool optimised, double ms)
    : before_ms_(ms), plan_(std::move(plan)), source_(std::move(program)), optimised_(optimised) {}

ExecutablePtr executable(const ProgramPtr& p, bool optimised) {
  return kept(p, optimised, [&](const ProgramPtr& q) {
    const bool shared = text_tells(*p);  // else it holds functions of the user's, who says how long they live
    if (shared) keep_for_a_while(p);
    return read_or_make(q, optimised, shared);
  });
}
ExecutablePtr body_executable(const ProgramPtr& p) {
  return kept(p, true, [](const ProgramPtr& q) { return std::make_shared<const Executable>(q, true); });
}

// ---------------------------------------------------------------- entry
void Executable::run(std::span<Tensor> args, Outs outs) const {
  if (args.size() != plan_.n_in) throw ValueError("a program of " + std::to_string(plan_.n_in) + " inputs got " + std::to_string(args.size()));
  Buf<void*, 48> at(plan_.slots.size());
  Buf<Tensor, 48> tensors(plan_.slots.size());
  Workspace work(plan_.arena_bytes);
  Frame f{at.begin(), tensors.begin(), work.data(), true};
  for (std::size_t i = 0; i < plan_.slots.size(); ++i) {
    const Slot& s = plan_.slots[i];
    if (s.where == Where::input) {
      tensors[i] = std::move(args[s.at]);
      if (!tensors[i].is_contiguous()) tensors[i] = tensors[i].contiguous();
      at[i] = const_cast<void*>(tensors[i].bytes());
    } else if (s.where == Where::arena) {
      at[i] = work.data() + s.at;
    }
  }
  run_steps(f);
  for (std::size_t i = 0; i < outs.size(); ++i) {
    const Place k = plan_.result_place[i];
    outs[i] = k < 0 ? plan_.constant(k) : tensors[static_cast<std::size_t>(k)];
  }
}
void Executable::run_raw(void* const* in, void* const* out, std::byte* workspace) const {
  if (plan_.direct) {
    const std::size_t n_in = plan_.n_in;
    Buf<void*, 24> buffers(plan_.direct->buffers.size());
    for (std::size_t k = 0; k < buffers.size(); ++k) {
      const std::size_t at = plan_.direct->buffers[k];
      buffers[k] = at < n_in ? in[at] : out[at - n_in];
    }
    return plan_.direct->code(buffers.begin(), plan_.direct->begin, plan_.direct->end);
  }
  Buf<void*, 48> at(plan_.slots.size());
  Buf<Tensor, 48> tensors(plan_.slots.size());
  Frame f{at.begin(), tensors.begin(), workspace, false};
  for (std::size_t i = 0; i < plan_.slots.size(); ++i) {
    const Slot& s = plan_.slots[i];
    if (s.where == Where::input) at[i] = in[s.at];
    else if (s.where == Where::arena) at[i] = workspace + s.at;
    else if (s.where == Where::result) at[i] = out[s.at];
  }
  run_steps(f);
  for (std::size_t i = 0; i < plan_.result_place.size(); ++i) {
    const Place k = plan_.result_place[i];
    const void* from = k < 0 ? plan_.literal(k).bytes() : at[static_cast<std::size_t>(k)];
    if (from != out[i]) std::memcpy(out[i], from, static_cast<std::size_t>(core::bytes_of(plan_.results[i])));
  }
}
namespace {
bool contiguous(const Tensor& t) { return t.is_scalar() || t.array().contiguous; }
}  // namespace
void Executable::run_bound(std::span<const Tensor* const> args, std::span<Tensor* const> outs) const {
  constexpr std::size_t few = 24;
  Buf<void*, few> in(args.size()), out(outs.size());
  Buf<Tensor, few> made(args.size() + outs.size());  // copies of operands, new results
  for (std::size_t i = 0; i < args.size(); ++i) {
    const Tensor& t = *args[i];
    if (!contiguous(t)) made[i] = t.contiguous();
    in[i] = const_cast<void*>((contiguous(t) ? t : made[i]).bytes());
  }
  for (std::size_t i = 0; i < outs.size(); ++i) {
    const Aval& want = plan_.results[i];
    Tensor &t = *outs[i], &fresh = made[args.size() + i];
    const bool fits = t.unique_storage() && t.raw_dtype() == want.dtype && contiguous(t) && t.shape_ref() == want.shape;
    if (!fits || std::find(in.begin(), in.end(), t.bytes()) != in.end()) fresh = room_for(want);
    out[i] = (fresh.defined() ? fresh : t).mutable_bytes();
  }
  Workspace work(plan_.arena_bytes);
  run_raw(in.begin(), out.begin(), work.data());
  for (std::size_t i = 0; i < outs.size(); ++i)
    if (Tensor& fresh = made[args.size() + i]; fresh.defined()) *outs[i] = std::move(fresh);
}
void Executable::run_steps(Frame& f) const {
  for (std::size_t k = 0; k < plan_.steps.size(); ++k) {
    if (plan_.steps[k].group > 1 && !core::current && num_threads() > 1) {
      run_group(k, f);
      k += plan_.steps[k].group - 1;
    } else {
      run_step(plan_.steps[k], f);
    }
    for (std::int32_t d : plan_.steps[k].dead) f.tensors[d] = Tensor();
  }
}
void Executable::run_step(const Step& s, Frame& f) const {
  switch (s.kind) {
    case Step::Kind::nests: return run_nests(s, f);
    case Step::Kind::call: return run_call(s, f);
    case Step::Kind::scan: return run_scan(s, f);
    case Step::Kind::loop: return run_loop(s, f);
    case Step::Kind::branch: return run_branch(s, f);
  }
}
// Each step writes places of its own; what they read is there before.
void Executable::run_group(std::size_t first, Frame& f) const {
  const std::size_t n = plan_.steps[first].group;
  for (const Step& s : std::span(plan_.steps).subspan(first, n)) {
    if (s.kind != Step::Kind::call) continue;
    for (Place p : s.in)
      if (p >= 0) (void)as_tensor(p, f, false);
  }
  parallel_for(static_cast<std::int64_t>(n), 1, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t k = from; k < to; ++k) run_step(plan_.steps[first + static_cast<std::size_t>(k)], f);
  });
}
const void* Executable::operand(Place p, Frame& f) const { return p < 0 ? plan_.literal(p).bytes() : f.at[p]; }

namespace {
// Nobody else sees its memory, which is all there is of its block.
bool sole(const Tensor& t) {
  if (!t.unique_storage() || !t.array().contiguous) return false;
  const Storage& s = *t.array().storage;
  return s.block && s.data == t.array().data && s.bytes == static_cast<std::size_t>(t.array().numel) * size_of(t.raw_dtype());
}
}  // namespace
// Where a step writes this result; where no place is given, in a tensor, a new one or the one that it may take.
void* Executable::room(std::int32_t slot, Frame& f) const {
  if (f.at[slot]) return f.at[slot];
  const Slot& s = plan_.slots[static_cast<std::size_t>(slot)];
  const auto given = std::ranges::find_if(s.over, [&](std::int32_t k) { return sole(f.tensors[k]); });
  f.tensors[slot] = given == s.over.end() ? room_for(s.type) : std::move(f.tensors[*given]);
  return f.at[slot] = f.tensors[slot].mutable_bytes();
}

// ---------------------------------------------------------------- kernels that are not ours to generate
Tensor Executable::as_tensor(std::int32_t slot, Frame& f, bool may_keep) const {
  const Slot& s = plan_.slots[static_cast<std::size_t>(slot)];
  Tensor& t = f.tensors[slot];
  if (t.defined()) {
    const bool lent = may_keep && !t.is_scalar() && !t.array().storage->block;  // to an earlier step, which could not keep it
    return lent ? Tensor::copy_of(f.at[slot], s.type.dtype, s.type.shape) : t;
  }
  if (s.type.shape.empty()) {
    t = room_for(s.type);
    std::memcpy(t.mutable_bytes(), f.at[slot], s.bytes);
  } else if (may_keep) {
    return Tensor::copy_of(f.at[slot], s.type.dtype, s.type.shape);
  } else {
    static const std::shared_ptr<void> nobody = std::make_shared<int>(0);
    t = Tensor::borrow(f.at[slot], s.type.dtype, s.type.shape, nobody);
  }
  return t;
}
void Executable::run_call(const Step& s, Frame& f) const {
  const core::Call call{*s.prim, s.params};
  core::Site site(core::current ? s.site : nullptr);
  const bool may_keep = !f.owned && s.prim->lowering.kind == core::Lowering::Kind::none;  // it may hand its operands to the user's code
  Buf<Tensor, 8> in(s.in.size()), out(s.out.size());
  for (std::size_t k = 0; k < s.in.size(); ++k) in[k] = s.in[k] < 0 ? plan_.literal(s.in[k]) : as_tensor(s.in[k], f, may_keep);
  if (s.group == 1)
    for (std::int32_t k : s.dead) f.tensors[k] = Tensor();  // the operands are now those of `in` alone
  if (!s.order.empty() && !core::current) out[0] = prims::dot_general_in_order(in[0], in[1], call.params.get<prims::DotParams>(), s.order);
  else if (s.prim->consume && !core::current) s.prim->consume(call, in, out);
  else core::bind_prim(call, in, out);
  if (!s.order.empty() && core::current) out[0] = out[0].permute(s.order);
  for (std::size_t k = 0; k < s.out.size(); ++k) {
    Tensor& t = f.tensors[s.out[k]];
    t = std::move(out[k]);
    if (!t.is_contiguous() && !plan_.slots[static_cast<std::size_t>(s.out[k])].any_strides) t = t.contiguous();
    f.at[s.out[k]] = const_cast<void*>(t.bytes());
  }
}

// ---------------------------------------------------------------- loop nests
void Executable::run_nests(const Step& s, Frame& f) const {
  const std::size_t n_in = s.in.size(), n = n_in + s.out.size();
  Buf<void*, 24> buffers(n);
  for (std::size_t k = 0; k < n_in; ++k) buffers[k] = const_cast<void*>(operand(s.in[k], f));
  for (std::size_t k = 0; k < s.out.size(); ++k) { buffers[n_in + k] = room(s.out[k], f); }
  runtime::run_nests(plan_, s, buffers.begin());
}

// ---------------------------------------------------------------- loops and branches
namespace {
// The carry of a loop, in two places that take turns.
class Turns {
 public:
  Turns(std::byte* at, std::span<const std::size_t> bytes) : even_(bytes.size()), odd_(bytes.size()) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      even_[i] = at;
      odd_[i] = at + aligned(bytes[i]);
      at += 2 * aligned(bytes[i]);
    }
    end_ = at;
  }
  void* next(bool odd, std::size_t i) { return odd ? odd_[i] : even_[i]; }
  std::byte* end() const { return end_; }

 private:
  Buf<void*, 32> even_, odd_;
  std::byte* end_;
};
}  // namespace

void Executable::run_scan(const Step& s, Frame& f) const {
  const Trips& q = s.trips;
  const Executable& body = *s.bodies[0];
  const std::size_t n_const = static_cast<std::size_t>(q.n_const), n_carry = static_cast<std::size_t>(q.n_carry), fixed = n_const + n_carry,
                    skip = q.counted, n_in = s.in.size() - skip, n_out = s.out.size();
  std::int64_t steps = q.length;
  if (q.counted) {
    const Aval t = plan_.type(s.in[0]);
    steps = std::clamp<std::int64_t>(static_cast<std::int64_t>(Scalar::load(t.dtype, operand(s.in[0], f))), 0, q.length);
  }
  Buf<std::size_t, 32> stride(n_in), out_bytes(n_out);
  for (std::size_t i = fixed; i < n_in; ++i) {
    const Aval t = plan_.type(s.in[skip + i]);
    stride[i] = static_cast<std::size_t>(t.shape.numel() / std::max<std::int64_t>(1, q.length)) * size_of(t.dtype);
  }
  for (std::size_t i = 0; i < n_out; ++i) {
    const Slot& r = plan_.slots[static_cast<std::size_t>(s.out[i])];
    out_bytes[i] = i < n_carry ? r.bytes : r.bytes / static_cast<std::size_t>(std::max<std::int64_t>(1, q.length));
    void* at = room(s.out[i], f);
    if (i >= n_carry && steps < q.length) std::memset(at, 0, r.bytes);
  }
  auto operand_of = [&](std::size_t i) { return const_cast<void*>(operand(s.in[skip + i], f)); };
  const std::int64_t begin = q.reverse ? steps - 1 : 0, by = q.reverse ? -1 : 1;
  // All steps. A member of a team that is not the first has memory of its own, also for results.
  auto run = [&](std::byte* work, Member* member) {
    const bool first = !member || member->number() == 0;
    Runner step(body, work, member);
    for (std::size_t i = 0; i < fixed; ++i) step.set_in(i, operand_of(i));
    Turns turns(work + aligned(body.workspace_bytes()), std::span(out_bytes.begin(), n_carry));
    Buf<std::byte*, 32> slice(n_in), stack(n_out);  // of the step to come
    for (std::size_t i = fixed; i < n_in; ++i) slice[i] = static_cast<std::byte*>(operand_of(i)) + begin * static_cast<std::int64_t>(stride[i]);
    std::byte* unused = turns.end();
    for (std::size_t i = n_carry; i < n_out; ++i) {
      stack[i] = first ? static_cast<std::byte*>(f.at[s.out[i]]) + begin * static_cast<std::int64_t>(out_bytes[i]) : unused;
      unused += aligned(out_bytes[i]);
    }
    for (std::int64_t k = 0; k < steps && !(member && member->dismissed()); ++k) {
      const bool last = first && k + 1 == steps;
      for (std::size_t i = 0; i < n_carry; ++i) step.set_out(i, last ? f.at[s.out[i]] : turns.next(k & 1, i));
      for (std::size_t i = fixed; i < n_in; ++i, slice[i - 1] += by * static_cast<std::int64_t>(stride[i - 1])) step.set_in(i, slice[i]);
      for (std::size_t i = n_carry; i < n_out; ++i) {
        step.set_out(i, stack[i]);
        if (first) stack[i] += by * static_cast<std::int64_t>(out_bytes[i]);
      }
      step.run();
      for (std::size_t i = 0; i < n_carry; ++i) step.set_in(n_const + i, step.out(i));
    }
    if (steps == 0 && first)
      for (std::size_t i = 0; i < n_carry; ++i) std::memcpy(f.at[s.out[i]], step.in(n_const + i), out_bytes[i]);
  };
  std::byte* work = f.arena + s.work;
  const std::int64_t members = std::min<std::int64_t>(s.team, num_threads());
  if (members <= 1) return run(work, nullptr);
  Team team(members, s.exchange, work + static_cast<std::size_t>(s.team) * s.member_bytes);
  parallel_for(members, 1, [&](std::int64_t from, std::int64_t to) {
    if (to - from > 1) team.dissolve();  // there are no threads for it
    Member member(team, from);
    run(work + static_cast<std::size_t>(from) * s.member_bytes, &member);
    if (from == 0) team.dissolve();
  });
}
void Executable::run_loop(const Step& s, Frame& f) const {
  const Trips& q = s.trips;
  const Executable &body = *s.bodies[0], &cond = *s.bodies[1];
  const std::size_t n_cond = static_cast<std::size_t>(q.n_cond_const), n_const = static_cast<std::size_t>(q.n_const),
                    n_carry = static_cast<std::size_t>(q.n_carry);
  Buf<std::size_t, 32> bytes(n_carry);
  for (std::size_t i = 0; i <= n_carry; ++i) {
    if (i < n_carry) bytes[i] = plan_.slots[static_cast<std::size_t>(s.out[i])].bytes;
    (void)room(s.out[i], f);
  }
  std::byte* work = f.arena + s.work;
  Runner step(body, work), asked(cond, work);
  for (std::size_t i = 0; i < n_cond; ++i) asked.set_in(i, const_cast<void*>(operand(s.in[i], f)));
  for (std::size_t i = 0; i < n_const + n_carry; ++i) {
    void* at = const_cast<void*>(operand(s.in[n_cond + i], f));
    step.set_in(i, at);
    if (i >= n_const) asked.set_in(n_cond + i - n_const, at);
  }
  std::uint8_t go = 0;
  asked.set_out(0, &go);
  Turns turns(work + aligned(std::max(body.workspace_bytes(), cond.workspace_bytes())), std::span(bytes.begin(), n_carry));
  std::int64_t steps = 0;
  for (;; ++steps) {
    asked.run();
    if (!go) break;
    for (std::size_t i = 0; i < n_carry; ++i) step.set_out(i, turns.next(steps & 1, i));
    step.run();
    for (std::size_t i = 0; i < n_carry; ++i) {
      step.set_in(n_const + i, step.out(i));
      asked.set_in(n_cond + i, step.out(i));
    }
  }
  for (std::size_t i = 0; i < n_carry; ++i) std::memcpy(f.at[s.out[i]], step.in(n_const + i), bytes[i]);
  std::memcpy(f.at[s.out[n_carry]], &steps, sizeof steps);
}
void Executable::run_branch(const Step& s, Frame& f) const {
  const Aval t = plan_.type(s.in[0]);
  const auto k = std::clamp<std::int64_t>(static_cast<std::int64_t>(Scalar::load(t.dtype, operand(s.in[0], f))), 0,
                                          static_cast<std::int64_t>(s.bodies.size()) - 1);
  Buf<void*, 32> in(s.in.size() - 1), out(s.out.size());
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = const_cast<void*>(operand(s.in[1 + i], f));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = room(s.out[i], f);
  s.bodies[static_cast<std::size_t>(k)]->run_raw(in.begin(), out.begin(), f.arena + s.work);
}

}  // namespace functra::runtime
