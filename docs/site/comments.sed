#!/bin/sed -Ef
# Doxygen reads only comments of its own marks, and takes some characters in them for its own; the headers have ordinary ones.
/^requires requires.*\{$/,/^\}/d
1s|^// |/// @file\n/// |
s|^( *)//$|\1///|
/^ *\/\/ /{
  s/[<>*@#%&]/\\&/g
  s|^( *)// -{8,} *(.*)$|\1/// <b>\2</b>|
  s|^( *)//( {3,})|\1///    \2|
  s|^( *)// |\1/// |
  b
}
/^}/b
/^.*[;{},].*[^:\/]\/\/ /{
  h
  s|^.*[^:/]// ||
  s/[<>*@#%&]/\\&/g
  x
  s|// .*$||
  G
  s|\n|///< |
}
