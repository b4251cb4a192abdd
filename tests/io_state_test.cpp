// State dictionaries as files: the safetensors format against its own writer, npz, models saved and loaded, and damaged files.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "functra/functra.h"
#include "functra/io/bytes.h"
#include "functra/io/safetensors.h"
#include "functra/io/state_dict.h"
#include "functra/nn/linear.h"
#include "functra/nn/norm.h"
#include "tests/data/safetensors_reference.inc"
#include "tests/laws_count.h"
#include "tests/support/close.h"

namespace ft = functra;
namespace io = ft::io;
namespace nn = ft::nn;
using ft::Tensor;

namespace {

struct IoState : ::testing::Test {
  std::filesystem::path dir = std::filesystem::temp_directory_path() / ("functra_io_state_" + std::to_string(getpid()));
  IoState() { std::filesystem::create_directories(dir); }
  ~IoState() override { std::filesystem::remove_all(dir); }
  std::string at(const std::string& name) const { return (dir / name).string(); }
  // A file with this header, padded or cut to `length` bytes where given, and this many bytes of elements.
  std::string file(const std::string& header, std::size_t elements, std::uint64_t length = 0) const {
    io::Bytes b;
    std::uint64_t n = length ? length : header.size();
    for (int i = 0; i < 8; ++i) b.push_back(static_cast<unsigned char>(n >> 8 * i));
    b.insert(b.end(), header.begin(), header.end());
    b.insert(b.end(), elements, 0);
    io::write_file(at("made.safetensors"), b);
    return at("made.safetensors");
  }
  void refused(const std::string& header, std::size_t elements, const std::string& why, std::uint64_t length = 0) const {
    SCOPED_TRACE(header);
    std::string path = file(header, elements, length);
    expect_throw<ft::IoError>([&] { io::read_safetensors(path); }, path + ": ");
    expect_throw<ft::IoError>([&] { io::read_safetensors(path); }, why);
    functra::testing::count_law(!HasFailure());
  }
};
struct Net {
  nn::Linear fc;
  nn::BatchNorm1d bn;
};
Net net(std::uint64_t seed) { return {nn::Linear(ft::random::key(seed), 3, 2), nn::BatchNorm1d(2)}; }
void same(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.dtype(), b.dtype());
  expect_close(a, b, 0);
  functra::testing::count_law(!::testing::Test::HasFailure());
}

}  // namespace

