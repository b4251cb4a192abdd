// A six-joint arm, the UR5: forward kinematics as a program, and from it Jacobians of 4,096 poses at once, inverse kinematics of a circle of
// targets, and the arm's manipulability over its workspace.
#include "support/check.h"

using namespace example;

namespace {

// Denavit and Hartenberg's parameters of the UR5 by its maker, in metres.
const double kA[] = {0, -0.425, -0.39225, 0, 0, 0}, kD[] = {0.089159, 0, 0, 0.10915, 0.09465, 0.0823};
const double kAlpha[] = {M_PI / 2, 0, 0, M_PI / 2, -M_PI / 2, 0};

struct Pose {
  Tensor position, rotation;  // [3], [3, 3]
};
Pose pose_of(const Tensor& frame) { return {frame.index({ft::Slice(0, 3), 3}), frame.index({ft::Slice(0, 3), ft::Slice(0, 3)})}; }

// The frames [4, 4] of the base and after each joint; the last is the hand's.
std::vector<Tensor> frames(const Tensor& q) {
  std::vector<Tensor> all{ft::eye(4, ft::f64)};
  for (int i = 0; i < 6; ++i) {
    Tensor c = ft::cos(q[i]), s = ft::sin(q[i]);
    double ca = std::cos(kAlpha[i]), sa = std::sin(kAlpha[i]);
    Tensor link = ft::stack({c, -s * ca, s * sa, kA[i] * c,  //
                             s, c * ca, -c * sa, kA[i] * s,  //
                             0.0, sa, ca, kD[i],             //
                             0.0, 0.0, 0.0, 1.0});
    all.push_back(ft::matmul(all.back(), link.reshape({4, 4})));
  }
  return all;
}
Pose fk(const Tensor& q) { return pose_of(frames(q).back()); }

// The geometric Jacobian [6, 6], velocities over angular velocities by joint, and the pose. dR R^T is the cross product with the latter.
std::pair<Tensor, Pose> jacobian(const Tensor& q) {
  auto f = [](const Tensor& at) {
    Pose p = fk(at);
    return std::pair{p, p};
  };
  auto [slope, pose] = ft::jacfwd(ft::has_aux, f)(q);
  Tensor w = ft::einsum("abj,cb->acj", slope.rotation, pose.rotation);
  return {ft::cat({slope.position, ft::stack({w[2][1], w[0][2], w[1][0]})}), pose};
}
// The same as mechanics has it: joint j turns about z of the frame before it, through that frame's origin o; z x (p - o) over z.
Tensor jacobian_by_hand(const Tensor& q) {
  std::vector<Tensor> all = frames(q), columns;
  for (int j = 0; j < 6; ++j) {
    Tensor z = all[j].index({ft::Slice(0, 3), 2}), o = pose_of(all[j]).position;
    columns.push_back(ft::cat({ft::cross(z, pose_of(all[6]).position - o), z}));
  }
  return ft::stack(columns, 1);
}
Tensor manipulability(const Tensor& q) { return ft::abs(ft::linalg::det(jacobian(q).first)); }  // Yoshikawa, 1985

// Damped least squares from `rest`, the damping by the error that is left (Sugihara, 2011): the joints, and the way of the hand [steps, 3].
std::pair<Tensor, Tensor> reach(const Tensor& rest, const Pose& target) {
  auto step = [&](const Tensor& q, ft::NoneType) {
    auto [j, pose] = jacobian(q);
    Tensor turn = 0.5 * ft::sum(ft::cross(pose.rotation, target.rotation, 0), 1), e = ft::cat({target.position - pose.position, turn});
    Tensor damping = (0.5 * ft::dot(e, e) + 1e-8) * ft::eye(6, ft::f64);
    return std::pair{q + ft::matmul(j.t(), ft::linalg::solve(ft::matmul(j, j.t()) + damping, e)), pose.position};
  };
  return ft::scan(step, rest, {.length = 10});
}

// The largest manipulability of the poses whose hand is in each cell of a plane: x from -1 to 1, z from -0.6 to 1.2 upwards.
Tensor raster(const std::vector<double>& x, const std::vector<double>& z, const std::vector<double>& values) {
  const int columns = 100, rows = 90;
  std::vector<double> cells(rows * columns, NAN);
  for (std::size_t i = 0; i < values.size(); ++i) {
    int column = static_cast<int>((x[i] + 1) * 50), row = static_cast<int>((1.2 - z[i]) * 50);
    if (column < 0 || column >= columns || row < 0 || row >= rows) continue;
    double& cell = cells[row * columns + column];
    if (!(cell > values[i])) cell = values[i];
  }
  return ft::tensor(cells).reshape({rows, columns});
}

}  // namespace

