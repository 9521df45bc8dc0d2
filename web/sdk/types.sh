#!/bin/sh
# Checks the SDK's types and writes its .d.ts files.   web/sdk/types.sh FOLDER      needs kit/lab/setup.sh
set -e; cd "$(dirname "$0")"
exec ../../kit/lab/node_modules/.bin/tsc -p . --noEmit false --declaration --emitDeclarationOnly --outDir "${1:?a folder for the .d.ts files}"
