#include "functra/io/picture.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace functra::io {
namespace {

// The characters 32 to 126 of the X11 font misc-fixed 6x10 (public domain): ten rows of one byte each, as hexadecimal digits.
constexpr char kFont[] =
    "000000000000000000000020202020200020000000505050000000000000005050f850f850500000002070a07028702000000048a8502050a89000000040a0a040a8906800000020"
    "2020000000000000"
    "001020404040201000000040201010102040000000008850f8508800000000002020f820200000000000000000003020400000000000f80000000000000000000000207020000008"
    "0810204080800000"
    "00205088888850200000002060a0202020f8000000708808304080f8000000f808103008887000000010305090f81010000000f880b0c8088870000000304080b0c88870000000f8"
    "0810102040400000"
    "0070888870888870000000708898680810600000000020702000207020000000207020003020400000081020402010080000000000f800f800000000004020100810204000000070"
    "8810202000200000"
    "00708898a8b0807000000020508888f88888000000f04848704848f000000070888080808870000000f04848484848f0000000f88080f08080f8000000f88080f080808000000070"
    "8880809888700000"
    "00888888f888888800000070202020202070000000381010101090600000008890a0c0a09088000000808080808080f80000008888d8a88888880000008888c8a898888800000070"
    "8888888888700000"
    "00f08888f08080800000007088888888a870080000f08888f0a0908800000070888070088870000000f8202020202020000000888888888888700000008888885050502000000088"
    "8888a8a8d8880000"
    "008888502050888800000088885020202020000000f80810204080f80000007040404040407000000080804020100808000000701010101010700000002050880000000000000000"
    "000000000000f800"
    "2010000000000000000000000070087888780000008080b0c888c8b0000000000070888088700000000808689888986800000000007088f88070000000304840f040404000000000"
    "0078888878088870"
    "008080b0c8888888000000200060202020700000000800180808084848300080808890e09088000000602020202020700000000000d0a8a8a8880000000000b0c888888800000000"
    "0070888888700000"
    "000000b0c888c8b0808000000068988898680808000000b0c8808080000000000070807008f00000004040f040404830000000000088888898680000000000888850502000000000"
    "008888a8a8500000"
    "0000008850205088000000000088889868088870000000f8102040f800000018201060102018000000202020202020200000006010201820106000000048a890000000000000";
constexpr int hex(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

constexpr Colour kInk{30, 30, 30}, kGrid{222, 222, 222};
constexpr Colour kCurves[] = {{31, 119, 180}, {214, 39, 40}, {44, 160, 44}, {148, 103, 189}, {255, 127, 14}};  // Tableau's

// A step of 1, 2 or 5 times a power of ten that gives about `count` ticks.
double tick_step(double span, int count) {
  double raw = span / count, power = std::pow(10.0, std::floor(std::log10(raw)));
  for (double m : {1.0, 2.0, 5.0})
    if (raw <= m * power) return m * power;
  return 10 * power;
}
std::string number(double v) {
  char s[32];
  std::snprintf(s, sizeof s, "%.6g", std::abs(v) < 1e-12 ? 0.0 : v);
  return s;
}
std::string short_number(double v) {
  char s[32];
  std::snprintf(s, sizeof s, "%.3g", v);
  return s;
}

// t in [0, 1] on a scale of colours: blue, white, red (ColorBrewer's RdBu), or viridis.
Colour shade(double t, bool diverging) {
  constexpr double two[][3] = {{33, 102, 172}, {247, 247, 247}, {178, 24, 43}},
                   one[][3] = {{68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}};
  int steps = diverging ? 2 : 4;
  double at = std::clamp(t, 0.0, 1.0) * steps;
  int i = std::min(static_cast<int>(at), steps - 1);
  Colour c;
  for (std::size_t k = 0; k < 3; ++k) {
    double a = diverging ? two[i][k] : one[i][k], b = diverging ? two[i + 1][k] : one[i + 1][k];
    c[k] = static_cast<unsigned char>(std::lround(a + (at - i) * (b - a)));
  }
  return c;
}
}  // namespace

Canvas::Canvas(int width, int height)
    : width_(width), height_(height), rgb_(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3, 255) {}
void Canvas::pixel(int x, int y, Colour c) {
  if (x < 0 || y < 0 || x >= width_ || y >= height_) return;
  std::copy(c.begin(), c.end(), rgb_.begin() + (static_cast<std::ptrdiff_t>(y) * width_ + x) * 3);
}
void Canvas::fill(int x, int y, int width, int height, Colour c) {
  for (int j = y; j < y + height; ++j)
    for (int i = x; i < x + width; ++i) pixel(i, j, c);
}
void Canvas::line(double x0, double y0, double x1, double y1, Colour c, double width) {
  // Coverage of a pixel falls from 1 to 0 over one pixel around half the width from the segment.
  double dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy, reach = width / 2 + 1;
  for (int y = static_cast<int>(std::floor(std::min(y0, y1) - reach)); y <= std::max(y0, y1) + reach; ++y)
    for (int x = static_cast<int>(std::floor(std::min(x0, x1) - reach)); x <= std::max(x0, x1) + reach; ++x) {
      if (x < 0 || y < 0 || x >= width_ || y >= height_) continue;
      double t = length2 == 0 ? 0 : std::clamp(((x - x0) * dx + (y - y0) * dy) / length2, 0.0, 1.0);
      double cover = std::clamp(width / 2 + 0.5 - std::hypot(x - x0 - t * dx, y - y0 - t * dy), 0.0, 1.0);
      unsigned char* p = rgb_.data() + (static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x)) * 3;
      for (std::size_t k = 0; k < 3; ++k) p[k] = static_cast<unsigned char>(std::lround(p[k] + cover * (c[k] - p[k])));
    }
}
void Canvas::text(int x, int y, const std::string& s, Colour c) {
  for (char ch : s) {
    int glyph = ch < 32 || ch > 126 ? '?' - 32 : ch - 32;
    for (int row = 0; row < 10; ++row) {
      const char* at = kFont + (glyph * 10 + row) * 2;
      int bits = hex(at[0]) * 16 + hex(at[1]);
      for (int column = 0; column < 6; ++column)
        if (bits >> (7 - column) & 1) pixel(x + column, y + row, c);
    }
    x += 6;
  }
}
void Canvas::image(int x, int y, const Tensor& grey, int scale) {
  Shape s = grey.sizes();
  if (s.size() != 2) throw ShapeError("Canvas::image: expected an image [height, width], got " + s.str());
  auto v = grey.to_vector<double>();
  double top = is_floating(grey.dtype()) ? 255 : 1;
  for (int j = 0; j < s[0]; ++j)
    for (int i = 0; i < s[1]; ++i) {
      auto g = static_cast<unsigned char>(std::clamp(v[static_cast<std::size_t>(j * s[1] + i)] * top, 0.0, 255.0));
      fill(x + i * scale, y + j * scale, scale, scale, {g, g, g});
    }
}
Tensor Canvas::tensor() const { return Tensor::copy_of(rgb_.data(), u8, {height_, width_, 3}); }

