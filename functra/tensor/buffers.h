// Small arrays on the stack, for operands and results of one call.
#pragma once
#include <cstdlib>
#include <new>

#include "functra/tensor/tensor.h"

namespace functra {

using Vec = std::vector<Tensor>;
using Ins = std::span<const Tensor>;
using Outs = std::span<Tensor>;

// Handles borrowed from a longer-lived place: two words each, no reference counts, nothing to destroy. A callee that keeps one
// copies it properly, since it sees const Tensor&.
template <int N> class Borrowed {
 public:
  explicit Borrowed(std::size_t n) : n_(n), p_(n <= N ? in_ : static_cast<char*>(std::malloc(n * sizeof(Tensor)))) {}
  ~Borrowed() {
    if (n_ > N) std::free(p_);
  }
  Borrowed(const Borrowed&) = delete;
  FUNCTRA_INLINE void set(std::size_t i, const Tensor& t) {
    Tensor* q = at(i);
    q->word_ = t.word_;
    q->meta_ = t.meta_;
  }
  FUNCTRA_INLINE void null(std::size_t i) {
    Tensor* q = at(i);
    q->word_.u = 0;
    q->meta_ = 0;
  }
  FUNCTRA_INLINE operator Ins() const { return {reinterpret_cast<const Tensor*>(p_), n_}; }

 private:
  Tensor* at(std::size_t i) { return reinterpret_cast<Tensor*>(p_) + i; }
  std::size_t n_;
  char* p_;
  alignas(Tensor) char in_[N * sizeof(Tensor)];
};

// A few values in place, more on the heap; default-constructed.
template <class T, int N> class Buf {
 public:
  explicit Buf(std::size_t n) : n_(n), p_(n <= N ? reinterpret_cast<T*>(in_) : static_cast<T*>(std::malloc(n * sizeof(T)))) {
    for (std::size_t i = 0; i < n; ++i) new (p_ + i) T();
  }
  ~Buf() {
    for (std::size_t i = 0; i < n_; ++i) p_[i].~T();
    if (n_ > N) std::free(p_);
  }
  Buf(const Buf&) = delete;
  T& operator[](std::size_t i) { return p_[i]; }
  std::size_t size() const { return n_; }
  T* begin() { return p_; }
  T* end() { return p_ + n_; }
  operator std::span<T>() { return {p_, n_}; }
  operator std::span<const T>() const { return {p_, n_}; }

 private:
  std::size_t n_;
  T* p_;
  alignas(T) char in_[N * sizeof(T)];
};

}  // namespace functra
