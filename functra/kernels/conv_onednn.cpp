#include "functra/kernels/conv_onednn.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>
#include <vector>

#include "functra/base/memory.h"
#include "functra/base/pool.h"
#include "functra/kernels/onednn.h"
#include "functra/kernels/strided.h"

namespace functra::kernels {
namespace {

using dnnl::memory;

// A convolution of some examples, with the layouts that oneDNN wants inside.
struct Prepared {
  dnnl::primitive conv;
  memory::desc x, w, y, x_user, w_user, y_user, scratch;
  dnnl::reorder x_in, w_in, y_out;
  bool usable, move_x, move_w, move_y;
};
const dnnl::engine& engine() {
  static const auto* e = new dnnl::engine(dnnl::engine::kind::cpu, 0);  // outlives every user at exit
  return *e;
}
memory::dims dims(const Shape& s) {
  memory::dims r{s[0], s[1]};
  if (s.size() == 3) r.push_back(1);  // one spatial dimension as two
  for (std::size_t i = 2; i < s.size(); ++i) r.push_back(s[i]);
  return r;
}
memory::dims pairs(const Shape& s, std::int64_t neutral, std::int64_t shift = 0) {
  memory::dims r;
  if (s.size() == 1) r.push_back(neutral);
  for (std::int64_t v : s) r.push_back(v - shift);
  return r;
}
memory::dims strides_of(const memory::dims& d) {
  memory::dims s(d.size(), 1);
  for (std::size_t i = d.size() - 1; i-- > 0;) s[i] = s[i + 1] * d[i + 1];
  return s;
}

// A convolution of dilated x with stride 1 is the transpose of a strided one, with its kernel turned round: what oneDNN calls a
// deconvolution. Its padding is what is cut from the full result.
bool is_transposed(const ConvGeometry& g) {
  return std::any_of(g.lhs_dilation.begin(), g.lhs_dilation.end(), [](std::int64_t v) { return v != 1; });
}
Shape transposed_padding(const Shape& ws, const ConvGeometry& g, const Shape& pad) {
  Shape r = pad;
  for (std::size_t i = 0; i < r.size(); ++i) r[i] = (ws[2 + i] - 1) * g.rhs_dilation[i] - pad[i];
  return r;
}

std::shared_ptr<Prepared> prepare(std::int64_t batch, const Shape& xs, const Shape& ws, const Shape& ys, const ConvGeometry& g, std::int64_t groups) {
  auto p = std::make_shared<Prepared>();
  auto f = memory::data_type::f32;
  memory::dims xd = dims(xs), wd = dims(ws), yd = dims(ys);
  xd[0] = yd[0] = batch;
  if (groups > 1) {
    memory::dims split{groups, wd[0] / groups};
    split.insert(split.end(), wd.begin() + 1, wd.end());
    wd = split;
  }
  p->x_user = memory::desc(xd, f, strides_of(xd));
  p->w_user = memory::desc(wd, f, strides_of(wd));
  p->y_user = memory::desc(yd, f, strides_of(yd));
  auto any = memory::format_tag::any;
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  auto take = [&](const auto& pd) {
    p->usable = std::strstr(pd.impl_info_str(), "ref") == nullptr;
    if (!p->usable) return;
    p->conv = dnnl::primitive(pd);
    p->x = pd.src_desc();
    p->w = pd.weights_desc();
    p->y = pd.dst_desc();
    p->scratch = pd.scratchpad_desc();
  };
  memory::desc xa(xd, f, any), wa(wd, f, any), ya(yd, f, any);
  if (is_transposed(g)) {
    dnnl::deconvolution_forward::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::deconvolution_direct, xa, wa, ya,
                                           pairs(g.lhs_dilation, 1), pairs(g.rhs_dilation, 0, 1), pairs(transposed_padding(ws, g, g.pad_lo), 0),
                                           pairs(transposed_padding(ws, g, g.pad_hi), 0));
    take(dnnl::deconvolution_forward::primitive_desc(desc, attr, engine()));
  } else {
    dnnl::convolution_forward::desc desc(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, xa, wa, ya, pairs(g.stride, 1),
                                         pairs(g.rhs_dilation, 0, 1), pairs(g.pad_lo, 0), pairs(g.pad_hi, 0));
    take(dnnl::convolution_forward::primitive_desc(desc, attr, engine()));
  }
  if (!p->usable) return p;
  auto mover = [](const memory::desc& from, const memory::desc& to) {
    return dnnl::reorder(dnnl::reorder::primitive_desc(engine(), from, engine(), to));
  };
  if ((p->move_x = p->x != p->x_user)) p->x_in = mover(p->x_user, p->x);
  if ((p->move_w = p->w != p->w_user)) p->w_in = mover(p->w_user, p->w);
  if ((p->move_y = p->y != p->y_user)) p->y_out = mover(p->y, p->y_user);
  return p;
}

// The latest few hundred, by shapes and geometry; making one takes up to milliseconds.
struct Cache {
  struct Hash {
    std::size_t operator()(const std::vector<std::int64_t>& k) const {
      std::size_t h = k.size();
      for (std::int64_t v : k) h = (h ^ static_cast<std::size_t>(v)) * 0x9E3779B97F4A7C15ull + (h >> 29);
      return h;
    }
  };
  std::mutex mutex;
  std::list<std::vector<std::int64_t>> order;
  struct Entry {
    std::shared_ptr<Prepared> p;
    std::list<std::vector<std::int64_t>>::iterator at;
  };
  std::unordered_map<std::vector<std::int64_t>, Entry, Hash> map;
};
std::shared_ptr<Prepared> cached(std::int64_t batch, const Shape& xs, const Shape& ws, const Shape& ys, const ConvGeometry& g, std::int64_t groups) {
  static auto* cache = new Cache;
  std::vector<std::int64_t> key{batch, groups};
  for (const Shape* s : {&xs, &ws, &g.stride, &g.pad_lo, &g.pad_hi, &g.rhs_dilation, &g.lhs_dilation}) key.insert(key.end(), s->begin(), s->end());
  std::unique_lock lock(cache->mutex);
  if (auto it = cache->map.find(key); it != cache->map.end()) {
    cache->order.splice(cache->order.begin(), cache->order, it->second.at);
    return it->second.p;
  }
  lock.unlock();
  auto p = prepare(batch, xs, ws, ys, g, groups);
  lock.lock();
  if (cache->map.contains(key)) return p;
  cache->order.push_front(key);
  cache->map[key] = {p, cache->order.begin()};
  if (cache->map.size() > 256) {
    cache->map.erase(cache->order.back());
    cache->order.pop_back();
  }
  return p;
}

struct Room {
  explicit Room(std::size_t n) : bytes(n), p(n ? allocate(n) : nullptr) {}
  Room(const Room&) = delete;
  ~Room() {
    if (p) deallocate(p, bytes);
  }
  std::size_t bytes;
  void* p;
};
memory mem(const memory::desc& d, const void* p) { return {d, engine(), const_cast<void*>(p)}; }

}  // namespace

