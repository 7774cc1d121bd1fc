//! Keeps the section of the library that cargo-pgrx reads the SQL schema from, and names the build.
//!
//! The linker drops what nothing refers to (`--gc-sections`), and nothing refers to that section. cargo-pgrx keeps it by
//! keeping everything, by an argument in RUSTFLAGS: to every crate, whose builds are then not those of `cargo test` and
//! `cargo clippy`, so that everything is compiled twice; and a library with all of XGBoost and all of every package in it.
//! Here a linker script keeps the section alone, in the library's link alone, and `scripts/lib.sh` tells cargo-pgrx to
//! leave it.

use std::path::Path;

/// An addition to the linker's own script, for GNU ld and lld alike.
const KEEP_SCHEMA: &str = "SECTIONS { .pgrxsc : { KEEP(*(.pgrxsc)) } } INSERT AFTER .eh_frame;\n";

fn main() {
    let folder = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let script = Path::new(&folder).join("keep_schema.ld");
    std::fs::write(&script, KEEP_SCHEMA).expect("OUT_DIR can be written to");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-T,{}", script.display());
    // By which a debugger finds the symbols that a package has apart.
    println!("cargo:rustc-cdylib-link-arg=-Wl,--build-id=sha1");
    println!("cargo:rerun-if-changed=build.rs");
}
