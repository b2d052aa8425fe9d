//! A tree of files as a tar archive that depends on nothing but the files: sorted, of one date, owned by root.

use std::{collections::BTreeMap, fs, io::Write as _, path::Path};

use anyhow::Context as _;
use flate2::{Compression, write::GzEncoder};
use tar::{Builder, EntryType, Header};

/// Files by path, without a leading slash.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<String, Entry>);

#[derive(Clone, Debug)]
enum Entry {
    Folder,
    File { content: Vec<u8>, mode: u32 },
}

impl Tree {
    pub(super) fn file(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.put(path, content.into(), 0o644);
    }

    pub(super) fn program(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.put(path, content.into(), 0o755);
    }

    /// All files directly in a folder of this machine.
    pub(super) fn folder(&mut self, path: &str, from: &Path) -> anyhow::Result<()> {
        let unreadable = || format!("cannot read {}", from.display());
        for entry in fs::read_dir(from).with_context(unreadable)? {
            let entry = entry.with_context(unreadable)?;
            let name = entry.file_name();
            let name = name.to_str().context("a file's name is not UTF-8")?;
            if entry.path().is_file() {
                self.file(
                    &format!("{path}/{name}"),
                    fs::read(entry.path()).with_context(unreadable)?,
                );
            }
        }
        Ok(())
    }

    /// Everything of another tree.
    pub(super) fn add(&mut self, other: &Self) {
        self.0
            .extend(other.0.iter().map(|(path, entry)| (path.clone(), entry.clone())));
    }

    /// The same in a folder.
    pub(super) fn within(self, folder: &str) -> Self {
        let moved = self
            .0
            .into_iter()
            .map(|(path, entry)| (format!("{folder}/{path}"), entry));
        Self(moved.chain([(folder.to_owned(), Entry::Folder)]).collect())
    }

    fn put(&mut self, path: &str, content: Vec<u8>, mode: u32) {
        for (end, _) in path.match_indices('/') {
            self.0.entry(path[..end].to_owned()).or_insert(Entry::Folder);
        }
        self.0.insert(path.to_owned(), Entry::File { content, mode });
    }

    /// The archive, every date in it `seconds` after 1970.
    pub(super) fn tar(&self, seconds: u64) -> anyhow::Result<Vec<u8>> {
        let mut archive = Builder::new(Vec::new());
        for (path, entry) in &self.0 {
            let (kind, mode, content) = match entry {
                Entry::Folder => (EntryType::Directory, 0o755, &[][..]),
                Entry::File { content, mode } => (EntryType::Regular, *mode, &content[..]),
            };
            let mut header = Header::new_ustar();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_mtime(seconds);
            header.set_size(content.len().try_into()?);
            header.set_uid(0);
            header.set_gid(0);
            archive.append_data(&mut header, path, content)?;
        }
        Ok(archive.into_inner()?)
    }
}

/// Compressed, without a name and a date of its own.
pub(super) fn gzip(content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn sample(names: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for name in names {
            tree.file(name, *name);
        }
        tree.program("top/run", "#!");
        tree
    }

    #[test]
    fn the_order_in_which_files_come_does_not_matter_and_the_date_does() {
        let one = sample(&["top/b", "top/a/c", "z"]).tar(7).unwrap();
        assert_eq!(one, sample(&["z", "top/a/c", "top/b"]).tar(7).unwrap());
        assert_ne!(one, sample(&["z", "top/a/c", "top/b"]).tar(8).unwrap());
        assert_eq!(gzip(&one).unwrap(), gzip(&one).unwrap());
    }

    #[test]
    fn an_archive_reads_back_with_folders_before_their_files() {
        let tar = sample(&["top/a/c"]).tar(7).unwrap();
        let mut plain = Vec::new();
        GzDecoder::new(&gzip(&tar).unwrap()[..])
            .read_to_end(&mut plain)
            .unwrap();
        let mut found = Vec::new();
        for entry in tar::Archive::new(&plain[..]).entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(
                (header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()),
                (7, 0, 0)
            );
            found.push((entry.path().unwrap().display().to_string(), header.mode().unwrap()));
        }
        let expected = [("top", 0o755), ("top/a", 0o755), ("top/a/c", 0o644), ("top/run", 0o755)];
        assert_eq!(found, expected.map(|(path, mode)| (path.to_owned(), mode)));
    }
}
