// Result<T>: a value or an Error. [[nodiscard]]; exceptions do not cross module borders.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/error.h"

namespace pailfs {

template <typename T>
class [[nodiscard]] Result {
  static_assert(!std::is_same_v<std::remove_cvref_t<T>, Error>);

 public:
  // Implicit on purpose: `return value;` and `return Error{...};`.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return Checked(); }
  const T& value() const& { return const_cast<Result*>(this)->Checked(); }
  T&& value() && { return std::move(Checked()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& {
    assert(!ok());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    assert(!ok());
    return std::move(*std::get_if<1>(&state_));
  }
  // True for an error of this code, false for a value.
  bool Is(Errc code) const { return !ok() && error().code == code; }

 private:
  T& Checked() {
    assert(ok());
    return *std::get_if<0>(&state_);
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& {
    assert(!ok());
    return *error_;
  }
  Error&& error() && {
    assert(!ok());
    return std::move(*error_);
  }
  bool Is(Errc code) const { return !ok() && error().code == code; }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

#define PAILFS_CONCAT_INNER(a, b) a##b
#define PAILFS_CONCAT(a, b) PAILFS_CONCAT_INNER(a, b)

// Returns the error of `expr` (a Result of any type) from the enclosing function, if it has one. The names are made
// unique by __COUNTER__, so that a lambda inside `expr` may use the macros too.
#define RETURN_IF_ERROR(expr) RETURN_IF_ERROR_INNER(PAILFS_CONCAT(status_, __COUNTER__), expr)
#define RETURN_IF_ERROR_INNER(status, expr)   \
  do {                                        \
    if (auto status = (expr); !status.ok()) { \
      return std::move(status).error();       \
    }                                         \
  } while (false)

// ASSIGN_OR_RETURN(auto x, F()): declares or assigns x, or returns F's error.
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_INNER(PAILFS_CONCAT(result_, __COUNTER__), lhs, expr)
#define ASSIGN_OR_RETURN_INNER(result, lhs, expr) \
  auto result = (expr);                           \
  if (!result.ok()) {                             \
    return std::move(result).error();             \
  }                                               \
  lhs = std::move(result).value()

}  // namespace pailfs
