// Nests that compute a point at a time: straight-line code, or one loop over steps with the carried values in registers.
#include <algorithm>
#include <bit>
#include <map>

#include "functra/compiler/emit.h"
#include "functra/compiler/emit_ops-inl.h"
#include "functra/compiler/pack.h"

namespace functra::compiler {
namespace {

using llvm::BasicBlock, llvm::Value;
using Kind = Packing::Kind;
using Item = Packing::Item;

unsigned padded(std::size_t lanes) { return std::bit_ceil(static_cast<unsigned>(lanes)); }

class PackedEmitter {
 public:
  PackedEmitter(const Nest& nest, const Target& target, llvm::Module& m, const std::string& name)
      : n_(nest), g_(nest.graph), p_(pack(nest)), b_(m.getContext()), ops_(b_, g_, target), f_(function(m, name, target)) {
    llvm::FastMathFlags fast;
    fast.setAllowContract();
    b_.setFastMathFlags(fast);
    outside_.assign(p_.items.size(), nullptr);
    inside_.assign(p_.items.size(), nullptr);
    wide_.assign(p_.items.size(), nullptr);
  }
  void run() {
    b_.SetInsertPoint(BasicBlock::Create(b_.getContext(), "entry", f_));
    for (int k = 0; k < n_.buffers; ++k) {
      auto* slot = b_.CreateConstGEP1_64(b_.getPtrTy(), f_->getArg(0), static_cast<std::uint64_t>(k));
      auto* p = b_.CreateLoad(b_.getPtrTy(), slot);
      p->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(b_.getContext(), {}));
      buffers_.push_back(p);
    }
    find_outside();
    for (std::size_t k = 0; k < p_.items.size(); ++k)
      if (is_outside_[k]) outside_[k] = item(k);
    if (n_.serial) loop();
    else body();
    b_.CreateRetVoid();
  }

 private:
  static llvm::Function* function(llvm::Module& m, const std::string& name, const Target& target) {
    auto& c = m.getContext();
    auto* i64 = llvm::Type::getInt64Ty(c);
    auto* type = llvm::FunctionType::get(llvm::Type::getVoidTy(c), {llvm::PointerType::getUnqual(c), i64, i64}, false);
    auto* f = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, m);
    f->addFnAttr(llvm::Attribute::NoUnwind);
    const std::string bits = std::to_string(8 * target.vector_bytes);
    f->addFnAttr("prefer-vector-width", bits);
    f->addFnAttr("min-legal-vector-width", bits);
    return f;
  }
  template <class F> static void each_source(const Item& x, F f) {
    for (int o : x.operands) f(static_cast<std::size_t>(o));
    for (auto& l : x.from)
      if (l.item >= 0) f(static_cast<std::size_t>(l.item));
  }
  const Item& at(std::size_t k) const { return p_.items[k]; }
  bool is_load(std::size_t k) const {
    return at(k).kind == Kind::load || (at(k).kind == Kind::splat && at(static_cast<std::size_t>(at(k).from[0].item)).kind == Kind::load);
  }

  // What does not depend on the step is computed before the loop; loads of it again in each step, where registers cannot hold them all.
  void find_outside() {
    is_outside_.assign(p_.items.size(), 0);
    if (!n_.serial) return;
    constexpr std::size_t few = 8;
    std::size_t loads = 0;
    for (std::size_t k = 0; k < p_.items.size(); ++k) loads += !at(k).inner && is_load(k);
    reloads_ = loads > few;
    for (auto& t : p_.turns) {
      is_outside_[static_cast<std::size_t>(t.first)] = 1;
      want(static_cast<std::size_t>(t.next));
    }
    for (auto& w : p_.writes)
      for (int k : w.items) want(static_cast<std::size_t>(k));
    for (std::size_t k = p_.items.size(); k-- > 0;) {
      if (is_outside_[k]) each_source(at(k), [&](std::size_t o) { is_outside_[o] = 1; });
      else if (at(k).inner) each_source(at(k), [&](std::size_t o) { want(o); });
    }
  }
  void want(std::size_t k) { is_outside_[k] |= !at(k).inner && !(reloads_ && is_load(k)); }