Tensor line_plot(const std::vector<Curve>& curves, const std::string& title, const std::string& x_label, const std::string& y_label) {
  double inf = std::numeric_limits<double>::infinity(), x0 = inf, x1 = -inf, y0 = inf, y1 = -inf;
  for (const Curve& c : curves) {
    if (c.x.size() != c.y.size())
      throw ValueError("line_plot: curve " + c.name + " has " + std::to_string(c.x.size()) + " x and " + std::to_string(c.y.size()) + " y");
    for (std::size_t i = 0; i < c.x.size(); ++i) {
      if (!std::isfinite(c.x[i]) || !std::isfinite(c.y[i])) continue;
      x0 = std::min(x0, c.x[i]), x1 = std::max(x1, c.x[i]), y0 = std::min(y0, c.y[i]), y1 = std::max(y1, c.y[i]);
    }
  }
  if (!(x0 <= x1)) x0 = 0, x1 = 1, y0 = 0, y1 = 1;
  if (x0 == x1) x0 -= 0.5, x1 += 0.5;
  if (y0 == y1) y0 -= 0.5, y1 += 0.5;
  double margin = 0.05 * (y1 - y0);
  y0 -= margin, y1 += margin;

  constexpr int W = 720, H = 480, left = 64, right = 24, top = 36, bottom = 44;
  Canvas c(W, H);
  auto px = [&](double x) { return left + (x - x0) / (x1 - x0) * (W - left - right); };
  auto py = [&](double y) { return H - bottom - (y - y0) / (y1 - y0) * (H - top - bottom); };
  double sx = tick_step(x1 - x0, 8), sy = tick_step(y1 - y0, 8);
  for (double v = std::ceil(x0 / sx) * sx; v <= x1 + 1e-9 * sx; v += sx) {
    c.fill(static_cast<int>(std::lround(px(v))), top, 1, H - top - bottom, kGrid);
    std::string s = number(v);
    c.text(static_cast<int>(px(v)) - static_cast<int>(s.size()) * 3, H - bottom + 6, s, kInk);
  }
  for (double v = std::ceil(y0 / sy) * sy; v <= y1 + 1e-9 * sy; v += sy) {
    c.fill(left, static_cast<int>(std::lround(py(v))), W - left - right, 1, kGrid);
    std::string s = number(v);
    c.text(left - 6 - static_cast<int>(s.size()) * 6, static_cast<int>(py(v)) - 5, s, kInk);
  }
  c.fill(left, top, 1, H - top - bottom, kInk);
  c.fill(left, H - bottom, W - left - right, 1, kInk);
  c.text((W - static_cast<int>(title.size()) * 6) / 2, 12, title, kInk);
  c.text((left + W - right - static_cast<int>(x_label.size()) * 6) / 2, H - 18, x_label, kInk);
  c.text(6, 12, y_label, kInk);
  for (std::size_t k = 0; k < curves.size(); ++k) {
    Colour colour = kCurves[k % std::size(kCurves)];
    auto& [name, x, y] = curves[k];
    for (std::size_t i = 0; i + 1 < x.size(); ++i)
      if (std::isfinite(y[i]) && std::isfinite(y[i + 1])) c.line(px(x[i]), py(y[i]), px(x[i + 1]), py(y[i + 1]), colour, 1.6);
    if (name.empty()) continue;
    int at = W - right - 34 - static_cast<int>(name.size()) * 6, row = top + 8 + 14 * static_cast<int>(k);
    c.line(at, row + 5, at + 20, row + 5, colour, 2.5);
    c.text(at + 26, row, name, kInk);
  }
  return c.tensor();
}

