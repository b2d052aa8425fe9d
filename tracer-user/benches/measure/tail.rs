//! The lines of a file that another process writes, as they come.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, ErrorKind};
use std::path::PathBuf;

pub(crate) struct Tail {
    path: PathBuf,
    file: Option<BufReader<File>>,
    line: String,
}

impl Tail {
    /// The file may not be there yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            line: String::new(),
        }
    }

    /// The next line that is whole, if there is one by now.
    pub(crate) fn next(&mut self) -> io::Result<Option<String>> {
        let file = match &mut self.file {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) => self.file.insert(BufReader::new(file)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        file.read_line(&mut self.line)?;
        let is_whole = self.line.ends_with('\n');
        Ok(is_whole.then(|| std::mem::take(&mut self.line)))
    }
}