  void body() {
    if (const auto order = by_time(); !order.empty()) {
      for (std::size_t k : order) (void)value(k);
      for (auto& w : p_.writes) store(w);
      return;
    }
    std::size_t next = 0;
    auto write = [&](std::size_t done) {
      for (; next < p_.writes.size() && p_.writes[next].after <= done; ++next) store(p_.writes[next]);
    };
    for (std::size_t k = 0; k < p_.items.size(); ++k) {
      write(k);
      if (at(k).inner || !n_.serial) (void)value(k);
    }
    write(p_.items.size());
  }
  // Cycles until it is there, from when its operands are, about.
  double latency(const Item& x) const {
    switch (x.kind) {
      case Kind::constants:
      case Kind::carried: return 0;
      case Kind::load: return 5;
      case Kind::splat:
      case Kind::shuffle:
      case Kind::insert:
      case Kind::extract: return 1;
      case Kind::apply: break;
    }
    const Node& n = x.node;
    if (n.op == Op::binary && n.num == NumOp::div && is_floating(n.type)) return 14;
    if (n.op == Op::unary && n.num == NumOp::sqrt) return 18;
    if (n.op == Op::rare || n.op == Op::bitcast || !is_floating(n.type) || (n.op == Op::unary && n.num == NumOp::neg)) return 1;
    return 4;
  }
  // Straight-line code that waits for its results: the items by time, halfway between when each may begin and when it must. A processor holds
  // the operations that wait in a window, and one that is full of what waits for one long chain does not see the next. Where there is enough
  // to do: nothing.
  std::vector<std::size_t> by_time() const {
    constexpr std::size_t most = 1000, results = 32;  // which are all alive at the end
    const std::size_t n = p_.items.size();
    if (n_.serial || n > most || p_.writes.size() > results) return {};
    std::vector<double> start(n, 0), there(n, 0);
    double operations = 0, end = 0;
    for (std::size_t k = 0; k < n; ++k) {
      each_source(at(k), [&](std::size_t o) { start[k] = std::max(start[k], there[o]); });
      there[k] = start[k] + latency(at(k));
      operations += at(k).kind == Kind::apply;
      end = std::max(end, there[k]);
    }
    if (end < operations) return {};  // at two a cycle, twice as long as they take
    std::vector<std::size_t> order(n);
    for (std::size_t k = 0; k < n; ++k) order[k] = k;
    std::vector<double> left(n, 0);  // from its start to the end
    for (std::size_t k = n; k-- > 0;) {
      left[k] += latency(at(k));
      each_source(at(k), [&](std::size_t o) { left[o] = std::max(left[o], left[k]); });
    }
    std::ranges::stable_sort(order, {}, [&](std::size_t k) { return start[k] + (end - left[k]); });
    return order;
  }
  void loop() {
    auto& context = b_.getContext();
    auto* before = b_.GetInsertBlock();
    auto* head = BasicBlock::Create(context, "step", f_);
    auto* done = BasicBlock::Create(context, "done", f_);
    b_.CreateBr(head);
    b_.SetInsertPoint(head);
    auto* step = b_.CreatePHI(b_.getInt64Ty(), 2, "i");
    step->addIncoming(b_.getInt64(static_cast<std::uint64_t>(n_.lower[0])), before);
    std::vector<llvm::PHINode*> phis;
    for (auto& t : p_.turns) {
      auto* phi = b_.CreatePHI(type(at(static_cast<std::size_t>(t.item))), 2);
      phi->addIncoming(outside_[static_cast<std::size_t>(t.first)], before);
      inside_[static_cast<std::size_t>(t.item)] = phi;
      phis.push_back(phi);
    }
    step_ = step;
    body();
    std::vector<Value*> next;
    for (auto& t : p_.turns) next.push_back(value(static_cast<std::size_t>(t.next)));
    auto* more = b_.CreateAdd(step, b_.getInt64(1));
    step->addIncoming(more, b_.GetInsertBlock());
    for (std::size_t k = 0; k < phis.size(); ++k) phis[k]->addIncoming(next[k], b_.GetInsertBlock());
    b_.CreateCondBr(b_.CreateICmpSLT(more, b_.getInt64(static_cast<std::uint64_t>(n_.upper[0]))), head, done);
    b_.SetInsertPoint(done);
    for (std::size_t k = 0; k < next.size(); ++k) {
      auto& t = p_.turns[k];
      for (std::size_t l = 0; l < t.carried.size();) {  // neighbours together
        const Access& to = n_.carried[t.carried[l]].to;
        std::size_t m = 1;
        while (l + m < t.carried.size() && n_.carried[t.carried[l + m]].to.buffer == to.buffer &&
               n_.carried[t.carried[l + m]].to.offset == to.offset + static_cast<std::int64_t>(m))
          ++m;
        store_at(lanes_of(next[k], l, m), pointer(to), to.dtype, m);
        l += m;
      }
    }
  }
  Value* lanes_of(Value* v, std::size_t from, std::size_t count) {
    if (!v->getType()->isVectorTy()) return v;
    if (count == 1) return b_.CreateExtractElement(v, b_.getInt32(static_cast<unsigned>(from)));
    std::vector<int> mask(padded(count), -1);
    for (std::size_t l = 0; l < count; ++l) mask[l] = static_cast<int>(from + l);
    return b_.CreateShuffleVector(v, mask);
  }