Tensor image_sheet(const Tensor& images, const std::vector<std::string>& captions, int columns, int scale) {
  Shape s = images.sizes();
  if (s.size() != 3) throw ShapeError("image_sheet: expected images [n, height, width], got " + s.str());
  if (!captions.empty() && static_cast<std::int64_t>(captions.size()) != s[0])
    throw ValueError("image_sheet: " + std::to_string(captions.size()) + " captions for " + std::to_string(s[0]) + " images");
  if (columns < 1 || scale < 1) throw ValueError("image_sheet: columns and scale must be at least 1");
  std::size_t longest = 0;
  for (const std::string& t : captions)
    for (std::size_t at = 0; at <= t.size();) {
      std::size_t end = std::min(t.find('\n', at), t.size());
      longest = std::max(longest, end - at);
      at = end + 1;
    }
  int n = static_cast<int>(s[0]), h = static_cast<int>(s[1]) * scale, w = static_cast<int>(s[2]) * scale;
  int cell_w = std::max(w, static_cast<int>(longest) * 6) + 10, cell_h = h + (captions.empty() ? 8 : 32),
      rows = std::max(1, (n + columns - 1) / columns);
  Canvas c(columns * cell_w + 10, rows * cell_h + 10);
  Tensor all = images.contiguous();
  for (int k = 0; k < n; ++k) {
    int x = 10 + k % columns * cell_w, y = 10 + k / columns * cell_h;
    c.image(x, y, Tensor::view_of(all, {s[1], s[2]}, row_major({s[1], s[2]}), k * s[1] * s[2]), scale);
    if (captions.empty()) continue;
    const std::string& t = captions[static_cast<std::size_t>(k)];
    std::size_t cut = std::min(t.find('\n'), t.size());
    c.text(x, y + h + 4, t.substr(0, cut), kInk);
    if (cut < t.size()) c.text(x, y + h + 15, t.substr(cut + 1), kInk);
  }
  return c.tensor();
}

