#include "functra/kernels/conv.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>

#include "functra/base/errors.h"
#include "functra/base/memory.h"
#include "functra/base/pool.h"
#include "functra/kernels/conv_onednn.h"
#include "functra/kernels/gemm.h"
#include "functra/kernels/strided.h"

namespace functra::kernels {
namespace {

using Offset = std::int64_t;

template <class T> struct Buffer {
  explicit Buffer(Offset count) : bytes(static_cast<std::size_t>(count) * sizeof(T)), p(static_cast<T*>(allocate(bytes))) {}
  Buffer(const Buffer&) = delete;
  ~Buffer() { deallocate(p, bytes); }
  std::size_t bytes;
  T* p;
};

// Every convolution as one over three spatial dimensions, the missing leading ones of extent 1.
struct Conv {
  Offset batch, channels, outputs, groups;  // channels and outputs per group
  std::array<Offset, 3> in, kernel, out, stride{1, 1, 1}, lo{}, ldil{1, 1, 1}, rdil{1, 1, 1};
  Offset in_size() const { return in[0] * in[1] * in[2]; }
  Offset out_size() const { return out[0] * out[1] * out[2]; }
  Offset taps() const { return channels * kernel[0] * kernel[1] * kernel[2]; }
};

// One row of patches: for the outputs `count` from `first` along the innermost dimension, the element under tap k, or zero.
template <class T> void patch_row(const Conv& c, const T* x, Offset k, Offset first, Offset count, T* to) {
  Offset base = k * c.rdil[2] - c.lo[2] + first * c.stride[2], step = c.stride[2], dil = c.ldil[2], n = c.in[2];
  if (dil == 1) {
    Offset begin = base >= 0 ? 0 : std::min(count, (-base + step - 1) / step);
    Offset end = std::clamp<Offset>(n - base <= 0 ? 0 : (n - base + step - 1) / step, begin, count);
    std::fill_n(to, begin, T(0));
    if (step == 1) std::memcpy(to + begin, x + base + begin, static_cast<std::size_t>(end - begin) * sizeof(T));
    else
      for (Offset i = begin; i < end; ++i) to[i] = x[base + i * step];
    std::fill_n(to + end, count - end, T(0));
    return;
  }
  Offset last = (n - 1) * dil;
  if (step == 1) {  // every dil-th element is one of x
    std::fill_n(to, count, T(0));
    Offset begin = base >= 0 ? (dil - base % dil) % dil : -base, end = std::min(count, last - base + 1);
    for (Offset i = begin, j = (base + begin) / dil; i < end; i += dil) to[i] = x[j++];
    return;
  }
  for (Offset i = 0; i < count; ++i) {
    Offset p = base + i * step;
    to[i] = p >= 0 && p <= last && p % dil == 0 ? x[p / dil] : T(0);
  }
}
// The row of x that output index o meets at tap k along dimension d, or -1.
Offset meets(const Conv& c, std::size_t d, Offset o, Offset k) {
  Offset p = o * c.stride[d] + k * c.rdil[d] - c.lo[d];
  if (p < 0 || p % c.ldil[d] != 0) return -1;
  p /= c.ldil[d];
  return p < c.in[d] ? p : -1;
}
// to[t * ld + j], t over taps, j over `rows` rows of outputs from row first_row (rows of out[2] elements).
template <class T> void patches(const Conv& c, const T* x, Offset first_row, Offset rows, T* to, Offset ld) {
  for (Offset ch = 0; ch < c.channels; ++ch)
    for (Offset k0 = 0; k0 < c.kernel[0]; ++k0)
      for (Offset k1 = 0; k1 < c.kernel[1]; ++k1)
        for (Offset k2 = 0; k2 < c.kernel[2]; ++k2, to += ld)
          for (Offset r = 0; r < rows; ++r) {
            Offset o0 = (first_row + r) / c.out[1], o1 = (first_row + r) % c.out[1];
            Offset p0 = meets(c, 0, o0, k0), p1 = meets(c, 1, o1, k1);
            T* at = to + r * c.out[2];
            if (p0 < 0 || p1 < 0) std::fill_n(at, c.out[2], T(0));
            else patch_row(c, x + ((ch * c.in[0] + p0) * c.in[1] + p1) * c.in[2], k2, 0, c.out[2], at);
          }
}

// Patches and products. A task takes one group of one example, a block of its output rows where the output is large, or several
// examples where it is small, so that a product has enough columns.
template <class T> void by_patches(const Conv& c, const T* x, const T* w, T* out) {
  constexpr Offset kColumns = 256;  // of a product, about
  Offset rows = c.out[0] * c.out[1], width = c.out[2], size = c.out_size(), taps = c.taps();
  Offset block = std::clamp<Offset>(std::max<Offset>(2 * kColumns, 65536 / std::max<Offset>(taps, 1)) / width, 1, rows),
         blocks = (rows + block - 1) / block;
  Offset together = blocks > 1 ? 1 : std::clamp<Offset>(kColumns / size, 1, c.batch), teams = (c.batch + together - 1) / together;
  Offset work = std::max<Offset>(1, c.outputs * taps * block * width * together);
  parallel_for(c.groups * teams * blocks, std::max<Offset>(1, 200'000 / work), [&](Offset begin, Offset end) {
    Buffer<T> cols(taps * std::max(block * width, together * size)), part(together > 1 ? c.outputs * together * size : 1);
    for (Offset t = begin; t < end; ++t) {
      Offset b = t % blocks, team = t / blocks % teams, g = t / blocks / teams, n0 = team * together, n1 = std::min(c.batch, n0 + together);
      auto from = [&](Offset n) { return x + (n * c.groups + g) * c.channels * c.in_size(); };
      auto to = [&](Offset n) { return out + (n * c.groups + g) * c.outputs * size; };
      const T* wg = w + g * c.outputs * taps;
      if (together == 1) {
        Offset first = b * block, count = std::min(rows - first, block), m = count * width;
        patches(c, from(n0), first, count, cols.p, m);
        gemm(dtype_of<T>, false, false, c.outputs, m, taps, wg, taps, cols.p, m, to(n0) + first * width, size);
      } else {
        Offset m = (n1 - n0) * size;
        for (Offset n = n0; n < n1; ++n) patches(c, from(n), 0, rows, cols.p + (n - n0) * size, m);
        gemm(dtype_of<T>, false, false, c.outputs, m, taps, wg, taps, cols.p, m, part.p, m);
        for (Offset n = n0; n < n1; ++n)
          for (Offset o = 0; o < c.outputs; ++o)
            std::memcpy(to(n) + o * size, part.p + o * m + (n - n0) * size, static_cast<std::size_t>(size) * sizeof(T));
      }
    }
  });
}

// The operand itself where it is contiguous, else a contiguous copy kept in `keep`.
template <class T> const T* contiguous(const void* x, const Shape& shape, const Shape& strides, std::unique_ptr<Buffer<T>>& keep) {
  if (is_row_major(shape, strides)) return static_cast<const T*>(x);
  keep = std::make_unique<Buffer<T>>(shape.numel());
  copy(keep->p, row_major(shape), x, strides, shape, sizeof(T));
  return keep->p;
}

template <class T> void run(const Conv& c, const void* x, const Shape& x_shape, const Shape& x_strides, const void* w, const Shape& w_shape,
                            const Shape& w_strides, const ConvGeometry& g, void* out) {
  std::unique_ptr<Buffer<T>> keep_x, keep_w;
  const T* xp = contiguous<T>(x, x_shape, x_strides, keep_x);
  const T* wp = contiguous<T>(w, w_shape, w_strides, keep_w);
  if constexpr (std::is_same_v<T, float>)
    if (conv_by_onednn(xp, x_shape, wp, w_shape, g, c.groups, static_cast<float*>(out))) return;
  by_patches(c, xp, wp, static_cast<T*>(out));
}

}  // namespace

std::int64_t conv_extent(std::int64_t n, std::int64_t k, std::int64_t stride, std::int64_t lo, std::int64_t hi, std::int64_t lhs_dilation,
                         std::int64_t rhs_dilation) {
  auto dilated = [](std::int64_t m, std::int64_t d) { return m == 0 ? 0 : (m - 1) * d + 1; };
  std::int64_t room = dilated(n, lhs_dilation) + lo + hi - dilated(k, rhs_dilation);
  return room < 0 ? 0 : room / stride + 1;
}

void conv_general_dilated(DType d, const void* x, const Shape& x_shape, const Shape& x_strides, const void* w, const Shape& w_shape,
                          const Shape& w_strides, const ConvGeometry& g, std::int64_t groups, void* out) {
  if (d != DType::f32 && d != DType::f64)
    throw DTypeError("conv_general_dilated: not defined for dtype " + std::string(name_of(d)) + "; convert with to(f32) or to(f64)");
  std::size_t spatial = x_shape.size() - 2, skip = 3 - spatial;
  Conv c{};
  c.batch = x_shape[0];
  c.groups = groups;
  c.channels = w_shape[1];
  c.outputs = w_shape[0] / std::max<Offset>(groups, 1);
  c.in = c.kernel = c.out = {1, 1, 1};
  c.stride = c.ldil = c.rdil = {1, 1, 1};
  for (std::size_t i = 0; i < spatial; ++i) {
    std::size_t k = skip + i;
    c.in[k] = x_shape[2 + i];
    c.kernel[k] = w_shape[2 + i];
    c.stride[k] = g.stride[i];
    c.lo[k] = g.pad_lo[i];
    c.ldil[k] = g.lhs_dilation[i];
    c.rdil[k] = g.rhs_dilation[i];
    c.out[k] = conv_extent(c.in[k], c.kernel[k], c.stride[k], c.lo[k], g.pad_hi[i], c.ldil[k], c.rdil[k]);
  }
  Offset total = c.batch * c.groups * c.outputs * c.out_size();
  if (total == 0) return;
  if (c.taps() == 0 || c.in_size() == 0) {
    double zero = 0;
    return fill(out, total, size_of(d), &zero);
  }
  if (d == DType::f32) run<float>(c, x, x_shape, x_strides, w, w_shape, w_strides, g, out);
  else run<double>(c, x, x_shape, x_strides, w, w_shape, w_strides, g, out);
}

}  // namespace functra::kernels
