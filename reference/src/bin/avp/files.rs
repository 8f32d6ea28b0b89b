//! Files and standard streams.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};

/// Longest input that is read: a message of 4 GiB and a little, the most that the format can say.
const MAX_INPUT: u64 = (1 << 32) + (1 << 20);

/// All of a file, or of standard input for `-`.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if is_standard(path) {
        io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_INPUT + 1).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("{} can't be read", path.display()))?;
    if bytes.len() as u64 > MAX_INPUT {
        bail!("{} is longer than any message can be", path.display());
    }
    Ok(bytes)
}

/// All of a file as text.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let refused = |error: std::string::FromUtf8Error| {
        let found = format!("a byte that is none, in {}", path.display());
        avp::Error::new(avp::ErrorClass::Decode, "file", "text in UTF-8", found)
            .at(error.utf8_error().valid_up_to())
    };
    Ok(String::from_utf8(read(path)?).map_err(refused)?)
}

/// Writes a file, or standard output for `-` unless that is a terminal.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if is_standard(path) {
        let mut output = io::stdout().lock();
        if output.is_terminal() {
            bail!("the output is binary; name a file with -o, or send it through a pipe");
        }
        output.write_all(bytes)?;
        return Ok(output.flush()?);
    }
    std::fs::write(path, bytes).with_context(|| format!("{} can't be written", path.display()))
}

/// Prints text on standard output.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}

pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}
