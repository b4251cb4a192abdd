// Rows of the rules that simplify.
#include "support/rule_rows.h"

namespace functra::testing {
namespace {
constexpr auto rounds = RuleRow::rounds;
const RuleRow rows_of_rules[] = {
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
};
}  // namespace

void append_identity_rows(std::vector<RuleRow>& rows) { rows.insert(rows.end(), std::begin(rows_of_rules), std::end(rows_of_rules)); }
std::vector<RuleRow> rule_rows() {
  std::vector<RuleRow> rows;
  append_identity_rows(rows);
  append_structure_rows(rows);
  return rows;
}

}  // namespace functra::testing
