// Pictures as PNG files.
#pragma once
#include <string>

#include "functra/tensor/tensor.h"

namespace functra::io {

// A picture [height, width] (grey) or [height, width, 3] (red, green, blue): u8, or floating numbers that are clamped to [0, 1].
// ShapeError or DTypeError for anything else; IoError if the file cannot be written.
void write_png(const std::string& path, const Tensor& picture);
// The picture in a PNG file as u8: [height, width], or [height, width, 3] if it has colours; transparency is laid on white.
Tensor read_png(const std::string& path);

}  // namespace functra::io
