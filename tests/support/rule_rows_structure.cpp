// Rows of the rules about structural zeros, seeds, gathers and contractions.
#include "support/rule_rows.h"

namespace functra::testing {
namespace {
constexpr auto signs = RuleRow::signs, rounds = RuleRow::rounds;
const RuleRow rows_of_rules[] = {
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
    {"pads_of_a_sum",
     "(v0: f64[7], v1: f64[2], v2: f64[3]) { v3: f64[7] = pad(v1, 0.0:f64) {low=[0] high=[5] interior=[0]}\n v4: f64[7] = pad(v2, 0.0:f64) {low=[3] "
     "high=[1] "
     "interior=[0]}\n v5: f64[7] = add(v0, v3)\n v6: f64[7] = add(v4, v5)\n return v6 }",
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
    {"transpose_of_contraction",
     "(v0: f64[5, 2, 3], v1: f64[3, 4]) { v2: f64[5, 2, 4] = dot_general(v0, v1) {left=[2] right=[0] left_batch=[] right_batch=[]}\n v3: f64[5, 4, "
     "2] = transpose(v2) {perm=[0, 2, 1]}\n return v3 }",
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
    {"sum_of_factors",
     "(v0: f64[6, 5], v1: f64[6, 4]) { v2: f64[6, 5, 4] = broadcast_in_dim(v0) {shape=[6, 5, 4] dims=[0, 1]}\n v3: f64[6, 5, 4] = "
     "broadcast_in_dim(v1) {shape=[6, 5, 4] dims=[0, 2]}\n v4: f64[6, 5, 4] = mul(v2, v3)\n v5: f64[6, 5, 4] = mul(v4, v4)\n v6: f64[6] = "
     "reduce_sum(v5) {dims=[1, 2]}\n return v6 }",
     rounds},
    {"sum_of_factors",
     "(v0: f64[6, 5], v1: f64[4], v2: f64[]) { v3: f64[6, 5, 4] = broadcast_in_dim(v0) {shape=[6, 5, 4] dims=[0, 1]}\n v4: f64[6, 5, 4] = "
     "broadcast_in_dim(v1) {shape=[6, 5, 4] dims=[2]}\n v5: f64[6, 5, 4] = mul(v3, v4)\n v6: f64[6, 5, 4] = integer_pow(v5) {n=2}\n v7: f64[6, 5, "
     "4] = mul(v2, v6)\n v8: f64[5] = reduce_sum(v7) {dims=[0, 2]}\n return v8 }",
     rounds},
    {"sum_of_factors",
     "(v0: f64[6, 5], v1: f64[6, 4], v2: f64[6]) { v3: f64[6, 5, 4] = broadcast_in_dim(v0) {shape=[6, 5, 4] dims=[0, 1]}\n v4: f64[6, 5, 4] = "
     "broadcast_in_dim(v1) {shape=[6, 5, 4] dims=[0, 2]}\n v5: f64[6, 5, 4] = mul(v3, v4)\n v6: f64[6, 4, 5] = transpose(v5) {perm=[0, 2, 1]}\n "
     "v7: f64[6, 4, 5] = broadcast_in_dim(v2) {shape=[6, 4, 5] dims=[0]}\n v8: f64[6, 4, 5] = mul(v6, v7)\n v9: f64[4, 5] = reduce_sum(v8) "
     "{dims=[0]}\n return v9 }",
     rounds},
    {"sum_of_factors",
     "(v0: f64[6, 5], v1: f64[6]) { v2: f64[6, 5] = broadcast_in_dim(v1) {shape=[6, 5] dims=[0]}\n v3: f64[6, 5] = mul(v0, v2)\n v4: f64[6] = "
     "reduce_sum(v3) {dims=[1]}\n return v4 }",
     rounds},
    {"sum_of_factors",
     "(v0: f64[6], v1: f64[5]) { v2: f64[6, 5, 4] = broadcast_in_dim(v0) {shape=[6, 5, 4] dims=[0]}\n v3: f64[6, 5, 4] = broadcast_in_dim(v1) "
     "{shape=[6, 5, 4] dims=[1]}\n v4: f64[6, 5, 4] = mul(v2, v3)\n v5: f64[] = reduce_sum(v4) {dims=[0, 1, 2]}\n return v5 }",
     rounds},
    {"sum_of_factors",
     "(v0: f64[6], v1: f64[5], v2: f64[]) { v3: f64[6, 5, 4, 3] = broadcast_in_dim(v0) {shape=[6, 5, 4, 3] dims=[0]}\n v4: f64[6, 5, 4, 3] = "
     "broadcast_in_dim(v1) {shape=[6, 5, 4, 3] dims=[1]}\n v5: f64[6, 5, 4, 3] = mul(v3, v4)\n v6: f64[6, 5, 4, 3] = mul(v5, v2)\n v7: f64[4] = "
     "reduce_sum(v6) {dims=[0, 1, 3]}\n return v7 }",
     rounds},
    {"sum_of_factors",
     "(v0: f64[], v1: f64[]) { v2: f64[6, 5] = broadcast_in_dim(v0) {shape=[6, 5] dims=[]}\n v3: f64[6, 5] = broadcast_in_dim(v1) {shape=[6, 5] "
     "dims=[]}\n v4: f64[6, 5] = mul(v2, v3)\n v5: f64[5] = reduce_sum(v4) {dims=[0]}\n return v5 }",
     rounds},
    {"contraction_of_factors",
     "(v0: f64[6], v1: f64[5], v2: f64[7], v3: f64[5]) { v4: f64[6, 5, 4] = broadcast_in_dim(v0) {shape=[6, 5, 4] dims=[0]}\n v5: f64[6, 5, 4] = "
     "broadcast_in_dim(v1) {shape=[6, 5, 4] dims=[1]}\n v6: f64[6, 5, 4] = mul(v4, v5)\n v7: f64[7, 5, 4] = broadcast_in_dim(v2) {shape=[7, 5, 4] "
     "dims=[0]}\n v8: f64[7, 5, 4] = broadcast_in_dim(v3) {shape=[7, 5, 4] dims=[1]}\n v9: f64[7, 5, 4] = mul(v7, v8)\n v10: f64[6, 7] = "
     "dot_general(v6, v9) {left=[1, 2] right=[1, 2] left_batch=[] right_batch=[]}\n return v10 }",
     rounds},
    {"contraction_of_factors",
     "(v0: f64[6, 9], v1: f64[6, 8], v2: f64[3, 9], v3: f64[3, 8]) { v4: f64[6, 9, 8] = broadcast_in_dim(v0) {shape=[6, 9, 8] dims=[0, 1]}\n v5: "
     "f64[6, 9, 8] = broadcast_in_dim(v1) {shape=[6, 9, 8] dims=[0, 2]}\n v6: f64[6, 9, 8] = mul(v4, v5)\n v7: f64[6, 72] = reshape(v6) "
     "{shape=[6, 72]}\n v8: f64[3, 9, 8] = broadcast_in_dim(v2) {shape=[3, 9, 8] dims=[0, 1]}\n v9: f64[3, 9, 8] = broadcast_in_dim(v3) "
     "{shape=[3, 9, 8] dims=[0, 2]}\n v10: f64[3, 9, 8] = mul(v8, v9)\n v11: f64[3, 72] = reshape(v10) {shape=[3, 72]}\n v12: f64[6, 3] = "
     "dot_general(v7, v11) {left=[1] right=[1] left_batch=[] right_batch=[]}\n return v12 }",
     rounds},
    {"contraction_of_factors",
     "(v0: f64[2, 6], v1: f64[2, 5], v2: f64[2, 5, 4]) { v3: f64[2, 6, 5] = broadcast_in_dim(v0) {shape=[2, 6, 5] dims=[0, 1]}\n v4: f64[2, 6, 5] = "
     "broadcast_in_dim(v1) {shape=[2, 6, 5] dims=[0, 2]}\n v5: f64[2, 6, 5] = mul(v3, v4)\n v6: f64[2, 6, 4] = dot_general(v5, v2) {left=[2] "
     "right=[1] left_batch=[0] right_batch=[0]}\n return v6 }",
     rounds},
    {"contraction_of_sum",
     "(v0: f64[6], v1: f64[5], v2: f64[6], v3: f64[5], v4: f64[5, 4]) { v5: f64[6, 5] = broadcast_in_dim(v0) {shape=[6, 5] dims=[0]}\n v6: f64[6, 5] "
     "= "
     "broadcast_in_dim(v1) {shape=[6, 5] dims=[1]}\n v7: f64[6, 5] = mul(v5, v6)\n v8: f64[6, 5] = broadcast_in_dim(v2) {shape=[6, 5] dims=[0]}\n "
     "v9: "
     "f64[6, 5] = broadcast_in_dim(v3) {shape=[6, 5] dims=[1]}\n v10: f64[6, 5] = mul(v8, v9)\n v11: f64[6, 5] = sub(v7, v10)\n v12: f64[6, 4] = "
     "dot_general(v11, v4) {left=[1] right=[0] left_batch=[] right_batch=[]}\n return v12 }",
     rounds},
    {"transpose_of_computed",
     "(v0: f64[3, 2], v1: f64[2, 2], v2: f64[2]) { v3: f64[3, 2] = dot_general(v0, v1) {left=[1] right=[0] left_batch=[] right_batch=[]}\n v4: "
     "f64[3, 2] = "
     "broadcast_in_dim(v2) {shape=[3, 2] dims=[1]}\n v5: f64[3, 2] = mul(v3, v4)\n v6: f64[2, 3] = transpose(v5) {perm=[1, 0]}\n return v6 }",
     rounds},
    {"sum_of_sum",
     "(v0: f64[7, 5], v1: f64[5, 6], v2: f64[6, 7]) { v3: f64[7, 6] = dot_general(v0, v1) {left=[1] right=[0] left_batch=[] right_batch=[]}\n v4: "
     "f64[6, 7] = transpose(v3) {perm=[1, 0]}\n v5: f64[6, 7] = sub(v2, v4)\n v6: f64[6] = reduce_sum(v5) {dims=[1]}\n return v6 }",
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
    {"sum_of_halves", "(v0: bf16[4, 9]) { v1: bf16[4] = reduce_sum(v0) {dims=[1]}\n return v1 }"},
    {"product_of_halves", "(v0: f16[9]) { v1: f16[] = reduce_prod(v0) {dims=[0]}\n return v1 }"},
    {"maximum_of_halves", "(v0: bf16[4, 9]) { v1: bf16[9] = reduce_max(v0) {dims=[0]}\n return v1 }"},
    {"minimum_of_halves", "(v0: f16[9, 4]) { v1: f16[4] = reduce_min(v0) {dims=[0]}\n return v1 }"},
};
}  // namespace

void append_structure_rows(std::vector<RuleRow>& rows) { rows.insert(rows.end(), std::begin(rows_of_rules), std::end(rows_of_rules)); }

}  // namespace functra::testing
