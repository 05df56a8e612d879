//! The fuzz targets are built by `cargo fuzz` alone, so that they are whole is shown here.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

#[test]
fn every_target_has_a_program_seeds_and_a_test_over_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the root");
    let programs = names(&root.join("fuzz/fuzz_targets"));
    let programs: BTreeSet<_> =
        programs.iter().map(|name| name.trim_end_matches(".rs").to_owned()).collect();
    assert!(programs.len() >= 9, "{programs:?}");
    assert_eq!(names(&root.join("fuzz/corpus")), programs);

    let manifest = fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
    for name in &programs {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "no [[bin]] for {name}");
        let program = root.join(format!("fuzz/fuzz_targets/{name}.rs"));
        let program = fs::read_to_string(program).unwrap();
        let call = program.split_once("fuzz_target!(|data: &[u8]| ").expect("a target").1;
        let (krate, function) = call.split_once("::fuzz::").expect("a property of a crate");
        let function = function.split('(').next().expect("a name");

        let krate = root.join("crates").join(krate.replace('_', "-"));
        let property = fs::read_to_string(krate.join("src/fuzz.rs")).unwrap();
        assert!(property.contains(&format!("pub fn {function}(data: &[u8])")), "{name}");
        let test = format!("replay(\"{name}\", super::{function})");
        assert!(property.contains(&test), "{name}: no test runs its seeds");
    }
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let name = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    entries.map(|entry| name(entry).expect("a name that is text")).collect()
}
