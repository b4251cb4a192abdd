// The type of a derivative: the input's type in place of every Tensor of the output's type.
#pragma once
#include "functra/tree/visit.h"

namespace functra {

// Of a struct S over anything but one Tensor: a tree with a field per field of S, found by J[&S::member] or structured bindings.
template <class S, class In> class Jacobian;

namespace tree {

template <class R, class A> struct put { using type = Jacobian<R, A>; };
template <class R, class A> using put_t = typename put<R, A>::type;
template <class A> struct put<Tensor, A> { using type = A; };
template <class R, class A>
requires(StaticLeaf<R> || Empty<R>) struct put<R, A> {
  using type = R;
};
// A Tensor for a Tensor leaves any type as it is.
template <class A>
concept NotTensor = !std::is_same_v<A, Tensor>;
template <class R>
requires(!StaticLeaf<R> && !Empty<R> && !std::is_same_v<R, Tensor>) struct put<R, Tensor> {
  using type = R;
};
template <class... R, NotTensor A> struct put<std::tuple<R...>, A> { using type = std::tuple<put_t<R, A>...>; };
template <class... R, NotTensor A> struct put<std::pair<R...>, A> { using type = std::pair<put_t<R, A>...>; };
template <class... R, NotTensor A> struct put<std::variant<R...>, A> { using type = std::variant<put_t<R, A>...>; };
template <class R, class L, NotTensor A> struct put<std::vector<R, L>, A> { using type = std::vector<put_t<R, A>>; };
template <class R, NotTensor A> struct put<std::optional<R>, A> { using type = std::optional<put_t<R, A>>; };
template <class R, std::size_t N, NotTensor A> struct put<std::array<R, N>, A> { using type = std::array<put_t<R, A>, N>; };
template <template <class, class, class, class> class M, class K, class V, class C, class L, NotTensor A>
requires MapLike<M<K, V, C, L>>
struct put<M<K, V, C, L>, A> {
  using type = M<K, put_t<V, A>, C, typename std::allocator_traits<L>::template rebind_alloc<std::pair<const K, put_t<V, A>>>>;
};
template <Wrapper R, NotTensor A> struct put<R, A> { using type = put_t<std::remove_cvref_t<decltype(functra_wrapped(std::declval<R&>()))>, A>; };
template <class S, class B, NotTensor A> struct put<Jacobian<S, B>, A> { using type = Jacobian<S, put_t<B, A>>; };

template <class Fields, class A> struct put_fields;
template <class... F, class A> struct put_fields<std::tuple<F&...>, A> { using type = std::tuple<put_t<std::remove_const_t<F>, A>...>; };
template <class S, class A> using put_fields_t = typename put_fields<decltype(fields_of(std::declval<S&>())), A>::type;

// Room for an S in which none lives: only addresses of its fields are taken.
template <class S> union Room {
  S value;
  Room() {}
  ~Room() {}
};

}  // namespace tree

template <class S, class In> class Jacobian {
 public:
  using Fields = tree::put_fields_t<S, In>;
  explicit Jacobian(Fields f) : fields(std::move(f)) {}
  Jacobian() = default;

  // The derivative of one member: J[&S::energy].
  template <class M> const tree::put_t<std::remove_const_t<M>, In>& operator[](M S::*member) const {
    static tree::Room<S> room;
    auto of_s = tree::fields_of(room.value);
    const void* wanted = &(room.value.*member);
    using Found = tree::put_t<std::remove_const_t<M>, In>;
    const Found* found = nullptr;
    [&]<std::size_t... I>(std::index_sequence<I...>) { (look<Found, M>(std::get<I>(of_s), std::get<I>(fields), wanted, found), ...); }
    (indices());
    if (!found) throw StructureError("Jacobian: the member asked for is not one of the fields that the struct lists in FUNCTRA_TREE");
    return *found;
  }
  template <class M> tree::put_t<std::remove_const_t<M>, In>& operator[](M S::*member) {
    return const_cast<tree::put_t<std::remove_const_t<M>, In>&>(std::as_const(*this)[member]);
  }

  Fields fields;

 private:
  static auto indices() { return std::make_index_sequence<std::tuple_size_v<Fields>>{}; }
  template <class Found, class M, class F, class J> static void look(const F& field, const J& derivative, const void* wanted, const Found*& found) {
    if constexpr (std::is_same_v<Found, J> && std::is_same_v<std::remove_const_t<F>, std::remove_const_t<M>>) {
      if (static_cast<const void*>(&field) == wanted) found = &derivative;
    }
  }
  template <class T>
  requires std::is_same_v<T, Jacobian>
  friend auto functra_fields(T& j) {
    return std::apply([](auto&... f) { return std::tie(f...); }, j.fields);
  }
  template <class T>
  requires std::is_same_v<T, Jacobian>
  friend constexpr auto functra_name(const T*, std::size_t i) { return tree::field_name<S>(i); }
  template <std::size_t I> friend auto& get(Jacobian& j) { return std::get<I>(j.fields); }
  template <std::size_t I> friend const auto& get(const Jacobian& j) { return std::get<I>(j.fields); }
  template <std::size_t I> friend auto&& get(Jacobian&& j) { return std::get<I>(std::move(j.fields)); }
};

namespace tree {

// A put_t<R, A> from a value of type R and one A per Tensor leaf of it, taken in order.
template <class R, class A> put_t<R, A> build(const R& r, const A*& next) {
  if constexpr (std::is_same_v<R, Tensor>) return *next++;
  else if constexpr (StaticLeaf<R> || Empty<R>) return r;
  else if constexpr (std::is_same_v<A, Tensor>) {
    struct Fill final : Visitor {
      const A*& next;
      explicit Fill(const A*& n) : next(n) {}
      void tensor(Tensor& t) override { t = *next++; }
    };
    R copy = r;
    Fill fill(next);
    visit(copy, fill);
    return copy;
  } else if constexpr (Wrapper<R>) {
    auto& value = functra_wrapped(const_cast<R&>(r));
    return build<std::remove_cvref_t<decltype(value)>, A>(value, next);
  } else if constexpr (Product<R>) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {  // braces: in order
      return put_t<R, A>{build<std::tuple_element_t<I, R>, A>(std::get<I>(r), next)...};
    }
    (std::make_index_sequence<std::tuple_size_v<R>>{});
  } else if constexpr (ListLike<R>) {
    put_t<R, A> out;
    for (const auto& x : r) out.push_back(build<typename R::value_type, A>(x, next));
    return out;
  } else if constexpr (MapLike<R>) {
    put_t<R, A> out;
    for (const auto& [k, x] : r) out.emplace(k, build<typename R::mapped_type, A>(x, next));
    return out;
  } else if constexpr (is_of<R, std::optional>) {
    put_t<R, A> out;
    if (r) out.emplace(build<typename R::value_type, A>(*r, next));
    return out;
  } else if constexpr (is_of<R, std::variant>) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      std::optional<put_t<R, A>> out;  // by index: alternatives may become the same type
      ((r.index() == I ? void(out.emplace(std::in_place_index<I>, build<std::variant_alternative_t<I, R>, A>(std::get<I>(r), next))) : void()), ...);
      return std::move(*out);
    }
    (std::make_index_sequence<std::variant_size_v<R>>{});
  } else {
    auto fields = fields_of(r);
    using Fields = typename put_t<R, A>::Fields;
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return put_t<R, A>(Fields{build<std::remove_cvref_t<std::tuple_element_t<I, decltype(fields)>>, A>(std::get<I>(fields), next)...});
    }
    (std::make_index_sequence<std::tuple_size_v<Fields>>{});
  }
}

}  // namespace tree
}  // namespace functra

template <class S, class In> struct std::tuple_size<functra::Jacobian<S, In>> : std::tuple_size<functra::tree::put_fields_t<S, In>> {};
template <std::size_t I, class S, class In> struct std::tuple_element<I, functra::Jacobian<S, In>>
    : std::tuple_element<I, functra::tree::put_fields_t<S, In>> {};
