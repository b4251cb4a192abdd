#include "functra/compiler/emit_ops-inl.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <bit>
#include <numeric>

namespace functra::compiler {

using llvm::Intrinsic::ID;
namespace {
bool is_real(DType d) { return d == DType::f32 || d == DType::f64; }
unsigned width(DType d) { return 8 * static_cast<unsigned>(size_of(d)); }
bool is_constant_number(llvm::Value* v) {  // a float constant that is not NaN, or a vector of one
  if (auto* c = llvm::dyn_cast<llvm::Constant>(v)) {
    if (auto* s = c->getType()->isVectorTy() ? c->getSplatValue() : c)
      if (auto* f = llvm::dyn_cast<llvm::ConstantFP>(s)) return !f->isNaN();
  }
  return false;
}
}  // namespace

llvm::Type* Ops::element(DType d) const {
  if (is_bool(d)) return b_.getInt1Ty();
  return stored(d);
}
llvm::Type* Ops::stored(DType d) const {
  if (d == DType::f32) return b_.getFloatTy();
  if (d == DType::f64) return b_.getDoubleTy();
  return b_.getIntNTy(width(d));
}
llvm::Type* Ops::widened(llvm::Type* t, unsigned lanes) { return lanes == 1 ? t : llvm::FixedVectorType::get(t, lanes); }
llvm::Value* Ops::constant(DType d, std::uint64_t bits, unsigned lanes) const {
  llvm::Constant* c;
  if (d == DType::f32) c = llvm::ConstantFP::get(b_.getContext(), llvm::APFloat(llvm::APFloat::IEEEsingle(), llvm::APInt(32, bits & 0xffffffffu)));
  else if (d == DType::f64) c = llvm::ConstantFP::get(b_.getContext(), llvm::APFloat(llvm::APFloat::IEEEdouble(), llvm::APInt(64, bits)));
  else c = llvm::ConstantInt::get(b_.getContext(), llvm::APInt(64, bits).trunc(is_bool(d) ? 1 : width(d)));
  return lanes == 1 ? c : llvm::ConstantVector::getSplat(llvm::ElementCount::getFixed(lanes), c);
}

llvm::Value* Ops::unary(NumOp op, DType d, llvm::Value* x) {
  auto call = [&](ID id) { return b_.CreateUnaryIntrinsic(id, x); };
  switch (op) {
    case NumOp::neg: return is_real(d) ? b_.CreateFNeg(x) : b_.CreateNeg(x);
    case NumOp::abs:
      if (is_real(d)) return call(llvm::Intrinsic::fabs);
      return is_signed_int(d) ? b_.CreateBinaryIntrinsic(llvm::Intrinsic::abs, x, b_.getFalse()) : x;
    case NumOp::sqrt: return call(llvm::Intrinsic::sqrt);
    case NumOp::floor: return is_real(d) ? call(llvm::Intrinsic::floor) : x;
    case NumOp::ceil: return is_real(d) ? call(llvm::Intrinsic::ceil) : x;
    case NumOp::rint: return is_real(d) ? call(llvm::Intrinsic::rint) : x;
    case NumOp::trunc: return is_real(d) ? call(llvm::Intrinsic::trunc) : x;
    default: return b_.CreateNot(x);
  }
}
// Of integers, defined everywhere: by zero, zero; the least one by -1, itself.
llvm::Value* Ops::division(NumOp op, DType d, llvm::Value* a, llvm::Value* b) {
  llvm::Type* t = a->getType();
  llvm::Value *zero = llvm::Constant::getNullValue(t), *one = llvm::ConstantInt::get(t, 1);
  llvm::Value* by_zero = b_.CreateICmpEQ(b, zero);
  if (!is_signed_int(d)) {
    llvm::Value* safe = b_.CreateSelect(by_zero, one, b);
    return b_.CreateSelect(by_zero, zero, op == NumOp::div ? b_.CreateUDiv(a, safe) : b_.CreateURem(a, safe));
  }
  llvm::Value* by_minus = b_.CreateICmpEQ(b, llvm::Constant::getAllOnesValue(t));
  llvm::Value* safe = b_.CreateSelect(b_.CreateOr(by_zero, by_minus), one, b);
  if (op == NumOp::rem) return b_.CreateSelect(b_.CreateOr(by_zero, by_minus), zero, b_.CreateSRem(a, safe));
  return b_.CreateSelect(by_zero, zero, b_.CreateSelect(by_minus, b_.CreateNeg(a), b_.CreateSDiv(a, safe)));
}
// By the width or more: zero, but minus one for negative numbers shifted right.
llvm::Value* Ops::shift(NumOp op, DType d, llvm::Value* a, llvm::Value* b) {
  llvm::Type* t = a->getType();
  llvm::Value* in = b_.CreateICmpULT(b, llvm::ConstantInt::get(t, width(d)));
  if (op == NumOp::shr && is_signed_int(d)) return b_.CreateAShr(a, b_.CreateSelect(in, b, llvm::ConstantInt::get(t, width(d) - 1)));
  llvm::Value *zero = llvm::Constant::getNullValue(t), *safe = b_.CreateSelect(in, b, zero);
  return b_.CreateSelect(in, op == NumOp::shl ? b_.CreateShl(a, safe) : b_.CreateLShr(a, safe), zero);
}
// NaN if either is; the second of equal ones. A number as second operand needs no test of its own.
llvm::Value* Ops::extreme(bool max, DType d, llvm::Value* a, llvm::Value* b) {
  if (!is_real(d)) {
    ID id = is_signed_int(d) ? (max ? llvm::Intrinsic::smax : llvm::Intrinsic::smin) : (max ? llvm::Intrinsic::umax : llvm::Intrinsic::umin);
    return b_.CreateBinaryIntrinsic(id, a, b);
  }
  if (is_constant_number(b)) return b_.CreateSelect(max ? b_.CreateFCmpOGE(b, a) : b_.CreateFCmpOLE(b, a), b, a);
  llvm::Value* r = b_.CreateSelect(max ? b_.CreateFCmpOGT(a, b) : b_.CreateFCmpOLT(a, b), a, b);
  return is_constant_number(a) ? r : b_.CreateSelect(b_.CreateFCmpUNO(a, a), a, r);
}
// x 2^k, rounded once: an instruction of AVX-512, or two exact halves of the power.
llvm::Value* Ops::scaled(DType d, llvm::Value* x, llvm::Value* k) {
  const bool f32 = d == DType::f32;
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(x->getType());
  const unsigned lanes = vector ? vector->getNumElements() : 1, bits = lanes * width(d);
  if (target_.avx512 && bits > 512) {  // f64 in place of as many f32
    const unsigned each = 512 / width(d);
    std::vector<llvm::Value*> parts;
    for (unsigned from = 0; from < lanes; from += each) {
      std::vector<int> some(each);
      std::iota(some.begin(), some.end(), static_cast<int>(from));
      parts.push_back(scaled(d, b_.CreateShuffleVector(x, some), b_.CreateShuffleVector(k, some)));
    }
    return joined(parts, each);
  }
  if (target_.avx512 && (lanes == 1 || bits >= 128)) {
    llvm::Value* all = llvm::ConstantInt::getAllOnesValue(b_.getIntNTy(std::max(8u, lanes)));
    llvm::Value* round = b_.getInt32(4);  // as the machine is set
    if (lanes == 1) {
      llvm::Type* t = widened(x->getType(), 128 / width(d));
      auto in = [&](llvm::Value* v) { return b_.CreateInsertElement(llvm::PoisonValue::get(t), v, b_.getInt32(0)); };
      llvm::Value *a = in(x), *c = in(k);
      return b_.CreateExtractElement(b_.CreateIntrinsic(f32 ? llvm::Intrinsic::x86_avx512_mask_scalef_ss : llvm::Intrinsic::x86_avx512_mask_scalef_sd,
                                                        {}, {a, c, a, all, round}),
                                     b_.getInt32(0));
    }
    const ID id = bits == 512   ? (f32 ? llvm::Intrinsic::x86_avx512_mask_scalef_ps_512 : llvm::Intrinsic::x86_avx512_mask_scalef_pd_512)
                  : bits == 256 ? (f32 ? llvm::Intrinsic::x86_avx512_mask_scalef_ps_256 : llvm::Intrinsic::x86_avx512_mask_scalef_pd_256)
                                : (f32 ? llvm::Intrinsic::x86_avx512_mask_scalef_ps_128 : llvm::Intrinsic::x86_avx512_mask_scalef_pd_128);
    if (bits == 512) return b_.CreateIntrinsic(id, {}, {x, k, x, all, round});
    return b_.CreateIntrinsic(id, {}, {x, k, x, all});
  }
  llvm::Type *real = x->getType(), *whole = widened(b_.getIntNTy(width(d)), lanes);
  const double shifter = f32 ? 0x1.8p23 : 0x1.8p52, bias = f32 ? 127 : 1023;
  const std::uint64_t base = f32 ? std::bit_cast<std::uint32_t>(static_cast<float>(shifter)) : std::bit_cast<std::uint64_t>(shifter);
  auto number = [&](std::uint64_t v) { return llvm::ConstantInt::get(whole, v); };
  llvm::Value* shifted = b_.CreateFAdd(k, llvm::ConstantFP::get(real, shifter + 2 * bias));
  llvm::cast<llvm::Instruction>(shifted)->setHasAllowContract(false);
  llvm::Value* power = b_.CreateSub(b_.CreateBitCast(shifted, whole), number(base));
  llvm::Value* half = b_.CreateLShr(power, number(1));
  auto power_of_two = [&](llvm::Value* p) { return b_.CreateBitCast(b_.CreateShl(p, number(f32 ? 23 : 52)), real); };
  return b_.CreateFMul(b_.CreateFMul(x, power_of_two(half)), power_of_two(b_.CreateSub(power, half)));
}
llvm::Value* Ops::binary(NumOp op, DType d, llvm::Value* a, llvm::Value* b) {
  const bool real = is_real(d), sign = is_signed_int(d);
  switch (op) {
    case NumOp::add: return real ? b_.CreateFAdd(a, b) : b_.CreateAdd(a, b);
    case NumOp::sub: return real ? b_.CreateFSub(a, b) : b_.CreateSub(a, b);
    case NumOp::mul: return real ? b_.CreateFMul(a, b) : b_.CreateMul(a, b);
    case NumOp::div: return real ? b_.CreateFDiv(a, b) : division(op, d, a, b);
    case NumOp::rem: return division(op, d, a, b);
    case NumOp::min: return extreme(false, d, a, b);
    case NumOp::max: return extreme(true, d, a, b);
    case NumOp::copysign: return b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, a, b);
    case NumOp::scale: return scaled(d, a, b);
    case NumOp::and_: return b_.CreateAnd(a, b);
    case NumOp::or_: return b_.CreateOr(a, b);
    case NumOp::xor_: return b_.CreateXor(a, b);
    case NumOp::shl:
    case NumOp::shr: return shift(op, d, a, b);
    case NumOp::eq: return real ? b_.CreateFCmpOEQ(a, b) : b_.CreateICmpEQ(a, b);
    case NumOp::ne: return real ? b_.CreateFCmpUNE(a, b) : b_.CreateICmpNE(a, b);
    case NumOp::lt: return real ? b_.CreateFCmpOLT(a, b) : sign ? b_.CreateICmpSLT(a, b) : b_.CreateICmpULT(a, b);
    case NumOp::le: return real ? b_.CreateFCmpOLE(a, b) : sign ? b_.CreateICmpSLE(a, b) : b_.CreateICmpULE(a, b);
    case NumOp::gt: return real ? b_.CreateFCmpOGT(a, b) : sign ? b_.CreateICmpSGT(a, b) : b_.CreateICmpUGT(a, b);
    default: return real ? b_.CreateFCmpOGE(a, b) : sign ? b_.CreateICmpSGE(a, b) : b_.CreateICmpUGE(a, b);
  }
}
// 16-bit floats are held as their bits. The machine's conversions of bf16 drop subnormal numbers, so those are made of integers.
llvm::Value* Ops::widen(DType half, llvm::Value* x, unsigned lanes) {
  if (half == DType::f16) return b_.CreateFPExt(b_.CreateBitCast(x, widened(b_.getHalfTy(), lanes)), type(DType::f32, lanes));
  llvm::Type* whole = widened(b_.getInt32Ty(), lanes);
  return b_.CreateBitCast(b_.CreateShl(b_.CreateZExt(x, whole), llvm::ConstantInt::get(whole, 16)), type(DType::f32, lanes));
}
llvm::Value* Ops::narrow(DType half, llvm::Value* x, unsigned lanes) {
  if (half == DType::f16) return b_.CreateBitCast(b_.CreateFPTrunc(x, widened(b_.getHalfTy(), lanes)), type(half, lanes));
  llvm::Type* whole = widened(b_.getInt32Ty(), lanes);
  auto number = [&](std::uint32_t v) { return llvm::ConstantInt::get(whole, v); };
  llvm::Value* bits = b_.CreateBitCast(x, whole);
  llvm::Value* odd = b_.CreateAnd(b_.CreateLShr(bits, number(16)), number(1));
  llvm::Value* rounded = b_.CreateAdd(b_.CreateAdd(bits, number(0x7fff)), odd);  // to the nearest, ties to even
  llvm::Value* quiet = b_.CreateOr(bits, number(0x400000));
  return b_.CreateTrunc(b_.CreateLShr(b_.CreateSelect(b_.CreateFCmpUNO(x, x), quiet, rounded), number(16)), type(half, lanes));
}
// As the cast kernels: float to integer saturates, NaN is 0; bool is x != 0.
llvm::Value* Ops::convert(DType to, DType from, llvm::Value* x, unsigned lanes) {
  if (is_half(from)) return widen(from, x, lanes);
  if (is_half(to)) {
    llvm::IRBuilderBase::FastMathFlagGuard guard(b_);
    b_.clearFastMathFlags();  // it must round
    return narrow(to, x, lanes);
  }
  llvm::Type* t = type(to, lanes);
  if (is_bool(to)) {
    llvm::Value* zero = llvm::Constant::getNullValue(x->getType());
    return is_real(from) ? b_.CreateFCmpUNE(x, zero) : b_.CreateICmpNE(x, zero);
  }
  if (is_real(from)) {
    if (is_real(to)) return b_.CreateFPCast(x, t);
    return b_.CreateIntrinsic(is_signed_int(to) ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat, {t, x->getType()}, {x});
  }
  const bool sign = is_signed_int(from);
  if (is_real(to)) return sign ? b_.CreateSIToFP(x, t) : b_.CreateUIToFP(x, t);
  return b_.CreateIntCast(x, t, sign);
}
llvm::Value* Ops::apply(const Node& n, llvm::Value* a, llvm::Value* b, llvm::Value* c, unsigned lanes) {
  switch (n.op) {
    case Op::constant: return constant(n.type, n.attr, lanes);
    case Op::unary: return unary(n.num, n.from, a);
    case Op::binary: {  // which products join sums is decided in the graph; those that a loop adds up join their sum as well
      llvm::Value* v = binary(n.num, n.from, a, b);
      if (auto* i = llvm::dyn_cast<llvm::Instruction>(v); i && (n.num == NumOp::add || n.num == NumOp::sub) && is_real(n.from))
        i->setHasAllowContract(false);
      return v;
    }
    case Op::fma: return b_.CreateIntrinsic(llvm::Intrinsic::fma, {a->getType()}, {a, b, c});
    case Op::select: return b_.CreateSelect(a, b, c);
    case Op::bitcast: return b_.CreateBitCast(a, type(n.type, lanes));
    default: return convert(n.type, n.from, a, lanes);
  }
}
std::vector<llvm::Value*> Ops::zipped(std::vector<llvm::Value*> v, unsigned lanes) {
  const std::size_t m = v.size();
  for (std::size_t done = 1; done < m; done *= 2) {  // the first half with the second
    std::vector<llvm::Value*> next(m);
    for (std::size_t k = 0; k < m / 2; ++k)
      for (unsigned high : {0u, 1u}) {
        std::vector<int> mask;
        for (unsigned l = 0; l < lanes / 2; ++l) {
          mask.push_back(static_cast<int>(high * lanes / 2 + l));
          mask.push_back(static_cast<int>(lanes + high * lanes / 2 + l));
        }
        next[2 * k + high] = b_.CreateShuffleVector(v[k], v[k + m / 2], mask);
      }
    v = std::move(next);
  }
  return v;
}
std::vector<llvm::Value*> Ops::unzipped(std::vector<llvm::Value*> v, unsigned lanes) {
  const std::size_t m = v.size();
  for (std::size_t done = 1; done < m; done *= 2) {  // even and odd elements apart
    std::vector<llvm::Value*> next(m);
    for (std::size_t k = 0; k < m / 2; ++k)
      for (unsigned odd : {0u, 1u}) {
        std::vector<int> mask;
        for (unsigned l = 0; l < lanes; ++l) mask.push_back(static_cast<int>(2 * l + odd));
        next[k + odd * (m / 2)] = b_.CreateShuffleVector(v[2 * k], v[2 * k + 1], mask);
      }
    v = std::move(next);
  }
  return v;
}
llvm::Value* Ops::joined(std::vector<llvm::Value*> parts, unsigned lanes) {
  for (; parts.size() > 1; lanes *= 2) {
    std::vector<int> both(2 * lanes);
    for (unsigned l = 0; l < 2 * lanes; ++l) both[l] = static_cast<int>(l);
    for (std::size_t l = 0; l < parts.size() / 2; ++l) parts[l] = b_.CreateShuffleVector(parts[2 * l], parts[2 * l + 1], both);
    parts.resize(parts.size() / 2);
  }
  return parts[0];
}
// All lanes combined: halves, then halves of these.
llvm::Value* Ops::folded(NumOp op, DType d, llvm::Value* v, unsigned lanes) {
  for (unsigned w = lanes; w > 1; w /= 2) {
    std::vector<int> low, high;
    for (unsigned l = 0; l < w / 2; ++l) {
      low.push_back(static_cast<int>(l));
      high.push_back(static_cast<int>(w / 2 + l));
    }
    v = w == 2 ? binary(op, d, b_.CreateExtractElement(v, b_.getInt32(0)), b_.CreateExtractElement(v, b_.getInt32(1)))
               : binary(op, d, b_.CreateShuffleVector(v, low), b_.CreateShuffleVector(v, high));
  }
  return v;
}
void Ops::fence() {
  if (target_.x86) b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_sfence, llvm::ArrayRef<llvm::Type*>(), llvm::ArrayRef<llvm::Value*>());
  else b_.CreateFence(llvm::AtomicOrdering::Release);
}
llvm::Value* Ops::room(llvm::Value* v, std::size_t slot) {
  llvm::Function* f = b_.GetInsertBlock()->getParent();
  auto& p = rooms_[{v->getType(), slot}];
  if (!p) {
    llvm::IRBuilder<> entry(&f->getEntryBlock(), f->getEntryBlock().begin());
    p = entry.CreateAlloca(v->getType());
  }
  b_.CreateStore(v, p);
  return p;
}
void Ops::rare(std::span<Rare> calls, unsigned lanes) {
  auto& context = b_.getContext();
  llvm::Function* f = b_.GetInsertBlock()->getParent();
  llvm::Module* m = f->getParent();
  llvm::Value* any = nullptr;
  for (const Rare& r : calls) any = any ? b_.CreateOr(any, r.mask) : r.mask;
  auto bits = [&](llvm::Value* mask) { return lanes > 1 ? b_.CreateBitCast(mask, b_.getIntNTy(lanes)) : mask; };
  if (lanes > 1) any = b_.CreateICmpNE(bits(any), llvm::ConstantInt::get(b_.getIntNTy(lanes), 0));
  auto* before = b_.GetInsertBlock();
  auto* odd = llvm::BasicBlock::Create(context, "odd", f);
  auto* after = llvm::BasicBlock::Create(context, "usual", f);
  b_.CreateCondBr(any, odd, after, llvm::MDBuilder(context).createBranchWeights(1, 100000));
  b_.SetInsertPoint(odd);
  std::vector<llvm::Value*> fixed;
  for (const Rare& r : calls) {
    const auto& fallback = g_.fallback(r.n->attr);
    llvm::Type *t = element(r.n->type), *ptr = b_.getPtrTy();
    llvm::FunctionCallee target =
        m->getOrInsertFunction(fallback.name, llvm::FunctionType::get(t, std::vector<llvm::Type*>(r.args.size(), t), false));
    const std::string helper = "functra_rare_" + std::string(name_of(r.n->type)) + "_" + std::to_string(r.args.size());
    std::vector<llvm::Type*> types{ptr, b_.getInt64Ty(), ptr};
    types.insert(types.end(), r.args.size(), ptr);
    llvm::FunctionCallee call = m->getOrInsertFunction(helper, llvm::FunctionType::get(b_.getVoidTy(), types, false));
    auto* result = room(r.value, 0);
    std::vector<llvm::Value*> operands{target.getCallee(), b_.CreateZExt(bits(r.mask), b_.getInt64Ty()), result};
    for (std::size_t k = 0; k < r.args.size(); ++k) operands.push_back(room(r.args[k], k + 1));
    b_.CreateCall(call, operands);
    fixed.push_back(b_.CreateLoad(r.value->getType(), result));
  }
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
  for (std::size_t k = 0; k < calls.size(); ++k) {
    auto* phi = b_.CreatePHI(calls[k].value->getType(), 2);
    phi->addIncoming(calls[k].value, before);
    phi->addIncoming(fixed[k], odd);
    calls[k].value = phi;
  }
}

}  // namespace functra::compiler

extern "C" {
void functra_rare_f64_1(double (*f)(double), std::uint64_t mask, double* value, const double* a) {
  for (int k = 0; mask; ++k, mask >>= 1)
    if (mask & 1) value[k] = f(a[k]);
}
void functra_rare_f32_1(float (*f)(float), std::uint64_t mask, float* value, const float* a) {
  for (int k = 0; mask; ++k, mask >>= 1)
    if (mask & 1) value[k] = f(a[k]);
}
void functra_rare_f64_2(double (*f)(double, double), std::uint64_t mask, double* value, const double* a, const double* b) {
  for (int k = 0; mask; ++k, mask >>= 1)
    if (mask & 1) value[k] = f(a[k], b[k]);
}
void functra_rare_f32_2(float (*f)(float, float), std::uint64_t mask, float* value, const float* a, const float* b) {
  for (int k = 0; mask; ++k, mask >>= 1)
    if (mask & 1) value[k] = f(a[k], b[k]);
}
}
