// UTF-8 as RFC 3629 has it: no surrogates, no overlong forms. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace pailfs {

// The length of the sequence at the start of `text`, which is not empty; 0 when it is none.
size_t Utf8Length(std::string_view text);
bool IsUtf8(std::string_view text);
// The length of what `text`, cut at `end`, has left so that no sequence is cut.
size_t WholeCharacters(std::string_view text, size_t end);
// All but the last character of a text that is not empty: it sorts before the text, with little in between.
std::string_view WithoutLastCharacter(std::string_view text);

}  // namespace pailfs
