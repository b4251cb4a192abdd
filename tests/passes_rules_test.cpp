// Every rule of the passes in a program where it applies: it did, the program still verifies and is no longer than it was, and values stay,
// to the bit and at special values unless the row says that they round.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "functra/compiler/rules.h"
#include "functra/core/interp.h"
#include "functra/functra.h"
#include "laws_count.h"
#include "support/optimised.h"

namespace functra::testing {
namespace {

using compiler::Rules;
// signs: of zeros that are structural; rounds: sums in another order, results below the normal numbers.
enum Kind { exact, signs, rounds };
struct Row {
  const char* rule;
  const char* text;
  Kind kind = exact;
};

// Inputs of type f64[81] hold every pair of nine special values; others count up.
const Row rules_rows[] = {
    // ---- arithmetic
    {"times_one", "(v0: f64[81]) { v1: f64[81] = mul(v0, 1.0:f64)\n v2: f64[81] = mul(1.0:f64, v1)\n return v2 }"},
    {"times_minus_one", "(v0: f64[81]) { v1: f64[81] = mul(-1.0:f64, v0)\n return v1 }"},
    {"integer_times_zero", "(v0: i64[5]) { v1: i64[5] = mul(v0, 0:i64)\n return v1 }"},
    {"signs_of_factors", "(v0: f64[81], v1: f64[81]) { v2: f64[81] = neg(v0)\n v3: f64[81] = neg(v1)\n v4: f64[81] = mul(v2, v3)\n return v4 }"},
    {"signs_of_factors", "(v0: f64[81]) { v1: f64[81] = neg(v0)\n v2: f64[81] = mul(v1, 2.5:f64)\n return v2 }"},
    {"signs_of_factors", "(v0: f64[81], v1: f64[81]) { v2: f64[81] = neg(v0)\n v3: f64[81] = mul(v1, v2)\n return v3 }"},
    {"over_one", "(v0: f64[81]) { v1: f64[81] = div(v0, 1.0:f64)\n v2: f64[81] = div(v1, -1.0:f64)\n return v2 }"},
    {"over_power_of_two", "(v0: f64[81], v1: f32[7]) { v2: f64[81] = div(v0, 8.0:f64)\n v3: f32[7] = div(v1, -0.25:f32)\n return v2, v3 }"},
    {"signs_of_quotient", "(v0: f64[81], v1: f64[81]) { v2: f64[81] = neg(v0)\n v3: f64[81] = neg(v1)\n v4: f64[81] = div(v2, v3)\n return v4 }"},
    {"signs_of_quotient",
     "(v0: f64[81]) { v1: f64[81] = neg(v0)\n v2: f64[81] = div(v1, 3.0:f64)\n v3: f64[81] = div(3.0:f64, v1)\n return v2, v3 }"},
    {"signs_of_quotient", "(v0: f64[81], v1: f64[81]) { v2: f64[81] = neg(v1)\n v3: f64[81] = div(v0, v2)\n return v3 }"},
    {"plus_zero", "(v0: f64[81], v1: i64[5]) { v2: f64[81] = add(v0, -0.0:f64)\n v3: i64[5] = add(0:i64, v1)\n return v2, v3 }"},
    {"plus_negative", "(v0: f64[81], v1: f64[81]) { v2: f64[81] = neg(v1)\n v3: f64[81] = add(v0, v2)\n v4: f64[81] = add(v2, v0)\n return v3, v4 }"},
    {"minus_zero",
     "(v0: f64[81], v1: i64[5]) { v2: f64[81] = sub(v0, 0.0:f64)\n v3: f64[81] = sub(-0.0:f64, v2)\n v4: i64[5] = sub(0:i64, v1)\n "
     "return v3, v4 }"},
    {"minus_negative", "(v0: f64[81], v1: f64[81]) { v2: f64[81] = neg(v1)\n v3: f64[81] = sub(v0, v2)\n return v3 }"},
    {"double_negation", "(v0: f64[81]) { v1: f64[81] = neg(v0)\n v2: f64[81] = neg(v1)\n return v2 }"},
    {"negated_constant_factor", "(v0: f64[81]) { v1: f64[81] = mul(v0, 2.5:f64)\n v2: f64[81] = neg(v1)\n return v2 }"},
    {"negated_constant_factor", "(v0: f64[81]) { v1: f64[81] = div(2.5:f64, v0)\n v2: f64[81] = neg(v1)\n return v2 }"},
    {"without_sign", "(v0: f64[81]) { v1: f64[81] = neg(v0)\n v2: f64[81] = abs(v1)\n v3: f64[81] = abs(v2)\n return v3 }"},
    {"without_sign", "(v0: f64[81]) { v1: f64[81] = mul(v0, v0)\n v2: f64[81] = abs(v1)\n return v2 }"},
    {"small_powers",
     "(v0: f64[81]) { v1: f64[81] = integer_pow(v0) {n=1}\n v2: f64[81] = integer_pow(v1) {n=2}\n v3: f64[81] = integer_pow(v2) {n=-1}\n "
     "return v3 }"},
    {"small_powers", "(v0: f64[81]) { v1: f64[81] = integer_pow(v0) {n=0}\n return v1 }"},
    {"power_without_sign", "(v0: f64[81]) { v1: f64[81] = neg(v0)\n v2: f64[81] = integer_pow(v1) {n=4}\n return v2 }"},
    {"largest_of_itself", "(v0: f64[81]) { v1: f64[81] = max(v0, v0)\n return v1 }"},
    {"least_of_itself", "(v0: f64[81]) { v1: f64[81] = min(v0, v0)\n return v1 }"},
    {"of_constants", "(v0: f64[81]) { v1: f64[] = mul(2.0:f64, 3.0:f64)\n v2: f64[] = exp(v1)\n v3: f64[81] = mul(v0, v2)\n return v3 }"},
    {"of_constants",
     "(v0: i64[5]) { v1: i32[] = add(2147483647:i32, 1:i32)\n v2: ~f64[] = mul(2.0, 0.5)\n v3: u64[] = sub(0:u64, 1:u64)\n "
     "return v1, v2, v3, v0 }"},
    {"repeated_numbers",
     "(v0: f64[81], v1: f64[]) { v2: f64[81] = broadcast_in_dim(v1) {shape=[81] dims=[]}\n v3: f64[81] = mul(v2, v0)\n return v3 }"},
    {"repeated_numbers", "(v0: f64[], v1: f64[]) { v2: f64[3] = broadcast_in_dim(v0) {shape=[3] dims=[]}\n v3: f64[3] = mul(v2, v1)\n return v3 }"},
    {"repeated_operands",
     "(v0: f64[3], v1: f64[3]) { v2: f64[2, 3] = broadcast_in_dim(v0) {shape=[2, 3] dims=[1]}\n v3: f64[2, 3] = "
     "broadcast_in_dim(v1) {shape=[2, 3] dims=[1]}\n v4: f64[2, 3] = mul(v2, v3)\n return v4 }"},
    {"repeated_operands",
     "(v0: f64[2], v1: f64[4]) { v2: f64[2, 3, 4] = broadcast_in_dim(v0) {shape=[2, 3, 4] dims=[0]}\n v3: f64[2, 3, 4] = "
     "broadcast_in_dim(v1) {shape=[2, 3, 4] dims=[2]}\n v4: f64[2, 3, 4] = mul(v2, v3)\n return v4 }"},
    {"transposed_operands",
     "(v0: f64[2, 3], v1: f64[2, 3], v2: f64[3]) { v3: f64[3, 2] = transpose(v0) {perm=[1, 0]}\n v4: f64[3, 2] = transpose(v1) "
     "{perm=[1, 0]}\n v5: f64[3, 2] = add(v3, v4)\n v6: f64[3, 2] = broadcast_in_dim(v2) {shape=[3, 2] dims=[0]}\n v7: f64[3, "
     "2] = mul(v5, v6)\n return v7 }"},
    // ---- powers
    {"constant_power",
     "(v0: f64[81]) { v1: f64[81] = pow(v0, 0.5:f64)\n v2: f64[81] = pow(v0, 0.0:f64)\n v3: f64[81] = pow(v0, 1.0:f64)\n v4: f64[81] = "
     "pow(v0, 2.0:f64)\n v5: f64[81] = pow(v0, -1.0:f64)\n return v1, v2, v3, v4, v5 }",
     rounds},
    {"constant_power",
     "(v0: f64[81]) { v1: f64[81] = pow(v0, 1.5:f64)\n v2: f64[81] = pow(v0, -0.5:f64)\n v3: f64[81] = pow(v0, -1.5:f64)\n v4: f64[81] = "
     "pow(v0, 2.5:f64)\n v5: f64[81] = pow(v0, -2.5:f64)\n v6: f64[81] = pow(v0, 3.0:f64)\n v7: f64[81] = pow(v0, -4.0:f64)\n "
     "return v1, v2, v3, v4, v5, v6, v7 }",
     rounds},
    {"constant_power",
     "(v0: f64[81]) { v1: f64[81] = mul(v0, v0)\n v2: f64[81] = pow(v1, 0.5:f64)\n v3: f64[81] = pow(v1, -1.5:f64)\n return v2, v3 }", rounds},
    // ---- logic
    {"select_known",
     "(v0: f64[81], v1: f64[]) { v2: f64[81] = select(true:bool, v0, v1)\n v3: f64[81] = select(false:bool, v0, v1)\n return v2, v3 }"},
    {"select_of_equals", "(v0: bool[5], v1: f64[5]) { v2: f64[5] = select(v0, v1, v1)\n v3: f64[5] = select(v0, 2.0:f64, 2.0:f64)\n return v2, v3 }"},
    {"select_by_not", "(v0: bool[5], v1: f64[5], v2: f64[]) { v3: bool[5] = bitwise_not(v0)\n v4: f64[5] = select(v3, v1, v2)\n return v4 }"},
    {"select_of_bools",
     "(v0: bool[5]) { v1: bool[5] = select(v0, true:bool, false:bool)\n v2: bool[5] = select(v1, false:bool, true:bool)\n return v2 }"},
    {"select_of_select",
     "(v0: bool[5], v1: f64[5], v2: f64[5], v3: f64[5]) { v4: f64[5] = select(v0, v1, v2)\n v5: f64[5] = select(v0, v4, v3)\n v6: "
     "f64[5] = select(v0, v3, v4)\n return v5, v6 }"},
    {"and_known",
     "(v0: bool[5], v1: i32[5]) { v2: bool[5] = bitwise_and(v0, true:bool)\n v3: bool[5] = bitwise_and(v2, v2)\n v4: i32[5] = "
     "bitwise_and(v1, -1:i32)\n v5: i32[5] = bitwise_and(0:i32, v1)\n return v3, v4, v5 }"},
    {"or_known",
     "(v0: bool[5], v1: u8[5]) { v2: bool[5] = bitwise_or(v0, false:bool)\n v3: bool[5] = bitwise_or(v2, v2)\n v4: u8[5] = bitwise_or(v1, "
     "255:u8)\n return v3, v4 }"},
    {"xor_known", "(v0: bool[5], v1: i16[5]) { v2: bool[5] = bitwise_xor(v0, true:bool)\n v3: i16[5] = bitwise_xor(v1, 0:i16)\n return v2, v3 }"},
    {"not_of_not",
     "(v0: bool[5], v1: f64[81], v2: f64[81]) { v3: bool[5] = bitwise_not(v0)\n v4: bool[5] = bitwise_not(v3)\n v5: bool[81] = eq(v1, v2)\n "
     "v6: bool[81] = bitwise_not(v5)\n return v4, v6 }"},
    {"equal_to_bool", "(v0: bool[5]) { v1: bool[5] = eq(v0, true:bool)\n v2: bool[5] = eq(v1, false:bool)\n return v2 }"},
    {"unequal_to_bool", "(v0: bool[5]) { v1: bool[5] = ne(v0, true:bool)\n v2: bool[5] = ne(false:bool, v1)\n return v2 }"},
    {"equal_to_itself", "(v0: i64[5], v1: f64[81]) { v2: bool[5] = eq(v0, v0)\n v3: bool[81] = eq(v1, v1)\n return v2, v3 }"},
    {"unequal_to_itself", "(v0: i64[5], v1: f64[81]) { v2: bool[5] = ne(v0, v0)\n v3: bool[81] = ne(v1, v1)\n return v2, v3 }"},
    {"below_itself", "(v0: i64[5]) { v1: bool[5] = lt(v0, v0)\n return v1 }"},
    {"at_most_itself", "(v0: i64[5]) { v1: bool[5] = le(v0, v0)\n return v1 }"},
    {"above_itself", "(v0: i64[5]) { v1: bool[5] = gt(v0, v0)\n return v1 }"},
    {"at_least_itself", "(v0: i64[5]) { v1: bool[5] = ge(v0, v0)\n return v1 }"},
    {"convert_of_itself",
     "(v0: f64[81]) { v1: f64[81] = convert(v0) {dtype=f64 weak=false}\n v2: f32[] = convert(2.5) {dtype=f32 weak=false}\n return v1, "
     "v2 }"},
    {"convert_of_convert",
     "(v0: f32[7], v1: i32[5], v2: bool[5]) { v3: f64[7] = convert(v0) {dtype=f64 weak=false}\n v4: f32[7] = convert(v3) {dtype=f32 "
     "weak=false}\n v5: i64[5] = convert(v1) {dtype=i64 weak=false}\n v6: i8[5] = convert(v5) {dtype=i8 weak=false}\n v7: f64[5] = "
     "convert(v1) {dtype=f64 weak=false}\n v8: i8[5] = convert(v7) {dtype=i8 weak=false}\n v9: f32[5] = convert(v2) {dtype=f32 "
     "weak=false}\n v10: bool[5] = convert(v9) {dtype=bool weak=false}\n return v4, v6, v8, v10 }"},
    {"convert_of_broadcast",
     "(v0: i64[3]) { v1: i64[2, 3] = broadcast_in_dim(v0) {shape=[2, 3] dims=[1]}\n v2: f32[2, 3] = convert(v1) {dtype=f32 "
     "weak=false}\n return v2 }"},
    {"convert_of_iota",
     "() { v0: i64[2, 3] = iota() {dtype=i64 shape=[2, 3] dim=1}\n v1: f64[2, 3] = convert(v0) {dtype=f64 weak=false}\n return v1 }"},
    // ---- movement
    {"stopped", "(v0: f64[3]) { v1: f64[3] = stop_gradient(v0)\n return v1 }"},
    {"named", "(v0: f64[3]) { v1: f64[3] = checkpoint_name(v0) {name=\"a\"}\n return v1 }"},
    {"broadcast_of_itself",
     "(v0: f64[3]) { v1: f64[3] = broadcast_in_dim(v0) {shape=[3] dims=[0]}\n v2: f64[1, 3] = broadcast_in_dim(v1) {shape=[1, 3] "
     "dims=[1]}\n return v2 }"},
    {"broadcast_of_broadcast",
     "(v0: f64[3]) { v1: f64[2, 3] = broadcast_in_dim(v0) {shape=[2, 3] dims=[1]}\n v2: f64[2, 4, 3] = broadcast_in_dim(v1) "
     "{shape=[2, 4, 3] dims=[0, 2]}\n return v2 }"},
    {"broadcast_of_ones_inserted",
     "(v0: f64[3]) { v1: f64[3, 1] = reshape(v0) {shape=[3, 1]}\n v2: f64[3, 1, 4] = broadcast_in_dim(v1) {shape=[3, 1, 4] "
     "dims=[0, 1]}\n return v2 }"},
    {"reshape_of_itself",
     "(v0: f64[3], v1: f64[]) { v2: f64[3] = reshape(v0) {shape=[3]}\n v3: f64[1, 1] = reshape(v1) {shape=[1, 1]}\n return v2, v3 }"},
    {"reshape_of_reshape", "(v0: f64[6]) { v1: f64[2, 3] = reshape(v0) {shape=[2, 3]}\n v2: f64[3, 2] = reshape(v1) {shape=[3, 2]}\n return v2 }"},
    {"reshape_of_broadcast",
     "(v0: f64[3, 1]) { v1: f64[1, 3, 1, 4] = broadcast_in_dim(v0) {shape=[1, 3, 1, 4] dims=[1, 2]}\n v2: f64[3, 4, 1] = "
     "reshape(v1) {shape=[3, 4, 1]}\n return v2 }"},
    {"reshape_of_broadcast",
     "(v0: f64[]) { v1: f64[6] = broadcast_in_dim(v0) {shape=[6] dims=[]}\n v2: f64[2, 3] = reshape(v1) {shape=[2, 3]}\n return v2 "
     "}"},
    {"transpose_of_ones", "(v0: f64[2, 1, 3]) { v1: f64[1, 2, 3] = transpose(v0) {perm=[1, 0, 2]}\n return v1 }"},
    {"transpose_of_transpose",
     "(v0: f64[2, 3, 4]) { v1: f64[4, 2, 3] = transpose(v0) {perm=[2, 0, 1]}\n v2: f64[3, 2, 4] = transpose(v1) {perm=[2, 1, "
     "0]}\n return v2 }"},
    {"transpose_of_broadcast",
     "(v0: f64[2, 4]) { v1: f64[2, 3, 4] = broadcast_in_dim(v0) {shape=[2, 3, 4] dims=[0, 2]}\n v2: f64[4, 3, 2] = "
     "transpose(v1) {perm=[2, 1, 0]}\n return v2 }"},
    {"transpose_of_ones_inserted",
     "(v0: f64[2, 3]) { v1: f64[2, 1, 3] = reshape(v0) {shape=[2, 1, 3]}\n v2: f64[3, 1, 2] = transpose(v1) {perm=[2, 1, "
     "0]}\n return v2 }"},
    {"slice_of_all", "(v0: f64[5]) { v1: f64[5] = slice(v0) {start=[0] limit=[5] stride=[1]}\n return v1 }"},
    {"slice_of_slice",
     "(v0: f64[20]) { v1: f64[6] = slice(v0) {start=[2] limit=[18] stride=[3]}\n v2: f64[2] = slice(v1) {start=[1] limit=[5] stride=[2]}\n "
     "return v2 }"},
    {"slice_of_broadcast",
     "(v0: f64[5]) { v1: f64[3, 5] = broadcast_in_dim(v0) {shape=[3, 5] dims=[1]}\n v2: f64[2, 2] = slice(v1) {start=[1, 1] limit=[3, "
     "5] stride=[1, 2]}\n return v2 }"},
    {"slice_of_transpose",
     "(v0: f64[3, 5]) { v1: f64[5, 3] = transpose(v0) {perm=[1, 0]}\n v2: f64[2, 3] = slice(v1) {start=[1, 0] limit=[3, 3] stride=[1, "
     "1]}\n return v2 }"},
    {"slice_of_reshape",
     "(v0: f64[6, 5]) { v1: f64[2, 3, 1, 5] = reshape(v0) {shape=[2, 3, 1, 5]}\n v2: f64[1, 3, 1, 2] = slice(v1) {start=[1, 0, 0, 2] "
     "limit=[2, 3, 1, 5] stride=[1, 1, 1, 2]}\n return v2 }"},
    {"slice_of_iota",
     "() { v0: i64[4, 3] = iota() {dtype=i64 shape=[4, 3] dim=0}\n v1: i64[1, 2] = slice(v0) {start=[2, 0] limit=[3, 2] stride=[1, 1]}\n "
     "v2: i64[4, 1] = slice(v0) {start=[0, 1] limit=[4, 2] stride=[1, 1]}\n return v1, v2 }"},
    {"rev_of_little", "(v0: f64[1, 5]) { v1: f64[1, 5] = rev(v0) {dims=[0, 1]}\n return v1 }"},
    {"rev_of_rev", "(v0: f64[2, 5]) { v1: f64[2, 5] = rev(v0) {dims=[0, 1]}\n v2: f64[2, 5] = rev(v1) {dims=[1]}\n return v2 }"},
    // ---- pieces
    {"pad_of_nothing", "(v0: f64[3], v1: f64[]) { v2: f64[3] = pad(v0, v1) {low=[0] high=[0] interior=[0]}\n return v2 }"},
    {"pad_of_nothing", "(v0: f64[0], v1: f64[]) { v2: f64[3] = pad(v0, v1) {low=[1] high=[2] interior=[0]}\n return v2 }"},
    {"pad_that_crops",
     "(v0: f64[5], v1: f64[]) { v2: f64[5] = pad(v0, v1) {low=[-1] high=[1] interior=[0]}\n v3: f64[2] = pad(v2, v1) {low=[-1] high=[-2] "
     "interior=[0]}\n return v3 }"},
    {"pad_of_pad",
     "(v0: f64[3], v1: f64[]) { v2: f64[8] = pad(v0, v1) {low=[1] high=[2] interior=[1]}\n v3: f64[11] = pad(v2, v1) {low=[0] high=[3] "
     "interior=[0]}\n return v3 }"},
    {"pad_of_itself",
     "(v0: f64[]) { v1: f64[3] = broadcast_in_dim(v0) {shape=[3] dims=[]}\n v2: f64[6] = pad(v1, v0) {low=[1] high=[2] interior=[0]}\n "
     "return v2 }"},
    {"slice_of_pad",
     "(v0: f64[4, 3], v1: f64[]) { v2: f64[9, 8] = pad(v0, v1) {low=[2, 1] high=[3, 2] interior=[0, 1]}\n v3: f64[3, 8] = slice(v2) "
     "{start=[1, 0] limit=[4, 8] stride=[1, 1]}\n v4: f64[1, 8] = slice(v2) {start=[0, 0] limit=[1, 8] stride=[1, 1]}\n v5: f64[9, 1] = "
     "slice(v2) {start=[0, 2] limit=[9, 3] stride=[1, 1]}\n v6: f64[9, 3] = slice(v2) {start=[0, 1] limit=[9, 6] stride=[1, 2]}\n v7: "
     "f64[2, 8] = slice(v2) {start=[3, 0] limit=[5, 8] stride=[1, 1]}\n return v3, v4, v5, v6, v7 }"},
    {"concatenate_of_few",
     "(v0: f64[3], v1: f64[0]) { v2: f64[3] = concatenate(v0) {dim=0}\n v3: f64[6] = concatenate(v2, v1, v0) {dim=0}\n return v2, v3 "
     "}"},
    {"concatenate_of_concatenate",
     "(v0: f64[3], v1: f64[2]) { v2: f64[5] = concatenate(v0, v1) {dim=0}\n v3: f64[8] = concatenate(v2, v0) {dim=0}\n "
     "return v3 }"},
    {"concatenate_of_neighbours",
     "(v0: f64[9]) { v1: f64[3] = slice(v0) {start=[1] limit=[4] stride=[1]}\n v2: f64[2] = slice(v0) {start=[4] limit=[6] "
     "stride=[1]}\n v3: f64[2] = broadcast_in_dim(0.5:f64) {shape=[2] dims=[]}\n v4: f64[3] = broadcast_in_dim(0.5:f64) "
     "{shape=[3] dims=[]}\n v5: f64[10] = concatenate(v1, v2, v3, v4) {dim=0}\n return v5 }"},
    {"slice_of_concatenate",
     "(v0: f64[3, 2], v1: f64[2, 2], v2: f64[4, 2]) { v3: f64[9, 2] = concatenate(v0, v1, v2) {dim=0}\n v4: f64[1, 1] = slice(v3) "
     "{start=[3, 1] limit=[4, 2] stride=[1, 1]}\n v5: f64[3, 2] = slice(v3) {start=[4, 0] limit=[7, 2] stride=[1, 1]}\n return v4, "
     "v5 }"},
    {"reshape_of_concatenate",
     "(v0: f64[3], v1: f64[]) { v2: f64[1, 3] = reshape(v0) {shape=[1, 3]}\n v3: f64[2, 3] = broadcast_in_dim(v1) {shape=[2, 3] "
     "dims=[]}\n v4: f64[3, 3] = concatenate(v2, v3) {dim=0}\n v5: f64[1, 3, 1, 3] = reshape(v4) {shape=[1, 3, 1, 3]}\n return v5 }"},
    {"slice_of_elementwise",
     "(v0: f64[81], v1: f64[]) { v2: f64[81] = mul(v0, v1)\n v3: f64[40] = slice(v2) {start=[1] limit=[81] stride=[2]}\n return v3 }"},
    {"slice_of_reduction",
     "(v0: f64[3, 4, 5]) { v1: f64[3, 5] = reduce_max(v0) {dims=[1]}\n v2: f64[1, 2] = slice(v1) {start=[1, 1] limit=[2, 4] stride=[1, "
     "2]}\n return v2 }"},
    {"slice_of_contraction",
     "(v0: f64[2, 5, 3], v1: f64[2, 3, 4]) { v2: f64[2, 5, 4] = dot_general(v0, v1) {left=[2] right=[1] left_batch=[0] "
     "right_batch=[0]}\n v3: f64[1, 2, 1] = slice(v2) {start=[1, 1, 3] limit=[2, 4, 4] stride=[1, 2, 1]}\n return v3 }",
     rounds},
    {"slice_of_parts",
     "(v0: f64[2, 5], v1: f64[3, 5]) { v2: f64[5, 5] = concatenate(v0, v1) {dim=0}\n v3: f64[5, 2] = slice(v2) {start=[0, 1] limit=[5, 4] "
     "stride=[1, 2]}\n return v3 }"},
    // ---- reductions
    {"over_ones", "(v0: f64[1, 81, 1]) { v1: f64[1] = reduce_sum(v0) {dims=[0, 1]}\n v2: f64[81] = reduce_max(v0) {dims=[0, 2]}\n return v1, v2 }",
     rounds},
    {"of_reduction", "(v0: f64[2, 3, 4]) { v1: f64[2, 4] = reduce_sum(v0) {dims=[1]}\n v2: f64[4] = reduce_sum(v1) {dims=[0]}\n return v2 }", rounds},
    {"of_transpose",
     "(v0: f64[2, 3, 4]) { v1: f64[4, 2, 3] = transpose(v0) {perm=[2, 0, 1]}\n v2: f64[4, 3] = reduce_max(v1) {dims=[1]}\n return v2 }"},
    {"of_reshape",
     "(v0: f64[2, 12, 3]) { v1: f64[2, 3, 4, 3] = reshape(v0) {shape=[2, 3, 4, 3]}\n v2: f64[2, 3] = reduce_prod(v1) {dims=[1, 2]}\n return v2 "
     "}",
     rounds},
    {"of_broadcast",
     "(v0: f64[3, 4]) { v1: f64[3, 2, 4, 5] = broadcast_in_dim(v0) {shape=[3, 2, 4, 5] dims=[0, 2]}\n v2: f64[3, 2] = reduce_max(v1) {dims=[2, "
     "3]}\n v3: f64[2, 4, 5] = reduce_min(v1) {dims=[0]}\n return v2, v3 }"},
    {"sum_of_repeated",
     "(v0: f64[3]) { v1: f64[5, 3, 2] = broadcast_in_dim(v0) {shape=[5, 3, 2] dims=[1]}\n v2: f64[3] = reduce_sum(v1) {dims=[0, 2]}\n "
     "v3: f64[2] = reduce_sum(v1) {dims=[0, 1]}\n return v2, v3 }",
     rounds},
    {"sum_of_repeated",
     "(v0: i8[3]) { v1: i8[100, 3] = broadcast_in_dim(v0) {shape=[100, 3] dims=[1]}\n v2: i8[3] = reduce_sum(v1) {dims=[0]}\n v3: i8[0, "
     "3] = broadcast_in_dim(v0) {shape=[0, 3] dims=[1]}\n v4: i8[3] = reduce_sum(v3) {dims=[0]}\n return v2, v4 }"},
    {"largest_of_repeated",
     "(v0: f64[3]) { v1: f64[5, 3] = broadcast_in_dim(v0) {shape=[5, 3] dims=[1]}\n v2: f64[3] = reduce_max(v1) {dims=[0]}\n return v2 "
     "}"},
    {"least_of_repeated",
     "(v0: f64[3]) { v1: f64[5, 3] = broadcast_in_dim(v0) {shape=[5, 3] dims=[1]}\n v2: f64[] = reduce_min(v1) {dims=[0, 1]}\n return v2 "
     "}"},
    {"and_of_repeated",
     "(v0: bool[3]) { v1: bool[5, 3] = broadcast_in_dim(v0) {shape=[5, 3] dims=[1]}\n v2: bool[3] = reduce_and(v1) {dims=[0]}\n return v2 "
     "}"},
    {"or_of_repeated",
     "(v0: i32[3]) { v1: i32[5, 3] = broadcast_in_dim(v0) {shape=[5, 3] dims=[1]}\n v2: i32[3] = reduce_or(v1) {dims=[0]}\n return v2 }"},
    {"sum_of_pad",
     "(v0: f64[3, 2]) { v1: f64[8, 4] = pad(v0, 0.0:f64) {low=[1, 1] high=[2, 1] interior=[1, 0]}\n v2: f64[4] = reduce_sum(v1) {dims=[0]}\n "
     "return v2 }",
     rounds},
    {"sum_of_negative", "(v0: f64[3, 2]) { v1: f64[3, 2] = neg(v0)\n v2: f64[3] = reduce_sum(v1) {dims=[1]}\n return v2 }", rounds},
    // ---- control flow
    {"known_choice",
     "(v0: f64[]) { v1: f64[] = cond(true:bool, v0) {branches=(program(v0: f64[]) { return v0 }, program(v0: f64[]) { v1: f64[] = sin(v0)\n "
     "return v1 })}\n v2: f64[] = cond(7:i64, v0) {branches=(program(v0: f64[]) { return v0 }, program(v0: f64[]) { v1: f64[] = cos(v0)\n "
     "return v1 })}\n return v1, v2 }"},
    {"short_scan",
     "(v0: f64[], v1: f64[1, 2]) { v2: f64[], v3: f64[1, 2] = scan(v0, v1) {body=program(v0: f64[], v1: f64[2]) { v2: f64[] = sin(v0)\n v3: "
     "f64[2] = mul(v1, v0)\n return v2, v3 } n_const=0 n_carry=1 length=1 reverse=false counted=false unroll=1}\n return v2, v3 }"},
    {"short_scan",
     "(v0: f64[], v1: f64[0, 2]) { v2: f64[], v3: f64[0, 2] = scan(v0, v1) {body=program(v0: f64[], v1: f64[2]) { v2: f64[] = sin(v0)\n v3: "
     "f64[2] = mul(v1, v0)\n return v2, v3 } n_const=0 n_carry=1 length=0 reverse=false counted=false unroll=1}\n return v2, v3 }"},
    // ---- zeros
    {"zero_factor",
     "(v0: f64[3]) { v1: f64[3] = mul(v0, 0.0:f64)\n v2: f64[3] = broadcast_in_dim(0.0:f64) {shape=[3] dims=[]}\n v3: f64[3] = mul(v2, v0)\n "
     "return v1, v3 }",
     signs},
    {"padded_factor",
     "(v0: f64[3], v1: f64[6]) { v2: f64[6] = pad(v0, 0.0:f64) {low=[1] high=[2] interior=[0]}\n v3: f64[6] = mul(v1, v2)\n v4: f64[6] = "
     "mul(v2, 2.0:f64)\n return v3, v4 }",
     signs},
    {"zero_over", "(v0: f64[3]) { v1: f64[3] = div(0.0:f64, v0)\n return v1 }", signs},
    {"padded_over",
     "(v0: f64[3], v1: f64[6]) { v2: f64[6] = pad(v0, 0.0:f64) {low=[1] high=[2] interior=[0]}\n v3: f64[6] = div(v2, v1)\n return v3 }", signs},
    {"plus_zeros", "(v0: f64[3]) { v1: f64[3] = broadcast_in_dim(0.0:f64) {shape=[3] dims=[]}\n v2: f64[3] = add(v0, v1)\n return v2 }", signs},
    {"minus_zeros",
     "(v0: f64[3]) { v1: f64[3] = broadcast_in_dim(0.0:f64) {shape=[3] dims=[]}\n v2: f64[3] = sub(v0, v1)\n v3: f64[3] = sub(v1, v0)\n "
     "return v2, v3 }",
     signs},
    {"sum_of_pads",
     "(v0: f64[2, 3], v1: f64[3, 3]) { v2: f64[9, 5] = pad(v0, 0.0:f64) {low=[1, 1] high=[6, 1] interior=[0, 0]}\n v3: f64[9, 5] = pad(v1, "
     "0.0:f64) {low=[4, 1] high=[2, 1] interior=[0, 0]}\n v4: f64[9, 5] = add(v2, v3)\n v5: f64[9, 5] = add(v3, v2)\n v6: f64[9, 5] = "
     "add(v2, v2)\n return v4, v5, v6 }",
     signs},
    {"sum_of_pads",
     "(v0: f64[2, 3], v1: f64[3, 4]) { v2: f64[9, 5] = pad(v0, 0.0:f64) {low=[2, 1] high=[5, 1] interior=[0, 0]}\n v3: f64[9, 5] = pad(v1, "
     "0.0:f64) {low=[3, 0] high=[3, 1] interior=[0, 0]}\n v4: f64[9, 5] = add(v2, v3)\n return v4 }",
     signs},
    {"difference_of_pads",
     "(v0: f64[2], v1: f64[3]) { v2: f64[9] = pad(v0, 0.0:f64) {low=[1] high=[6] interior=[0]}\n v3: f64[9] = pad(v1, 0.0:f64) "
     "{low=[3] high=[3] interior=[0]}\n v4: f64[9] = sub(v2, v3)\n v5: f64[9] = sub(v3, v2)\n return v4, v5 }",
     signs},
    {"negative_of_pad", "(v0: f64[2]) { v1: f64[5] = pad(v0, 0.0:f64) {low=[1] high=[2] interior=[0]}\n v2: f64[5] = neg(v1)\n return v2 }", rounds},
    {"convert_of_pad",
     "(v0: f64[2]) { v1: f64[5] = pad(v0, 0.0:f64) {low=[1] high=[2] interior=[0]}\n v2: f32[5] = convert(v1) {dtype=f32 weak=false}\n "
     "return v2 }",
     signs},
    {"broadcast_of_pad",
     "(v0: f64[2]) { v1: f64[5] = pad(v0, 0.0:f64) {low=[1] high=[2] interior=[0]}\n v2: f64[5, 3] = broadcast_in_dim(v1) {shape=[5, 3] "
     "dims=[0]}\n return v2 }",
     signs},
    {"transpose_of_pad",
     "(v0: f64[2, 3]) { v1: f64[5, 3] = pad(v0, 0.0:f64) {low=[1, 0] high=[2, 0] interior=[0, 0]}\n v2: f64[3, 5] = transpose(v1) "
     "{perm=[1, 0]}\n return v2 }",
     signs},
    {"reshape_of_pad",
     "(v0: f64[2, 6]) { v1: f64[5, 6] = pad(v0, 0.0:f64) {low=[1, 0] high=[2, 0] interior=[0, 0]}\n v2: f64[5, 1, 2, 3] = reshape(v1) "
     "{shape=[5, 1, 2, 3]}\n return v2 }",
     signs},
    {"partial_sum_of_pad",
     "(v0: f64[2, 6]) { v1: f64[5, 6] = pad(v0, 0.0:f64) {low=[1, 0] high=[2, 0] interior=[0, 0]}\n v2: f64[5] = reduce_sum(v1) "
     "{dims=[1]}\n return v2 }",
     rounds},
    {"select_of_pads",
     "(v0: f64[2], v1: f64[2], v2: bool[5]) { v3: f64[5] = pad(v0, 0.0:f64) {low=[1] high=[2] interior=[0]}\n v4: f64[5] = pad(v1, "
     "0.0:f64) {low=[1] high=[2] interior=[0]}\n v5: f64[5] = select(v2, v3, v4)\n v6: f64[5] = select(v2, 0.0:f64, v3)\n return v5, v6 }",
     signs},
    {"concatenate_of_pads",
     "(v0: f64[2, 2], v1: f64[1, 5]) { v2: f64[1, 5] = broadcast_in_dim(0.0:f64) {shape=[1, 5] dims=[]}\n v3: f64[2, 5] = pad(v0, "
     "0.0:f64) {low=[0, 1] high=[0, 2] interior=[0, 0]}\n v4: f64[5, 5] = concatenate(v2, v3, v2, v2) {dim=0}\n v5: f64[4, 5] = "
     "concatenate(v3, v1, v2) {dim=0}\n return v4, v5 }",
     signs},
    {"zero_contraction",
     "(v0: f64[2, 3]) { v1: f64[3, 4] = broadcast_in_dim(0.0:f64) {shape=[3, 4] dims=[]}\n v2: f64[2, 4] = dot_general(v0, v1) {left=[1] "
     "right=[0] left_batch=[] right_batch=[]}\n return v2 }",
     signs},
    {"contraction_of_pad",
     "(v0: f64[2, 2, 3], v1: f64[2, 7, 4]) { v2: f64[2, 5, 7] = pad(v0, 0.0:f64) {low=[0, 1, 2] high=[0, 2, 2] interior=[0, 0, 0]}\n "
     "v3: f64[2, 5, 4] = dot_general(v2, v1) {left=[2] right=[1] left_batch=[0] right_batch=[0]}\n v4: f64[2, 4, 5] = "
     "dot_general(v1, v2) {left=[1] right=[2] left_batch=[0] right_batch=[0]}\n return v3, v4 }",
     rounds},
    // ---- seeds
    {"hot_of_positions",
     "() { v0: i64[2, 5] = iota() {dtype=i64 shape=[2, 5] dim=0}\n v1: i64[2, 5] = iota() {dtype=i64 shape=[2, 5] dim=1}\n v2: i64[2, 5] "
     "= add(v0, 3:i64)\n v3: bool[2, 5] = eq(v2, v1)\n v4: f64[2, 5] = convert(v3) {dtype=f64 weak=false}\n v5: bool[2, 5] = eq(v1, "
     "4:i64)\n v6: f64[2, 5] = convert(v5) {dtype=f64 weak=false}\n v7: bool[2, 5] = eq(2:i64, v1)\n v8: f64[2, 5] = convert(v7) "
     "{dtype=f64 weak=false}\n return v4, v6, v8 }",
     signs},
    {"select_of_positions",
     "() { v0: i64[3, 3] = iota() {dtype=i64 shape=[3, 3] dim=0}\n v1: i64[3, 3] = iota() {dtype=i64 shape=[3, 3] dim=1}\n v2: "
     "bool[3, 3] = eq(v0, v1)\n v3: f64[3, 3] = select(v2, 1.0:f64, 0.0:f64)\n return v3 }",
     signs},
#define E33                                                                                                                                       \
  " v10: i64[3, 3] = iota() {dtype=i64 shape=[3, 3] dim=0}\n v11: i64[3, 3] = iota() {dtype=i64 shape=[3, 3] dim=1}\n v12: bool[3, 3] = eq(v10, " \
  "v11)\n "                                                                                                                                       \
  "v13: f64[3, 3] = convert(v12) {dtype=f64 weak=false}\n"
    {"product_with_diagonal",
     "(v0: f64[3, 3], v1: f64[3, 3]) {" E33 " v2: f64[3, 3] = mul(v13, v0)\n v3: f64[3, 3] = mul(v1, v2)\n v4: f64[3, 3] = mul(v2, "
     "v13)\n v5: f64[3, 3] = neg(v2)\n v6: f64[3, 3] = mul(v5, v3)\n return v3, v4, v6 }",
     signs},
    {"quotient_of_diagonal",
     "(v0: f64[3, 3], v1: f64[3, 3]) {" E33 " v2: f64[3, 3] = mul(v0, v13)\n v3: f64[3, 3] = add(v1, 2.0:f64)\n v4: f64[3, 3] = "
     "div(v2, v3)\n return v4 }",
     signs},
    {"sum_of_diagonals",
     "(v0: f64[3, 3], v1: f64[3, 3]) {" E33 " v2: f64[3, 3] = mul(v13, v0)\n v3: f64[3, 3] = mul(v13, v1)\n v4: f64[3, 3] = add(v2, v3)\n "
     "v5: f64[3, 3] = add(v4, v13)\n return v5 }",
     rounds},
    {"difference_of_diagonals",
     "(v0: f64[3, 3], v1: f64[3, 3]) {" E33 " v2: f64[3, 3] = mul(v13, v0)\n v3: f64[3, 3] = mul(v13, v1)\n v4: f64[3, 3] = "
     "sub(v2, v3)\n return v4 }",
     signs},
    {"slice_of_diagonal",
     "(v0: f64[3, 3]) {" E33 " v2: f64[3, 3] = mul(v13, v0)\n v3: f64[2, 2] = slice(v2) {start=[0, 1] limit=[2, 3] stride=[1, 1]}\n v4: "
     "f64[3, 1] = slice(v13) {start=[0, 1] limit=[3, 2] stride=[1, 1]}\n return v3, v4 }",
     signs},
    {"sum_of_diagonal",
     "(v0: f64[3], v1: f64[3]) {" E33 " v2: f64[3, 3] = broadcast_in_dim(v0) {shape=[3, 3] dims=[0]}\n v3: f64[3, 3] = mul(v13, v2)\n v4: "
     "f64[3] = reduce_sum(v3) {dims=[0]}\n v5: f64[3] = reduce_sum(v3) {dims=[1]}\n v6: f64[] = reduce_sum(v3) {dims=[0, 1]}\n v7: "
     "f64[3] = reduce_sum(v13) {dims=[1]}\n return v4, v5, v6, v7, v1 }",
     rounds},
    {"contraction_with_diagonal",
     "(v0: f64[4, 3], v1: f64[3, 3]) {" E33 " v2: f64[4, 3] = dot_general(v0, v13) {left=[1] right=[0] left_batch=[] "
     "right_batch=[]}\n v3: f64[3, 4] = dot_general(v13, v0) {left=[1] right=[1] left_batch=[] right_batch=[]}\n return v2, v3, "
     "v1 }",
     signs},
    {"contraction_with_diagonal",
     "(v0: f64[4, 3, 2], v1: f64[3], v2: f64[2]) {" E33 " v3: f64[2, 3, 3] = broadcast_in_dim(v13) {shape=[2, 3, 3] dims=[1, "
     "2]}\n v4: f64[2, 3, 3] = broadcast_in_dim(v2) {shape=[2, 3, 3] dims=[0]}\n v5: f64[2, 3, 3] = mul(v3, v4)\n v6: f64[4, 3] "
     "= dot_general(v0, v5) {left=[1, 2] right=[1, 0] left_batch=[] right_batch=[]}\n v7: f64[2, 3, 4] = dot_general(v5, v0) "
     "{left=[2] right=[1] left_batch=[0] right_batch=[2]}\n return v6, v7, v1 }",
     rounds},
    {"sum_beside_diagonal",
     "(v0: f64[3, 4, 3], v1: f64[3, 4]) {" E33 " v2: f64[3, 4, 3] = broadcast_in_dim(v13) {shape=[3, 4, 3] dims=[0, 2]}\n v3: f64[3, 4, "
     "3] = mul(v0, v2)\n v4: f64[3, 3] = reduce_sum(v3) {dims=[1]}\n v5: f64[3, 3] = reduce_sum(v2) {dims=[1]}\n return v4, v5, v1 }",
     rounds},
    {"contraction_beside_diagonal",
     "(v0: f64[4, 3], v1: f64[2, 4], v2: f64[4]) {" E33 " v3: f64[3, 4, 3] = broadcast_in_dim(v13) {shape=[3, 4, 3] dims=[0, "
     "2]}\n v4: f64[3, 4, 3] = broadcast_in_dim(v0) {shape=[3, 4, 3] dims=[1, 2]}\n v5: f64[3, 4, 3] = mul(v3, v4)\n v6: f64[2, "
     "3, 3] = dot_general(v1, v5) {left=[1] right=[1] left_batch=[] right_batch=[]}\n v7: f64[3, 3, 2] = dot_general(v5, v1) "
     "{left=[1] right=[1] left_batch=[] right_batch=[]}\n v8: f64[3, 3] = dot_general(v2, v3) {left=[0] right=[1] left_batch=[] "
     "right_batch=[]}\n return v6, v7, v8 }",
     rounds},
    // ---- gathers
    {"gather_of_known",
     "(v0: f64[5, 4]) { v1: i64[3, 1] = iota() {dtype=i64 shape=[3, 1] dim=0}\n v2: i64[3, 1] = add(v1, 1:i64)\n v3: f64[4, 3] = "
     "gather(v0, v2) {offset_dims=[0] collapsed=[0] start_map=[0] operand_batch=[] indices_batch=[] sizes=[1, 4] fill=false value=0}\n "
     "return v3 }"},
    {"gather_of_known",
     "(v0: f64[6, 7]) { v1: i64[3, 1] = iota() {dtype=i64 shape=[3, 1] dim=0}\n v2: i64[3, 1] = mul(2:i64, v1)\n v3: i64[3, 1] = "
     "broadcast_in_dim(4:i64) {shape=[3, 1] dims=[]}\n v4: i64[3, 2] = concatenate(v2, v3) {dim=1}\n v5: f64[3, 1, 2] = gather(v0, v4) "
     "{offset_dims=[1, 2] collapsed=[] start_map=[0, 1] operand_batch=[] indices_batch=[] sizes=[1, 2] fill=true value=0}\n return v5 }"},
    {"gather_of_known",
     "(v0: f64[3, 5]) { v1: i64[3, 2, 1] = broadcast_in_dim(2:i64) {shape=[3, 2, 1] dims=[]}\n v2: f64[3, 2] = gather(v0, v1) "
     "{offset_dims=[] collapsed=[1] start_map=[1] operand_batch=[0] indices_batch=[0] sizes=[1, 1] fill=false value=0}\n return v2 }"},
    {"scatter_onto_zeros",
     "(v0: f64[3, 2]) { v1: f64[7, 4] = broadcast_in_dim(0.0:f64) {shape=[7, 4] dims=[]}\n v2: i64[3, 1] = iota() {dtype=i64 "
     "shape=[3, 1] dim=0}\n v3: i64[3, 1] = mul(v2, 3:i64)\n v4: i64[3, 1] = broadcast_in_dim(1:i64) {shape=[3, 1] dims=[]}\n v5: "
     "i64[3, 2] = concatenate(v3, v4) {dim=1}\n v6: f64[7, 4] = scatter(v1, v5, v0) {window_dims=[1] inserted=[0] scatter_map=[0, 1] "
     "operand_batch=[] indices_batch=[] drop=true unique=false}\n return v6 }"},
    {"scatter_add_onto_zeros",
     "(v0: f64[3, 2]) { v1: f64[5, 2] = broadcast_in_dim(0.0:f64) {shape=[5, 2] dims=[]}\n v2: i64[3, 1] = broadcast_in_dim(2:i64) "
     "{shape=[3, 1] dims=[]}\n v3: f64[5, 2] = scatter_add(v1, v2, v0) {window_dims=[1] inserted=[0] scatter_map=[0] "
     "operand_batch=[] indices_batch=[] drop=false unique=false}\n return v3 }",
     rounds},
    {"dynamic_slice_of_known", "(v0: f64[5, 4], v1: i64[]) { v2: f64[2, 4] = dynamic_slice(v0, 7:i64, v1) {sizes=[2, 4]}\n return v2 }"},
    {"dynamic_slice_of_repeated",
     "(v0: f64[5], v1: i64[]) { v2: f64[5, 4] = broadcast_in_dim(v0) {shape=[5, 4] dims=[0]}\n v3: f64[2, 3] = "
     "dynamic_slice(v2, v1, v1) {sizes=[2, 3]}\n return v3 }"},
    {"update_of_known",
     "(v0: f64[5, 4], v1: f64[2, 4], v2: f64[2, 2]) { v3: f64[5, 4] = dynamic_update_slice(v0, v1, 1:i64, 0:i64)\n v4: f64[5, 4] = "
     "broadcast_in_dim(0.0:f64) {shape=[5, 4] dims=[]}\n v5: f64[5, 4] = dynamic_update_slice(v4, v2, 9:i64, 1:i64)\n v6: f64[5, 4] = "
     "dynamic_update_slice(v0, v3, 2:i64, 2:i64)\n return v3, v5, v6 }"},
    // ---- contractions
    {"product_of_arrays",
     "(v0: f64[2, 3], v1: f64[4, 2]) { v2: f64[2, 3, 4] = dot_general(v0, v1) {left=[] right=[] left_batch=[0] right_batch=[1]}\n "
     "return v2 }",
     rounds},
    {"without_ones",
     "(v0: f64[1, 2, 1, 3], v1: f64[1, 3, 4, 1]) { v2: f64[1, 2, 4] = dot_general(v0, v1) {left=[2, 3] right=[3, 1] left_batch=[0] "
     "right_batch=[0]}\n return v2 }",
     rounds},
    {"contraction_of_transpose",
     "(v0: f64[3, 2], v1: f64[3, 4]) { v2: f64[2, 3] = transpose(v0) {perm=[1, 0]}\n v3: f64[2, 4] = dot_general(v2, v1) "
     "{left=[1] right=[0] left_batch=[] right_batch=[]}\n return v3 }",
     rounds},
    {"contraction_of_transpose",
     "(v0: f64[4, 3, 2, 5], v1: f64[3, 2]) { v2: f64[2, 4, 5, 3] = transpose(v0) {perm=[2, 0, 3, 1]}\n v3: f64[2, 4, 5] = "
     "dot_general(v1, v2) {left=[0] right=[3] left_batch=[1] right_batch=[0]}\n v4: f64[5, 4, 3, 2] = transpose(v0) {perm=[3, 0, "
     "1, 2]}\n v5: f64[5, 4] = dot_general(v4, v1) {left=[2, 3] right=[0, 1] left_batch=[] right_batch=[]}\n return v3, v5 }",
     rounds},
    {"contraction_of_broadcast",
     "(v0: f64[3, 4], v1: f64[5, 2, 3]) { v2: f64[5, 3, 4] = broadcast_in_dim(v0) {shape=[5, 3, 4] dims=[1, 2]}\n v3: f64[5, 2, "
     "4] = dot_general(v1, v2) {left=[2] right=[1] left_batch=[0] right_batch=[0]}\n v4: f64[5, 4, 2] = dot_general(v2, v1) "
     "{left=[1] right=[2] left_batch=[0] right_batch=[0]}\n return v3, v4 }",
     rounds},
    {"contraction_of_broadcast",
     "(v0: f64[4], v1: f64[3, 6]) { v2: f64[3, 4, 2] = broadcast_in_dim(v0) {shape=[3, 4, 2] dims=[1]}\n v3: f64[4, 2, 6] = "
     "dot_general(v2, v1) {left=[0] right=[0] left_batch=[] right_batch=[]}\n return v3 }",
     rounds},
    {"contraction_of_broadcast",
     "(v0: f64[3, 4], v1: f64[]) { v2: f64[2, 3] = broadcast_in_dim(v1) {shape=[2, 3] dims=[]}\n v3: f64[2, 4] = "
     "dot_general(v2, v0) {left=[1] right=[0] left_batch=[] right_batch=[]}\n return v3 }",
     rounds},
    {"contraction_of_negative",
     "(v0: f64[2, 3], v1: f64[3, 4]) { v2: f64[2, 3] = neg(v0)\n v3: f64[3, 4] = neg(v1)\n v4: f64[2, 4] = dot_general(v2, v3) "
     "{left=[1] right=[0] left_batch=[] right_batch=[]}\n return v4 }",
     rounds},
    {"transpose_of_contraction",
     "(v0: f64[2, 5, 3], v1: f64[2, 3, 4]) { v2: f64[2, 5, 4] = dot_general(v0, v1) {left=[2] right=[1] left_batch=[0] "
     "right_batch=[0]}\n v3: f64[2, 4, 5] = transpose(v2) {perm=[0, 2, 1]}\n return v3 }",
     rounds},
    {"sum_of_contraction",
     "(v0: f64[2, 5, 3], v1: f64[2, 3, 4]) { v2: f64[2, 5, 4] = dot_general(v0, v1) {left=[2] right=[1] left_batch=[0] "
     "right_batch=[0]}\n v3: f64[4] = reduce_sum(v2) {dims=[0, 1]}\n return v3 }",
     rounds},
    {"sum_of_product",
     "(v0: f64[5, 3], v1: f64[3, 4]) { v2: f64[5, 4, 3] = broadcast_in_dim(v0) {shape=[5, 4, 3] dims=[0, 2]}\n v3: f64[4, 3] = "
     "transpose(v1) {perm=[1, 0]}\n v4: f64[5, 4, 3] = broadcast_in_dim(v3) {shape=[5, 4, 3] dims=[1, 2]}\n v5: f64[5, 4, 3] = mul(v4, "
     "v2)\n v6: f64[5, 4] = reduce_sum(v5) {dims=[2]}\n return v6 }",
     rounds},
    {"regrouped",
     "(v0: f64[8, 7], v1: f64[7, 9], v2: f64[9]) { v3: f64[8, 9] = dot_general(v0, v1) {left=[1] right=[0] left_batch=[] right_batch=[]}\n v4: "
     "f64[8] = dot_general(v3, v2) {left=[1] right=[0] left_batch=[] right_batch=[]}\n return v4 }",
     rounds},
    {"regrouped",
     "(v0: f64[8, 7], v1: f64[7, 9], v2: f64[2, 8]) { v3: f64[8, 9] = dot_general(v0, v1) {left=[1] right=[0] left_batch=[] right_batch=[]}\n "
     "v4: f64[2, 9] = dot_general(v2, v3) {left=[1] right=[0] left_batch=[] right_batch=[]}\n v5: f64[8, 9] = dot_general(v0, v1) {left=[1] "
     "right=[0] left_batch=[] right_batch=[]}\n v6: f64[9, 2] = dot_general(v5, v2) {left=[0] right=[1] left_batch=[] right_batch=[]}\n return "
     "v4, v6 }",
     rounds},
    {"regrouped",
     "(v0: f64[8, 7, 2], v1: f64[9, 3, 7], v2: f64[3, 2]) { v3: f64[8, 2, 9, 3] = dot_general(v0, v1) {left=[1] right=[2] left_batch=[] "
     "right_batch=[]}\n v4: f64[8, 2, 9, 2] = dot_general(v3, v2) {left=[3] right=[0] left_batch=[] right_batch=[]}\n v5: f64[8, 2, 9, 3] = "
     "dot_general(v0, v1) {left=[1] right=[2] left_batch=[] right_batch=[]}\n v6: f64[3, 8, 9, 3] = dot_general(v2, v5) {left=[1] right=[1] "
     "left_batch=[] right_batch=[]}\n v7: f64[2, 8, 2, 9] = dot_general(v2, v5) {left=[0] right=[3] left_batch=[] right_batch=[]}\n return v4, "
     "v6, v7 }",
     rounds},
};

Tensor input(const Aval& a, std::size_t k) {
  const double inf = std::numeric_limits<double>::infinity();
  const double special[] = {1.5, -2.25, 0.0, -0.0, inf, -inf, std::numeric_limits<double>::quiet_NaN(), 5e-324, -1e300};
  std::vector<double> v;
  for (std::int64_t i = 0; i < a.shape.numel(); ++i) {
    auto n = static_cast<std::size_t>(i);
    if (is_floating(a.dtype))
      v.push_back(a.shape.numel() == 81 ? special[k % 2 ? n % 9 : n / 9] : std::sin(1.7 * static_cast<double>(i) + static_cast<double>(k) + 0.3));
    else
      v.push_back(is_bool(a.dtype) ? (i + static_cast<std::int64_t>(k)) % 2 : static_cast<double>((i * 53 + static_cast<std::int64_t>(k) * 7) % 90));
  }
  return tensor(v, f64).reshape(a.shape).to(a.dtype);
}
std::vector<Rules> tables() {
  return {compiler::arithmetic_rules(),  compiler::power_rules(),   compiler::logic_rules(),    compiler::movement_rules(), compiler::pieces_rules(),
          compiler::reduction_rules(),   compiler::control_rules(), compiler::zero_rules(),     compiler::seed_rules(),     compiler::product_rules(),
          compiler::contraction_rules(), compiler::gather_rules(),  compiler::narrowing_rules()};
}
std::string differs_in_bits(const Vec& a, const Vec& b) {
  for (std::size_t k = 0; k < a.size(); ++k) {
    auto x = a[k].to_vector<double>(), y = b[k].to_vector<double>();
    for (std::size_t i = 0; i < x.size(); ++i)
      if (std::signbit(x[i]) != std::signbit(y[i]) && !std::isnan(x[i]))
        return "the sign of element " + std::to_string(i) + " of result " + std::to_string(k);
  }
  return {};
}

}  // namespace

TEST(PassRules, each_applies_and_keeps_values) {
  for (const Row& row : rules_rows) {
    SCOPED_TRACE(std::string(row.rule) + ": " + row.text);
    core::ProgramPtr p = core::parse_program("program" + std::string(row.text)), q;
    Rules table;
    for (Rules t : tables())
      for (auto& r : t)
        if (std::string(r.name) == row.rule) table = t;
    ASSERT_FALSE(table.empty()) << "no such rule";
    compiler::Fired fired;
    ASSERT_NO_THROW({
      core::verify(*p);
      q = compiler::rewrite(p, {table}, &fired);
      core::verify(*q);
    });
    EXPECT_GT(fired[row.rule], 0u) << q->str();
    EXPECT_LE(q->eqns.size(), p->eqns.size() + (row.kind == rounds ? 40 : 6)) << q->str();
    Vec in;
    for (std::size_t k = 0; k < p->inputs.size(); ++k) in.push_back(input(p->type(p->inputs[k]), k));
    for (auto program : {q, compiler::optimize(p)}) {
      Vec is = core::eval_program(*program, in), should = core::eval_program(*p, in);
      std::string d = difference(is, should, row.kind == rounds ? 4e-15 : 0);
      if (d.empty() && row.kind == exact && program == q) d = differs_in_bits(is, should);
      count_law(d.empty());
      EXPECT_EQ(d, "") << program->str();
    }
  }
}
// pow(x, k/2) by roots, reciprocals and products: within the 4 units of the last place that pow has itself, special values as pow.
TEST(PassRules, constant_powers_are_as_exact_as_pow) {
  const double inf = std::numeric_limits<double>::infinity();
  std::vector<double> v{0.0, -0.0, inf, -inf, std::numeric_limits<double>::quiet_NaN(), -1.0, -2.5, 1.0, -1e-3};
  for (int i = 0; i < 4000; ++i) v.push_back(std::exp2(std::sin(i * 0.7) * 60 + std::sin(i * 1.3)));
  for (DType d : {f64, f32}) {
    Tensor x = tensor(v, f64).to(d);
    const double ulp = d == f64 ? 0x1p-52 : 0x1p-23, least = d == f64 ? 2.3e-308 : 1.2e-38;
    for (int k = -8; k <= 8; ++k) {
      const std::string text = "program(v0: T) { v1: T = pow(v0, " + std::to_string(k * 0.5) + ":" + std::string(name_of(d)) + ")\n return v1 }";
      std::string typed;
      for (char c : text)
        if (c == 'T') typed += x.aval().str();
        else typed += c;
      core::ProgramPtr p = core::parse_program(typed), q = compiler::simplify(p);
      for (auto& e : q->eqns) EXPECT_STRNE(e.prim->name, "pow");
      auto is = core::eval_program(*q, Vec{x})[0].to_vector<double>(), should = x.to_vector<double>();
      for (std::size_t i = 0; i < is.size(); ++i) {
        double y = std::pow(should[i], k * 0.5);
        if (d == f32) y = static_cast<float>(y);
        if (std::isnan(y) || std::isinf(y) || y == 0) {
          EXPECT_TRUE(std::isnan(y) ? std::isnan(is[i]) : is[i] == y && std::signbit(is[i]) == std::signbit(y))
              << should[i] << " to " << k << "/2: " << is[i];
        } else if (std::fabs(y) > least) EXPECT_LE(std::fabs(is[i] - y), 4 * ulp * std::fabs(y)) << should[i] << " to " << k << "/2";
      }
    }
  }
  count_law(true);
}
TEST(PassRules, none_is_without_a_row_or_without_words) {
  std::set<std::string> rows, names;
  for (const Row& r : rules_rows) rows.insert(r.rule);
  for (Rules t : tables())
    for (auto& r : t) {
      EXPECT_TRUE(rows.count(r.name)) << r.name << " has no row";
      EXPECT_GT(std::strlen(r.what), 5u) << r.name;
    }
}

}  // namespace functra::testing
