// Tensors by name in one file of the safetensors format (github.com/huggingface/safetensors): a JSON header, then the elements.
#pragma once
#include <map>
#include <string>

#include "functra/tensor/tensor.h"

namespace functra::io {

// IoError, with the file and what was expected, for a missing or truncated file, a header that is not the JSON of this format, an element
// type that Functra does not have, or offsets that leave gaps, overlap, or do not fit shape and type.
std::map<std::string, Tensor> read_safetensors(const std::string& path);
std::map<std::string, std::string> read_safetensors_metadata(const std::string& path);
// IoError if the file cannot be written, ValueError for an undefined tensor; DTypeError for c128, which the format does not have.
void write_safetensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace functra::io
