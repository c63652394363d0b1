//! Images of memory: whole, undamaged, and made by the same gVisor, or not used.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::files;

/// What an image of memory must be to be used, written beside it when it is whole.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    /// The runsc that made it: no other reads it.
    runsc: String,
    /// The machine that made it: gVisor hands the processor's features through.
    machine: String,
    files: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    name: String,
    bytes: u64,
    crc32c: u32,
}

const MANIFEST: &str = "manifest.json";

/// Says that what is in the temporary folder is whole, and gives it its name. What of it is not on disk yet is written.
pub(crate) fn seal(temporary: &Path, folder: &Path, runsc: &str) -> Result<(), Error> {
    let failed = |error: io::Error| Error::io("read", temporary, &error);
    let manifest = Manifest { runsc: runsc.to_owned(), machine: machine(), files: parts(temporary).map_err(failed)? };
    files::write(&temporary.join(MANIFEST), &manifest)?;
    files::sync_all(temporary)?;
    fs::rename(temporary, folder).map_err(|error| Error::io("name", folder, &error))
}

/// Whether there is an image, whole.
pub(crate) fn is_sealed(folder: &Path) -> bool {
    folder.join(MANIFEST).exists()
}

/// Refuses an image that is damaged, or that this runsc on this machine cannot use.
pub(crate) fn check(folder: &Path, runsc: &str) -> Result<(), Error> {
    let advice = "its disk can still be used: start without the memory";
    let manifest: Manifest = files::read(&folder.join(MANIFEST))
        .map_err(|error| Error::Unusable(format!("the image of the memory cannot be read ({error}); {advice}")))?;
    for (is, was, what) in [(runsc, &manifest.runsc, "runsc"), (&machine(), &manifest.machine, "machine")] {
        if is != was {
            return Err(Error::Unusable(format!(
                "the image of the memory was made by {what} `{was}`, and this is `{is}`; {advice}"
            )));
        }
    }
    match parts(folder) {
        Ok(parts) if parts == manifest.files => Ok(()),
        Ok(_) => Err(Error::Unusable(format!("the image of the memory is damaged; {advice}"))),
        Err(error) => Err(Error::Unusable(format!("the image of the memory cannot be read ({error}); {advice}"))),
    }
}

/// The image's files with their checksums, by name.
fn parts(folder: &Path) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("manifest.") {
            let (bytes, crc32c) = checksum(&entry.path())?;
            parts.push(Part { name, bytes, crc32c });
        }
    }
    parts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(parts)
}

fn checksum(path: &Path) -> io::Result<(u64, u32)> {
    let mut file = File::open(path)?;
    let (mut bytes, mut crc, mut buffer) = (0, 0, vec![0; 1 << 18]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, crc)),
            read => {
                bytes += read as u64;
                crc = crc32c::crc32c_append(crc, &buffer[..read]);
            }
        }
    }
}

/// The kind of machine and its processor, as far as memory depends on it.
fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    format!("{} {}", std::env::consts::ARCH, model.map_or("", |(_, model)| model.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_and_is_undamaged_is_used() {
        let state = tempfile::tempdir().unwrap();
        let (temporary, folder) = (state.path().join("x.tmp"), state.path().join("x"));
        fs::create_dir(&temporary).unwrap();
        fs::write(temporary.join("pages.img"), "memory").unwrap();
        assert!(!is_sealed(&temporary));
        seal(&temporary, &folder, "runsc 1").unwrap();
        assert!(is_sealed(&folder));
        check(&folder, "runsc 1").unwrap();

        let refusal = |runsc| check(&folder, runsc).unwrap_err().to_string();
        assert!(refusal("runsc 2").contains("made by runsc `runsc 1`, and this is `runsc 2`"));
        fs::write(folder.join("pages.img"), "memorY").unwrap();
        assert!(refusal("runsc 1").contains("is damaged"));
        fs::remove_file(folder.join("pages.img")).unwrap();
        assert!(refusal("runsc 1").contains("is damaged"));
        fs::write(folder.join(MANIFEST), "{").unwrap();
        assert!(refusal("runsc 1").contains("cannot be read"));
    }
}
