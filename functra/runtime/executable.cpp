#include "functra/runtime/executable.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "functra/base/pool.h"
#include "functra/compiler/emit.h"
#include "functra/core/interp.h"

namespace functra::runtime {

using core::Eqn;
using core::ProgramPtr;
using core::ReduceOp;
using core::Var;

namespace {

constexpr double parallel_work = 20000;  // operations on one element that pay for waking a thread

// to[i] = op(to[i], from[i])
template <class T> void combine_as(ReduceOp op, T* to, const T* from, std::int64_t n) {
  auto each = [&](auto f) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(f(to[i], from[i]));
  };
  switch (op) {
    case ReduceOp::sum:
      if constexpr (std::is_integral_v<T>) return each([](T a, T b) { return static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b); });
      else return each([](T a, T b) { return a + b; });
    case ReduceOp::prod:
      if constexpr (std::is_integral_v<T>) return each([](T a, T b) { return static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b); });
      else return each([](T a, T b) { return a * b; });
    case ReduceOp::max: return each([](T a, T b) { return a > b || a != a ? a : b; });
    case ReduceOp::min: return each([](T a, T b) { return a < b || a != a ? a : b; });
    case ReduceOp::and_:
      if constexpr (std::is_integral_v<T>) return each([](T a, T b) { return a & b; });
      return;
    case ReduceOp::or_:
      if constexpr (std::is_integral_v<T>) return each([](T a, T b) { return a | b; });
  }
}
void combine(ReduceOp op, DType d, void* to, const void* from, std::int64_t n) {
  auto as = [&]<class T>(T) { combine_as<T>(op, static_cast<T*>(to), static_cast<const T*>(from), n); };
  switch (d) {
    case DType::bool_: {  // bits: max is or, min is and
      ReduceOp bits = op == ReduceOp::sum || op == ReduceOp::max || op == ReduceOp::or_ ? ReduceOp::or_ : ReduceOp::and_;
      return combine_as<std::uint8_t>(bits, static_cast<std::uint8_t*>(to), static_cast<const std::uint8_t*>(from), n);
    }
    case DType::u8: return as(std::uint8_t());
    case DType::u16: return as(std::uint16_t());
    case DType::u32: return as(std::uint32_t());
    case DType::u64: return as(std::uint64_t());
    case DType::i8: return as(std::int8_t());
    case DType::i16: return as(std::int16_t());
    case DType::i32: return as(std::int32_t());
    case DType::i64: return as(std::int64_t());
    case DType::f32: return as(float());
    case DType::f64: return as(double());
    default: return;
  }
}
void fill(DType d, std::uint64_t bits, void* to, std::int64_t n) {
  const std::size_t size = size_of(d);
  auto* p = static_cast<std::byte*>(to);
  if (bits == 0) std::memset(p, 0, static_cast<std::size_t>(n) * size);
  else
    for (std::int64_t i = 0; i < n; ++i, p += size) std::memcpy(p, &bits, size);
}
double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

Executable::Executable(ProgramPtr program) : program_(std::move(program)) {
  const double start = now_ms();
  const core::Program& p = *program_;
  units_ = compiler::units(p);
  std::vector<const compiler::Nest*> nests;
  for (auto& u : units_)
    for (auto& n : u.nests) nests.push_back(&n);
  if (!nests.empty()) code_ = compiler::compile(nests);

  std::vector<std::int32_t> last(p.type_of.size(), -1);
  std::size_t next = 0;
  for (auto& u : units_) {
    Step s;
    if (u.call) {
      s.call = &p.eqns[u.eqns[0]];
      auto operands = p.operands(*s.call);
      s.in.assign(operands.begin(), operands.end());
    } else {
      s.in = u.in;
    }
    for (Var v : u.out) s.out.push_back({v, p.type(v)});
    for (auto& n : u.nests) {
      Part part{code_->kernels[next++], 0, 0, 0, {}};
      double work = 1;
      for (std::size_t a = 0; a < n.axes(); ++a) work *= static_cast<double>(n.extent(a));
      work *= static_cast<double>(n.graph.size());
      if (n.axes()) {
        part.begin = n.lower[0];
        part.end = n.upper[0];
        if (work > 2 * parallel_work) {
          const double each = work / static_cast<double>(n.extent(0));
          part.grain = std::max<std::int64_t>(1, static_cast<std::int64_t>(parallel_work / each));
          if (n.axes() == 1) part.grain = (part.grain + compiler::part_grain - 1) / compiler::part_grain * compiler::part_grain;
        }
      }
      for (auto& r : n.reductions) {
        if (!r.accumulate) continue;
        std::size_t k = static_cast<std::size_t>(r.at.buffer) - u.in.size();
        s.out[k].starts = true;
        s.out[k].op = r.op;
        if ((r.over & 1) && (part.combined.empty() || part.combined.back() != k)) part.combined.push_back(k);
      }
      s.parts.push_back(std::move(part));
    }
    for (Var v : s.in)
      if (v >= 0) last[static_cast<std::size_t>(v)] = static_cast<std::int32_t>(steps_.size());
    for (auto& r : s.out)
      if (last[static_cast<std::size_t>(r.slot)] < 0) last[static_cast<std::size_t>(r.slot)] = static_cast<std::int32_t>(steps_.size());
    steps_.push_back(std::move(s));
  }
  for (Var v : p.outputs)
    if (v >= 0) last[static_cast<std::size_t>(v)] = -1;
  for (std::size_t v = 0; v < last.size(); ++v)
    if (last[v] >= 0) steps_[static_cast<std::size_t>(last[v])].dead.push_back(static_cast<Var>(v));
  compile_ms_ = now_ms() - start;
}

