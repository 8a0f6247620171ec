//! A failure → one line in the file that `STRATA_TERMINATION_LOG` names, for whoever asks why a pod ended.
//!
//! Invariant: at most [`MAX_BYTES`], cut between two characters; the line is what the log says as well, and nothing more.

use std::path::Path;

use crate::exit::Failure;

/// The variable that names the file.
pub const VARIABLE: &str = "STRATA_TERMINATION_LOG";

/// What Kubernetes keeps of a container's last words.
pub const MAX_BYTES: usize = 4096;

/// What stands where a line was cut.
const CUT: &str = "…";

/// Writes why this program fails, if the environment names a file for it.
pub fn tell(failure: &Failure) {
    tell_text(&failure.chain());
}

/// As [`tell`], for what is wrong before there is a failure, such as a command line.
pub fn tell_text(reason: &str) {
    let Some(file) = std::env::var_os(VARIABLE).filter(|file| !file.is_empty()) else { return };
    if let Err(error) = write(Path::new(&file), reason) {
        tracing::warn!("{VARIABLE}: {}: {error}", file.display());
    }
}

fn write(file: &Path, reason: &str) -> std::io::Result<()> {
    std::fs::write(file, line(reason))
}

/// Returns `reason` on one line that is not too long.
fn line(reason: &str) -> String {
    let words: Vec<&str> = reason.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let mut line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.len() > MAX_BYTES {
        line.truncate(line.floor_char_boundary(MAX_BYTES - CUT.len()));
        line.push_str(CUT);
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_failure_is_told_on_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("termination-log");
        std::fs::write(&file, "of an earlier start, and longer than what follows now").unwrap();
        let failure = Failure::new(Exit::Data, "raw/shard_00001.parquet: is\n\tmissing\u{1b}[2J");
        write(&file, &failure.chain()).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "raw/shard_00001.parquet: is missing [2J");
    }

    #[test]
    fn a_long_line_keeps_its_beginning() {
        let cut = line(&"é ".repeat(3000));
        assert!(cut.len() <= MAX_BYTES && cut.starts_with("é é") && cut.ends_with(CUT), "{}", cut.len());
        assert_eq!(line(&"a".repeat(MAX_BYTES)).len(), MAX_BYTES);
    }

    proptest! {
        #[test]
        fn any_text_fits_on_one_line(text in "(?s).{0,5000}") {
            let line = line(&text);
            prop_assert!(line.len() <= MAX_BYTES && !line.chars().any(char::is_control));
        }
    }
}
