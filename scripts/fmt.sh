#!/usr/bin/env bash
# Formats every Rust file of the project.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
rust_files | xargs -0 rustfmt --edition 2024
