//! Keeps the section of the library that cargo-pgrx reads the SQL schema from.
//!
//! Without it the linker's `--gc-sections` may drop that section. cargo-pgrx passes the same argument by itself, but in
//! RUSTFLAGS: to every crate, whose builds are then not those of `cargo test` and `cargo clippy`, so that everything is
//! compiled twice. Here it goes to the library's link alone, and `scripts/lib.sh` tells cargo-pgrx to leave it.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,--no-gc-sections");
    println!("cargo:rerun-if-changed=build.rs");
}
