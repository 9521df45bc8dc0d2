#!/bin/bash
# Installs what the tests need on Debian, as root: browsers, coturn, network tools, npm and Python packages. Quick when all
# is there.
set -euo pipefail; cd "$(dirname "$0")"
packages=(chromium firefox-esr iproute2 nftables conntrack ethtool iputils-ping socat coturn ffmpeg openssl libnss3-tools procps)
command -v node >/dev/null || packages+=(nodejs npm)
python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3-venv)
missing=()
for package in "${packages[@]}"; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null
fi
# Debian starts a TURN server of its own; the tests start theirs where nothing else listens.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund --loglevel=error
fi
# The list is copied last, so that a half-made environment is made again.
if ! cmp -s requirements.txt .venv/requirements.txt; then
  rm -rf .venv
  python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
  cp requirements.txt .venv/requirements.txt
fi
[ cable -nt cable.c ] || cc -O2 -Wall -o cable cable.c
./make-media.sh
