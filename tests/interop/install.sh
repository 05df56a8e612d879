#!/usr/bin/env bash
# Installs what `cargo xtask interop` sends to, where it is missing, and says so:
# nginx, OpenSSL, Node with its packages in a directory of their own, and Python with its in a virtual environment.
# Usage: install.sh <directory of the virtual environment> <directory of Node's packages>
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=$1
modules=$2

root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo "$@"
    else
        echo "error: missing: ${packages[*]}; install them, or run this as root" >&2
        exit 1
    fi
}

# Daemons live where a user's PATH may not lead.
PATH=$PATH:/usr/sbin:/usr/local/sbin
packages=()
command -v nginx >/dev/null || packages+=(nginx-light)
command -v openssl >/dev/null || packages+=(openssl)
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
command -v python3 >/dev/null || packages+=(python3)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "error: missing: ${packages[*]} (as Debian calls them); install them" >&2
        exit 1
    fi
    echo "installing with apt-get: ${packages[*]}"
    root apt-get update -qq
    root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]}" </dev/null
fi

if ! "$venv/bin/python" -c 'import cryptography, grpc_reflection.v1alpha, grpc_tools, standardwebhooks' 2>/dev/null; then
    echo "installing with pip into $venv: $(grep -v '^#' "$here/requirements.txt" | tr '\n' ' ')"
    # A half-made environment of an interrupted run is of no use.
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --requirement "$here/requirements.txt"
fi

if [ ! -f "$modules/node_modules/standardwebhooks/package.json" ]; then
    echo "installing with npm into $modules: standardwebhooks"
    mkdir -p "$modules"
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$modules" standardwebhooks@1
fi

nginx -v 2>&1
openssl version
echo "node $(node --version)"
"$venv/bin/python" -c 'import grpc, sys; print("python", sys.version.split()[0], "grpcio", grpc.__version__)'