Tensor heat_maps(const std::vector<HeatMap>& maps, const std::string& title, int size) {
  constexpr int edge = 16, top = 48, bar = 10, numbers = 60;
  struct Panel {
    std::vector<double> v;
    int rows, columns, cell, x;
    double low, high;
  };
  std::vector<Panel> panels;
  int width = edge, height = 0;
  for (const HeatMap& m : maps) {
    Shape s = m.values.sizes();
    if (s.size() != 2) throw ShapeError("heat_maps: expected a matrix for '" + m.name + "', got " + s.str());
    Panel p{m.values.to_vector<double>(), static_cast<int>(s[0]), static_cast<int>(s[1]), 1, width, 0, 0};
    p.cell = std::max(1, size / std::max({p.rows, p.columns, 1}));
    bool any = false;
    for (double v : p.v)
      if (std::isfinite(v)) p.low = any ? std::min(p.low, v) : v, p.high = any ? std::max(p.high, v) : v, any = true;
    if (p.low < 0 && p.high > 0) p.high = std::max(p.high, -p.low), p.low = -p.high;
    width += std::max(p.columns * p.cell + 8 + bar + numbers, static_cast<int>(m.name.size()) * 6 + edge);
    height = std::max(height, p.rows * p.cell);
    panels.push_back(std::move(p));
  }
  Canvas c(std::max(width, static_cast<int>(title.size()) * 6 + 2 * edge), top + height + edge);
  c.text((c.width() - static_cast<int>(title.size()) * 6) / 2, 10, title, kInk);
  for (std::size_t k = 0; k < panels.size(); ++k) {
    const Panel& p = panels[k];
    bool diverging = p.low < 0 && p.high > 0;
    auto colour = [&](double v) { return shade(p.high > p.low ? (v - p.low) / (p.high - p.low) : 0.5, diverging); };
    c.text(p.x, top - 16, maps[k].name, kInk);
    for (int i = 0; i < p.rows; ++i)
      for (int j = 0; j < p.columns; ++j) {
        double v = p.v[static_cast<std::size_t>(i) * static_cast<std::size_t>(p.columns) + static_cast<std::size_t>(j)];
        if (std::isfinite(v)) c.fill(p.x + j * p.cell, top + i * p.cell, p.cell, p.cell, colour(v));
      }
    int at = p.x + p.columns * p.cell + 8, length = std::max(p.rows * p.cell, 24);
    for (int y = 0; y < length; ++y) c.fill(at, top + y, bar, 1, colour(p.high + (p.low - p.high) * (y + 0.5) / length));
    c.text(at + bar + 4, top, short_number(p.high), kInk);
    c.text(at + bar + 4, top + length - 10, short_number(p.low), kInk);
  }
  return c.tensor();
}

}  // namespace functra::io