int main(int argc, char** argv) {
  std::string out = out_folder(argc, argv);
  Pose zero = fk(ft::zeros({6}, ft::f64));
  check_same("the hand where all joints are at zero", zero.position, ft::tensor({-0.81725, -0.19145, -0.005491}, ft::f64), 1e-12);

  const std::int64_t n = 4096;
  Tensor k = ft::random::split(ft::random::key(0), 2), q = M_PI * (2 * ft::random::uniform(k[0], {n, 6}, ft::f64) - 1);
  eager_and_jit("vmap(jacfwd(fk))", n, ft::vmap(ft::jacfwd(fk)), q);
  Tensor all = eager_and_jit("geometric Jacobians", n, ft::vmap(jacobian), q).first;
  check_same("z x (p - o) over z", all, ft::vmap(jacobian_by_hand)(q), 1e-13);

  // Against differences: where the hand goes, and how it turns, when all joints move.
  Tensor move = ft::random::normal(k[1], {n, 6}, ft::f64);
  const double h = 1e-6;
  Pose high = ft::vmap(fk)(q + h * move), low = ft::vmap(fk)(q - h * move);
  Tensor turn = ft::matmul(low.rotation.transpose(1, 2), high.rotation) / (2 * h), w = ft::matmul(low.rotation, turn - turn.transpose(1, 2));
  w = 0.5 * ft::matmul(w, low.rotation.transpose(1, 2));
  auto at = [&](int i, int j) { return w.index({ft::Ellipsis, i, j}); };
  Tensor velocities = ft::cat({(high.position - low.position) / (2 * h), ft::stack({at(2, 1), at(0, 2), at(1, 0)}, 1)}, 1);
  check_same("velocities, against differences", ft::matmul(all, move.unsqueeze(2)).squeeze(2), velocities, 1e-8);

  // A circle around a pose of rest, the hand always turned as there.
  Tensor rest = ft::tensor({0.3, -1.2, 1.7, -2.0, -1.4, 0.5}, ft::f64);
  const std::int64_t targets = 256;
  Tensor angle = ft::linspace(0, 2 * M_PI, targets, ft::f64);
  Pose home = fk(rest);
  Tensor circle = home.position + 0.2 * ft::stack({0.0 * angle, ft::cos(angle), ft::sin(angle)}, 1);
  auto reach_all = ft::vmap(reach, {.in_dims = {ft::none, 0}});
  Pose wanted{circle, home.rotation.unsqueeze(0).expand({targets, 3, 3})};
  auto [reached, ways] = eager_and_jit("inverse kinematics, 10 steps", targets, reach_all, rest, wanted);
  Pose there = ft::vmap(fk)(reached);
  check_same("the hand is at its target", there.position, wanted.position, 1e-9);
  check_same("and turned as it should", there.rotation, wanted.rotation, 1e-9);

  Tensor some = ways.index({ft::Slice(0, targets, 16)}), gaps = ft::full({targets / 16, 1, 3}, NAN, ft::f64);
  Tensor drawn = ft::cat({some, gaps}, 1).reshape({-1, 3});
  save(out + "/robot_arm_circle.png",
       ft::io::line_plot({{"targets", column(circle, 1), column(circle, 2)}, {"ways from rest", column(drawn, 1), column(drawn, 2)}},
                         "Inverse kinematics of the UR5", "y, metres", "z, metres"));

  // Manipulability with the hand turned down, by the shoulder and the elbow. Its closed form is a product: an elbow stretched, a wrist at
  // zero (here it is at a right angle) and a wrist above the shoulder each leave the arm a direction in which it cannot move.
  const std::int64_t grid = 256;
  Tensor shoulder = ft::linspace(-M_PI, 0, grid, ft::f64).unsqueeze(1).expand({grid, grid}).reshape(-1),
         elbow = ft::linspace(0, M_PI, grid, ft::f64).expand({grid, grid}).reshape(-1), fixed = ft::zeros_like(elbow);
  Tensor poses = ft::stack({fixed, shoulder, elbow, -M_PI / 2 - shoulder - elbow, fixed - M_PI / 2, fixed}, 1);
  Tensor values = ft::jit(ft::vmap(manipulability))(poses), hand = ft::jit(ft::vmap(fk))(poses).position;
  Tensor lever = kA[1] * ft::cos(shoulder) + kA[2] * ft::cos(shoulder + elbow) - kD[4];
  check_same("manipulability, against its closed form", values, ft::abs(kA[1] * kA[2] * ft::sin(elbow) * lever), 1e-12);
  save(out + "/robot_arm.png",
       ft::io::heat_maps({{"x -1 to 1 m across, z 1.2 to -0.6 m down", raster(column(hand, 0), column(hand, 2), values.to_vector<double>())}},
                         "Manipulability of the UR5, hand down", 500));
  return failures != 0;
}
