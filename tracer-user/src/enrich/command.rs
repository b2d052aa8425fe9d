//! The command line of a process as one line, without the secrets that can be told by their names.
//!
//! What is hidden follows from words, not from meaning: a password that no word announces stays. That is why command
//! lines are off unless they are asked for.

/// The arguments in `/proc/PID/cmdline`, joined by spaces; cut past [`LINE_MAX`] bytes, which [`CUT`] shows at its end.
/// `None`: it has none, as a thread of the kernel.
pub fn line(cmdline: &[u8]) -> Option<String> {
    // A program that writes its state there leaves the rest of the room empty.
    let end = cmdline.iter().rposition(|&byte| byte != 0)?;
    let mut line = String::new();
    let mut before = String::new();
    for (number, argument) in cmdline.get(..=end)?.split(|&byte| byte == 0).map(text).enumerate() {
        if number > 0 {
            line.push(' ');
        }
        line.push_str(&after(&before, &argument));
        if line.len() > LINE_MAX {
            line.truncate(line.floor_char_boundary(LINE_MAX));
            line.push_str(CUT);
            break;
        }
        before = argument;
    }
    Some(line)
}

/// Bytes that are not UTF-8 are escaped `\xNN`; who shows it escapes the rest.
pub fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    text
}

/// An argument, which the one before may announce as a secret.
fn after(before: &str, argument: &str) -> String {
    let announced = before.starts_with('-') && !before.contains('=') && is_secret(before);
    if announced && !argument.starts_with("--") {
        return HIDDEN.to_owned();
    }
    if matches!(before, "-u" | "-U" | "--user" | "--proxy-user")
        && let Some((user, _)) = argument.split_once(':')
    {
        return format!("{user}:{HIDDEN}");
    }
    without_values(&without_passwords(argument))
}

/// Hides the password in each URL, or all that stands there for a user.
fn without_passwords(argument: &str) -> String {
    let mut parts = argument.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("://");
        let authority = part.split(['/', '?', '#', ' ', '"', '\'']).next().unwrap_or_default();
        let Some((user, _)) = authority.rsplit_once('@') else {
            shown.push_str(part);
            continue;
        };
        if let Some((name, _)) = user.split_once(':') {
            shown.push_str(name);
            shown.push(':');
        }
        shown.push_str(HIDDEN);
        shown.push_str(part.strip_prefix(user).unwrap_or_default());
    }
    shown
}

/// Hides what is given to a name that says it is secret: in an assignment, a query, a header, JSON, or a shell's script.
fn without_values(argument: &str) -> String {
    let mut shown = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some(given) = next_given(rest) {
        shown.push_str(given.until);
        shown.push_str(HIDDEN);
        // The argument is one assignment: its value may have spaces.
        rest = if given.whole && rest.len() == argument.len() {
            ""
        } else {
            after_value(given)
        };
    }
    shown.push_str(rest);
    shown
}

/// A secret's name and its separator, and what follows.
#[derive(Clone, Copy)]
struct Given<'t> {
    name: &'t str,
    until: &'t str,
    value: &'t str,
    /// Nothing stands before the name, and it is assigned to.
    whole: bool,
}

fn next_given(text: &str) -> Option<Given<'_>> {
    text.match_indices(['=', ':', ' ']).find_map(|(at, separator)| {
        let (before, _) = text.split_at_checked(at)?;
        let (until, value) = text.split_at_checked(at + separator.len())?;
        let bare = before.trim_end_matches(QUOTES);
        let is_inside = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        let name = bare.rsplit(|letter| !is_inside(letter)).next()?;
        let separates = separator != " " || name.starts_with('-');
        let given = Given {
            name,
            until,
            value,
            whole: separator == "=" && name.len() == before.len(),
        };
        (separates && !value.is_empty() && is_secret(name)).then_some(given)
    })
}

/// What comes after a secret: a closing quote ends it, else the next separator.
fn after_value(given: Given<'_>) -> &str {
    let value = given.value.trim_start_matches([' ', '\\']);
    let opened = value.strip_prefix(QUOTES);
    let is_end = |letter: char| match opened {
        Some(_) => QUOTES.contains(&letter),
        // A scheme stands before the secret there.
        None if plain(given.name).contains(AUTHORIZATION) => QUOTES.contains(&letter),
        None => QUOTES.contains(&letter) || letter.is_whitespace() || matches!(letter, '&' | ';' | ','),
    };
    let value = opened.unwrap_or(value);
    value
        .split_at_checked(value.find(is_end).unwrap_or(value.len()))
        .map_or("", |(_, rest)| rest)
}

