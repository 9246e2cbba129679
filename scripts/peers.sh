#!/usr/bin/env bash
# Installs the LLM gateways that `npm run bench -- --peers` measures, each into a folder of its own, from the registry where
# it is published. Nothing is installed globally. What cannot be had is skipped, with one word why.
set -uo pipefail

usage() {
  cat <<'TEXT'
scripts/peers.sh [FOLDER [NAME...]]   installs all, or those named, into FOLDER or a temporary folder
scripts/peers.sh --list               says what would be installed: name, registry, package, version

Standard output has a line for the folder and one for each gateway: name, version, word; tabs between them.
  installed    from its registry, in the version of --list
  present      as before, from an earlier run in that folder
  found        the program of that name on PATH, in whatever version it is
  unpublished  no package registry has it, and it is not on PATH
  refused      the registry has it not, or not for this machine
  unbuilt      it was there, but could not be built or installed
  toolless     python3, npm or go is missing
TEXT
}

# Name, registry, package, version. The two of `none` come only as release files and images of their projects; put their
# program on PATH to have them measured.
peers() {
  cat <<'TEXT'
litellm pip litellm[proxy] 1.106.12
portkey npm @portkey-ai/gateway 1.15.2
bifrost go github.com/maximhq/bifrost/transports/bifrost-http v1.6.4
gomodel go github.com/enterpilot/gomodel/cmd/gomodel v0.1.64
olla go github.com/thushan/olla v0.2.0
agentgateway none - -
busbar none - -
TEXT
}

# The program's name, where it is not that of the gateway.
program_of() {
  case "$1" in
    bifrost) echo bifrost-http ;;
    *) echo "$1" ;;
  esac
}

has() { command -v "$1" >/dev/null 2>&1; }

# What a failed installation was: $1 is its log.
word_of() {
  if grep -qiE '403|404|410 gone|no matching (distribution|version)|unknown revision|not found' "$1"; then echo refused; else echo unbuilt; fi
}

install_pip() { # folder package version log
  python3 -m venv "$1" >"$4" 2>&1 && "$1/bin/pip" install --quiet --disable-pip-version-check "$2==$3" >>"$4" 2>&1
}

# No scripts of packages run: none of these gateways needs them.
install_npm() {
  echo '{"private":true}' >"$1/package.json"
  (cd "$1" && npm install --no-audit --no-fund --ignore-scripts --save-exact "$2@$3") >"$4" 2>&1
}

# The module and build caches are in the folder too, writable, so that it can be removed.
install_go() {
  GOBIN="$1" GOPATH="$1/go" GOCACHE="$1/go-build" GOFLAGS="${GOFLAGS:-} -modcacherw" go install "$2@$3" >"$4" 2>&1 || return 1
  rm -rf "$1/go" "$1/go-build"
}

# Asks a program for its version: the first number with dots in what it says.
version_of() {
  local said
  said=$(timeout 5 "$1" --version 2>/dev/null | grep -oE '[0-9]+\.[0-9]+[0-9A-Za-z.+-]*' | head -n 1)
  echo "${said:--}"
}

# Prints the version and the word of one gateway.
install() { # name registry package version
  local name=$1 registry=$2 package=$3 version=$4
  local own="$folder/$name" program tool log="$folder/$name.log"
  program=$(program_of "$name")
  if [ "$registry" != none ] && [ "$(cat "$own/.version" 2>/dev/null)" = "$version" ]; then
    echo "$version present"
    return
  fi
  if [ "$registry" = none ] || [ "$registry" = go ]; then
    if has "$program"; then
      mkdir -p "$own" && ln -sf "$(command -v "$program")" "$own/$program"
      echo "$(version_of "$own/$program") found"
      return
    fi
  fi
  case "$registry" in
    none) echo "- unpublished" && return ;;
    pip) tool=python3 ;;
    *) tool=$registry ;;
  esac
  if ! has "$tool"; then
    echo "- toolless"
    return
  fi
  rm -rf "$own" && mkdir -p "$own"
  echo "peers: installing $name" >&2
  if "install_$registry" "$own" "$package" "$version" "$log"; then
    echo "$version" >"$own/.version"
    rm -f "$log"
    echo "$version installed"
  else
    rm -rf "$own"
    echo "- $(word_of "$log")"
  fi
}

case "${1:-}" in
  --help | -h) usage && exit 0 ;;
  --list) peers | tr ' ' '\t' && exit 0 ;;
  -*) usage >&2 && exit 2 ;;
esac

folder=${1:-$(mktemp -d)}
[ $# -gt 0 ] && shift
mkdir -p "$folder" || exit 2
folder=$(cd "$folder" && pwd)
for name in "$@"; do
  if ! peers | grep -q "^$name "; then
    echo "peers: no gateway $name in --list" >&2
    exit 2
  fi
done
printf 'folder\t%s\n' "$folder"
while read -r name registry package version; do
  if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
  # No installer may read the list.
  read -r got word <<<"$(install "$name" "$registry" "$package" "$version" </dev/null)"
  printf '%s\t%s\t%s\n' "$name" "$got" "$word"
done < <(peers)
