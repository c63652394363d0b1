//! Compares two stacks of layers: `cargo run -p exeat-changes --example diff -- BEFORE AFTER [--all|--json]`, each stack
//! as folders separated by `:`, topmost first.

#![allow(clippy::unwrap_used, reason = "an example that fails says so by ending")]

use std::path::PathBuf;

use exeat_changes::{Options, Side, compare};
use exeat_disks::Tree;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let stack = |argument: &String| argument.split(':').map(PathBuf::from).collect::<Vec<_>>();
    let (before, after) = (Tree::open(&stack(&arguments[0])).unwrap(), Tree::open(&stack(&arguments[1])).unwrap());
    let side = |tree| Side { tree, observed: None };
    let wanted = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let changes = compare(&side(&before), &side(&after), Options { all: wanted("--all") }).unwrap();
    if wanted("--json") {
        println!("{}", serde_json::to_string_pretty(&changes).unwrap());
    } else {
        print!("{changes}");
    }
}
