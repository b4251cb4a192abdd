// An Emitter that evaluates at once: symbolic numbers stand for concrete elements.
#pragma once
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "functra/base/formula.h"

namespace functra::testing {

class TestEmitter final : public Emitter {
 public:
  struct Value {
    DType dtype;
    std::uint64_t bits;
  };  // the element, in the low bytes

  template <class T> Sym input(T x) { return {this, put(x), dtype_of<T>}; }
  template <class T> T value(Sym s) const { return get<T>(s.id); }
  long operations = 0;

  Id constant(DType d, Scalar c) override {
    std::uint64_t bits = 0;
    c.store(d, &bits);
    return push(d, bits);
  }
  Id unary(NumOp op, DType d, Id x) override {
    ++operations;
    return visit(d, [&](auto t) {
      using T = decltype(t);
      const T a = get<T>(x);
      if constexpr (std::is_same_v<T, bool>) {
        if (op == NumOp::invert) return put(!a);
      } else if constexpr (std::is_integral_v<T>) {
        using U = std::make_unsigned_t<T>;
        switch (op) {
          case NumOp::neg: return put(static_cast<T>(U(0) - static_cast<U>(a)));
          case NumOp::abs: return put(a < 0 ? static_cast<T>(U(0) - static_cast<U>(a)) : a);
          case NumOp::invert: return put(static_cast<T>(~a));
          case NumOp::floor:
          case NumOp::ceil:
          case NumOp::rint:
          case NumOp::trunc: return put(a);
          default: break;
        }
      } else {
        switch (op) {
          case NumOp::neg: return put(-a);
          case NumOp::abs: return put(std::fabs(a));
          case NumOp::sqrt: return put(std::sqrt(a));
          case NumOp::floor: return put(std::floor(a));
          case NumOp::ceil: return put(std::ceil(a));
          case NumOp::rint: return put(std::rint(a));
          case NumOp::trunc: return put(std::trunc(a));
          default: break;
        }
      }
      return undefined();
    });
  }
  Id binary(NumOp op, DType d, Id x, Id y) override {
    ++operations;
    return visit(d, [&](auto t) {
      using T = decltype(t);
      const T a = get<T>(x), b = get<T>(y);
      switch (op) {
        case NumOp::eq: return put(a == b);
        case NumOp::ne: return put(a != b);
        case NumOp::lt: return put(a < b);
        case NumOp::le: return put(a <= b);
        case NumOp::gt: return put(a > b);
        case NumOp::ge: return put(a >= b);
        case NumOp::min: return put(a < b || a != a ? a : b);
        case NumOp::max: return put(a > b || a != a ? a : b);
        default: break;
      }
      if constexpr (std::is_same_v<T, bool>) {
        switch (op) {
          case NumOp::and_: return put(a && b);
          case NumOp::or_: return put(a || b);
          case NumOp::xor_: return put(a != b);
          default: break;
        }
      } else if constexpr (std::is_integral_v<T>) {
        using W = std::uint64_t;
        const W u = static_cast<W>(a), v = static_cast<W>(b);
        const bool wide = v >= 8 * sizeof(T), minus = std::is_signed_v<T> && b == static_cast<T>(-1);
        switch (op) {
          case NumOp::add: return put(static_cast<T>(u + v));
          case NumOp::sub: return put(static_cast<T>(u - v));
          case NumOp::mul: return put(static_cast<T>(u * v));
          case NumOp::div: return put(b == 0 ? T(0) : minus ? static_cast<T>(W(0) - u) : static_cast<T>(a / b));
          case NumOp::rem: return put(b == 0 || minus ? T(0) : static_cast<T>(a % b));
          case NumOp::and_: return put(static_cast<T>(u & v));
          case NumOp::or_: return put(static_cast<T>(u | v));
          case NumOp::xor_: return put(static_cast<T>(u ^ v));
          case NumOp::shl: return put(wide ? T(0) : static_cast<T>(u << v));
          case NumOp::shr: return put(!wide ? static_cast<T>(a >> v) : a < 0 ? static_cast<T>(-1) : T(0));
          default: break;
        }
      } else {
        switch (op) {
          case NumOp::add: return put(a + b);
          case NumOp::sub: return put(a - b);
          case NumOp::mul: return put(a * b);
          case NumOp::div: return put(a / b);
          case NumOp::copysign: return put(std::copysign(a, b));
          case NumOp::scale: return put(static_cast<T>(std::ldexp(a, static_cast<int>(b))));
          default: break;
        }
      }
      return undefined();
    });
  }
  Id fma(DType d, Id a, Id b, Id c) override {
    ++operations;
    if (d == f32) return put(std::fma(get<float>(a), get<float>(b), get<float>(c)));
    if (d == f64) return put(std::fma(get<double>(a), get<double>(b), get<double>(c)));
    return undefined();
  }
  Id select(DType d, Id mask, Id yes, Id no) override {
    ++operations;
    if (values_.at(yes).dtype != d || values_.at(no).dtype != d) throw std::logic_error("select: branches of the wrong type");
    return get<bool>(mask) ? yes : no;
  }
  Id bitcast(DType to, DType from, Id x) override {
    if (size_of(to) != size_of(from) || values_.at(x).dtype != from) throw std::logic_error("bitcast: widths differ");
    return push(to, values_[x].bits);
  }
  Id convert(DType to, DType from, Id x) override {
    ++operations;
    return visit(from, [&](auto f) { return visit(to, [&](auto t) { return put(static_cast<decltype(t)>(get<decltype(f)>(x))); }); });
  }
  Id rare(DType d, Id mask, Id value, const char* name, std::span<const Id> args) override {
    ++operations;
    if (!get<bool>(mask)) return value;
    const std::string n = name;
    const bool narrow = d == f32;
    if (narrow != (n.back() == 'f')) throw std::logic_error("rare: " + n + " is of another type");
    auto arg = [&](std::size_t i) { return narrow ? static_cast<double>(get<float>(args[i])) : get<double>(args[i]); };
    const std::string base = narrow ? n.substr(0, n.size() - 1) : n.substr(n.find('_') + 1);
    double r;
    if (base == "sin") r = std::sin(arg(0));
    else if (base == "cos") r = std::cos(arg(0));
    else if (base == "tan") r = std::tan(arg(0));
    else if (base == "fmod") r = std::fmod(arg(0), arg(1));
    else throw std::logic_error("rare: no function " + n);
    return narrow ? put(static_cast<float>(r)) : put(r);
  }

