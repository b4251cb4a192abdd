#include "functra/io/png.h"

#include <png.h>

#include <algorithm>
#include <vector>

#include "functra/io/bytes.h"

namespace functra::io {

void write_png(const std::string& path, const Tensor& picture) {
  Shape s = picture.sizes();
  bool colour = s.size() == 3 && s[2] == 3;
  if ((s.size() != 2 && !colour) || s[0] < 1 || s[1] < 1)
    throw ShapeError("write_png: expected a picture [height, width] or [height, width, 3], got " + s.str());
  DType d = picture.dtype();
  if (d != u8 && !is_floating(d)) throw DTypeError("write_png: expected u8 or floating numbers in [0, 1], got " + std::string(name_of(d)));
  std::vector<unsigned char> pixels;
  if (d == u8) pixels = picture.to_vector<unsigned char>();
  else
    for (double v : picture.to_vector<double>()) pixels.push_back(static_cast<unsigned char>(std::clamp(v, 0.0, 1.0) * 255 + 0.5));
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(s[1]);
  image.height = static_cast<png_uint_32>(s[0]);
  image.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  if (!png_image_write_to_file(&image, path.c_str(), 0, pixels.data(), 0, nullptr))
    fail(path, std::string("the picture cannot be written: ") + image.message);
}

Tensor read_png(const std::string& path) {
  Bytes file = read_file(path);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_memory(&image, file.data(), file.size())) fail(path, std::string("expected a PNG file: ") + image.message);
  bool colour = image.format & PNG_FORMAT_FLAG_COLOR;
  image.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  Tensor r = Tensor::uninitialized(u8, colour ? Shape{image.height, image.width, 3} : Shape{image.height, image.width});
  png_color white{255, 255, 255};
  if (!png_image_finish_read(&image, &white, r.mutable_bytes(), 0, nullptr))
    fail(path, std::string("the PNG file is damaged or truncated: ") + image.message);
  return r;
}

}  // namespace functra::io