/// Whether a name announces a secret; where a file has it, the file's name is none.
fn is_secret(name: &str) -> bool {
    let plain = plain(name);
    let is_place = PLACES.iter().any(|place| plain.ends_with(place));
    !is_place && (SECRETS.iter().any(|secret| plain.contains(secret)) || SHORT.contains(&&*plain))
}

/// `--API_Key` as `apikey`.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Bytes of a line.
pub const LINE_MAX: usize = 4_096;
/// Ends a line that was cut.
pub const CUT: &str = "…";
/// Stands for a secret.
pub const HIDDEN: &str = "***";
const QUOTES: [char; 2] = ['"', '\''];
const AUTHORIZATION: &str = "authorization";
const SECRETS: [&str; 11] = [
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "cookie",
    AUTHORIZATION,
];
/// Only as the whole name.
const SHORT: [&str; 3] = ["auth", "pass", "sig"];
const PLACES: [&str; 3] = ["file", "path", "dir"];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(arguments: &[&str]) -> String {
        line(arguments.join("\0").as_bytes()).unwrap()
    }

    #[test]
    fn arguments_are_joined_by_spaces() {
        assert_eq!(
            line(b"/bin/app\0-v\0two words\0"),
            Some("/bin/app -v two words".to_owned())
        );
        assert_eq!(
            line(b"nginx: worker process\0\0\0"),
            Some("nginx: worker process".to_owned())
        );
        assert_eq!(line(b"a\xffb"), Some("a\\xffb".to_owned()));
        assert_eq!(line(b"a\0\0b\0"), Some("a  b".to_owned()));
        assert_eq!((line(b""), line(b"\0\0")), (None, None));
    }

    #[test]
    fn secrets_that_a_name_announces_are_hidden() {
        for (arguments, expected) in [
            (&["app", "--password=x y", "-v"][..], "app --password=*** -v"),
            (&["app", "--db-password", "hunter2", "-v"], "app --db-password *** -v"),
            (&["app", "--token", "--verbose"], "app --token --verbose"),
            (&["env", "API_KEY=x", "app"], "env API_KEY=*** app"),
            (&["curl", "-u", "me:pw", "h"], "curl -u me:*** h"),
            (
                &["curl", "-H", "Authorization: Bearer abc def"],
                "curl -H Authorization:***",
            ),
            (
                &["curl", "https://localhost/p?a=1&access_token=x&b=2"],
                "curl https://localhost/p?a=1&access_token=***&b=2",
            ),
            (
                &["curl", "-d", "{\"user\":\"u\",\"password\":\"x\",\"n\":1}"],
                "curl -d {\"user\":\"u\",\"password\":***\",\"n\":1}",
            ),
            (
                &["psql", "postgres://me:p:w@h:5432/d"],
                "psql postgres://me:***@h:5432/d",
            ),
            (
                &["git", "clone", "git+ssh://ghp_abc@h/x"],
                "git clone git+ssh://***@h/x",
            ),
            (
                &["sh", "-c", "x TOKEN=a app --secret b --n 1"],
                "sh -c x TOKEN=*** app --secret *** --n 1",
            ),
            (
                &["java", "-Djavax.net.ssl.keyStorePassword=x"],
                "java -Djavax.net.ssl.keyStorePassword=***",
            ),
        ] {
            assert_eq!(of(arguments), expected);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for arguments in [
            &["app", "--password-file=/run/secret.txt", "--port=80"][..],
            &["app", "https://localhost:80/a@b", "key:value", "a=b"],
            &["ssh", "host", "-p", "22", "--", "x=y:z"],
        ] {
            assert_eq!(of(arguments), arguments.join(" "));
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters_and_says_so() {
        let long = format!("app {}", "ä".repeat(LINE_MAX));
        let cut = of(&[&long]);
        assert!(cut.ends_with("ä…"), "{}", &cut[cut.len() - 20..]);
        assert!(
            (LINE_MAX..LINE_MAX + CUT.len() + 1).contains(&cut.len()),
            "{}",
            cut.len()
        );
        assert_eq!(of(&["app", &"b".repeat(LINE_MAX - 4)]).len(), LINE_MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_make_a_line_within_its_bound(bytes in prop::collection::vec(any::<u8>(), 0..9_000)) {
            let line = line(&bytes).unwrap_or_default();
            prop_assert!(line.len() <= LINE_MAX + CUT.len());
        }

        #[test]
        fn an_announced_secret_is_never_shown(
            before in "[ -~]{0,20}", name in "(--)?(db[-_])?(password|TOKEN|apiKey)", secret in "[A-Z]{12}",
        ) {
            for argument in [format!("{name}={secret}"), format!("{before} {name}='{secret}'"), format!("{before} {name}={secret}")] {
                let shown = of(&["app", &argument]);
                prop_assert!(!shown.contains(&secret), "{}", shown);
            }
        }
    }
}