void Executable::run(std::span<Tensor> args, Outs outs) const {
  const core::Program& p = *program_;
  if (args.size() != p.inputs.size())
    throw ValueError("a program of " + std::to_string(p.inputs.size()) + " inputs got " + std::to_string(args.size()));
  Buf<Tensor, 32> slots(p.type_of.size());
  for (std::size_t i = 0; i < args.size(); ++i) slots[static_cast<std::size_t>(p.inputs[i])] = std::move(args[i]);
  for (const Step& s : steps_) {
    if (s.call) run_call(s, slots.begin());
    else run_nests(s, slots.begin());
    for (Var v : s.dead) slots[static_cast<std::size_t>(v)] = Tensor();
  }
  for (std::size_t i = 0; i < outs.size(); ++i) {
    Var v = p.outputs[i];
    outs[i] = v < 0 ? p.literals[static_cast<std::size_t>(~v)] : slots[static_cast<std::size_t>(v)];
  }
}

void Executable::run_call(const Step& s, Tensor* slots) const {
  const core::Program& p = *program_;
  const Eqn& e = *s.call;
  core::Site site(core::current ? e.site : nullptr);
  Borrowed<8> in(e.n_in);
  for (std::uint32_t k = 0; k < e.n_in; ++k) {
    Var v = s.in[k];
    in.set(k, v < 0 ? p.literals[static_cast<std::size_t>(~v)] : slots[v]);
  }
  core::bind_prim({*e.prim, e.params}, in, {slots + e.out, e.n_out});
}

void Executable::run_nests(const Step& s, Tensor* slots) const {
  const std::size_t n_in = s.in.size(), n = n_in + s.out.size();
  Buf<void*, 16> buffers(n);
  for (std::size_t k = 0; k < n_in; ++k) {
    Tensor& t = slots[s.in[k]];
    if (!t.is_contiguous()) t = t.contiguous();
    buffers[k] = const_cast<void*>(t.bytes());
  }
  for (std::size_t k = 0; k < s.out.size(); ++k) {
    const Result& r = s.out[k];
    Tensor& t = slots[r.slot];
    if (r.type.shape.empty()) t = Tensor::scalar_bits(r.type.dtype, 0, r.type.weak);
    else t = Tensor::uninitialized(r.type.dtype, r.type.shape);
    buffers[n_in + k] = t.mutable_bytes();
    if (r.starts) fill(r.type.dtype, compiler::identity_of(r.op, r.type.dtype), buffers[n_in + k], r.type.shape.numel());
  }
  for (const Part& part : s.parts) {
    const std::int64_t extent = part.end - part.begin;
    std::int64_t pieces = part.grain ? std::min<std::int64_t>(num_threads(), (extent + part.grain - 1) / part.grain) : 1;
    if (pieces <= 1) {
      part.kernel(buffers.begin(), part.begin, part.end);
      continue;
    }
    const std::int64_t unit = part.grain % compiler::part_grain == 0 ? compiler::part_grain : 1;
    const std::int64_t step = ((extent + pieces - 1) / pieces + unit - 1) / unit * unit;
    pieces = (extent + step - 1) / step;
    // Results that parts add up to: the first part's are in place.
    std::vector<Tensor> partial;
    for (std::int64_t i = 1; i < pieces; ++i)
      for (std::size_t k : part.combined) {
        Tensor t = Tensor::uninitialized(s.out[k].type.dtype, Shape{std::max<std::int64_t>(1, s.out[k].type.shape.numel())});
        fill(s.out[k].type.dtype, compiler::identity_of(s.out[k].op, s.out[k].type.dtype), t.mutable_bytes(), t.numel());
        partial.push_back(std::move(t));
      }
    parallel_for(pieces, 1, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t i = from; i < to; ++i) {
        Buf<void*, 16> mine(n);
        std::copy(buffers.begin(), buffers.end(), mine.begin());
        if (i > 0)
          for (std::size_t j = 0; j < part.combined.size(); ++j)
            mine[n_in + part.combined[j]] = partial[static_cast<std::size_t>(i - 1) * part.combined.size() + j].mutable_bytes();
        part.kernel(mine.begin(), part.begin + i * step, std::min(part.begin + (i + 1) * step, part.end));
      }
    });
    for (std::size_t i = 0; i < partial.size(); ++i) {
      std::size_t k = part.combined[i % part.combined.size()];
      combine(s.out[k].op, s.out[k].type.dtype, buffers[n_in + k], partial[i].bytes(), partial[i].numel());
    }
  }
}

namespace {
struct Lazy {
  std::once_flag once;
  ExecutablePtr made;
};
}  // namespace
ExecutablePtr executable(const ProgramPtr& p) {
  static const std::string key = "native";
  auto lazy = std::static_pointer_cast<const Lazy>(p->forms->find(key));
  if (!lazy) lazy = std::static_pointer_cast<const Lazy>(p->forms->insert(key, std::make_shared<const Lazy>()));
  auto& l = const_cast<Lazy&>(*lazy);
  // A Program owns its forms: the executable refers to it without owning it.
  std::call_once(l.once, [&] { l.made = std::make_shared<const Executable>(ProgramPtr(ProgramPtr(), p.get())); });
  return l.made;
}

}  // namespace functra::runtime
