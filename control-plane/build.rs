//! Migrations are compiled in, so a new one has to trigger a build.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