  // ---------------------------------------------------------------- values
  llvm::Type* type(const Item& x) const { return ops_.type(g_[x.nodes[0]].type, padded(x.lanes())); }
  Value* value(std::size_t k) {
    if (outside_[k]) return outside_[k];
    if (!inside_[k]) inside_[k] = item(k);
    return inside_[k];
  }
  Value* value(int k) { return value(static_cast<std::size_t>(k)); }
  Value* item(std::size_t k) {
    const Item& x = at(k);
    const unsigned W = padded(x.lanes());
    switch (x.kind) {
      case Kind::constants: return constants(x);
      case Kind::load: return load(x);
      case Kind::carried: return inside_[k];
      case Kind::apply: return apply(k, W);
      case Kind::splat: {
        Value* v = value(x.from[0].item);
        if (!v->getType()->isVectorTy()) return b_.CreateVectorSplat(W, v);
        return b_.CreateShuffleVector(v, std::vector<int>(W, static_cast<int>(x.from[0].lane)));
      }
      case Kind::shuffle: return shuffle(x, W);
      case Kind::insert: {
        Value* v = constants(x);
        for (unsigned l = 0; l < x.lanes(); ++l)
          if (x.from[l].item >= 0) v = b_.CreateInsertElement(v, value(x.from[l].item), b_.getInt32(l));
        return v;
      }
      case Kind::extract: return b_.CreateExtractElement(value(x.from[0].item), b_.getInt32(x.from[0].lane));
    }
    return nullptr;
  }
  // The constants among its nodes; other lanes are open.
  Value* constants(const Item& x) {
    const Node& first = g_[x.nodes[0]];
    if (x.lanes() == 1) return ops_.constant(first.type, first.attr, 1);
    std::vector<llvm::Constant*> c;
    for (unsigned l = 0; l < padded(x.lanes()); ++l) {
      const Node& n = g_[x.nodes[std::min<std::size_t>(l, x.lanes() - 1)]];
      if (n.op == Op::constant) c.push_back(llvm::cast<llvm::Constant>(ops_.constant(n.type, n.attr, 1)));
      else c.push_back(llvm::PoisonValue::get(ops_.element(n.type)));
    }
    return llvm::ConstantVector::get(c);
  }
  Value* apply(std::size_t k, unsigned W) {
    const Item& x = at(k);
    if (is_rare(k)) return rare(k, W);
    std::vector<Value*> in;
    for (int o : x.operands) in.push_back(value(o));
    if (W == 1)
      if (Value* v = bits_in_place(k, in)) return v;
    if (x.node.op == Op::gather) {
      const Access& a = n_.accesses[x.node.attr];
      Value* at = b_.CreateInBoundsGEP(ops_.stored(a.dtype), pointer(a), in[0]);
      Value* v = b_.CreateAlignedLoad(ops_.stored(a.dtype), at, llvm::Align(size_of(a.dtype)));
      return is_bool(a.dtype) ? b_.CreateICmpNE(v, b_.getInt8(0)) : v;
    }
    in.resize(3, nullptr);
    return ops_.apply(x.node, in[0], in[1], in[2], W);
  }
  // A value that may need a call, and others behind the same branch.
  Value* rare(std::size_t k, unsigned W) {
    const auto numbers = behind_one_branch(k);
    std::vector<Ops::Rare> calls;
    for (std::size_t j : numbers) {
      std::vector<Value*> in;
      for (int o : at(j).operands) in.push_back(value(o));
      if (W != at(j).lanes()) in[1] = closed(in[1], static_cast<unsigned>(at(j).lanes()), W);
      calls.push_back({&at(j).node, in[0], in[1], {in.begin() + 2, in.end()}});
    }
    ops_.rare(calls, W);
    for (std::size_t c = 0; c < calls.size(); ++c) inside_[numbers[c]] = calls[c].value;
    return calls[0].value;
  }
  bool is_rare(std::size_t k) const { return at(k).kind == Kind::apply && at(k).node.op == Op::rare; }
  // k, and calls that are still to come, do not wait for it, and need little that is not computed yet.
  std::vector<std::size_t> behind_one_branch(std::size_t k) {
    constexpr std::size_t most = 8, ahead = 400;
    std::vector<std::size_t> r{k};
    if (is_outside_[k]) return r;
    if (rares_before_.empty()) {
      rares_before_.assign(p_.items.size(), 0);
      for (std::size_t j = 0; j < p_.items.size(); ++j) {
        each_source(at(j), [&](std::size_t o) { rares_before_[j] = std::max(rares_before_[j], rares_before_[o]); });
        rares_before_[j] += is_rare(j);
      }
    }
    for (std::size_t j = k - std::min(k, ahead); j < std::min(p_.items.size(), k + ahead) && r.size() < most; ++j)
      if (j != k && is_rare(j) && !inside_[j] && rares_before_[j] == rares_before_[k] && padded(at(j).lanes()) == padded(at(k).lanes()) && near(j))
        r.push_back(j);
    return r;
  }
  // Is little missing that it is made of?
  bool near(std::size_t k) const {
    constexpr std::size_t little = 40;
    std::vector<std::size_t> missing{k};
    for (std::size_t m = 0; m < missing.size(); ++m) {
      if (missing.size() > little || is_outside_[missing[m]] || (m > 0 && is_rare(missing[m]))) return false;
      each_source(at(missing[m]), [&](std::size_t o) {
        if (!outside_[o] && !inside_[o] && std::find(missing.begin(), missing.end(), o) == missing.end()) missing.push_back(o);
      });
    }
    return true;
  }
  // The bits of a float, as long as they are put together to be one again, stay in a register of floats, as lane 0 of a vector of integers;
  // as integers too, which are not computed where nobody asks. A value: it is a float again.
  Value* bits_in_place(std::size_t k, const std::vector<Value*>& in) {
    const Item& x = at(k);
    const Node& n = x.node;
    auto bits_of = [&](DType d) { return is_integer(d) && size_of(d) >= 4; };
    auto real = [](DType d) { return d == DType::f32 || d == DType::f64; };
    const unsigned lanes = 16 / static_cast<unsigned>(size_of(n.type));
    auto wide = [&](int o) -> Value* {
      const auto i = static_cast<std::size_t>(o);
      if (at(i).kind == Kind::constants) return ops_.constant(n.type, g_[at(i).nodes[0]].attr, lanes);
      return wide_[i];
    };
    if (n.op == Op::bitcast && real(n.from) && bits_of(n.type)) {
      llvm::Type* floats = ops_.type(n.from, lanes);
      wide_[k] = b_.CreateBitCast(b_.CreateInsertElement(llvm::PoisonValue::get(floats), in[0], std::uint64_t{0}), ops_.type(n.type, lanes));
    } else if (n.op == Op::binary && n.from == n.type && bits_of(n.type)) {
      switch (n.num) {
        case NumOp::add:
        case NumOp::sub:
        case NumOp::and_:
        case NumOp::or_:
        case NumOp::xor_:
        case NumOp::shl:
        case NumOp::shr: break;
        default: return nullptr;
      }
      Value *a = wide(x.operands[0]), *b = wide(x.operands[1]);
      if (a && b) wide_[k] = ops_.apply(n, a, b, nullptr, lanes);
    } else if (n.op == Op::bitcast && bits_of(n.from) && real(n.type)) {
      if (Value* v = wide_[static_cast<std::size_t>(x.operands[0])])
        return b_.CreateExtractElement(b_.CreateBitCast(v, ops_.type(n.type, lanes)), std::uint64_t{0});
    }
    return nullptr;
  }
  // A mask that is false in the lanes that hold nothing.
  Value* closed(Value* mask, unsigned lanes, unsigned W) {
    std::vector<int> m;
    for (unsigned l = 0; l < W; ++l) m.push_back(static_cast<int>(l < lanes ? l : W));
    return b_.CreateShuffleVector(mask, llvm::Constant::getNullValue(mask->getType()), m);
  }
  Value* shuffle(const Item& x, unsigned W) {
    std::vector<int> sources;
    unsigned wide = W;
    bool constant = false;
    for (auto& l : x.from) {
      constant |= l.item < 0;
      if (l.item < 0 || std::find(sources.begin(), sources.end(), l.item) != sources.end()) continue;
      sources.push_back(l.item);
      wide = std::max(wide, width(value(l.item)));
    }
    Value* r = nullptr;
    for (std::size_t s = 0; s < sources.size(); ++s) {
      const bool final = s + 1 == sources.size() && !constant;
      std::vector<int> mask(final ? W : wide, -1);
      Value* v = value(sources[s]);
      if (sources.size() > 1) v = widened(v, wide);
      for (unsigned l = 0; l < x.lanes(); ++l) {
        if (x.from[l].item == sources[s]) mask[l] = static_cast<int>((r ? wide : 0) + x.from[l].lane);
        else if (r && std::find(sources.begin(), sources.begin() + static_cast<std::ptrdiff_t>(s), x.from[l].item) !=
                          sources.begin() + static_cast<std::ptrdiff_t>(s))
          mask[l] = static_cast<int>(l);
      }
      if (!r) {
        bool same = width(v) == mask.size();
        for (unsigned l = 0; l < mask.size() && same; ++l) same = mask[l] < 0 || mask[l] == static_cast<int>(l);
        r = same ? v : b_.CreateShuffleVector(v, mask);
      } else {
        r = b_.CreateShuffleVector(r, v, mask);
      }
    }
    if (constant) {
      Value* c = widened(constants(x), wide);
      std::vector<int> mask(W, -1);
      for (unsigned l = 0; l < x.lanes(); ++l) mask[l] = static_cast<int>(x.from[l].item < 0 ? wide + l : l);
      r = b_.CreateShuffleVector(widened(r, wide), c, mask);
    }
    return r;
  }
  static unsigned width(Value* v) {
    auto* t = llvm::dyn_cast<llvm::FixedVectorType>(v->getType());
    return t ? t->getNumElements() : 1;
  }
  Value* widened(Value* v, unsigned W) {
    if (width(v) == W) return v;
    std::vector<int> mask(W, -1);
    for (unsigned l = 0; l < std::min(W, width(v)); ++l) mask[l] = static_cast<int>(l);
    return b_.CreateShuffleVector(v, mask);
  }

