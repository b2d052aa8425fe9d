//! SHA-256, and lists of it as `sha256sum` writes and reads them.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

/// In hexadecimal.
pub(super) fn sha256(content: &[u8]) -> String {
    let hexadecimal = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)]));
    Sha256::digest(content).iter().flat_map(hexadecimal).collect()
}

/// Writes the list of these files of a folder.
pub(super) fn write_list(folder: &Path, names: &[String]) -> anyhow::Result<()> {
    let mut list = String::new();
    for name in names {
        writeln!(list, "{}  {name}", sha256(&read(&folder.join(name))?))?;
    }
    let path = folder.join(LIST);
    fs::write(&path, list).with_context(|| format!("cannot write {}", path.display()))
}

/// Compares a folder with its list; returns the files' names.
pub(super) fn verify_list(folder: &Path) -> anyhow::Result<Vec<String>> {
    let list = String::from_utf8(read(&folder.join(LIST))?)?;
    let mut names = Vec::new();
    for line in list.lines() {
        let (digest, name) = line
            .split_once("  ")
            .with_context(|| format!("{LIST} has the line `{line}`"))?;
        if sha256(&read(&folder.join(name))?) != digest {
            bail!("{name} is not the file that {LIST} is about");
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
pub(super) const LIST: &str = "SHA256SUMS";

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        let known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), known);
    }

    #[test]
    fn a_list_tells_of_a_changed_file() {
        let folder = env::temp_dir().join(format!("conntracer-sums-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a"), "1").unwrap();
        write_list(&folder, &["a".into()]).unwrap();
        assert_eq!(verify_list(&folder).unwrap(), ["a"]);
        fs::write(folder.join("a"), "2").unwrap();
        let error = verify_list(&folder).unwrap_err().to_string();
        fs::remove_dir_all(&folder).unwrap();
        assert!(error.contains("a is not the file"), "{error}");
    }
}
