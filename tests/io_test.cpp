// Files: IDX, npy, npz, PNG; what they refuse, by its message.
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <complex>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "functra/io/bytes.h"
#include "functra/io/idx.h"
#include "functra/io/npy.h"
#include "functra/io/picture.h"
#include "functra/io/png.h"
#include "functra/ops/factories.h"
#include "tests/laws_count.h"

namespace functra {
namespace {
using namespace functra::io;

struct Io : ::testing::Test {
  std::filesystem::path dir = std::filesystem::temp_directory_path() / ("functra_io_" + std::to_string(getpid()));
  std::string data = std::string(functra::testing::source_dir()) + "/tests/data/npy/";
  Io() { std::filesystem::create_directories(dir); }
  ~Io() override { std::filesystem::remove_all(dir); }
  std::string at(const std::string& name) const { return (dir / name).string(); }
  std::string bytes(const std::string& name, const std::vector<unsigned char>& b) const {
    write_file(at(name), b);
    return at(name);
  }
};
void same(bool ok) {
  functra::testing::count_law(ok);
  EXPECT_TRUE(ok);
}
template <class F> void refused(F f, const std::string& file, const std::string& expected) {
  bool ok = false;
  try {
    f();
    ADD_FAILURE() << "expected an IoError: " << expected;
  } catch (const IoError& e) {
    std::string what = e.what();
    ok = what.find(file) != what.npos && what.find(expected) != what.npos;
    EXPECT_TRUE(ok) << what << "\nexpected: " << expected;
  }
  functra::testing::count_law(ok);
}
std::string gzip(const std::string& path, const std::vector<unsigned char>& b) {
  gzFile f = gzopen(path.c_str(), "wb");
  gzwrite(f, b.data(), static_cast<unsigned>(b.size()));
  gzclose(f);
  return path;
}

TEST_F(Io, IdxOfFashionMnistHasItsShapesAndClasses) {
  const std::string root = "/usr/share/datasets/fashion-mnist/";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << "Debian's dataset-fashion-mnist is not installed";
  Tensor x = read_idx(root + "t10k-images-idx3-ubyte.gz"), y = read_idx(root + "t10k-labels-idx1-ubyte.gz");
  same(x.sizes() == Shape{10000, 28, 28} && x.dtype() == u8);
  same(y.sizes() == Shape{10000});
  std::vector<int> count(10);
  for (unsigned char k : y.span<unsigned char>()) ++count[k];
  same(count == std::vector<int>(10, 1000));
  same(std::vector<int>(y.data<unsigned char>(), y.data<unsigned char>() + 4) == std::vector<int>{9, 2, 1, 1});  // as published
}
TEST_F(Io, IdxReadsEveryElementTypeBigEndian) {
  Tensor a = read_idx(bytes("i16", {0, 0, 0x0b, 1, 0, 0, 0, 2, 0x01, 0x02, 0xff, 0xfe}));
  same(a.dtype() == i16 && a.to_vector<int>() == std::vector<int>{258, -2});
  Tensor b = read_idx(gzip(at("f32.gz"), {0, 0, 0x0d, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0x3f, 0x80, 0, 0}));
  same(b.dtype() == f32 && b.sizes() == Shape{1, 1} && b.to_vector<double>() == std::vector<double>{1});
  same(read_idx(bytes("f64", {0, 0, 0x0e, 0, 0x40, 0, 0, 0, 0, 0, 0, 0})).item<double>() == 2);
}
TEST_F(Io, IdxRefusesWhatIsNotIdxByItsName) {
  refused([&] { read_idx(at("none.gz")); }, "none.gz", "No such file");
  refused(
      [&] {
        read_idx(bytes("magic", {1, 2, 3, 4, 5}));
      },
      "magic", "expected the magic number of an IDX file, 0x0000TTRR (element type, rank), found 0x01020304");
  refused([&] { read_idx(bytes("type", {0, 0, 7, 1, 0, 0, 0, 1, 0})); }, "type", "IDX element type 7, expected 8 (u8)");
  refused([&] { read_idx(bytes("short", {0, 0, 8, 3, 0, 0})); }, "short", "truncated IDX header: rank 3 needs 16 bytes, found 6");
  refused([&] { read_idx(bytes("size", {0, 0, 8, 1, 0, 0, 0, 5, 1, 2})); }, "size", "IDX header says u8[5], which is 5 bytes; found 2");
  refused([&] { read_idx(bytes("tiny", {0})); }, "tiny", "found only 1 bytes");
  std::vector<unsigned char> b{0, 0, 8, 1, 0, 0, 4, 0};
  for (int i = 0; i < 1024; ++i) b.push_back(static_cast<unsigned char>(i * i % 251));
  auto whole = read_file(gzip(at("whole.gz"), b));
  same(read_idx(at("whole.gz")).sizes() == Shape{1024});
  for (std::size_t cut : {whole.size() / 2, whole.size() - 1, whole.size() - 8})
    refused([&] { read_idx(bytes("cut.gz", {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut)})); }, "cut.gz", "truncated gzip file");
  auto bad = whole;
  bad[bad.size() - 6] ^= 0xff;  // the checksum
  refused([&] { read_idx(bytes("bad.gz", bad)); }, "bad.gz", "damaged gzip data");
}

TEST_F(Io, NpyReadsWhatNumpyWroteAndWritesTheSameBytes) {
  struct {
    const char* name;
    DType d;
  } files[] = {{"b1", bool_}, {"u1", u8},  {"u2", u16}, {"u4", u32}, {"u8", u64}, {"i1", i8},  {"i2", i16},
               {"i4", i32},   {"i8", i64}, {"f2", f16}, {"f4", f32}, {"f8", f64}, {"c8", c64}, {"c16", c128}};
  for (auto [name, d] : files) {
    SCOPED_TRACE(name);
    Tensor x = read_npy(data + name + ".npy");
    same(x.dtype() == d && x.sizes() == Shape{2, 3});
    if (!is_complex(d)) {
      std::vector<double> want;
      for (int i = 0; i < 6; ++i) want.push_back(d == bool_ ? i % 2 : i * 3 - (is_unsigned(d) ? 0 : 7));
      same(x.to_vector<double>() == want);
    }
    write_npy(at("back.npy"), x);
    same(read_file(at("back.npy")) == read_file(data + name + ".npy"));
  }
  for (const char* name : {"scalar", "empty", "fortran"}) {
    SCOPED_TRACE(name);
    write_npy(at("back.npy"), read_npy(data + name + ".npy"));
    same(read_file(at("back.npy")) == read_file(data + name + ".npy"));
  }
  same(read_npy(data + "scalar.npy").item<double>() == 2.5);
  same(read_npy(data + "empty.npy").sizes() == Shape{0, 5});
}
TEST_F(Io, NpyOfFortranOrderHasTheSameValues) {
  Tensor x = read_npy(data + "fortran.npy");
  same(x.sizes() == Shape{2, 3, 4} && !x.is_contiguous());
  std::vector<float> want(24);
  for (int i = 0; i < 24; ++i) want[static_cast<std::size_t>(i)] = static_cast<float>(i);
  same(x.to_vector<float>() == want);
  Tensor strided = Tensor::view_of(x.contiguous(), {2, 2}, {12, 2}, 1);  // neither order: written as C
  write_npy(at("strided.npy"), strided);
  same(read_npy(at("strided.npy")).to_vector<float>() == std::vector<float>{1, 3, 13, 15} && read_npy(at("strided.npy")).is_contiguous());
}
TEST_F(Io, NpyRefusesForeignElementsAndDamage) {
  refused([&] { read_npy(data + "object.npy"); }, "object.npy", "an array of Python objects (dtype '|O'); expected numbers");
  refused([&] { read_npy(data + "big_endian.npy"); }, "big_endian.npy", "big-endian elements (dtype '>f4'); expected little endian");
  refused([&] { read_npy(data + "text.npy"); }, "text.npy", "dtype '<U3'; expected bool, an integer of 8 to 64 bits");
  refused([&] { read_npy(data + "record.npy"); }, "record.npy", "a record array");
  refused([&] { read_npy(at("none.npy")); }, "none.npy", "No such file");
  refused([&] { read_npy(bytes("text.txt", {'h', 'e', 'l', 'l', 'o'})); }, "text.txt", "expected the magic string of an npy file");
  auto whole = read_file(data + "f8.npy");
  refused([&] { read_npy(bytes("cut.npy", {whole.begin(), whole.end() - 5})); }, "cut.npy", "truncated npy file: f64[2, 3] needs 48 bytes, found 43");
  refused([&] { read_npy(bytes("head.npy", {whole.begin(), whole.begin() + 40})); }, "head.npy", "truncated npy header");
  whole[6] = 9;
  refused([&] { read_npy(bytes("version.npy", whole)); }, "version.npy", "npy version 9.0, expected 1.0, 2.0 or 3.0");
  refused([&] { write_npy(at("no/such/folder.npy"), Tensor(1.0)); }, "no/such/folder.npy", "cannot be written");
  EXPECT_THROW(write_npy(at("bf16.npy"), Tensor::uninitialized(bf16, {2})), DTypeError);
}
TEST_F(Io, NpzStoredAndDeflatedReadAndWrittenBack) {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    auto a = read_npz(data + name);
    same(a.size() == 2 && a.at("x").sizes() == Shape{2, 3, 4} && a.at("n").to_vector<int>() == std::vector<int>{0, 1, 2, 3, 4});
    for (bool compress : {false, true}) {
      write_npz(at("back.npz"), a, compress);
      auto b = read_npz(at("back.npz"));
      same(b.size() == 2 && b.at("x").to_vector<float>() == a.at("x").to_vector<float>() && b.at("n").dtype() == i64);
    }
  }
  auto whole = read_file(data + "stored.npz");
  refused([&] { read_npz(bytes("cut.npz", {whole.begin(), whole.begin() + 200})); }, "cut.npz", "expected an npz file");
  refused([&] { read_npz(data + "f8.npy"); }, "f8.npy", "expected an npz file");
  whole[200] ^= 1;
  refused([&] { read_npz(bytes("bad.npz", whole)); }, "bad.npz", "checksum");
}

