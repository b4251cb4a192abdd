// Jacobians: vmap of the pullback or the pushforward over one-hot seeds.
#include "functra/core/basis.h"
#include "functra/kernels/strided.h"
#include "functra/prims/index.h"
#include "functra/prims/math.h"
#include "functra/prims/shape.h"
#include "functra/transforms/linear.h"

namespace functra::erased {
using namespace functra::core;

namespace {

// Rows from..from+n of the identity on `numel` elements, shaped [n, shape...]. While a function is traced they are operations, so that
// the Program shows where the zeros are.
Tensor seeds(const Aval& a, std::int64_t from, std::int64_t n) {
  std::int64_t numel = a.shape.numel();
  if (!plain()) {
    Tensor row = prims::iota(DType::i64, {n, numel}, 0), column = prims::iota(DType::i64, {n, numel}, 1);
    if (from) row = add(row, Tensor::literal_of(Scalar(from), DType::i64));
    return prims::reshape(convert(prims::eq(row, column), a.dtype), a.shape.with(0, n));
  }
  Tensor e = Tensor::uninitialized(a.dtype, {n, numel});
  std::size_t size = size_of(a.dtype);
  auto* p = static_cast<std::byte*>(e.mutable_bytes());
  std::memset(p, 0, static_cast<std::size_t>(n * numel) * size);
  for (std::int64_t i = 0; i < n; ++i) Scalar(1.0).store(a.dtype, p + static_cast<std::size_t>(i * numel + from + i) * size);
  return prims::reshape(e, a.shape.with(0, n));
}
// One seeded sweep: leaf `which` of a list of `types` takes rows of the identity, the others are zero.
std::vector<Tensor> sweep(const std::vector<Aval>& types, std::size_t which, std::int64_t from, std::int64_t n,
                          function_ref<std::vector<Tensor>(std::span<const Tensor>)> f) {
  BatchInterp b(n);
  std::vector<Tensor> in(types.size()), out;
  Tensor s = seeds({types[which].dtype, false, types[which].shape}, from, n);
  {
    Scope scope(&b);
    in[which] = b.wrap(s, 0);
    out = f(in);
  }
  for (Tensor& y : out)
    if (y.defined()) y = move_dim0(b.unwrap(y), n);
  return out;
}
// One block of the Jacobian as its parts come, [m, other...] for m seeds. Concrete parts are copied into the finished block at once, so
// that besides it only one part is held; traced ones are joined at the end.
class Block {
 public:
  Block(const Shape& seeded, const Shape& other, bool reverse) : seeded_(seeded), other_(other), reverse_(reverse) {}
  void add(Tensor part, std::int64_t from, std::int64_t n) {
    if (!part.defined()) return;
    bool whole = part.size(0) == n;
    if (!whole && part.concrete() && plain()) {
      if (!block_.defined()) block_ = Tensor::uninitialized(part.raw_dtype(), reverse_ ? other_.with(0, n) : other_.with(other_.size(), n));
      const Shape& to = block_.strides_ref();
      std::size_t rank = other_.size(), axis = reverse_ ? 0 : rank, size = size_of(part.raw_dtype());
      Shape strides = to.without(axis).with(0, to[axis]);  // seeds first, as in the part
      auto* at = static_cast<std::byte*>(block_.mutable_bytes()) + static_cast<std::size_t>(from * to[axis]) * size;
      kernels::copy(at, strides, part.bytes(), part.strides_ref(), part.sizes(), size);
    } else parts_.push_back(std::move(part));
  }
  Tensor finish() {  // [output shape..., input shape...]; undefined where there is no derivative
    Shape shape = reverse_ ? seeded_.concat(other_) : other_.concat(seeded_);
    if (block_.defined()) return prims::reshape(block_, shape);
    if (parts_.empty()) return {};
    Tensor whole = parts_.size() == 1 ? parts_[0] : prims::concatenate(parts_, 0);
    parts_.clear();
    if (!reverse_) whole = permute(whole, Shape::iota(other_.size(), 1).with(other_.size(), 0));
    return prims::reshape(whole, shape);
  }

 private:
  Shape seeded_, other_;
  bool reverse_;
  Tensor block_;
  Vec parts_;
};

}  // namespace

std::vector<std::vector<Tensor>> jacobian(JacMode mode, Selected selected, Call f, const JacOptions& o, const char* who) {
  if (o.chunk_size && *o.chunk_size < 1)
    throw ValueError(std::string(who) + ": chunk_size is " + std::to_string(*o.chunk_size) + ", expected at least 1");
  refuse_bare_integers(selected, who);
  LinearPtr l = linearize(selected.trees, f, who);
  std::int64_t n_in = 0, n_out = 0;
  for (auto& a : l->in) n_in += a.shape.numel();
  for (auto& a : l->out) n_out += a.shape.numel();
  bool reverse = mode == JacMode::reverse || (mode == JacMode::cheaper && n_out <= n_in);
  std::vector<std::vector<Tensor>> blocks(l->out.size(), std::vector<Tensor>(l->in.size()));
  auto& seeded = reverse ? l->out : l->in;
  auto& other = reverse ? l->in : l->out;
  auto smooth = [](const Aval& a) { return is_differentiable(a.dtype); };
  for (std::size_t k = 0; k < seeded.size(); ++k) {
    if ((reverse ? l->undefined_out : l->undefined_in)[k] || !smooth(seeded[k])) continue;
    if (seeded[k].shape.empty()) {  // one row: nothing to batch, and a number stays one
      std::vector<Tensor> seed(seeded.size());
      seed[k] = seeded[k].weak ? Tensor(1.0) : Tensor::literal_of(Scalar(1.0), seeded[k].dtype);
      auto got = reverse ? pull(*l, seed) : push(*l, seed);
      for (std::size_t i = 0; i < got.size(); ++i) (reverse ? blocks[k][i] : blocks[i][k]) = got[i];
      continue;
    }
    std::int64_t n = seeded[k].shape.numel(),
                 step = o.chunk_size ? std::min(*o.chunk_size, std::max<std::int64_t>(n, 1)) : std::max<std::int64_t>(n, 1);
    std::vector<Block> row;
    for (const Aval& a : other) row.emplace_back(seeded[k].shape, a.shape, reverse);
    for (std::int64_t from = 0; from < std::max<std::int64_t>(n, 1); from += step) {
      std::int64_t m = std::min(step, n - from);
      auto got = sweep(seeded, k, from, m, [&](std::span<const Tensor> t) { return reverse ? pull(*l, t) : push(*l, t); });
      for (std::size_t i = 0; i < got.size(); ++i) row[i].add(std::move(got[i]), from, n);
    }
    for (std::size_t i = 0; i < other.size(); ++i) (reverse ? blocks[k][i] : blocks[i][k]) = row[i].finish();
  }
  for (std::size_t o = 0; o < l->out.size(); ++o)  // integers have no derivative: zeros of the input's type
    for (std::size_t i = 0; i < l->in.size(); ++i)
      if (!l->undefined_in[i] && !l->undefined_out[o] && !(smooth(l->in[i]) && smooth(l->out[o])))
        blocks[o][i] = zeros({l->in[i].dtype, false, l->out[o].shape.concat(l->in[i].shape)});
  return blocks;
}

}  // namespace functra::erased
