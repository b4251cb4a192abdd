#include "functra/prims/conv.h"
#include "functra/prims/families.h"

#include "functra/kernels/conv.h"
#include "functra/prims/index.h"
#include "functra/prims/shape.h"

namespace functra::prims {
namespace {

std::int64_t dilated(std::int64_t n, std::int64_t d) { return n == 0 ? 0 : (n - 1) * d + 1; }
Shape spatial(const Shape& s) { return Shape(s.data() + 2, s.size() - 2); }
Shape with_spatial(Shape front, const Shape& s) {
  for (std::size_t i = 2; i < s.size(); ++i) front.push_back(s[i]);
  return front;
}
// `front` first, then the spatial dimensions, which are the last of a tensor of this rank.
Shape front_perm(const Shape& front, std::size_t rank) { return front.concat(Shape::iota(rank - front.size(), front.rank())); }

// The cotangent of x: the cotangent, with zeros between its elements, by the reversed kernel, inputs and outputs exchanged within
// each group (as JAX's rule for the left operand).
Tensor cotangent_x(const Tensor& ct, const Tensor& w, const Shape& xs, const ConvParams& p) {
  Shape ws = w.sizes(), cs = ct.sizes();
  ConvParams q{p.lhs_dilation, {}, {}, p.strides, p.rhs_dilation, p.groups};
  for (std::size_t i = 0; i + 2 < xs.size(); ++i) {
    std::int64_t kernel = dilated(ws[i + 2], p.rhs_dilation[i]), low = kernel - 1 - p.low[i];
    q.low.push_back(low);
    q.high.push_back(dilated(xs[i + 2], p.lhs_dilation[i]) + kernel - 1 - dilated(cs[i + 2], p.strides[i]) - low);
  }
  std::int64_t o = ws[0] / p.groups, c = ws[1];
  Tensor turned = permute(reshape(w, with_spatial({p.groups, o, c}, ws)), front_perm({0, 2, 1}, ws.size() + 1));
  turned = reshape(turned, with_spatial({p.groups * c, o}, ws));
  return conv_general_dilated(ct, rev(turned, Shape::iota(ws.size() - 2, 2)), q);
}
// The cotangent of w: x by the cotangent, with examples as input channels and channels as examples; strides and dilation of the kernel
// exchange. The channels of one group lie with the examples of all groups beside them.
Tensor cotangent_w(const Tensor& ct, const Tensor& x, const Shape& ws, const ConvParams& p) {
  Shape xs = x.sizes(), cs = ct.sizes();
  ConvParams q{p.rhs_dilation, p.low, {}, p.lhs_dilation, p.strides, p.groups};
  for (std::size_t i = 0; i + 2 < xs.size(); ++i)
    q.high.push_back(dilated(ws[i + 2], p.rhs_dilation[i]) - 1 + dilated(cs[i + 2], p.strides[i]) - dilated(xs[i + 2], p.lhs_dilation[i]) - p.low[i]);
  Tensor examples = permute(reshape(x, with_spatial({xs[0], p.groups, ws[1]}, xs)), front_perm({2, 1, 0}, xs.size() + 1));
  examples = reshape(examples, with_spatial({ws[1], p.groups * xs[0]}, xs));
  Tensor r = conv_general_dilated(examples, permute(ct, front_perm({1, 0}, cs.size())), q);
  return permute(r, front_perm({1, 0}, ws.size()));
}

}  // namespace

// ---------------------------------------------------------------- conv_general_dilated (x, w)
constexpr Primitive conv_general_dilated_p = {
    .name = "conv_general_dilated",
    .params = &param_type<ConvParams>,
    .n_in = 2,
    .shape =
        [](const Call& c, std::span<const Aval> in, std::span<Aval> out) {
          auto& p = c.params.get<ConvParams>();
          const Shape &x = in[0].shape, &w = in[1].shape;
          auto fail = [&](const std::string& why) { throw ShapeError("conv_general_dilated: x " + x.str() + ", w " + w.str() + ": " + why); };
          if (x.size() < 3 || x.size() > 5 || x.size() != w.size())
            fail("x is [N, C, spatial...] and w [O, C / groups, spatial...], with one to three spatial dimensions");
          std::size_t n = x.size() - 2;
          for (const Shape* s : {&p.strides, &p.low, &p.high, &p.lhs_dilation, &p.rhs_dilation})
            if (s->size() != n) fail("strides, padding and dilations need " + std::to_string(n) + " entries, not " + s->str());
          if (p.groups < 1 || x[1] != w[1] * p.groups)
            fail("x has " + std::to_string(x[1]) + " channels, w takes " + std::to_string(w[1]) + " in each of " + std::to_string(p.groups) +
                 " groups");
          if (w[0] % p.groups) fail(std::to_string(w[0]) + " output channels are not divisible into " + std::to_string(p.groups) + " groups");
          if (in[0].dtype != in[1].dtype)
            throw DTypeError("conv_general_dilated: dtypes " + std::string(name_of(in[0].dtype)) + " and " + std::string(name_of(in[1].dtype)) +
                             " differ");
          if (in[0].dtype != DType::f32 && in[0].dtype != DType::f64)
            throw DTypeError("conv_general_dilated: not defined for dtype " + std::string(name_of(in[0].dtype)) +
                             "; convert with to(f32) or to(f64)");
          out[0] = {in[0].dtype, false, {x[0], w[0]}};
          for (std::size_t i = 0; i < n; ++i) {
            if (p.strides[i] < 1 || p.lhs_dilation[i] < 1 || p.rhs_dilation[i] < 1) fail("strides and dilations are at least 1");
            out[0].shape.push_back(kernels::conv_extent(x[i + 2], w[i + 2], p.strides[i], p.low[i], p.high[i], p.lhs_dilation[i], p.rhs_dilation[i]));
          }
        },
    .eval =
        [](const Call& c, Ins in, Outs out) {
          auto& p = c.params.get<ConvParams>();
          Aval types[2] = {in[0].aval(), in[1].aval()}, result;
          c.prim.shape(c, std::span<const Aval>(types), {&result, 1});
          Tensor r = Tensor::uninitialized(result.dtype, result.shape);
          kernels::conv_general_dilated(result.dtype, in[0].bytes(), in[0].shape_ref(), in[0].strides_ref(), in[1].bytes(), in[1].shape_ref(),
                                        in[1].strides_ref(), {p.strides, p.low, p.high, p.lhs_dilation, p.rhs_dilation}, p.groups, r.mutable_bytes());
          out[0] = std::move(r);
        },
    .jvp =
        [](const Call& c, Ins x, Ins t, Outs y, Outs dy) {
          auto& p = c.params.get<ConvParams>();
          bind_prim(c, x, y);
          dy[0] =
              add_ct(is_zero(t[0]) ? Tensor() : conv_general_dilated(t[0], x[1], p), is_zero(t[1]) ? Tensor() : conv_general_dilated(x[0], t[1], p));
        },
    .transpose =
        [](const Call& c, Ins ct, std::span<const Operand> in, Outs g) {
          auto& p = c.params.get<ConvParams>();
          if (in[0].linear()) g[0] = cotangent_x(ct[0], *in[1], in[0].type->shape, p);
          if (in[1].linear()) g[1] = cotangent_w(ct[0], *in[0], in[1].type->shape, p);
        },
    .batch =
        [](const Call& c, const BatchContext& ctx, std::span<Batched> in, std::span<Batched> out) {
          ConvParams p = c.params.get<ConvParams>();
          bool l = in[0].dim >= 0, r = in[1].dim >= 0;
          if (l && !r) {  // more examples
            Tensor x = move_dim0(in[0], ctx.size);
            Shape s = x.sizes(), one = s.without(0);
            one[0] *= ctx.size;
            Tensor y = conv_general_dilated(reshape(x, one), in[1].value, p);
            Shape t = y.sizes();
            t[0] = s[1];
            out[0] = {reshape(y, t.with(0, ctx.size)), 0};
            return;
          }
          if (!l) {  // more output channels, in every group
            Tensor w = move_dim0(in[1], ctx.size);
            Shape s = w.sizes();
            std::int64_t o = s[1] / p.groups;
            Shape rest(s.data() + 2, s.size() - 2);
            Tensor wide = permute(reshape(w, Shape{ctx.size, p.groups, o}.concat(rest)), front_perm({1, 0, 2}, s.size() + 1));
            Tensor y = conv_general_dilated(in[0].value, reshape(wide, Shape{ctx.size * s[1]}.concat(rest)), p);
            Shape t = y.sizes(), tail = spatial(t);
            y = permute(reshape(y, Shape{t[0], p.groups, ctx.size, o}.concat(tail)), front_perm({2, 0, 1, 3}, t.size() + 2));
            out[0] = {reshape(y, Shape{ctx.size, t[0], s[1]}.concat(tail)), 0};
            return;
          }
          // Both: a group per lane and group.
          Tensor x = move_dim(in[0], 1, ctx.size), w = move_dim0(in[1], ctx.size);
          Shape s = x.sizes(), v = w.sizes(), xs{s[0], ctx.size * s[2]}, ws{ctx.size * v[1]};
          for (std::size_t i = 3; i < s.size(); ++i) xs.push_back(s[i]);
          for (std::size_t i = 2; i < v.size(); ++i) ws.push_back(v[i]);
          p.groups *= ctx.size;
          Tensor y = conv_general_dilated(reshape(x, xs), reshape(w, ws), p);
          Shape t = y.sizes();
          out[0] = {reshape(y, Shape{t[0], ctx.size, v[1]}.concat(spatial(t))), 1};
        },
    .lowering = {.kind = Lowering::Kind::kernel}};
Tensor conv_general_dilated(const Tensor& x, const Tensor& w, const ConvParams& p) {
  const Tensor in[2] = {x, w};
  return bind1(conv_general_dilated_p, in, p);
}

Table conv_table() {
  static constexpr const Primitive* t[] = {&conv_general_dilated_p};
  return t;
}

}  // namespace functra::prims
