//! The file that the headers of requests are read from, because a command line or a configuration shows its secrets.

use super::options::{OtlpError, SecretString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Reads `name: value` lines; empty ones and those that begin with `#` are left out. Warns where others can read the file.
pub fn read_headers(path: &Path) -> Result<Vec<(String, SecretString)>, OtlpError> {
    let text = text(path).map_err(|error| OtlpError::HeadersFile {
        path: path.to_owned(),
        error,
    })?;
    if text.len() > LONGEST {
        return Err(OtlpError::HeadersLength {
            path: path.to_owned(),
            limit: LONGEST_BYTES,
        });
    }
    let lines = (1..).zip(text.lines().map(str::trim));
    let headers = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    headers
        .map(|(line, text)| {
            let wrong = || OtlpError::HeaderLine {
                path: path.to_owned(),
                line,
            };
            let (name, value) = text.split_once(':').ok_or_else(wrong)?;
            Ok((name.trim().to_owned(), SecretString::new(value.trim())))
        })
        .collect()
}

fn text(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    if file.metadata()?.permissions().mode() & OTHERS_READ != 0 {
        tracing::warn!("{}: everybody can read the secrets in it: chmod o-r", path.display());
    }
    let mut text = String::new();
    file.take(LONGEST_BYTES + 1).read_to_string(&mut text)?;
    Ok(text)
}

const OTHERS_READ: u32 = 0o004;
/// No server takes that many headers.
const LONGEST: usize = 64 * 1024;
const LONGEST_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    struct Scratch(PathBuf);

    impl Scratch {
        fn with(name: &str, text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("conntracer-headers-{name}-{}", std::process::id()));
            std::fs::write(&path, text).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn headers_are_read_and_never_shown() {
        let file = Scratch::with(
            "good",
            "# for the gateway\nAuthorization: Basic c2VjcmV0: x \n\nX-Tenant:blue\n",
        );
        let headers = read_headers(&file.0).unwrap();
        let revealed: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.reveal()))
            .collect();
        assert_eq!(revealed, [("Authorization", "Basic c2VjcmV0: x"), ("X-Tenant", "blue")]);
        assert!(!format!("{headers:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn an_error_names_the_line_and_hides_what_is_in_it() {
        let file = Scratch::with("bad", "a: b\nhunter2\n");
        let error = read_headers(&file.0).unwrap_err().to_string();
        assert!(error.contains("line 2") && !error.contains("hunter2"), "{error}");
        let missing = read_headers(Path::new("/nonexistent/headers")).unwrap_err().to_string();
        assert!(missing.starts_with("/nonexistent/headers: "), "{missing}");
        let long = Scratch::with("long", &"a: b\n".repeat(LONGEST));
        assert!(read_headers(&long.0).is_err());
    }
}
