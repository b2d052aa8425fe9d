//! What ended parts are called: `NAME-20261129T091509.123Z-4.jsonl`, by when the part ended and its number in its run,
//! and `.gz` where it is compressed. In the order of the names they are in the order of time.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The ended parts of one file, which lie beside it.
#[derive(Clone, Debug)]
pub(super) struct Series {
    folder: PathBuf,
    stem: OsString,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// As the name spells it.
    ended: String,
    number: u32,
    pub(super) form: Form,
    pub(super) path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    Plain,
    Compressed,
    /// Being compressed, or left so by a kill.
    Unfinished,
}

impl Series {
    /// The parts of the file that is written as `path`.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the path of the output has no file name"))?;
        let stem = name.as_encoded_bytes().strip_suffix(PLAIN.as_bytes());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Ok(Self {
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            stem: stem.map_or(name, os_str).to_owned(),
        })
    }

    /// A name that no part has, for one that ends now. Past the same millisecond's name the next one is taken.
    pub(super) fn free_name(&self, ended: jiff::Timestamp, number: u32) -> io::Result<PathBuf> {
        let names = (0..SAME_TIME).filter_map(|later| {
            let ended = jiff::Timestamp::from_millisecond(ended.as_millisecond() + later).ok()?;
            let mut name = self.stem.clone();
            name.push(format!("-{}-{number}{PLAIN}", ended.strftime("%Y%m%dT%H%M%S%.3fZ")));
            Some(self.folder.join(name))
        });
        let mut free = names.filter(|name| !name.exists() && !compressed(name).exists());
        free.next().ok_or_else(|| ErrorKind::AlreadyExists.into())
    }

    /// Everything that lies there of ended parts, oldest first; files of other names are none.
    pub(super) fn parts(&self) -> io::Result<Vec<Part>> {
        let mut parts = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            parts.extend(self.part(&entry?.file_name()));
        }
        parts.sort();
        Ok(parts)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn part(&self, name: &OsStr) -> Option<Part> {
        let rest = name.as_encoded_bytes().strip_prefix(self.stem.as_encoded_bytes())?;
        let rest = std::str::from_utf8(rest).ok()?.strip_prefix('-')?;
        let (rest, form) = FORMS
            .iter()
            .find_map(|(suffix, form)| Some((rest.strip_suffix(suffix)?, *form)))?;
        let (ended, number) = rest.split_once('-')?;
        let is_time = ended.len() == TIME.len()
            && ended.bytes().zip(TIME.bytes()).all(|(byte, like)| match like {
                b'0' => byte.is_ascii_digit(),
                _ => byte == like,
            });
        is_time.then_some(Part {
            ended: ended.to_owned(),
            number: number.parse().ok()?,
            form,
            path: self.folder.join(name),
        })
    }
}

impl Part {
    /// Whether both are of the same part.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.ended, self.number) == (&other.ended, other.number)
    }
}

/// What a part is called once it is compressed.
pub(super) fn compressed(part: &Path) -> PathBuf {
    with_suffix(part, ".gz")
}

/// What a part is called while it is compressed.
pub(super) fn unfinished(part: &Path) -> PathBuf {
    with_suffix(part, ".gz.tmp")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn os_str(bytes: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

const PLAIN: &str = ".jsonl";
const FORMS: [(&str, Form); 3] = [
    (PLAIN, Form::Plain),
    (".jsonl.gz", Form::Compressed),
    (".jsonl.gz.tmp", Form::Unfinished),
];
/// The shape of a name's time: 0 is any digit.
const TIME: &str = "00000000T000000.000Z";
/// Names tried for parts that end in the same millisecond.
const SAME_TIME: i64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        Series::of(Path::new("/no/such/folder/events.jsonl")).unwrap()
    }

    #[test]
    fn a_name_is_read_back_as_what_it_was_made_of() {
        let ended = "2026-11-29T09:15:09.12399Z".parse().unwrap();
        let path = series().free_name(ended, 4).unwrap();
        assert_eq!(path, Path::new("/no/such/folder/events-20261129T091509.123Z-4.jsonl"));
        let part = series().part(path.file_name().unwrap()).unwrap();
        assert_eq!((part.number, part.form, part.path), (4, Form::Plain, path.clone()));
        for (path, form) in [
            (compressed(&path), Form::Compressed),
            (unfinished(&path), Form::Unfinished),
        ] {
            let same = series().part(path.file_name().unwrap()).unwrap();
            assert_eq!(same.form, form);
            assert!(same.is_same(&series().part(path.file_name().unwrap()).unwrap()));
        }
    }

    #[test]
    fn what_others_put_there_is_no_part() {
        for name in [
            "events.jsonl",
            "events-old.jsonl",
            "events-20261129T091509.123Z-4.json",
            "events-20261129T091509.123Z-x.jsonl",
            "events-20261129T09150x.123Z-4.jsonl",
            "events-2026é129T091509.12Z-4.jsonl",
            "other-20261129T091509.123Z-4.jsonl",
            "events-20261129T091509.123Z-4.jsonl.gz.old",
        ] {
            assert_eq!(series().part(OsStr::new(name)), None, "{name}");
        }
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        assert!(Series::of(Path::new("/")).is_err());
    }
}
