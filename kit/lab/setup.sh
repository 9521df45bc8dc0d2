#!/bin/bash
# Installs what the tests need on Debian, as root: browsers, coturn, network tools, npm and Python packages. Quick when all
# is there.
set -euo pipefail; cd "$(dirname "$0")"
packages=(chromium firefox-esr iproute2 nftables conntrack ethtool iputils-ping socat coturn ffmpeg openssl libnss3-tools procps)
# WebRTC stacks that are neither ours nor a browser's; aiortc comes from PyPI, below.
packages+=(golang-go golang-github-pion-webrtc.v3-dev golang-github-gorilla-websocket-dev)
packages+=(gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-nice
  gir1.2-gst-plugins-base-1.0 gir1.2-gst-plugins-bad-1.0 python3-gst-1.0 python3-websockets)
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
if [ -n "$(find pion -name '*.go' -newer pion/pion 2>/dev/null || echo none)" ]; then
  (cd pion && GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS= go build -o pion .)
fi
[ cable -nt cable.c ] || cc -O2 -Wall -o cable cable.c
./make-media.sh
