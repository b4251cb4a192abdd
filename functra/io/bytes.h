// Files as bytes: whole files, gzip and deflate. Every failure is an IoError that names the file.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace functra::io {

using Bytes = std::vector<unsigned char>;

[[noreturn]] void fail(const std::string& path, const std::string& what);  // IoError "path: what"
Bytes read_file(const std::string& path);
// The contents of a gzip file, or of one that is not compressed. IoError for one that is truncated or damaged.
Bytes read_maybe_gzip(const std::string& path);
void write_file(const std::string& path, std::span<const unsigned char> data);

Bytes inflate_raw(std::span<const unsigned char> data, std::size_t size, const std::string& path);  // `size`: of the result
Bytes deflate_raw(std::span<const unsigned char> data);
std::uint32_t crc32_of(std::span<const unsigned char> data);

}  // namespace functra::io