TEST_F(Io, PngKeepsEveryPixel) {
  Tensor grey = Tensor::uninitialized(u8, {5, 7}), colour = Tensor::uninitialized(u8, {4, 3, 3});
  for (int i = 0; i < 35; ++i) static_cast<unsigned char*>(grey.mutable_bytes())[i] = static_cast<unsigned char>(i * 7);
  for (int i = 0; i < 36; ++i) static_cast<unsigned char*>(colour.mutable_bytes())[i] = static_cast<unsigned char>(255 - i * 5);
  for (const Tensor& x : {grey, colour}) {
    write_png(at("a.png"), x);
    Tensor y = read_png(at("a.png"));
    same(y.sizes() == x.sizes() && y.to_vector<int>() == x.to_vector<int>());
  }
  double half[2] = {0.5, 2};
  write_png(at("f.png"), Tensor::copy_of(half, f64, {1, 2}));
  same(read_png(at("f.png")).to_vector<int>() == std::vector<int>{128, 255});
  refused([&] { write_png(at("no/folder.png"), grey); }, "folder.png", "cannot be written");
  refused([&] { read_png(bytes("x.png", {1, 2, 3})); }, "x.png", "expected a PNG file");
  EXPECT_THROW(write_png(at("s.png"), Tensor(1.0)), ShapeError);
  EXPECT_THROW(write_png(at("d.png"), Tensor::uninitialized(i32, {2, 2})), DTypeError);
}
TEST_F(Io, PicturesDrawTextCurvesAndImages) {
  Canvas c(20, 12);
  c.text(0, 0, "A");
  auto v = c.tensor().to_vector<int>();
  const char* want[] = {"......", "..#...", ".#.#..", "#...#.", "#...#.", "#####.", "#...#.", "#...#.", "......", "......"};  // misc-fixed 6x10
  bool ok = true;
  for (std::size_t y = 0; y < 10; ++y)
    for (std::size_t x = 0; x < 6; ++x) ok &= (v[(y * 20 + x) * 3] == 0) == (want[y][x] == '#');
  same(ok);
  same(line_plot({{"loss", {0, 1, 2}, {3, 1, 2}}}, "title", "step", "loss").sizes() == Shape{480, 720, 3});
  Tensor images = Tensor::uninitialized(u8, {3, 4, 5});
  for (int i = 0; i < 60; ++i) static_cast<unsigned char*>(images.mutable_bytes())[i] = static_cast<unsigned char>(4 * i);
  Tensor sheet = image_sheet(images, {"a", "b\nc", "d"}, 2, 2);
  auto s = sheet.to_vector<int>();
  same(s[static_cast<std::size_t>((10 * sheet.size(1) + 10) * 3)] == 0 && s[static_cast<std::size_t>((13 * sheet.size(1) + 12) * 3)] == 4 * 6);
  EXPECT_THROW(line_plot({{"bad", {1}, {}}}, "", "", ""), ValueError);
  EXPECT_THROW(image_sheet(images, {"one"}, 2), ValueError);
}
TEST_F(Io, HeatMapsColourBySizeAndSign) {
  Tensor m = heat_maps({{"signs", tensor({{-2.0, 0.0, 1.0}, {2.0, INFINITY, 0.0}})}, {"", tensor({{1.0, 3.0}})}}, "", 30);
  Shape s = m.sizes();
  auto v = m.to_vector<int>();
  auto at = [&](std::int64_t x, std::int64_t y) {
    auto p = v.begin() + (y * s[1] + x) * 3;
    return std::vector<int>(p, p + 3);
  };
  using Rgb = std::vector<int>;
  EXPECT_EQ(at(16 + 5, 48 + 5), (Rgb{33, 102, 172}));     // -2, the least of a scale that is symmetric
  EXPECT_EQ(at(16 + 15, 48 + 5), (Rgb{247, 247, 247}));   // 0
  EXPECT_EQ(at(16 + 5, 48 + 15), (Rgb{178, 24, 43}));     // 2
  EXPECT_EQ(at(16 + 15, 48 + 15), (Rgb{255, 255, 255}));  // not finite
  std::int64_t second = 16 + 30 + 8 + 10 + 60;            // the panel before: 3 cells of 10, the scale and its numbers
  EXPECT_EQ(at(second + 5, 48 + 5), (Rgb{68, 1, 84}));    // one sign: the least is violet
  EXPECT_EQ(at(second + 15 + 5, 48 + 5), (Rgb{253, 231, 37}));
  EXPECT_THROW(heat_maps({{"a", ones({3})}}, ""), ShapeError);
}

}  // namespace
}  // namespace functra
