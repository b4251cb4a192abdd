// Simple pictures of results: a canvas with text, a plot of curves, a sheet of images with captions, matrices as colours. Written by write_png.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "functra/tensor/tensor.h"

namespace functra::io {

using Colour = std::array<unsigned char, 3>;

class Canvas {  // white; what lies outside is not drawn
 public:
  Canvas(int width, int height);
  void pixel(int x, int y, Colour c);
  void line(double x0, double y0, double x1, double y1, Colour c, double width = 1);  // antialiased
  void fill(int x, int y, int width, int height, Colour c);
  void text(int x, int y, const std::string& s, Colour c = {0, 0, 0});  // ASCII, 6 by 10 pixels each, (x, y) is the top left
  void image(int x, int y, const Tensor& grey, int scale);              // [height, width], u8 or floating in [0, 1]
  int width() const { return width_; }
  int height() const { return height_; }
  Tensor tensor() const;  // [height, width, 3] u8, for write_png

 private:
  int width_, height_;
  std::vector<unsigned char> rgb_;
};

struct Curve {
  std::string name;
  std::vector<double> x, y;
};
// A plot [480, 720, 3] with axes, round ticks and a legend. ValueError where a curve has x and y of different lengths.
Tensor line_plot(const std::vector<Curve>& curves, const std::string& title, const std::string& x_label, const std::string& y_label);

// Images [n, height, width] in rows of `columns`, each enlarged `scale` times, with up to two lines of text below (split by a newline).
// ShapeError for images of another rank; ValueError for captions of another number.
Tensor image_sheet(const Tensor& images, const std::vector<std::string>& captions, int columns, int scale = 3);

struct HeatMap {
  std::string name;
  Tensor values;  // [rows, columns], row 0 on top
};
// Matrices as colours, side by side, each with its own scale: violet to yellow, or, where signs differ, blue (negative) over white (0) to
// red. A cell is square, of `size` / extent pixels, at least one; values that are not finite stay white. ShapeError for another rank.
Tensor heat_maps(const std::vector<HeatMap>& maps, const std::string& title, int size = 256);

}  // namespace functra::io
