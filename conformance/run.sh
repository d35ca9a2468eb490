#!/usr/bin/env bash
# Builds the server and judges it by openai-chatkit's own types; see README.md.
# PYTHON names the interpreter (python3), at least 3.11.
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=conformance/requirements.txt
if ! cmp -s "$requirements" .venv/requirements.txt; then
  rm -rf .venv
  "${PYTHON:-python3}" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements"
  cp "$requirements" .venv/requirements.txt # last: a broken installation is made anew
fi

go build -o bin/chatkitd ./cmd/chatkitd
exec .venv/bin/python -B conformance/run.py
