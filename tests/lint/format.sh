#!/bin/sh
# Every C file as .clang-format says.
set -eu
cd "$1"
files=$(git ls-files 'lib/*.[ch]' 'dbus/*.[ch]' 'daemon/*.[ch]' 'tests/*.[ch]')
[ -n "$files" ] || { echo "no files to check"; exit 1; }
# shellcheck disable=SC2086
clang-format --dry-run -Werror $files
echo "$(echo "$files" | wc -l) files are formatted"