TEST_F(IoState, SafetensorsOfItsOwnWriterAreReadAndWrittenAlike) {
  io::Bytes bytes(std::begin(safetensors_file), std::end(safetensors_file));
  io::write_file(at("a.safetensors"), bytes);
  auto t = io::read_safetensors(at("a.safetensors"));
  EXPECT_EQ(t.size(), 12u);
  EXPECT_EQ(double(t.at("scalar")), 2.5);
  EXPECT_EQ(t.at("empty").sizes(), (ft::Shape{0, 3}));
  same(t.at("odd \"name\"\n\u00e9"), ft::tensor({true, false, true}));
  for (auto [name, d] :
       {std::pair("int8", ft::i8), std::pair("int16", ft::i16), std::pair("int32", ft::i32), std::pair("int64", ft::i64),
        std::pair("float16", ft::f16), std::pair("bfloat16", ft::bf16), std::pair("float32", ft::f32), std::pair("float64", ft::f64)})
    same(t.at(std::string("layer.") + name), (ft::arange(6).reshape({2, 3}) * 3 - 7).to(d));
  same(t.at("layer.uint8"), (ft::arange(6).reshape({2, 3}) * 3).to(ft::u8));
  auto metadata = io::read_safetensors_metadata(at("a.safetensors"));
  EXPECT_EQ(metadata, (std::map<std::string, std::string>{{"format", "pt"}, {"note", "a\tb"}}));
  io::write_safetensors(at("b.safetensors"), t, metadata);
  auto again = io::read_safetensors(at("b.safetensors"));
  EXPECT_EQ(again.size(), t.size());
  for (const auto& [name, value] : t) same(again.at(name), value);
  EXPECT_EQ(io::read_safetensors_metadata(at("b.safetensors")), metadata);
  EXPECT_EQ(io::read_file(at("b.safetensors")).size() % 8, bytes.size() % 8);  // the header is padded, the elements are as many
  io::write_safetensors(at("c.safetensors"), {{"t", ft::arange(6.0).reshape({2, 3}).t()}, {"z", ft::zeros({}, ft::c64)}, {"w", 1.5}});
  auto c = io::read_safetensors(at("c.safetensors"));
  same(c.at("t"), ft::arange(6.0).reshape({2, 3}).t());
  EXPECT_EQ(c.at("z").dtype(), ft::c64);
  EXPECT_EQ(float(c.at("w")), 1.5f);
  EXPECT_EQ(io::read_safetensors(file("{}", 0)).size(), 0u);
  EXPECT_EQ(io::read_safetensors(file(R"({"\u00e9\ud83d\ude00\/":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}  )", 1)).begin()->first,
            "\u00e9\U0001F600/");
}
TEST_F(IoState, PrefixesOfAFileAreRefused) {
  for (std::size_t n = 0; n < sizeof safetensors_file; n += n < 64 ? 1 : 13) {
    io::write_file(at("cut.safetensors"), std::span(safetensors_file, n));
    expect_throw<ft::IoError>([&] { io::read_safetensors(at("cut.safetensors")); }, "cut.safetensors: truncated");
  }
}
TEST_F(IoState, DamagedFilesAreRefusedByName) {
  auto one = [](const std::string& rest) { return R"({"w":{"dtype":"F32","shape":[2],"data_offsets":)" + rest + "}}"; };
  EXPECT_EQ(io::read_safetensors(file(one("[0,8]"), 8)).at("w").sizes(), ft::Shape{2});
  refused(one("[0,4]"), 8, "'w' lies at bytes [0, 4), which does not fit f32 [2]");
  refused(one("[8,0]"), 8, "after a gap; expected to begin at 0");
  refused(one("[4,12]"), 12, "after a gap; expected to begin at 0");
  refused(one("[0,8]"), 9, "1 bytes after the last tensor");
  refused(one("[0,8]"), 7, "truncated: 'w' lies at bytes [0, 8), but there are 7 bytes");
  refused(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", 3,
          "which overlap what comes before");
  refused(R"({"a":{"dtype":"U8","shape":[9000000000,9000000000],"data_offsets":[0,2]}})", 2, "does not fit u8 [9000000000, 9000000000]");
  refused(R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1, "'a' has dtype 'F8_E4M3'; expected BOOL");
  refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2, "'a' occurs twice");
  refused(R"({"a":{"dtype":"U8","shape":[1]}})", 0, "'a' lacks one of dtype, shape and data_offsets");
  refused(R"({"a":{"dtype":"U8","size":[1]}})", 0, "expected dtype, shape or data_offsets, not 'size', at byte");
  refused(R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, "expected a number that is not negative at byte 36");
  refused(R"({"a":{"dtype":"U8","shape":[1234567890123456789],"data_offsets":[0,1]}})", 1, "expected a number below 10^18");
  refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1, "expected ','");
  refused(R"({"a" {}})", 0, "expected ':' at byte 13");
  refused("[]", 0, "expected '{' at byte 8");
  refused("{} x", 0, "expected the end at byte 11");
  refused(R"({"a)", 0, "expected the end of a string");
  refused("{\"a\nb\":{}}", 0, "expected an escape for a control character");
  refused(R"({"\q":{}})", 0, "expected an escape");
  refused(R"({"\u12g4":{}})", 0, "expected a hexadecimal digit");
  refused(R"({"\ud800x":{}})", 0, "expected the second half of a surrogate pair");
  refused(R"({"\ud800\u0041":{}})", 0, "expected the second half of a surrogate pair");
  refused("{}", 0, "truncated: expected a header of 3 bytes, found 2", 3);
  refused("{}", 0, "this is not a safetensors file", std::uint64_t{1} << 40);
  expect_throw<ft::IoError>([&] { io::read_safetensors(at("absent.safetensors")); }, "absent.safetensors");
  expect_throw<ft::ValueError>([&] { io::write_safetensors(at("x.safetensors"), {{"a", Tensor()}}); }, "write_safetensors: 'a' is undefined");
  expect_throw<ft::DTypeError>([&] { io::write_safetensors(at("x.safetensors"), {{"a", ft::zeros({1}, ft::c128)}}); }, "'a' is c128");
}
TEST_F(IoState, ModelsAreSavedAndLoadedByName) {
  Net a = net(1), b = net(2);
  a.bn.running_mean = ft::ones({2});
  for (const char* name : {"model.npz", "model.safetensors"}) {
    io::save(at(name), a);
    Net c = io::load(at(name), b);
    for (const auto& [path, value] : ft::state_dict(a)) same(ft::state_dict(c).at(path), value);
  }
  struct Wider {
    nn::Linear fc;
    nn::BatchNorm1d bn;
    nn::Linear more;
  } wider{b.fc, b.bn, b.fc};
  expect_throw<ft::StructureError>([&] { io::load(at("model.npz"), wider); }, "missing names: 'more.weight', 'more.bias'");
  EXPECT_NO_THROW(io::load(at("model.npz"), wider, {.strict = false}));
  struct Tied {
    nn::Linear a, b;
  } tied{a.fc, a.fc};
  io::save(at("tied.safetensors"), tied);  // both names are stored, each with its copy
  Tied back = io::load(at("tied.safetensors"), tied);
  EXPECT_EQ(ft::named_parameters(back).size(), 2u);
  expect_throw<ft::ValueError>([&] { io::save(at("model.pt"), a); }, "state dictionaries are stored as .npz or .safetensors");
  expect_throw<ft::ValueError>([&] { io::load_state_dict_file(at("model")); }, "stored as .npz or .safetensors");
  expect_throw<ft::IoError>([&] { io::load(at("absent.npz"), a); }, "absent.npz");
}
