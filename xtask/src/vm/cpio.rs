//! Writes the archive that a kernel unpacks as its first file system (cpio, format "newc").
//!
//! Folders on the way to a file are made by themselves. It knows no devices: a kernel brings its own console.

use std::collections::BTreeMap;

/// A file system to be, by path without a leading slash.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<String, Node>);

#[derive(Debug)]
enum Node {
    Folder,
    Link(String),
    File { content: Vec<u8>, executable: bool },
}

impl Tree {
    pub(super) fn folder(&mut self, path: &str) {
        self.put(path, Node::Folder);
    }

    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.put(path, Node::Link(target.to_owned()));
    }

    pub(super) fn file(&mut self, path: &str, content: Vec<u8>) {
        self.put(
            path,
            Node::File {
                content,
                executable: false,
            },
        );
    }

    pub(super) fn program(&mut self, path: &str, content: Vec<u8>) {
        self.put(
            path,
            Node::File {
                content,
                executable: true,
            },
        );
    }

    fn put(&mut self, path: &str, node: Node) {
        let path = path.trim_matches('/');
        for (end, _) in path.match_indices('/') {
            self.0.entry(path[..end].to_owned()).or_insert(Node::Folder);
        }
        self.0.insert(path.to_owned(), node);
    }

    /// The whole archive; a kernel unpacks several, one after the other in one file.
    pub(super) fn archive(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Sorted by path, so a folder comes before what is in it.
        for (number, (path, node)) in (1..).zip(&self.0) {
            let (mode, content) = match node {
                Node::Folder => (0o040_755, &[][..]),
                Node::Link(target) => (0o120_777, target.as_bytes()),
                Node::File {
                    content,
                    executable: false,
                } => (0o100_644, &content[..]),
                Node::File {
                    content,
                    executable: true,
                } => (0o100_755, &content[..]),
            };
            entry(&mut out, number, path, mode, content);
        }
        entry(&mut out, 0, "TRAILER!!!", 0, &[]);
        // Another archive may follow: at a multiple of 4, which the kernel asks for, and of 512, as cpio does.
        out.resize(out.len().next_multiple_of(512), 0);
        out
    }
}

fn entry(out: &mut Vec<u8>, inode: usize, path: &str, mode: u32, content: &[u8]) {
    let links = 1;
    let (name, size) = (path.len() + 1, content.len());
    // Magic, inode, mode, uid, gid, links, time, size, two device numbers twice, length of the name, checksum.
    let header = format!(
        "070701{inode:08X}{mode:08X}{0:08X}{0:08X}{links:08X}{0:08X}{size:08X}{0:08X}{0:08X}{0:08X}{0:08X}{name:08X}{0:08X}",
        0
    );
    out.extend(header.as_bytes());
    out.extend(path.as_bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(content);
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_a_header_a_name_and_padded_content_for_each_entry() {
        let mut tree = Tree::default();
        tree.program("/a/b", b"xyz".to_vec());
        let archive = tree.archive();
        let text = String::from_utf8_lossy(&archive);
        assert!(text.starts_with("07070100000001000041ED"), "{text}");
        let file = &archive[112..];
        assert!(file.starts_with(b"07070100000002000081ED"), "{text}");
        assert_eq!(&file[54..62], b"00000003");
        assert_eq!(&file[110..120], b"a/b\0\0\0xyz\0");
        assert!(file[120..].starts_with(b"070701"));
        assert_eq!(archive.len() % 512, 0);
    }

    #[test]
    fn folders_on_the_way_are_made_once_and_before_their_files() {
        let mut tree = Tree::default();
        tree.link("x/y/z", "/t");
        tree.folder("x");
        assert_eq!(tree.0.keys().collect::<Vec<_>>(), ["x", "x/y", "x/y/z"]);
    }
}
