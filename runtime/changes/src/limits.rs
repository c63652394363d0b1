//! Every limit of this crate, with its reason. What one leaves out is said in the answer.

use std::ops::RangeInclusive;
use std::time::Duration;

/// How many differing paths are remembered: about 100 MB at worst, and more than anybody reads.
pub(crate) const DIFFERENCES: usize = 300_000;

/// How many folders deep the comparison goes; a Linux path has no more than 2048 parts.
pub(crate) const DEPTH: usize = 2048;

/// Bytes that are read to see whether files of equal size differ, over the whole comparison. Beyond it size and time of
/// change decide: a sparse file of terabytes must not keep a reader busy for hours.
pub(crate) const COMPARED: u64 = 8 << 30;

/// Bytes of a file that gets a line diff.
pub(crate) const TEXT: u64 = 512 << 10;

/// Lines of a file that gets a line diff.
pub(crate) const LINES: usize = 20_000;

/// Lines of one file's diff that are kept, and bytes of one of them.
pub(crate) const HUNK_LINES: usize = 400;
/// See [`HUNK_LINES`].
pub(crate) const LINE: usize = 2000;

/// Bytes of all line diffs together.
pub(crate) const HUNKS: usize = 4 << 20;

/// How long one file's diff looks for the shortest answer. After it the diff is still right, only longer.
pub(crate) const DIFF_TIME: Duration = Duration::from_millis(500);

/// Bytes of dpkg's or apk's database. A desktop's has 10 MB.
pub(crate) const DATABASE: u64 = 64 << 20;

/// Bytes of a package's own description or list of files (`package.json`, METADATA, RECORD, `*.list`, `.crates2.json`).
pub(crate) const DESCRIPTION: u64 = 16 << 20;

/// How many packages are told.
pub(crate) const PACKAGES: usize = 20_000;

/// Characters of a package's name or version; a longer one is no name.
pub(crate) const NAME: usize = 256;

/// Removed files of one size and time that are compared with an added one to find a renaming.
pub(crate) const RENAME_CANDIDATES: usize = 8;

/// Bytes of a file that is compared to find a renaming. A shorter one is like another by chance, and a longer one takes
/// long to read.
pub(crate) const RENAMED: RangeInclusive<u64> = 24..=16 << 20;

/// How many processes or listeners are compared.
pub(crate) const OBSERVED: usize = 10_000;

/// Files in a new or removed folder from which it is summed up in one line.
pub(crate) const FOLDER: usize = 20;

/// Lines that the text form gives to one group of packages, and characters to one process.
pub(crate) const GROUP: usize = 20;
/// See [`GROUP`].
pub(crate) const COMMAND: usize = 200;

/// How many notes are kept: a tree full of what cannot be read says the same again and again.
pub(crate) const NOTES: usize = 50;