bool conv_by_onednn(const float* x, const Shape& xs, const float* w, const Shape& ws, const ConvGeometry& g, std::int64_t groups, float* out) {
  bool transposed = is_transposed(g);
  Shape lo = transposed ? transposed_padding(ws, g, g.pad_lo) : g.pad_lo, hi = transposed ? transposed_padding(ws, g, g.pad_hi) : g.pad_hi;
  for (std::size_t i = 0; i < g.stride.size(); ++i)
    if ((transposed && g.stride[i] != 1) || lo[i] < 0 || hi[i] < 0) return false;
  Shape ys{xs[0], ws[0]};
  for (std::size_t i = 0; i < g.stride.size(); ++i)
    ys.push_back(conv_extent(xs[2 + i], ws[2 + i], g.stride[i], g.pad_lo[i], g.pad_hi[i], g.lhs_dilation[i], g.rhs_dilation[i]));
  // Measured on two cores, oneDNN against patches, ms: 512x1x28x28 with 16x1x8x8/2 2.9 / 11.9; 512x16x13x13 with 32x16x4x4/2 3.4 / 18.5;
  // the transpose of the second (x 512x32x5x5 dilated by 2) 2 / 55; 16x64x56x56 with 64x64x3x3 43 / 51; 512 groups of 1x28x28 with 16x1x14x14 14 / 21; 128 groups of 8x14x14 with 8x8x3x3 0.5 / 3.3.
  // Below this size the call itself (some 10 us) is what counts.
  if (ys.numel() * ws.without(0).numel() < 300'000) return false;
  std::int64_t batch = xs[0], parts = std::min<std::int64_t>(batch, 2 * num_threads()), per = (batch + parts - 1) / parts;
  try {
    OneThread one;
    auto whole = cached(per, xs, ws, ys, g, groups);
    auto rest = batch % per ? cached(batch % per, xs, ws, ys, g, groups) : nullptr;
    if (!whole->usable || (rest && !rest->usable)) return false;
    Room turned(transposed ? static_cast<std::size_t>(ws.numel()) * sizeof(float) : 0);
    if (transposed) {
      Shape st = row_major(ws), back = st;
      std::int64_t last = 0;
      for (std::size_t i = 2; i < ws.size(); ++i) {
        last += (ws[i] - 1) * st[i];
        back[i] = -st[i];
      }
      copy(turned.p, st, w + last, back, ws, sizeof(float));
      w = static_cast<const float*>(turned.p);
    }
    Room weights(whole->move_w ? whole->w.get_size() : 0);
    dnnl::stream stream(engine());
    if (rest && rest->w != whole->w) return false;
    if (whole->move_w) {
      memory from = mem(whole->w_user, w), to = mem(whole->w, weights.p);
      whole->w_in.execute(stream, from, to);
    }
    std::int64_t x_size = xs.without(0).numel(), y_size = ys.without(0).numel();
    parallel_for((batch + per - 1) / per, 1, [&](std::int64_t begin, std::int64_t end) {
      OneThread alone;
      dnnl::stream s(engine());
      for (std::int64_t i = begin; i < end; ++i) {
        const Prepared& p = rest && (i + 1) * per > batch ? *rest : *whole;
        Room xin(p.move_x ? p.x.get_size() : 0), yout(p.move_y ? p.y.get_size() : 0), scratch(p.scratch.get_size());
        memory xu = mem(p.x_user, x + i * per * x_size), yu = mem(p.y_user, out + i * per * y_size), xm = p.move_x ? mem(p.x, xin.p) : xu,
               ym = p.move_y ? mem(p.y, yout.p) : yu;
        if (p.move_x) p.x_in.execute(s, xu, xm);
        p.conv.execute(s, {{DNNL_ARG_SRC, xm},
                           {DNNL_ARG_WEIGHTS, mem(p.w, p.move_w ? weights.p : w)},
                           {DNNL_ARG_DST, ym},
                           {DNNL_ARG_SCRATCHPAD, mem(p.scratch, scratch.p)}});
        if (p.move_y) p.y_out.execute(s, ym, yu);
        s.wait();
      }
    });
  } catch (const dnnl::error&) { return false; }
  return true;
}

}  // namespace functra::kernels