 private:
  template <class F> static Id visit(DType d, F f) {
    switch (d) {
      case DType::bool_: return f(bool());
      case DType::u8: return f(std::uint8_t());
      case DType::u16: return f(std::uint16_t());
      case DType::u32: return f(std::uint32_t());
      case DType::u64: return f(std::uint64_t());
      case DType::i8: return f(std::int8_t());
      case DType::i16: return f(std::int16_t());
      case DType::i32: return f(std::int32_t());
      case DType::i64: return f(std::int64_t());
      case DType::f32: return f(float());
      case DType::f64: return f(double());
      default: throw std::logic_error("an element type that formulas do not have");
    }
  }
  [[noreturn]] static Id undefined() { throw std::logic_error("an operation that this element type does not have"); }
  Id push(DType d, std::uint64_t bits) {
    values_.push_back({d, bits});
    return static_cast<Id>(values_.size() - 1);
  }
  template <class T> Id put(T x) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &x, sizeof(T));
    return push(dtype_of<T>, bits);
  }
  template <class T> T get(Id i) const {
    const Value& v = values_.at(i);
    if (v.dtype != dtype_of<T>)
      throw std::logic_error("an operand is " + std::string(name_of(v.dtype)) + ", not " + std::string(name_of(dtype_of<T>)));
    T x;
    std::memcpy(&x, &v.bits, sizeof(T));
    return x;
  }
  std::vector<Value> values_;
};

}  // namespace functra::testing
