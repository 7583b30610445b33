//! Embeds every `integrations/*/definition.yaml`, and every file below `integrations/*/demo/`, so that the program needs no
//! files beside it.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script its folders in the environment")]
fn folder(variable: &str) -> Result<PathBuf, std::env::VarError> {
    std::env::var(variable).map(PathBuf::from)
}

fn main() -> Result<(), Box<dyn Error>> {
    let root = folder("CARGO_MANIFEST_DIR")?.join("../../integrations").canonicalize()?;
    // A folder is watched as a whole: files that come and go count as changes.
    println!("cargo::rerun-if-changed={}", root.display());
    let mut code = String::from("const ALL: &[Integration] = &[\n");
    for folder in sorted_entries(&root)?.iter().filter(|path| path.join("definition.yaml").is_file()) {
        let name = file_name(folder)?;
        let definition = folder.join("definition.yaml");
        writeln!(code, "    Integration {{")?;
        writeln!(code, "        name: {name:?},")?;
        writeln!(code, "        file: {:?},", format!("integrations/{name}/definition.yaml"))?;
        writeln!(code, "        definition: include_str!({:?}),", definition.display().to_string())?;
        writeln!(code, "        demo: &[")?;
        let demo = folder.join("demo");
        for path in files_below(&demo)? {
            let relative = path.strip_prefix(&demo)?.to_str().ok_or("a demo file's name is not UTF-8")?;
            writeln!(code, "            ({relative:?}, include_str!({:?})),", path.display().to_string())?;
        }
        writeln!(code, "        ],")?;
        writeln!(code, "    }},")?;
    }
    code.push_str("];\n");
    fs::write(folder("OUT_DIR")?.join("all.rs"), code)?;
    Ok(())
}

fn file_name(path: &Path) -> Result<&str, Box<dyn Error>> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.ok_or_else(|| format!("{} has no readable name", path.display()).into())
}

/// The entries of a folder by name, so that a build is the same everywhere; none when there is no such folder.
fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut entries =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    entries.sort();
    Ok(entries)
}

/// Every file below a folder, in order.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for path in sorted_entries(folder)? {
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