  // ---------------------------------------------------------------- memory
  Value* pointer(const Access& a) {
    const auto size = static_cast<std::int64_t>(size_of(a.dtype));
    const std::int64_t stride = a.strides.empty() ? 0 : a.strides[0] * size;
    Value* base = buffers_[static_cast<std::size_t>(a.buffer)];
    if (stride) {
      auto& moving = moving_[{a.buffer, stride}];
      if (!moving) {
        llvm::IRBuilderBase::InsertPointGuard guard(b_);
        auto* head = llvm::cast<llvm::Instruction>(step_)->getParent();
        b_.SetInsertPoint(head, head->getFirstInsertionPt());
        moving = b_.CreateInBoundsGEP(b_.getInt8Ty(), base, b_.CreateNSWMul(step_, b_.getInt64(static_cast<std::uint64_t>(stride))));
      }
      base = moving;
    }
    return a.offset ? b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), base, static_cast<std::uint64_t>(a.offset * size)) : base;
  }
  Value* load(const Item& x) {
    const Access& a = n_.accesses[g_[x.nodes[0]].attr];
    llvm::Type* t = ops_.stored(a.dtype);
    const unsigned W = padded(x.lanes());
    Value* p = pointer(a);
    Value* r;
    if (W == x.lanes()) {
      r = b_.CreateAlignedLoad(Ops::widened(t, W), p, llvm::Align(size_of(a.dtype)));
    } else {
      r = b_.CreateMaskedLoad(Ops::widened(t, W), p, llvm::Align(size_of(a.dtype)), first(x.lanes(), W),
                              llvm::Constant::getNullValue(Ops::widened(t, W)));
    }
    if (auto* i = llvm::dyn_cast<llvm::LoadInst>(r)) i->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(b_.getContext(), {}));
    return is_bool(a.dtype) ? b_.CreateICmpNE(r, llvm::Constant::getNullValue(r->getType())) : r;
  }
  Value* first(std::size_t lanes, unsigned W) {
    std::vector<llvm::Constant*> m;
    for (unsigned l = 0; l < W; ++l) m.push_back(b_.getInt1(l < lanes));
    return llvm::ConstantVector::get(m);
  }
  void store(const Packing::Write& w) {
    for (std::size_t k = 0; k < w.items.size(); ++k) {
      const Access& a = n_.stores[w.stores[k]].at;
      const std::size_t lanes = w.items.size() == 1 ? w.stores.size() : 1;
      store_at(value(w.items[k]), pointer(a), a.dtype, lanes);
    }
  }
  void store_at(Value* v, Value* p, DType d, std::size_t lanes) {
    if (is_bool(d)) v = b_.CreateZExt(v, Ops::widened(b_.getInt8Ty(), width(v)));
    if (width(v) == lanes) b_.CreateAlignedStore(v, p, llvm::Align(size_of(d)));
    else b_.CreateMaskedStore(v, p, llvm::Align(size_of(d)), first(lanes, width(v)));
  }

  const Nest& n_;
  const Graph& g_;
  Packing p_;
  llvm::IRBuilder<> b_;
  Ops ops_;
  llvm::Function* f_;
  std::vector<Value*> buffers_;
  std::map<std::pair<int, std::int64_t>, Value*> moving_;  // buffers at the present step, by stride in bytes
  Value* step_ = nullptr;
  bool reloads_ = false;
  std::vector<std::uint8_t> is_outside_;
  std::vector<std::uint32_t> rares_before_;  // calls one after another, up to an item
  std::vector<Value*> wide_;                 // per item: as lane 0 of a vector of integers too
  std::vector<Value*> outside_, inside_;     // per item: before the loop, and within
};

}  // namespace

void emit_packed(const Nest& nest, const Target& target, llvm::Module& module, const std::string& name) {
  PackedEmitter(nest, target, module, name).run();
}

}  // namespace functra::compiler
