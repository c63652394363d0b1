//! How long capturing takes: `cargo run --release -p exeat-disks --example measure -- FOLDER [FILES]`.
//!
//! Makes FILES small files (100,000) in FOLDER/upper, captures them, and then captures them unchanged, with one changed,
//! and flattens the result.

#![allow(clippy::unwrap_used, reason = "a measurement that fails says so by ending")]

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use exeat_disks::{Tree, capture, flatten, remove, usage};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap());
    let files: usize = arguments.next().map_or(100_000, |files| files.parse().unwrap());
    let at = |name: &str| folder.join(name);
    timed("write", || {
        for number in 0..files {
            let within = at("upper").join(format!("{}", number / 100));
            if number % 100 == 0 {
                fs::create_dir_all(&within).unwrap();
            }
            fs::write(within.join(format!("file-{number}")), vec![b'x'; 1000]).unwrap();
        }
    });
    sleep(Duration::from_millis(100));
    timed("capture everything", || capture(&at("upper"), None, &at("one")).unwrap());
    timed("capture unchanged", || capture(&at("upper"), Some(&at("one")), &at("two")).unwrap());
    fs::write(at("upper/0/file-0"), "changed").unwrap();
    timed("capture one changed", || capture(&at("upper"), Some(&at("two")), &at("three")).unwrap());
    timed("walk", || Tree::open(&[at("three")]).unwrap().walk().count());
    timed("flatten", || flatten(&[at("three"), at("one")], &[], &at("flat")).unwrap());
    timed("usage", || usage(&at("flat")).unwrap());
    for name in ["upper", "one", "two", "three", "flat"] {
        timed(&format!("remove {name}"), || remove(&at(name)).unwrap());
    }
}

fn timed<T: std::fmt::Debug>(what: &str, work: impl FnOnce() -> T) {
    let began = Instant::now();
    let done = work();
    println!("{what}: {:.0} ms {done:?}", began.elapsed().as_secs_f64() * 1000.0);
}
